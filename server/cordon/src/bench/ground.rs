//! The files that engines are compared over: a store of made-up people, in a folder that is kept or in one that
//! goes when the run is over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_store::{AsOf, Store};
use cordon_synthetic::Population;
use serde::{Deserialize, Serialize};

use crate::demo::population;
use crate::exit::usage;
use crate::folder::Folder;

/// Episodes of a made-up person.
const EPISODES: f64 = 2.46;

/// Fixed, so that runs can be compared.
const SEED: u64 = 42;

/// A table as other engines open it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFiles {
    pub(super) name: String,
    /// Whether its rows are about persons, with `_person` in place of the pseudonym.
    pub(super) person: bool,
    pub(super) files: Vec<String>,
    pub(super) rows: u64,
}

/// A store, and what is in it.
pub(super) struct Ground {
    pub(super) store: PathBuf,
    pub(super) tables: Vec<TableFiles>,
    /// For whatever workers put aside; goes when this does.
    pub(super) scratch: tempfile::TempDir,
}

impl Ground {
    /// All tables, for about so many episodes. A folder that holds people is taken as it is.
    pub(super) async fn of(
        data: Option<&Path>,
        rows: Option<u64>,
        otherwise: u64,
        catalogue: &Arc<Catalogue>,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir().context("no scratch folder can be made")?;
        let folder = Folder::new(data.map_or_else(|| scratch.path().join("data"), Path::to_owned));
        folder.create()?;
        let wanted = match folder.store().exists() {
            true => None,
            false => people(rows.unwrap_or(otherwise)).try_into().ok(),
        };
        population::ensure(&folder, catalogue, wanted).await?;
        let ground = Self::open(folder.store(), scratch, catalogue).await?;
        match (rows, ground.rows("hes.apc")) {
            (Some(rows), there) if rows.abs_diff(there) > rows.div_ceil(10).max(100) => {
                Err(usage(format!(
                    "`{}` holds {there} rows of hes.apc, not about {rows}: leave --rows out, or name another folder",
                    folder.path().display()
                )))
            }
            _ => Ok(ground),
        }
    }

    /// Episodes only, about so many, in a folder of their own under `data`.
    pub(super) async fn of_episodes(
        data: Option<&Path>,
        rows: u64,
        catalogue: &Arc<Catalogue>,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir().context("no scratch folder can be made")?;
        let folder = data.unwrap_or_else(|| scratch.path()).join(format!("rows-{rows}"));
        let (store, making) = (folder.join("store"), folder.join("store.making"));
        if !store.exists() {
            match std::fs::remove_dir_all(&making) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot remove `{}`", making.display()));
                }
                _ => {}
            }
            let fill = async {
                let filled = Store::open(&making, Arc::clone(catalogue)).await?;
                let population = Population::new(people(rows), SEED);
                population::fill_table(&filled, catalogue, population, "hes.apc").await
            };
            fill.await.context("the episodes cannot be made")?;
            std::fs::rename(&making, &store)
                .with_context(|| format!("cannot rename `{}`", making.display()))?;
        }
        Self::open(store, scratch, catalogue).await
    }

    async fn open(
        store: PathBuf,
        scratch: tempfile::TempDir,
        catalogue: &Arc<Catalogue>,
    ) -> anyhow::Result<Self> {
        let pinned = Store::open(&store, Arc::clone(catalogue)).await?.pin(&AsOf::Latest).await?;
        let mut tables = Vec::new();
        for name in pinned.tables() {
            let files = pinned.files(name).unwrap_or_default();
            let text = |path: PathBuf| {
                path.into_os_string().into_string().ok().context("the folder's name is no text")
            };
            let files = files.into_iter().map(text).collect::<anyhow::Result<Vec<_>>>()?;
            if !files.is_empty() {
                tables.push(TableFiles {
                    name: name.to_string(),
                    person: pinned.is_clustered(name),
                    files,
                    rows: pinned.rows(name).unwrap_or_default(),
                });
            }
        }
        Ok(Self { store, tables, scratch })
    }

    /// How many rows a table has; none where it is not there.
    pub(super) fn rows(&self, table: &str) -> u64 {
        self.tables.iter().find(|files| files.name == table).map_or(0, |files| files.rows)
    }

    /// Whether there is somebody in `hes.ae`.
    pub(super) fn has_emergency(&self) -> bool {
        self.rows("hes.ae") > 0
    }

    /// The tables of patients and how long they are, for a heading.
    pub(super) fn told(&self) -> String {
        let of = |table: &TableFiles| format!("{} {}", table.name, thousands(table.rows));
        let tables: Vec<String> = self.tables.iter().filter(|table| table.person).map(of).collect();
        tables.join(", ")
    }
}

/// How many people have about so many episodes.
fn people(rows: u64) -> u64 {
    ((rows as f64 / EPISODES).round() as u64).max(1)
}

/// 20000000 as 20,000,000.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
