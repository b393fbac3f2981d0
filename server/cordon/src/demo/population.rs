//! The demo's store: made under another name, renamed when it is whole.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::RecordBatch;
use cordon_catalogue::{Catalogue, TableName};
use cordon_store::{AsOf, Silent, Store};
use cordon_synthetic::{Population, SyntheticError, reference_table};
use serde::{Deserialize, Serialize};

use crate::console::StoreBar;
use crate::exit::usage;
use crate::folder::{Folder, write_private};

/// Fixed, so that everybody's demo has the same people.
const SEED: u64 = 42;

/// How many people there are when nobody says.
const PEOPLE: u64 = 100_000;

/// Stands in a store that the demo made, and says how.
const MADE: &str = "demo.json";

/// How a store was made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    pub(crate) people: u64,
    pub(crate) seed: u64,
}

/// Makes the store of a folder unless it is there; one that is there must be as wanted. Tables that a newer version brought
/// are filled for the same people.
pub(crate) async fn ensure(
    folder: &Folder,
    catalogue: &Arc<Catalogue>,
    wanted: Option<NonZeroU64>,
) -> anyhow::Result<()> {
    let store = folder.store();
    if store.exists() {
        let made = check(&store, wanted)?;
        return complete(&store, catalogue, &made).await;
    }
    let making = folder.path().join("store.making");
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove `{}`", making.display()));
        }
        _ => {}
    }
    let made = Made { people: wanted.map_or(PEOPLE, u64::from), seed: SEED };
    make(&making, catalogue, &made).await.context("the demo's tables cannot be made")?;
    write_private(&making.join(MADE), &serde_json::to_string(&made)?)?;
    fs::rename(&making, &store).with_context(|| format!("cannot rename `{}`", making.display()))
}

/// Refuses a store that is not the demo's, or has other people than were asked for.
pub(crate) fn check(store: &Path, wanted: Option<NonZeroU64>) -> anyhow::Result<Made> {
    let path = store.join(MADE);
    let made: Made = fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or_else(|| {
            let store = store.display();
            usage(format!("`{store}` was not made by `cordon demo`; use another --data-dir, or serve it with `cordon serve`"))
        })?;
    match wanted.map(u64::from) {
        Some(wanted) if wanted != made.people => {
            let (there, folder) = (made.people, store.parent().unwrap_or(store).display());
            Err(usage(format!(
                "`{folder}` was made with --people {there}, not with --people {wanted}; say --people {there}, or use another --data-dir"
            )))
        }
        _ => Ok(made),
    }
}

async fn complete(path: &Path, catalogue: &Arc<Catalogue>, made: &Made) -> anyhow::Result<()> {
    let store = Store::open(path, Arc::clone(catalogue)).await?;
    let pinned = store.pin(&AsOf::Latest).await?;
    let population = Population::new(made.people, made.seed);
    for name in Population::tables() {
        if pinned.rows(&name.parse()?) == Some(0) {
            fill_table(&store, catalogue, population, name).await?;
        }
    }
    Ok(())
}

async fn make(path: &Path, catalogue: &Arc<Catalogue>, made: &Made) -> anyhow::Result<()> {
    let store = Store::open(path, Arc::clone(catalogue)).await?;
    fill_reference(&store, catalogue).await?;
    fill_people(&store, catalogue, Population::new(made.people, made.seed)).await
}

/// Fills the reference tables that have rows: places, organisations and code lists.
pub(crate) async fn fill_reference(store: &Store, catalogue: &Catalogue) -> anyhow::Result<()> {
    for table in catalogue.tables().filter(|table| !table.is_protected()) {
        // What the catalogue states itself, the store holds from its first moment.
        if catalogue.reference_rows(&table.name).is_some() {
            continue;
        }
        if let Some(rows) = reference_table(catalogue, &table.name) {
            store.replace(&table.name, std::iter::once(rows?), &Silent).await?;
        }
    }
    Ok(())
}

/// Appends all rows about people.
pub(crate) async fn fill_people(
    store: &Store,
    catalogue: &Catalogue,
    population: Population,
) -> anyhow::Result<()> {
    for name in Population::tables() {
        fill_table(store, catalogue, population, name).await?;
    }
    Ok(())
}

/// Appends all rows of one table.
pub(crate) async fn fill_table(
    store: &Store,
    catalogue: &Catalogue,
    population: Population,
    name: &str,
) -> anyhow::Result<()> {
    let table: TableName = name.parse()?;
    let bar = StoreBar::of(name, population.blocks());
    let mut failed = None;
    let rows =
        Rows { catalogue, table: &table, population, block: 0, failed: &mut failed, bar: &bar };
    let report = store.append(&table, rows, &bar).await?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    bar.done(&format!("{name}: {} rows in {:.0} s", report.loaded, report.took.as_secs_f32()));
    Ok(())
}

/// The rows of one table, block by block; ends at the first that cannot be made and says why.
struct Rows<'a> {
    catalogue: &'a Catalogue,
    table: &'a TableName,
    population: Population,
    block: u64,
    failed: &'a mut Option<SyntheticError>,
    bar: &'a StoreBar,
}

impl Iterator for Rows<'_> {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        if self.block >= self.population.blocks() {
            return None;
        }
        match self.population.block(self.catalogue, self.table, self.block) {
            Ok(rows) => {
                self.block += 1;
                self.bar.parts(self.block);
                Some(rows)
            }
            Err(error) => {
                *self.failed = Some(error);
                None
            }
        }
    }
}
