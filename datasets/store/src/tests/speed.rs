//! Measured by hand: `cargo nextest run -p cordon-store --run-ignored only speed --no-capture`.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cordon_catalogue::Catalogue;
use datafusion::prelude::SessionContext;

use super::fixtures::*;
use crate::{LoadOptions, Silent, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_of_loading_and_scanning() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/hes-artificial");
    let file = std::fs::File::open(shared.join("artificial_hes_apc_0102.csv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let big = folder.path().join("big.csv");
    let times: usize = std::env::var("TIMES").map_or(100, |times| times.parse().unwrap());
    let mut out = std::io::BufWriter::new(std::fs::File::create(&big).unwrap());
    let lines: Vec<String> = std::io::Cursor::new(&text).lines().map(Result::unwrap).collect();
    writeln!(out, "{}", lines[0]).unwrap();
    for copy in 0..times {
        for line in &lines[1..] {
            // Other people in every copy.
            writeln!(out, "{}", line.replacen("TEST", &format!("T{copy:03}"), 1)).unwrap();
        }
    }
    drop(out);
    let bytes = std::fs::metadata(&big).unwrap().len();
    let store = Store::open(&folder.path().join("store"), Arc::new(Catalogue::built_in().unwrap()))
        .await
        .unwrap();
    let report =
        store.load(&name("hes.apc"), &[big], &LoadOptions::default(), &Silent).await.unwrap();
    let seconds = report.took.as_secs_f64();
    eprintln!(
        "loaded {} rows, {} MB of text in {seconds:.1} s: {:.0} rows/s, {:.0} MB/s",
        report.loaded,
        bytes / 1_000_000,
        report.loaded as f64 / seconds,
        bytes as f64 / 1e6 / seconds
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    eprintln!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    let stored: u64 = files(&folder.path().join("store"), "hes.apc")
        .iter()
        .map(|f| f.metadata().unwrap().len())
        .sum();
    eprintln!("{} MB stored", stored / 1_000_000);
    let pinned = latest(&store).await;
    for sql in [
        "select count(_person) from t",
        "select count(_person) from t",
        "select sex, count(*), sum(epidur) from t group by sex",
        "select count(distinct _person) from t",
    ] {
        let context = SessionContext::new();
        context.register_table("t", pinned.provider(&name("hes.apc"), 2).unwrap()).unwrap();
        let started = Instant::now();
        context.sql(sql).await.unwrap().collect().await.unwrap();
        eprintln!("{:.3} s  {sql}", started.elapsed().as_secs_f64());
    }
}
