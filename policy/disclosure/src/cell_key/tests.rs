use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// The files of another project's package are beside the repository, where they are at all.
fn golden(file: &str) -> Option<PathBuf> {
    let shared = std::env::var("CORDON_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(shared).join("golden").join(file);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn records(file: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_path(golden(file)?).unwrap();
    Some(reader.deserialize().map(Result::unwrap).collect())
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(
    record: &BTreeMap<String, String>,
    column: &str,
) -> T {
    record[column].parse().unwrap()
}

/// Row 6 of the bounded table is that of all larger counts.
fn table(file: &str) -> PerturbationTable {
    if file == "ptable_10_5_by_pcv.csv" {
        return PerturbationTable::ten_five();
    }
    let runs = records(file).unwrap().into_iter().map(|r| Run {
        pcv: number(&r, "pcv"),
        keys: (number(&r, "ckey_lo"), number(&r, "ckey_hi")),
        pvalue: number(&r, "pvalue"),
    });
    PerturbationTable::from_runs(runs).unwrap()
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    geog: Vec<String>,
    tab_vars: Vec<String>,
    record_key: String,
    threshold: i64,
    ptable: String,
}

/// Every cell of a run of the package, and how many there were.
fn agree(file: &str, table: &PerturbationTable, threshold: i64) -> Option<usize> {
    let cells = records(file)?;
    for cell in &cells {
        let count: u64 = number(cell, "pre_sdc_count");
        let changed = table.perturb(count, number(cell, "ckey"));
        let before = i64::try_from(count).unwrap();
        assert_eq!(changed - before, number::<i64>(cell, "pvalue"), "{file} {cell:?}");
        let row = row_of(count).map_or(0, |row| row + 1);
        assert_eq!(row, number::<usize>(cell, "pcv"), "{file} {cell:?}");
        let shown = if changed < threshold { String::new() } else { changed.to_string() };
        assert_eq!(shown, cell["count"], "{file} {cell:?}");
    }
    Some(cells.len())
}

#[test]
fn every_run_of_the_package() {
    let Some(index) = golden("ckp_index.json") else { return };
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(index).unwrap()).unwrap();
    let mut cells = 0;
    for case in cases {
        cells += agree(&case.file, &table(&case.ptable), case.threshold).unwrap_or(0);
    }
    // Where a group is NULL the package takes 0 as its key: a defect of the keys, not of the table.
    let ten_five = PerturbationTable::ten_five();
    cells += agree("ckp_10_5_provider_age_with_missing.csv", &ten_five, 10).unwrap_or(0);
    assert!(cells >= 149, "{cells}");
}

#[test]
fn cell_keys_are_sums_of_record_keys() {
    let Some(episodes) = records("hes_like.csv") else { return };
    let index = golden("ckp_index.json").unwrap();
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(index).unwrap()).unwrap();
    let mut checked = 0;
    for case in cases {
        let Some(cells) = records(&case.file) else { continue };
        let copies = if case.file.contains("_x9_") { 9 } else { 1 };
        let table = table(&case.ptable);
        let columns: Vec<&String> = case.geog.iter().chain(&case.tab_vars).collect();
        let key = |r: &BTreeMap<String, String>| -> Vec<String> {
            columns.iter().map(|c| r[c.as_str()].clone()).collect()
        };
        let mut sums: BTreeMap<Vec<String>, (u64, u64)> = BTreeMap::new();
        for episode in &episodes {
            let sum = sums.entry(key(episode)).or_default();
            sum.0 += copies;
            sum.1 += copies * number::<u64>(episode, &case.record_key);
        }
        for cell in &cells {
            let (count, sum) = sums.remove(&key(cell)).unwrap_or_default();
            assert_eq!(count, number::<u64>(cell, "pre_sdc_count"), "{} {cell:?}", case.file);
            let ckey: u64 = number(cell, "ckey");
            assert_eq!(sum % table.cell_keys(), ckey, "{} {cell:?}", case.file);
            // The sum does as well as the key itself.
            assert_eq!(table.perturb(count, sum), table.perturb(count, ckey));
            checked += 1;
        }
        assert!(sums.is_empty(), "{}: cells that the package has not: {sums:?}", case.file);
    }
    assert!(checked >= 125, "{checked}");
}

