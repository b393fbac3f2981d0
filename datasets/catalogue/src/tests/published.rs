//! Our tables against the published ones, where a copy of those is at hand.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{built_in, table};

/// Keys that are published as numbers but outgrow them (20 digits since 2021-22).
const KEYS_KEPT_AS_TEXT: [&str; 3] = ["epikey", "aekey", "attendkey"];

/// Distances that nearly give an address, and a code: published as measures.
const CLASSED_OTHERWISE: [&str; 3] = ["sitedist", "provdist", "wait_ind"];

/// The folder with published material: `CORDON_SHARED`, else `shared` beside the workspace.
fn shared() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder =
        workspace.join(std::env::var("CORDON_SHARED").unwrap_or_else(|_| "../shared".to_owned()));
    if folder.join("data/hes-schema").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no published schemas in {}; set CORDON_SHARED", folder.display());
    None
}

/// Name, type and class of each published column. Types hold a comma, in quotes.
fn published(path: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path).expect("a readable schema");
    text.lines()
        .skip(1)
        .map(|line| {
            let (_, rest) = line.split_once(',').expect("an ordinal first");
            let (name, rest) = rest.split_once(',').expect("a name");
            let (data_type, rest) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').expect("a closing quote"),
                None => rest.split_once(',').expect("a type"),
            };
            let class = rest.rsplit(',').next().expect("a class");
            (name.to_lowercase(), data_type.replace(' ', ""), class.to_owned())
        })
        .collect()
}

#[test]
fn names_order_types_and_classes_are_the_published_ones() {
    let Some(shared) = shared() else { return };
    let catalogue = built_in();
    for (ours, file) in
        [("hes.ae", "hes_ae.csv"), ("hes.apc", "hes_apc.csv"), ("hes.op", "hes_op.csv")]
    {
        let published = published(&shared.join("data/hes-schema").join(file));
        let ours = table(&catalogue, ours);
        assert_eq!(ours.columns.len(), published.len());
        for (column, (name, data_type, class)) in ours.columns.iter().zip(published) {
            assert_eq!(column.name.as_str(), name, "{}", ours.name);
            let as_text = KEYS_KEPT_AS_TEXT.contains(&name.as_str());
            let expected = if as_text { "Utf8".to_owned() } else { data_type };
            assert_eq!(
                column.data_type.to_string().replace(' ', ""),
                expected,
                "{}.{name}",
                ours.name
            );
            if !CLASSED_OTHERWISE.contains(&name.as_str()) {
                assert_eq!(column.class.as_str(), class, "{}.{name}", ours.name);
            }
        }
    }
}

#[test]
fn artificial_files_have_our_columns_in_our_order() {
    let Some(shared) = shared() else { return };
    let catalogue = built_in();
    for (ours, part) in [("hes.ae", "hes_ae"), ("hes.apc", "hes_apc"), ("hes.op", "hes_op")] {
        let folder = shared.join("data/hes-artificial");
        let files =
            std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in files.filter(|path| path.to_string_lossy().contains(part)) {
            let file = std::fs::File::open(&path).expect("a readable file");
            let mut header = String::new();
            BufReader::new(flate2::read::GzDecoder::new(file))
                .read_line(&mut header)
                .expect("a header");
            let header: Vec<String> = header.trim().split(',').map(str::to_lowercase).collect();
            let names: Vec<&str> =
                table(&catalogue, ours).columns.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(names, header, "{}", path.display());
        }
    }
}
