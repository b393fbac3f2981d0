//! `cordon bench smoke`: what protection costs. Ten queries of the kinds that analysts ask, through the
//! engine and through plain DataFusion over the same people, in one process, turn by turn.

mod report;
mod sides;
#[cfg(test)]
mod tests;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use cordon_catalogue::Catalogue;
use cordon_synthetic::{Population, write_parquet};

use crate::console::{self, Bar};
use crate::exit::Exit;

use report::{Measured, Report};
use sides::{Plain, Protected};

/// Name and text of each query: those of the benchmark, put into the columns of HES.
const QUERIES: [(&str, &str); 10] = [
    ("01-provider-month", include_str!("bench/queries/01-provider-month.sql")),
    ("03-emergency-imd", include_str!("bench/queries/03-emergency-imd.sql")),
    ("05-los-hrg", include_str!("bench/queries/05-los-hrg.sql")),
    ("06-readmission-30d", include_str!("bench/queries/06-readmission-30d.sql")),
    ("08-dna-rate-specialty", include_str!("bench/queries/08-dna-rate-specialty.sql")),
    ("09-persons-practice", include_str!("bench/queries/09-persons-practice.sql")),
    (
        "10-rollup-region-icb-provider",
        include_str!("bench/queries/10-rollup-region-icb-provider.sql"),
    ),
    ("11-persons-lsoa", include_str!("bench/queries/11-persons-lsoa.sql")),
    ("13-cohort-outcome", include_str!("bench/queries/13-cohort-outcome.sql")),
    ("14-weekly-series", include_str!("bench/queries/14-weekly-series.sql")),
];

/// Fixed, so that runs can be compared.
const SEED: u64 = 42;

/// Measure what protection costs
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    Smoke(Smoke),
}

/// Run ten queries protected and plain, turn by turn, and print how they compare
///
/// Plain is DataFusion over the Parquet files of `cordon synth`, with as many partitions and threads. The
/// medians are compared. Everything happens in a scratch folder that is removed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon bench smoke --people 20000 --repeat 5 --json smoke.json

Exit codes: 0 measured, 1 a query was refused or failed, 8 could not be set up.")]
struct Smoke {
    /// How many people
    #[arg(long, value_name = "N", default_value_t = NonZeroU64::new(20_000).unwrap_or(NonZeroU64::MIN))]
    people: NonZeroU64,
    /// How many times each query is asked of each side
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN))]
    repeat: NonZeroU32,
    /// Threads of each side [default: as many as there are]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Write the figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let Action::Smoke(smoke) = args.action;
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let threads = match smoke.threads {
        Some(threads) => threads.get(),
        None => std::thread::available_parallelism().map_or(2, usize::from),
    };
    let scratch = tempfile::tempdir().context("no scratch folder can be made")?;
    let population = Population::new(smoke.people.into(), SEED);
    let truth = scratch.path().join("truth");
    let bar = Bar::spinner("writing the truth");
    write_parquet(&population, &catalogue, &truth, &mut |done, of| bar.known(done, of))?;
    drop(bar);
    let protected =
        Protected::make(&scratch.path().join("house"), &catalogue, population, threads).await?;
    let plain = Plain::over(&truth, &catalogue, threads).await?;

    let bar = Bar::new("asking", QUERIES.len() as u64);
    let mut measured = Vec::new();
    for (done, (name, sql)) in (1..).zip(QUERIES) {
        measured.push(measure(name, sql, &protected, &plain, smoke.repeat.get()).await);
        bar.known(done, QUERIES.len() as u64);
    }
    drop(bar);
    let report =
        Report { people: smoke.people.get(), repeat: smoke.repeat.get(), threads, measured };
    console::say(&report.markdown())?;
    if let Some(path) = &smoke.json {
        std::fs::write(path, format!("{:#}\n", report.json()))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(if report.is_whole() { Exit::Done } else { Exit::Incomplete })
}

/// Asks both sides in turn, so that whatever else the machine does falls on both. The first turn warms
/// up and is not counted.
async fn measure(
    name: &'static str,
    sql: &str,
    protected: &Protected,
    plain: &Plain,
    repeat: u32,
) -> Measured {
    let mut measured = Measured::new(name);
    for turn in 0..=repeat {
        let (p, q) = match turn % 2 {
            0 => {
                let protected = protected.ask(sql).await;
                (protected, plain.ask(sql).await)
            }
            _ => {
                let plain = plain.ask(sql).await;
                (protected.ask(sql).await, plain)
            }
        };
        match (p, q) {
            (Err(problem), _) | (_, Err(problem)) => {
                measured.problem = Some(problem);
                break;
            }
            (Ok(protected), Ok(plain)) if turn > 0 => measured.add(protected, plain),
            _ => {}
        }
    }
    measured
}