#[test]
fn the_shipped_table() {
    let Some(rows) = records("ptable_10_5_by_pcv.csv") else { return };
    let table = PerturbationTable::ten_five();
    assert_eq!((rows.len(), table.cell_keys()), (750, 256));
    for row in &rows {
        let pcv: u64 = number(row, "pcv");
        for key in [0, 17, 255, 256, u64::MAX] {
            let change = table.perturb(pcv, key) - i64::try_from(pcv).unwrap();
            assert_eq!(change, number::<i64>(row, "pvalue"), "{pcv} {key}");
        }
    }
}

/// The same without any golden file: rows by count are 1..=750, 501..=750, 501..=750, …
#[test]
fn rows_after_the_last_are_reused() {
    let pcv = |count| row_of(count).map(|row| row + 1);
    assert_eq!(pcv(0), None);
    for (count, row) in [(1, 1), (750, 750), (751, 501), (1_000, 750), (1_001, 501), (2_088, 588)] {
        assert_eq!(pcv(count), Some(row), "{count}");
    }
}

#[test]
fn what_is_no_table() {
    let run = |pcv, first, last, pvalue| Run { pcv, keys: (first, last), pvalue };
    let fails = |runs: &[Run]| PerturbationTable::from_runs(runs.to_vec()).unwrap_err();
    assert_eq!(fails(&[]), TableError::Empty);
    assert_eq!(fails(&[run(0, 0, 9, 0)]), TableError::Row(0));
    assert_eq!(fails(&[run(1, 0, 9, 0), run(3, 0, 9, 0)]), TableError::Row(3));
    assert_eq!(fails(&[run(1, 0, 4, 0), run(1, 6, 9, 0)]), TableError::Keys(1));
    assert_eq!(fails(&[run(1, 0, 5, 0), run(1, 5, 9, 0)]), TableError::Keys(1));
    assert_eq!(fails(&[run(1, 1, 9, 0)]), TableError::Keys(1));
    assert_eq!(fails(&[run(1, 0, 9, 0), run(2, 0, 8, 0)]), TableError::Keys(2));
    assert_eq!(fails(&[run(1, 0, u64::MAX, 0)]), TableError::Keys(0));
    let too_many: Vec<Run> = (1..=751).map(|pcv| run(pcv, 0, 9, 0)).collect();
    assert_eq!(fails(&too_many), TableError::Row(751));

    // In any order; the last row is that of all later counts, and zero has none.
    let runs = [run(2, 5, 9, 1), run(1, 0, 9, -1), run(2, 0, 4, -2)];
    let table = PerturbationTable::from_runs(runs).unwrap();
    assert_eq!(table.cell_keys(), 10);
    let changed: Vec<i64> = [(0, 5), (1, 5), (2, 4), (2, 5), (2, 14), (9_999, 15), (9_999, 4)]
        .into_iter()
        .map(|(count, key)| table.perturb(count, key))
        .collect();
    assert_eq!(changed, [0, 0, 0, 3, 0, 10_000, 9_997]);
}

proptest! {
    #[test]
    fn ten_five_is_rounding(count in 0_u64..1_000_000, key: u64) {
        let shown = PerturbationTable::ten_five().perturb(count, key);
        let count = i64::try_from(count).unwrap();
        let rounded = if count < 10 { 0 } else { (count + 2) / 5 * 5 };
        prop_assert_eq!(shown, rounded);
    }

    #[test]
    fn no_count_overflows(count: u64, key: u64) {
        let shown = PerturbationTable::ten_five().perturb(count, key);
        let most = i64::try_from(count).unwrap_or(i64::MAX);
        prop_assert!(shown >= most.saturating_sub(9) && shown <= most.saturating_add(2));
    }
}
