//! A process that does the work of one engine and says what it cost: lines of JSON in, lines of JSON out.
//!
//! Each engine has a process of its own, so that processor time and memory are its own. `duckdb.py` speaks the
//! same lines.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use cordon_catalogue::Catalogue;
use cordon_store::{AsOf, Store};
use serde::{Deserialize, Serialize};

use super::crowd;
use super::gauge::{Cost, Gauge};
use super::ground::TableFiles;
use super::sides::{Plain, Protected};

/// Who answers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
pub(super) enum Engine {
    /// Protected.
    #[serde(rename = "cordon")]
    #[value(name = "cordon")]
    Cordon,
    /// Plain.
    #[serde(rename = "datafusion")]
    #[value(name = "datafusion")]
    DataFusion,
    /// Plain.
    #[serde(rename = "duckdb")]
    #[value(name = "duckdb")]
    DuckDb,
    /// Plain, and counts the people behind each group.
    #[serde(rename = "duckdb+persons")]
    #[value(name = "duckdb+persons")]
    DuckDbPersons,
}

impl Engine {
    pub(super) const ALL: [Self; 4] =
        [Self::Cordon, Self::DataFusion, Self::DuckDb, Self::DuckDbPersons];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cordon => "cordon",
            Self::DataFusion => "datafusion",
            Self::DuckDb => "duckdb",
            Self::DuckDbPersons => "duckdb+persons",
        }
    }
}

/// What a worker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Comes first, and once.
    Open {
        engine: Engine,
        threads: usize,
        store: PathBuf,
        scratch: PathBuf,
        tables: Vec<TableFiles>,
    },
    /// Forget everything that was asked.
    Fresh,
    /// Answer, and say what that cost.
    Ask { sql: String },
    /// Answer so many clients at once, each one question after another.
    Crowd { clients: usize, seconds: f64, questions: Vec<String> },
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Reply {
    Ready { version: String },
    Asked(Asked),
    Crowded(Crowded),
    Problem { text: String },
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    #[serde(flatten)]
    pub(super) cost: Cost,
    pub(super) groups: u64,
    /// Of all numbers in it.
    pub(super) sum: f64,
}

/// What each client had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Crowded {
    #[serde(flatten)]
    pub(super) cost: Cost,
    /// Seconds of each answer of each client.
    pub(super) took_s: Vec<Vec<f64>>,
    /// How many questions were not answered, and why the first was not.
    pub(super) problems: u64,
    pub(super) problem: Option<String>,
}

/// Answers until there are no more requests.
pub(super) async fn serve(requests: impl BufRead, mut replies: impl Write) -> anyhow::Result<()> {
    let mut side = None;
    for request in requests.lines() {
        let reply = match answer(&mut side, &request?).await {
            Ok(reply) => reply,
            Err(error) => Reply::Problem { text: format!("{error:#}") },
        };
        serde_json::to_writer(&mut replies, &reply)?;
        replies.write_all(b"\n")?;
        replies.flush()?;
    }
    Ok(())
}

/// On standard input and output.
pub(super) async fn serve_standard() -> anyhow::Result<()> {
    // Not locked for good: a library that prints would wait for ever.
    let requests = std::io::BufReader::new(std::io::stdin());
    serve(requests, std::io::stdout()).await
}

async fn answer(side: &mut Option<Side>, request: &str) -> anyhow::Result<Reply> {
    let request = serde_json::from_str(request).context("not a request")?;
    if let Request::Open { engine, threads, store, scratch, tables } = request {
        *side = Some(Side::open(engine, threads, &store, &scratch, &tables).await?);
        let version = match engine {
            Engine::Cordon => env!("CARGO_PKG_VERSION"),
            _ => datafusion::DATAFUSION_VERSION,
        };
        return Ok(Reply::Ready { version: format!("{} {version}", engine.name()) });
    }
    let side = side.as_mut().context("not opened")?;
    match request {
        Request::Open { .. } => anyhow::bail!("opened twice"),
        Request::Fresh => {
            side.forget()?;
            Ok(Reply::Ready { version: String::new() })
        }
        Request::Ask { sql } => {
            let asker = side.asker();
            let gauge = Gauge::start();
            let batches = asker.rows(&sql, 0).await.map_err(anyhow::Error::msg)?;
            let cost = gauge.stop();
            let groups = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            Ok(Reply::Asked(Asked { cost, groups, sum: sum(&batches)? }))
        }
        Request::Crowd { clients, seconds, questions } => {
            Ok(Reply::Crowded(side.crowd(clients, seconds, questions).await?))
        }
    }
}

