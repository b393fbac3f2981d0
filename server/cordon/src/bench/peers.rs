//! `cordon bench peers`: the same questions to Cordon and to engines without protection, over the same files.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_plot::{Series, bars};
use serde_json::{Value, json};

use super::compare::{Asking, Compared, Medians, compare, disagreement, geometric, ratio};
use super::crew::{self, Worker};
use super::ground::{Ground, thousands};
use super::pages;
use super::questions::{Question, for_peers, with_people};
use super::worker::Engine;
use crate::console;
use crate::exit::{Exit, usage};

/// Episodes when nobody says.
const ROWS: u64 = 200_000;

/// Run sixteen queries on Cordon, DataFusion and DuckDB over the same files, and print how they compare
///
/// `cordon` is protected: checked, looked up, decided, recorded, each turn with an empty ledger. `datafusion` and
/// `duckdb` are without protection, with their default settings and as many threads. `duckdb+persons` also counts the
/// people behind each group, which a threshold on people needs at least. All read the Parquet files of one store,
/// sorted by person, with a number in place of the pseudonym. Each engine is a process of its own; engines take turns;
/// medians are told. DuckDB runs in Python: pip install duckdb==2.0.0
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon bench peers
  cordon bench peers --rows 20000000 --data /data/bench --python ~/venv/bin/python --json peers.json
  cordon bench peers --engines cordon,datafusion --queries 01,06
  cordon bench peers --data /tmp/demo --docs docs/performance

A folder for --data is filled once and used again; one that `cordon demo --data-dir` made will do.
docs/performance/README.md says what the columns mean.

Exit codes: 0 measured, 1 a query was refused or failed or answers differ, 2 DuckDB or the people are not there,
8 could not be set up.")]
pub(super) struct Args {
    /// About how many rows of hes.apc are made, if there are none yet [default: 200000]
    #[arg(long, value_name = "N")]
    rows: Option<NonZeroU64>,
    #[command(flatten)]
    common: Common,
    /// Only queries whose name starts so
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    queries: Vec<String>,
    /// Which engines
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_enum, default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// The Python that runs DuckDB
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
}

/// What all comparisons between processes take.
#[derive(clap::Args, Debug)]
pub(super) struct Common {
    /// Threads of each engine
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN))]
    pub(super) threads: NonZeroUsize,
    /// How many times each query is asked of each engine, beside one time to warm up and one alone for its memory
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN))]
    pub(super) repeat: NonZeroU32,
    /// Folder that holds the made-up people, or will hold them [default: a scratch folder]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Write the figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a page and plots into a folder
    #[arg(long, value_name = "DIR")]
    pub(super) docs: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let mut engines = args.engines.clone();
    engines.sort_unstable();
    engines.dedup();
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let rows = args.rows.map(u64::from);
    let ground = Ground::of(args.common.data.as_deref(), rows, ROWS, &catalogue).await?;
    let questions = chosen(&args.queries, ground.has_emergency())?;
    let threads = args.common.threads.get();
    let mut workers = crew::start(&engines, &ground, threads, &args.python)?;
    let repeat = args.common.repeat.get();
    let compared = compare("asking", &mut workers, &asking(&questions), repeat, |engine| {
        Worker::start(engine, &ground, threads, &args.python)
    })?;
    let about = format!(
        "{}; {}; {threads} threads each, median of {repeat} turns; {}",
        ground.told(),
        pages::versions(&workers),
        pages::machine()
    );
    let report = Report { about, engines, questions, compared };
    console::say(&report.markdown())?;
    pages::write_json(args.common.json.as_deref(), &report.json())?;
    pages::write_docs(args.common.docs.as_deref(), &report.docs())?;
    Ok(if report.is_whole() { Exit::Done } else { Exit::Incomplete })
}

fn chosen(names: &[String], emergency: bool) -> anyhow::Result<Vec<Question>> {
    let all = for_peers(emergency);
    if let Some(name) = names.iter().find(|name| !all.iter().any(|q| q.name.starts_with(*name))) {
        let all: Vec<&str> = all.iter().map(|question| question.name).collect();
        return Err(usage(format!("no query's name starts with `{name}`: {}", all.join(", "))));
    }
    let wanted =
        |q: &Question| names.is_empty() || names.iter().any(|name| q.name.starts_with(name));
    Ok(all.into_iter().filter(wanted).collect())
}

