//! `cordon compact`: the runs of each bucket become one.

use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::{Catalogue, TableName};

use crate::console::{self, StoreBar};
use crate::exit::Exit;
use crate::folder::{DataDir, Folder};
use crate::{house, load};

/// Merge what several loads left, so that queries read one sorted run per bucket
///
/// Answers stay the same. Older versions of the table keep their files.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon compact --table hes.apc --data-dir /srv/cordon")]
pub(crate) struct Args {
    /// The table, as in `hes.apc`
    #[arg(long, value_name = "TABLE")]
    table: TableName,
    #[command(flatten)]
    folder: DataDir,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    load::known(&catalogue, &args.table)?;
    let folder = Folder::new(args.folder.data_dir);
    folder.must_hold(&folder.store())?;
    let store = house::open_store(&folder, &catalogue).await?;
    let bar = StoreBar::new(args.table.as_str());
    let report = store.compact(&args.table, &bar).await.map_err(load::explained)?;
    drop(bar);
    let table = &args.table;
    console::say(&match report.buckets {
        0 => format!("{table}: nothing to merge, table version {}", report.version),
        buckets => format!(
            "{table}: {} runs of {buckets} buckets merged, {} rows, in {:.1} s, table version {}",
            report.runs,
            report.rows,
            report.took.as_secs_f64(),
            report.version
        ),
    })?;
    Ok(Exit::Done)
}
