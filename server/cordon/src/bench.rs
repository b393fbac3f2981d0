//! `cordon bench`: what protection costs, in time and in truth. Questions of the kinds that analysts ask, through
//! the engine and through plain DataFusion over the same people, in one process; and through engines of other makes
//! over the same files, each in a process of its own.

mod clients;
mod compare;
mod crew;
mod crowd;
mod gauge;
mod ground;
mod pages;
mod peers;
mod questions;
mod report;
mod scaling;
mod sides;
#[cfg(test)]
mod tests;
mod utility;
mod worker;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use cordon_catalogue::Catalogue;

use crate::console::{self, Bar};
use crate::exit::Exit;

use questions::{QUESTIONS, Question};
use report::{Measured, Report};
use sides::{House, Plain, Protected};

/// Measure what protection costs
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    Smoke(Smoke),
    Protection(Protection),
    Utility(utility::Args),
    Peers(peers::Args),
    Scaling(scaling::Args),
    Clients(clients::Args),
    /// Answers the lines of another `cordon bench`
    #[command(hide = true)]
    Worker,
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
    #[command(flatten)]
    size: Size,
}

/// Run sixteen queries protected and plain, and print what protection costs each
///
/// `protected` is a question that was never asked: run, looked up, decided, recorded. `again` is the same question
/// once more: run, and copied from the ledger. `plain` is DataFusion over the Parquet files of `cordon synth`. Each
/// turn begins with an empty ledger, and the sides take turns. Medians are compared.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon bench protection --people 100000 --repeat 5 --json protection.json

Exit codes: 0 measured, 1 a query was refused or failed, 8 could not be set up.")]
struct Protection {
    #[command(flatten)]
    size: Size,
}

#[derive(clap::Args, Debug)]
struct Size {
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
    match args.action {
        Action::Smoke(Smoke { size }) => smoke(&size).await,
        Action::Protection(Protection { size }) => protection(&size).await,
        Action::Utility(args) => utility::run(args).await,
        Action::Peers(args) => peers::run(args).await,
        Action::Scaling(args) => scaling::run(args).await,
        Action::Clients(args) => clients::run(args).await,
        Action::Worker => worker::serve_standard().await.map(|()| Exit::Done),
    }
}

/// As many as there are, when nobody says.
fn threads(told: Option<NonZeroUsize>) -> usize {
    match told {
        Some(threads) => threads.get(),
        None => std::thread::available_parallelism().map_or(2, usize::from),
    }
}

async fn smoke(size: &Size) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let threads = threads(size.threads);
    let house = House::make(size.people.into(), &catalogue, threads).await?;
    let protected = house.protected(&catalogue)?;
    let questions = QUESTIONS.iter().filter(|question| question.smoke);
    let bar = Bar::new("asking", questions.clone().count() as u64);
    let mut measured = Vec::new();
    for (done, question) in (1..).zip(questions.clone()) {
        measured.push(measure(question, &protected, &house.plain, size.repeat.get()).await);
        bar.known(done, questions.clone().count() as u64);
    }
    drop(bar);
    told(size, threads, measured)
}

async fn protection(size: &Size) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let threads = threads(size.threads);
    let house = House::make(size.people.into(), &catalogue, threads).await?;
    let mut measured: Vec<Measured> = QUESTIONS.iter().map(|q| Measured::new(q.name)).collect();
    let bar = Bar::new("asking", u64::from(size.repeat.get()) + 1);
    for turn in 0..=size.repeat.get() {
        let protected = house.protected(&catalogue)?;
        for (question, measured) in QUESTIONS.iter().zip(&mut measured) {
            let first = protected.ask(question.sql).await;
            let again = protected.ask(question.sql).await;
            let plain = house.plain.ask(question.sql).await;
            match (first, again, plain) {
                // The first turn warms up.
                (Ok(first), Ok(again), Ok(plain)) if turn > 0 => {
                    measured.add(first, plain);
                    measured.again(again);
                }
                (Ok(_), Ok(_), Ok(_)) => {}
                (first, again, plain) => {
                    measured.problem = first.err().or(again.err()).or(plain.err());
                }
            }
        }
        bar.known(u64::from(turn) + 1, u64::from(size.repeat.get()) + 1);
    }
    drop(bar);
    told(size, threads, measured)
}

fn told(size: &Size, threads: usize, measured: Vec<Measured>) -> anyhow::Result<Exit> {
    let report = Report { people: size.people.get(), repeat: size.repeat.get(), threads, measured };
    console::say(&report.markdown())?;
    if let Some(path) = &size.json {
        std::fs::write(path, format!("{:#}\n", report.json()))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(if report.is_whole() { Exit::Done } else { Exit::Incomplete })
}

/// Asks both sides in turn, so that whatever else the machine does falls on both. The first turn warms
/// up and is not counted.
async fn measure(
    question: &Question,
    protected: &Protected,
    plain: &Plain,
    repeat: u32,
) -> Measured {
    let Question { name, sql, .. } = *question;
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
