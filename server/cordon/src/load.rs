//! `cordon load`: files into a table of the data folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::{Catalogue, TableName};
use cordon_store::{LoadOptions, LoadReport, StoreError};

use crate::console::{self, StoreBar};
use crate::exit::{Exit, usage};
use crate::folder::{DataDir, Folder};
use crate::house;

/// Load CSV or Parquet files into a table
///
/// All rows of one call become visible at once, or none. Rows that do not fit their description are left
/// out and listed in a reject file: file, line, column and reason, never a value.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon load --table hes.apc --data-dir /srv/cordon apc_2223.csv.gz apc_2122.parquet

Exit codes:
  0  all rows were loaded
  1  loaded, but some rows were rejected: the reject file says which and why
  2  nothing was loaded: unknown table, wrong header, unreadable file, or loaded before
  8  nothing was loaded: the store is busy, damaged or full

A server that serves the folder answers from the new rows at the next query.")]
pub(crate) struct Args {
    /// The table, as in `hes.apc`
    #[arg(long, value_name = "TABLE")]
    table: TableName,
    #[command(flatten)]
    folder: DataDir,
    /// Load content that was loaded into this table before
    #[arg(long)]
    again: bool,
    /// Put these rows in the place of all that the table holds
    #[arg(long)]
    replace: bool,
    /// Take described columns that a file does not have as empty
    #[arg(long)]
    missing_as_null: bool,
    /// CSV, gzipped CSV or Parquet files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    known(&catalogue, &args.table)?;
    args.files.iter().try_for_each(|file| readable(file))?;
    let folder = Folder::new(args.folder.data_dir);
    folder.create()?;
    let store = house::open_store(&folder, &catalogue).await?;
    let options = LoadOptions {
        again: args.again,
        replace: args.replace,
        missing_as_null: args.missing_as_null,
        ..LoadOptions::default()
    };
    let bar = StoreBar::new(args.table.as_str());
    let report = store.load(&args.table, &args.files, &options, &bar).await.map_err(explained)?;
    drop(bar);
    console::say(&told(&args.table, &report))?;
    Ok(if report.rejected == 0 { Exit::Done } else { Exit::Incomplete })
}

/// A file that cannot be opened is the caller's to put right; told before anything is made.
fn readable(file: &Path) -> anyhow::Result<()> {
    let unreadable = |why: &str| usage(format!("`{}` cannot be read: {why}", file.display()));
    let opened = File::open(file).and_then(|file| file.metadata());
    match opened {
        Ok(about) if about.is_dir() => Err(unreadable("it is a folder")),
        Ok(_) => Ok(()),
        Err(error) => Err(unreadable(&error.to_string())),
    }
}

/// Refuses a table that nobody described, with those that are.
pub(crate) fn known(catalogue: &Catalogue, table: &TableName) -> anyhow::Result<()> {
    if catalogue.table(table).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = catalogue.tables().map(|table| table.name.as_str()).collect();
    Err(usage(format!("`{table}` is not in the catalogue; the tables are {}", names.join(", "))))
}

/// What the caller can put right is a usage error; the rest is the store's.
pub(crate) fn explained(error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::AlreadyLoaded { .. } => {
            usage(format!("{error}; --again loads it all the same"))
        }
        StoreError::NoSuchTable(_)
        | StoreError::Input { .. }
        | StoreError::Rows { .. }
        | StoreError::RepeatedKey { .. }
        | StoreError::Kind { .. } => usage(error.to_string()),
        _ => error.into(),
    }
}

fn told(table: &TableName, report: &LoadReport) -> String {
    let LoadReport { read, loaded, rejected, new_persons, anonymous, version, took, .. } = report;
    let mut text = format!(
        "{table}: {loaded} of {read} rows loaded in {:.1} s, {rejected} rejected\n\
         new people {new_persons}, rows without a pseudonym {anonymous}, table version {version}",
        took.as_secs_f64()
    );
    if let Some(path) = &report.rejects {
        text.push_str(&format!("\nrejects: {}", path.display()));
    }
    text
}