/// An engine and what it needs.
struct Side {
    asker: Asker,
    /// What makes the protected one anew.
    house: Option<House>,
    /// Which of the questions of crowds is the next: none is asked twice.
    next: Arc<AtomicU64>,
}

struct House {
    catalogue: Arc<Catalogue>,
    store: Arc<Store>,
    scratch: PathBuf,
    threads: usize,
}

#[derive(Clone)]
enum Asker {
    Protected(Arc<Protected>),
    Plain(Arc<Plain>),
}

impl Side {
    async fn open(
        engine: Engine,
        threads: usize,
        store: &Path,
        scratch: &Path,
        tables: &[TableFiles],
    ) -> anyhow::Result<Self> {
        let next = Arc::default();
        match engine {
            Engine::Cordon => {
                let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
                let store = Arc::new(Store::open(store, Arc::clone(&catalogue)).await?);
                // Digests and footers are known, as footers are to the other engines.
                let pinned = store.pin(&AsOf::Latest).await?;
                for table in pinned.tables() {
                    pinned.look_over(table).await?;
                }
                let house = House { catalogue, store, scratch: scratch.to_owned(), threads };
                Ok(Self { asker: house.protected()?, house: Some(house), next })
            }
            Engine::DataFusion => {
                let plain = Plain::over_files(tables, threads).await?;
                Ok(Self { asker: Asker::Plain(Arc::new(plain)), house: None, next })
            }
            Engine::DuckDb | Engine::DuckDbPersons => anyhow::bail!("DuckDB answers from Python"),
        }
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        if let Some(house) = &self.house {
            self.asker = house.protected()?;
        }
        Ok(())
    }

    fn asker(&self) -> Asker {
        self.asker.clone()
    }

    async fn crowd(
        &self,
        clients: usize,
        seconds: f64,
        questions: Vec<String>,
    ) -> anyhow::Result<Crowded> {
        let questions = Arc::new(questions);
        let gauge = Gauge::start();
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        let client = |client: usize| {
            let (asker, questions) = (self.asker(), Arc::clone(&questions));
            let next = Arc::clone(&self.next);
            tokio::spawn(async move {
                let (mut took, mut problems) = (Vec::new(), Vec::new());
                // Whoever comes begins with another question.
                for question in questions.iter().cycle().skip(client % questions.len().max(1)) {
                    let started = Instant::now();
                    if started >= until {
                        break;
                    }
                    let sql = crowd::varied(question, next.fetch_add(1, Ordering::Relaxed));
                    match asker.rows(&sql, client).await {
                        Ok(_) => took.push(started.elapsed().as_secs_f64()),
                        Err(problem) => problems.push(problem),
                    }
                }
                (took, problems)
            })
        };
        let clients: Vec<_> = (0..clients).map(client).collect();
        let (mut took_s, mut all) = (Vec::new(), Vec::new());
        for client in clients {
            let (took, problems) = client.await?;
            took_s.push(took);
            all.extend(problems);
        }
        let (cost, problems) = (gauge.stop(), all.len() as u64);
        Ok(Crowded { cost, took_s, problems, problem: all.into_iter().next() })
    }
}

impl House {
    /// With an empty ledger.
    fn protected(&self) -> anyhow::Result<Asker> {
        let protected = Protected::over(&self.store, &self.catalogue, &self.scratch, self.threads)?;
        Ok(Asker::Protected(Arc::new(protected)))
    }
}

impl Asker {
    async fn rows(&self, sql: &str, client: usize) -> Result<Vec<RecordBatch>, String> {
        match self {
            Self::Protected(protected) => protected.rows(sql, client).await,
            Self::Plain(plain) => plain.rows(sql).await,
        }
    }
}

/// Of every number in an answer: two engines that agree have the same.
fn sum(batches: &[RecordBatch]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for column in batches.iter().flat_map(RecordBatch::columns) {
        if column.data_type().is_numeric() {
            let numbers = cast(column, &DataType::Float64)?;
            sum += numbers.as_primitive::<Float64Type>().iter().flatten().sum::<f64>();
        }
    }
    Ok(sum)
}
