//! `cordon bench clients`: many at once.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_plot::{Series, lines};
use serde_json::{Value, json};

use super::crew;
use super::ground::Ground;
use super::pages;
use super::questions::for_peers;
use super::report::median;
use super::worker::{Crowded, Engine};
use crate::console::{self, Bar};
use crate::exit::Exit;

/// Episodes when nobody says.
const ROWS: u64 = 200_000;

/// Let one client, then more and more at once ask a mix of seven queries, and print how many answers come and how late
///
/// Each client is an analyst of its own and asks one question after another; those begun in time are waited for. Cordon
/// is protected; DataFusion is plain; both read the same files, each in a process of its own. No text is asked twice:
/// each has two dates of its own, between which all rows lie, so that no stored answer is given again. Groups of people
/// are the same in all of them, and their figures are found again in the ledger: what is measured is an analyst's tenth
/// question of a kind. The ledger is empty before each number of clients.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon bench clients
  cordon bench clients --clients 1,8,64 --seconds 5 --json clients.json
  cordon bench clients --data /data/bench --docs docs/performance

A folder for --data is filled once and used again; one that `cordon demo --data-dir` made will do.
docs/performance/README.md says what the columns mean.

Exit codes: 0 measured, 1 a query was refused or failed, 2 the people are not there, 8 could not be set up.")]
pub(super) struct Args {
    /// About how many rows of hes.apc are made, if there are none yet [default: 200000]
    #[arg(long, value_name = "N")]
    rows: Option<NonZeroU64>,
    /// How many clients at once
    #[arg(
        long,
        value_name = "N,N",
        value_delimiter = ',',
        default_value = "1,2,4,8,16,32,64,128,200"
    )]
    clients: Vec<NonZeroUsize>,
    /// How long clients begin new questions
    #[arg(long, value_name = "SECONDS", default_value_t = NonZeroU64::new(12).unwrap_or(NonZeroU64::MIN))]
    seconds: NonZeroU64,
    /// Threads of each engine
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN))]
    threads: NonZeroUsize,
    /// Folder that holds the made-up people, or will hold them [default: a scratch folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page and plots into a folder
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
}

/// Seven kinds that a server meets every day.
const MIX: [&str; 7] = ["01", "02", "03", "05", "08", "10", "14"];

const ENGINES: [Engine; 2] = [Engine::Cordon, Engine::DataFusion];

/// So many clients of one engine.
pub(super) struct Crowd {
    pub(super) engine: Engine,
    pub(super) clients: usize,
    pub(super) crowded: Crowded,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let rows = args.rows.map(u64::from);
    let ground = Ground::of(args.data.as_deref(), rows, ROWS, &catalogue).await?;
    let questions = for_peers(ground.has_emergency());
    let mix = questions.iter().filter(|q| MIX.iter().any(|number| q.name.starts_with(number)));
    let mix: Vec<String> = mix.map(|question| question.sql.to_owned()).collect();
    let threads = args.threads.get();
    let mut workers = crew::start(&ENGINES, &ground, threads, Path::new(""))?;
    let bar = Bar::new("warming up", (args.clients.len() * workers.len()) as u64);
    for worker in &mut workers {
        for sql in &mix {
            // What fails is told by the crowd.
            let _ = worker.ask(sql)?;
        }
    }
    let mut crowds = Vec::new();
    for clients in args.clients.iter().map(|clients| clients.get()) {
        for worker in &mut workers {
            bar.message(&format!("{clients} clients of {}", worker.engine.name()));
            worker.fresh()?;
            let crowded = worker.crowd(clients, args.seconds.get() as f64, &mix)?;
            crowds.push(Crowd { engine: worker.engine, clients, crowded });
            bar.known(crowds.len() as u64, (args.clients.len() * ENGINES.len()) as u64);
        }
    }
    drop(bar);
    let about = format!(
        "{}; {}; {threads} threads each, {} s; {}",
        ground.told(),
        pages::versions(&workers),
        args.seconds,
        pages::machine()
    );
    let report = Report { about, crowds };
    console::say(&report.markdown())?;
    pages::write_json(args.json.as_deref(), &report.json())?;
    pages::write_docs(args.docs.as_deref(), &report.docs())?;
    let whole = report.crowds.iter().all(|crowd| crowd.crowded.problems == 0);
    Ok(if whole { Exit::Done } else { Exit::Incomplete })
}

