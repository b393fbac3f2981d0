//! A small catalogue and ways to look at a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array as _, ArrayRef, Int32Array, RecordBatch};
use cordon_catalogue::{Catalogue, TableName};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt as _;

use crate::{AsOf, Pinned, Silent, Store, StoreError};

pub(crate) const TABLES: &str = r#"
[[table]]
name = "hes.apc"
title = "Episodes"
row = "One episode"
protected = { person = "pseudo_hesid", record = "epikey", year = "fyear", date = "epistart" }
columns = [
  { name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" },
  { name = "epikey", type = "Utf8", class = "record_key", meaning = "Key" },
  { name = "pseudo_hesid", type = "Utf8", class = "pseudonym", meaning = "Person" },
  { name = "admidate", type = "Date32", class = "quasi_identifier", meaning = "Admission" },
  { name = "epistart", type = "Date32", class = "quasi_identifier", meaning = "Start" },
  { name = "epidur", type = "Int32", class = "measure", meaning = "Days", bounds = [0, 365] },
]

[[table]]
name = "hes.op"
title = "Appointments"
row = "One appointment"
protected = { person = "pseudo_hesid", record = "attendkey", year = "fyear", date = "apptdate" }
columns = [
  { name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" },
  { name = "pseudo_hesid", type = "Utf8", class = "pseudonym", meaning = "Person" },
  { name = "attendkey", type = "Utf8", class = "record_key", meaning = "Key" },
  { name = "apptdate", type = "Date32", class = "quasi_identifier", meaning = "Date" },
]

[[table]]
name = "hes.mortality"
title = "Deaths"
row = "One death"
protected = { person = "pseudo_hesid", record = "deathkey", year = "fyear", date = "dod", one_row_per_person = true }
columns = [
  { name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" },
  { name = "pseudo_hesid", type = "Utf8", class = "pseudonym", meaning = "Person" },
  { name = "deathkey", type = "Utf8", class = "record_key", meaning = "Key" },
  { name = "dod", type = "Date32", class = "quasi_identifier", meaning = "Date" },
]

[[table]]
name = "ref.sites"
title = "Sites"
row = "One site"
public = { key = ["code"] }
columns = [
  { name = "code", type = "Utf8", class = "ordinary", meaning = "Code" },
  { name = "beds", type = "Int32", class = "ordinary", meaning = "Beds" },
]
"#;

pub(crate) fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::from_toml([("test.toml".to_owned(), TABLES.to_owned())]).unwrap())
}

pub(crate) fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

pub(crate) async fn open(root: &Path) -> Store {
    Store::open(root, catalogue()).await.unwrap()
}

/// Rows of `hes.apc`: person (or none), key, day of the start.
pub(crate) fn episodes(rows: &[(Option<&str>, u32, Option<i32>)]) -> RecordBatch {
    let (mut year, mut key, mut person) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut admission, mut start) = (Date32Builder::new(), Date32Builder::new());
    for (who, number, day) in rows {
        year.append_value("2324");
        key.append_value(format!("{number:020}"));
        person.append_option(*who);
        admission.append_null();
        start.append_option(*day);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(year.finish()),
        Arc::new(key.finish()),
        Arc::new(person.finish()),
        Arc::new(admission.finish()),
        Arc::new(start.finish()),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|(_, number, _)| *number as i32))),
    ];
    let table = catalogue().table(&name("hes.apc")).unwrap().clone();
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

