//! The published artificial extracts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use cordon_catalogue::Catalogue;
use datafusion::prelude::SessionContext;

use super::fixtures::*;
use crate::{LoadOptions, Silent, Store};

fn shared() -> Option<PathBuf> {
    let fallback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("CORDON_SHARED")
        .map_or(fallback, PathBuf::from)
        .join("data/hes-artificial");
    if !folder.is_dir() {
        eprintln!("skipped: no published extracts in {}", folder.display());
        return None;
    }
    Some(folder)
}

#[tokio::test]
async fn published_extracts_load_whole() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Arc::new(Catalogue::built_in().unwrap())).await.unwrap();
    for (table, file, rows, persons) in [
        ("hes.apc", "artificial_hes_apc_0102.csv.gz", 2075, 994),
        ("hes.op", "artificial_hes_op_0304.csv.gz", 1000, 269),
        ("hes.ae", "artificial_hes_ae_0708.csv.gz", 1000, 672),
    ] {
        if store.table(&name(table)).is_err() {
            eprintln!("skipped: {table} is not described");
            continue;
        }
        let report = store
            .load(&name(table), &[shared.join(file)], &LoadOptions::default(), &Silent)
            .await
            .unwrap();
        let rejects = report.rejects.map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!((report.read, report.loaded, report.rejected), (rows, rows, 0), "{rejects:?}");
        let context = SessionContext::new();
        let provider = latest(&store).await.provider(&name(table), 3).unwrap();
        context.register_table("t", provider).unwrap();
        let sql = "select count(*), count(distinct _person), count(*) filter (where _quality <> 0) from t";
        let answer = context.sql(sql).await.unwrap().collect().await.unwrap();
        let figure =
            |column: usize| answer[0].column(column).as_primitive::<Int64Type>().value(0) as u64;
        assert_eq!((figure(0), figure(1)), (rows, persons));
        if table == "hes.op" {
            assert!(figure(2) >= 142 + 37, "placeholder dates are flagged");
        }
    }
}

#[tokio::test]
async fn the_catalogue_states_rows_and_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    let store = Store::open(folder.path(), Arc::clone(&catalogue)).await.unwrap();
    let pinned = latest(&store).await;
    let mut stated = 0;
    for table in catalogue.tables() {
        assert!(pinned.problem(&table.name).is_none());
        if let Some(rows) = catalogue.reference_rows(&table.name) {
            assert_eq!(pinned.rows(&table.name), Some(rows.num_rows() as u64), "{}", table.name);
            stated += 1;
        }
    }
    eprintln!("{stated} tables with stated rows");
    let fingerprint = pinned.fingerprint();
    drop(store);
    let store = Store::open(folder.path(), catalogue).await.unwrap();
    assert_eq!(latest(&store).await.fingerprint(), fingerprint, "opening again changes nothing");
}