impl Crowd {
    fn answers(&self) -> usize {
        self.crowded.took_s.iter().map(Vec::len).sum()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.answers() as f64 / self.crowded.cost.wall_s
    }

    /// How long the slowest of so many in a hundred took at least.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let mut all: Vec<f64> = self.crowded.took_s.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let rank = (all.len() as f64 * share).ceil() as usize;
        all.get(rank.saturating_sub(1)).copied()
    }

    /// Answers of the client with the fewest beside those of the client in the middle.
    pub(super) fn slowest(&self) -> Option<f64> {
        let answers: Vec<f64> = self.crowded.took_s.iter().map(|took| took.len() as f64).collect();
        let least = answers.iter().copied().reduce(f64::min)?;
        Some(least / median(&answers)?).filter(|share| share.is_finite())
    }
}

/// A whole run.
pub(super) struct Report {
    pub(super) about: String,
    pub(super) crowds: Vec<Crowd>,
}

impl Report {
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.about);
        let head = [
            "clients",
            "engine",
            "answers",
            "answers/s",
            "p50 s",
            "p99 s",
            "slowest client / median client",
            "CPU s an answer",
            "peak RSS MB",
        ];
        pages::head(&mut text, &head);
        let mut problems = Vec::new();
        for crowd in &self.crowds {
            let cost = crowd.crowded.cost;
            let each = Some(cost.cpu_s / crowd.answers() as f64).filter(|each| each.is_finite());
            let cells = [
                crowd.clients.to_string(),
                crowd.engine.name().to_owned(),
                crowd.answers().to_string(),
                pages::number(Some(crowd.per_second())),
                pages::number(crowd.quantile(0.5)),
                pages::number(crowd.quantile(0.99)),
                pages::number(crowd.slowest()),
                pages::number(each),
                pages::number(cost.peak_rss_mb),
            ];
            pages::row(&mut text, cells);
            if let Some(problem) = &crowd.crowded.problem {
                let (clients, engine) = (crowd.clients, crowd.engine.name());
                let count = crowd.crowded.problems;
                problems.push(format!(
                    "{clients} clients of {engine}: {count} questions were not answered; the first: {problem}"
                ));
            }
        }
        if !problems.is_empty() {
            text.push_str("\n- ");
            text.push_str(&problems.join("\n- "));
            text.push('\n');
        }
        text
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let json = |crowd: &Crowd| {
            json!({
                "suite": "clients",
                "engine": crowd.engine.name(),
                "clients": crowd.clients,
                "answers": crowd.answers(),
                "queries_per_s": crowd.per_second(),
                "p50_s": crowd.quantile(0.5),
                "p99_s": crowd.quantile(0.99),
                "slowest_to_median": crowd.slowest(),
                "wall_s": crowd.crowded.cost.wall_s,
                "cpu_s": crowd.crowded.cost.cpu_s,
                "peak_rss_mb": crowd.crowded.cost.peak_rss_mb,
                "problems": crowd.crowded.problems,
                "problem": crowd.crowded.problem,
            })
        };
        self.crowds.iter().map(json).collect()
    }

    fn docs(&self) -> [(&'static str, String); 3] {
        let series = |name: &str, figure: fn(&Crowd) -> Option<f64>| {
            ENGINES.map(|engine| Series {
                name: format!("{}{name}", engine.name()),
                values: self
                    .crowds
                    .iter()
                    .filter(|crowd| crowd.engine == engine)
                    .filter_map(|crowd| Some((crowd.clients as f64, figure(crowd)?)))
                    .collect(),
            })
        };
        let page = format!(
            "# Many clients at once\n\nWritten by `cordon bench clients`; [how to measure](README.md).\n\n\
             ![Answers per second](clients-rate.svg)\n\n![Time to an answer](clients-wait.svg)\n\n{}",
            self.markdown()
        );
        let rate = series("", |crowd| Some(crowd.per_second()));
        let mut wait = Vec::from(series(" p50", |crowd| crowd.quantile(0.5)));
        wait.extend(series(" p99", |crowd| crowd.quantile(0.99)));
        [
            ("clients.md", page),
            ("clients-rate.svg", lines("Answers per second", "clients", "1/s", &rate)),
            ("clients-wait.svg", lines("Time to an answer", "clients", "s", &wait)),
        ]
    }
}