/// The texts, each as its engine reads it.
pub(super) fn asking(questions: &[Question]) -> Vec<Asking> {
    let text = |sql: &str, engine| match engine {
        Engine::DuckDbPersons => with_people(sql),
        Engine::Cordon | Engine::DataFusion | Engine::DuckDb => sql.to_owned(),
    };
    questions
        .iter()
        .map(|q| Asking { name: q.name.to_owned(), text, sql: q.sql.to_owned() })
        .collect()
}

/// A whole run.
pub(super) struct Report {
    pub(super) about: String,
    pub(super) engines: Vec<Engine>,
    pub(super) questions: Vec<Question>,
    pub(super) compared: Vec<Compared>,
}

/// Two engines and a figure of both.
struct Pair {
    name: &'static str,
    to: Engine,
    figure: fn(&Medians) -> Option<f64>,
}

const CPU: Pair =
    Pair { name: "cordon/datafusion CPU", to: Engine::DataFusion, figure: |m| Some(m.cpu_s) };
const WALL: Pair =
    Pair { name: "cordon/duckdb wall", to: Engine::DuckDb, figure: |m| Some(m.wall_s) };
const PERSONS: Pair = Pair {
    name: "cordon/duckdb+persons CPU",
    to: Engine::DuckDbPersons,
    figure: |m| Some(m.cpu_s),
};
const MEMORY: Pair =
    Pair { name: "cordon/datafusion RSS", to: Engine::DataFusion, figure: |m| m.peak_rss_mb };
const PAIRS: [Pair; 4] = [CPU, WALL, PERSONS, MEMORY];

/// What is wanted of a ratio.
pub(super) struct Target {
    name: &'static str,
    most: f64,
    found: Option<f64>,
}

impl Target {
    pub(super) fn is_met(&self) -> Option<bool> {
        self.found.map(|found| found <= self.most)
    }
}

impl Report {
    fn each(&self) -> impl Iterator<Item = (&Question, &Compared)> {
        self.questions.iter().zip(&self.compared)
    }

    /// The ratios of those questions of which something holds.
    fn ratios(&self, pair: &Pair, which: impl Fn(&Question) -> bool) -> Vec<f64> {
        let chosen = self.each().filter(|(question, _)| which(question));
        chosen.filter_map(|(_, c)| ratio(c, Engine::Cordon, pair.to, pair.figure)).collect()
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let mean = |pair| geometric(&self.ratios(pair, |_| true));
        let worst = |ratios: Vec<f64>| ratios.into_iter().reduce(f64::max);
        let target = |name, most, found| Target { name, most, found };
        vec![
            target("cordon/datafusion CPU, geometric mean", 1.25, mean(&CPU)),
            target("… worst query of counts", 1.5, worst(self.ratios(&CPU, |q| !q.weighs))),
            target("… worst query of sums", 2.0, worst(self.ratios(&CPU, |q| q.weighs))),
            target("cordon/duckdb+persons CPU, geometric mean", 0.12, mean(&PERSONS)),
            target("cordon/duckdb wall, geometric mean", 1.0, mean(&WALL)),
            target(
                "… readmissions",
                1.25,
                worst(self.ratios(&WALL, |q| q.name.contains("readmission"))),
            ),
            target(
                "cordon/datafusion RSS, worst query",
                1.5,
                worst(self.ratios(&MEMORY, |_| true)),
            ),
        ]
    }

    fn disagreements(&self) -> Vec<String> {
        let differ = |(question, compared): (&Question, &Compared)| {
            let how = disagreement(compared, Engine::DataFusion, Engine::DuckDb)?;
            Some(format!("answers differ in {}: {how}", question.name))
        };
        self.each().filter_map(differ).collect()
    }

    fn is_whole(&self) -> bool {
        let mut runs = self.compared.iter().flat_map(|compared| compared.values());
        runs.all(|runs| runs.problem.is_none()) && self.disagreements().is_empty()
    }

