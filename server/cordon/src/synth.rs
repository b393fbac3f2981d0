//! `cordon synth`: made-up people as Parquet files, the truth to compare answers with.

use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_synthetic::{Population, write_parquet};

use crate::console::{self, Bar};
use crate::exit::Exit;

/// Write made-up people as Parquet, one file per table, with the pseudonym
///
/// Seeded: the same number and seed make the same rows on every machine. Nothing is derived from real
/// records.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon synth --people 100000 --seed 42 --out truth     # the people of `cordon demo`
  cordon load --table hes.apc --data-dir /srv/cordon truth/hes.apc.parquet")]
pub(crate) struct Args {
    /// How many people
    #[arg(long, value_name = "N")]
    people: NonZeroU64,
    /// Which people
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let catalogue = Catalogue::built_in().context("the built-in catalogue")?;
    let population = Population::new(args.people.into(), args.seed);
    let bar = Bar::spinner("making people");
    let files =
        write_parquet(&population, &catalogue, &args.out, &mut |done, of| bar.known(done, of))?;
    drop(bar);
    for file in files {
        console::say(&file.display().to_string())?;
    }
    Ok(Exit::Done)
}