/// Rows of `hes.op`.
pub(crate) fn appointments(persons: &[&str]) -> RecordBatch {
    let table = catalogue().table(&name("hes.op")).unwrap().clone();
    let text = |values: Vec<String>| Arc::new(arrow_array::StringArray::from(values)) as ArrayRef;
    let columns = vec![
        text(persons.iter().map(|_| "2324".to_owned()).collect()),
        text(persons.iter().map(|p| (*p).to_owned()).collect()),
        text((0..persons.len()).map(|n| format!("A{n}")).collect()),
        Arc::new(arrow_array::Date32Array::from(vec![100; persons.len()])) as ArrayRef,
    ];
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

/// A made-up load: `people` persons with up to five rows each, a row in twenty without a pseudonym.
pub(crate) fn made_up(people: u32, load: u32) -> RecordBatch {
    let mut rows = Vec::new();
    let names: Vec<String> = (0..people).map(|person| format!("P{person}")).collect();
    for round in 0..5 {
        for (person, name) in names.iter().enumerate() {
            let number = load * 1_000_000 + round * people + person as u32;
            let mixed = number.wrapping_mul(2_654_435_761) >> 16;
            if mixed % 5 >= round {
                let who = (mixed % 20 != 7).then_some(name.as_str());
                let day = (mixed % 11 != 3).then_some((mixed % 9_000) as i32);
                rows.push((who, number, day));
            }
        }
    }
    episodes(&rows)
}

pub(crate) async fn append(store: &Store, batch: RecordBatch) -> crate::LoadReport {
    store.append(&name("hes.apc"), std::iter::once(batch), &Silent).await.unwrap()
}

pub(crate) async fn latest(store: &Store) -> Pinned {
    store.pin(&AsOf::Latest).await.unwrap()
}

/// One row of a scan: partition, person, day, key.
pub(crate) type Row = (usize, i64, Option<i32>, String);

/// Plans the scan of a table, as SQL would.
pub(crate) async fn plan(
    pinned: &Pinned,
    table: &str,
    partitions: usize,
    columns: Option<&[&str]>,
) -> (SessionContext, Arc<dyn ExecutionPlan>) {
    let provider = pinned.provider(&name(table), partitions).unwrap();
    let context = SessionContext::new();
    let places = columns.map(|columns| {
        columns.iter().map(|column| provider.schema().index_of(column).unwrap()).collect::<Vec<_>>()
    });
    let plan = provider.scan(&context.state(), places.as_ref(), &[], None).await.unwrap();
    (context, plan)
}

/// All rows of `hes.apc` in the order in which partitions give them.
pub(crate) async fn rows(pinned: &Pinned, partitions: usize) -> Vec<Row> {
    try_rows(pinned, partitions).await.unwrap()
}

pub(crate) async fn try_rows(
    pinned: &Pinned,
    partitions: usize,
) -> Result<Vec<Row>, datafusion::error::DataFusionError> {
    let columns = ["_person", "epistart", "epikey"];
    let (context, plan) = plan(pinned, "hes.apc", partitions, Some(&columns)).await;
    let mut rows = Vec::new();
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut batches = plan.execute(partition, context.task_ctx())?;
        while let Some(batch) = batches.try_next().await? {
            let persons = batch.column(0).as_primitive::<Int64Type>();
            let days = batch.column(1).as_primitive::<Date32Type>();
            let keys = batch.column(2).as_string::<i32>();
            for row in 0..batch.num_rows() {
                let day = days.is_valid(row).then(|| days.value(row));
                rows.push((partition, persons.value(row), day, keys.value(row).to_owned()));
            }
        }
    }
    Ok(rows)
}

/// What the rows are, whatever the partitions.
pub(crate) fn without_partitions(rows: Vec<Row>) -> Vec<(i64, Option<i32>, String)> {
    rows.into_iter().map(|(_, person, day, key)| (person, day, key)).collect()
}

pub(crate) fn write(folder: &Path, file: &str, text: &str) -> PathBuf {
    let path = folder.join(file);
    std::fs::write(&path, text).unwrap();
    path
}

/// The store's own error behind an error of the engine.
pub(crate) fn cause(error: &datafusion::error::DataFusionError) -> Option<&StoreError> {
    let mut error: &dyn std::error::Error = error;
    loop {
        if let Some(found) = error.downcast_ref::<StoreError>() {
            return Some(found);
        }
        error = error.source()?;
    }
}

/// Data files of a table, by name.
pub(crate) fn files(root: &Path, table: &str) -> Vec<PathBuf> {
    let folder = root.join("tables").join(table.replace('.', "/"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
        .collect();
    files.sort();
    files
}