    pub(super) fn markdown(&self) -> String {
        let pairs: Vec<&Pair> = PAIRS
            .iter()
            .filter(|pair| {
                self.engines.contains(&Engine::Cordon) && self.engines.contains(&pair.to)
            })
            .collect();
        let mut text = format!("{}\n\nWall seconds (CPU seconds).\n\n", self.about);
        let mut head = vec!["query", "groups"];
        head.extend(self.engines.iter().map(|engine| engine.name()));
        head.extend(pairs.iter().map(|pair| pair.name));
        pages::head(&mut text, &head);
        let mut problems = Vec::new();
        for (question, compared) in self.each() {
            let kind = if question.weighs { " (sums)" } else { "" };
            let mut cells = vec![format!("{}{kind}", question.name), groups(compared)];
            for engine in &self.engines {
                let runs = compared.get(engine);
                cells.push(match runs.and_then(|runs| runs.medians()) {
                    Some(m) => {
                        format!(
                            "{} ({})",
                            pages::number(Some(m.wall_s)),
                            pages::number(Some(m.cpu_s))
                        )
                    }
                    None => "-".to_owned(),
                });
                if let Some(problem) = runs.and_then(|runs| runs.problem.as_ref()) {
                    problems.push(format!("{} of {}: {problem}", question.name, engine.name()));
                }
            }
            let of =
                |pair: &&Pair| pages::number(ratio(compared, Engine::Cordon, pair.to, pair.figure));
            cells.extend(pairs.iter().map(of));
            pages::row(&mut text, cells);
        }
        let mut mean = vec!["geometric mean".to_owned()];
        mean.resize(2 + self.engines.len(), String::new());
        mean.extend(pairs.iter().map(|p| pages::number(geometric(&self.ratios(p, |_| true)))));
        pages::row(&mut text, mean);
        if !pairs.is_empty() {
            text.push('\n');
            pages::head(&mut text, &["target", "at most", "found", "met"]);
            for target in self.targets() {
                let met = match target.is_met() {
                    None => "-",
                    Some(true) => "yes",
                    Some(false) => "**no**",
                };
                let (most, found) = (pages::number(Some(target.most)), pages::number(target.found));
                pages::row(&mut text, [target.name, &most, &found, met]);
            }
        }
        problems.extend(self.disagreements());
        if !problems.is_empty() {
            text.push_str("\n- ");
            text.push_str(&problems.join("\n- "));
            text.push('\n');
        }
        text
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let mut figures = Vec::new();
        for (question, compared) in self.each() {
            for (engine, runs) in compared {
                let medians = runs.medians();
                figures.push(json!({
                    "suite": "peers",
                    "query": question.name,
                    "engine": engine.name(),
                    "wall_s": medians.map(|m| m.wall_s),
                    "cpu_s": medians.map(|m| m.cpu_s),
                    "peak_rss_mb": medians.and_then(|m| m.peak_rss_mb),
                    "groups": medians.map(|m| m.groups),
                    "sums": question.weighs,
                    "problem": runs.problem,
                }));
            }
        }
        figures
    }

    fn docs(&self) -> [(&'static str, String); 4] {
        let names: Vec<String> = self.questions.iter().map(|q| q.name.to_owned()).collect();
        let series = |figure: fn(&Medians) -> Option<f64>| {
            let of = |engine: &Engine| {
                let value = |c: &Compared| figure(&c.get(engine)?.medians()?);
                Series {
                    name: engine.name().to_owned(),
                    values: self.compared.iter().map(value).collect(),
                }
            };
            self.engines.iter().map(of).collect::<Vec<_>>()
        };
        let page = format!(
            "# Beside other engines\n\nWritten by `cordon bench peers`; [how to measure](README.md).\n\n\
             ![Processor seconds](peers-cpu.svg)\n\n![Wall seconds](peers-wall.svg)\n\n\
             ![Peak memory](peers-rss.svg)\n\n{}",
            self.markdown()
        );
        let plot = |title, side, figure| bars(title, side, &names, &series(figure));
        [
            ("peers.md", page),
            ("peers-cpu.svg", plot("Processor seconds", "s", |m| Some(m.cpu_s))),
            ("peers-wall.svg", plot("Wall seconds", "s", |m| Some(m.wall_s))),
            ("peers-rss.svg", plot("Peak memory", "MB", |m| m.peak_rss_mb)),
        ]
    }
}

/// As many as the truth has; what is withheld may be less.
fn groups(compared: &Compared) -> String {
    let of = |engine| compared.get(&engine)?.medians();
    let medians = of(Engine::DataFusion).or(of(Engine::DuckDb)).or(of(Engine::Cordon));
    medians.map_or_else(|| "-".to_owned(), |medians| thousands(medians.groups))
}
