//! The two sides that are compared.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow_array::RecordBatch;
use cordon_agreements::{Agreements, UserId, permit};
use cordon_catalogue::Catalogue;
use cordon_disclosure::{Profile, Secret};
use cordon_engine::{Engine, EngineSettings, QueryOptions, Stop, SubmittedSql, new_query_id};
use cordon_state::SqliteState;
use cordon_store::{PERSON, Store};
use cordon_synthetic::{Population, reference_table, write_parquet};
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, ident};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::ground::TableFiles;
use super::report::Asked;
use crate::console::Bar;
use crate::demo::population::{fill_people, fill_reference};

/// Fixed, so that runs can be compared.
const SEED: u64 = 42;

/// Grants everything, so that both sides read the same rows.
const AGREEMENT: &str = include_str!("agreement.toml");

/// Who may ask; more clients than these share them.
const ANALYSTS: usize = 200;

/// The same people on both sides, in a scratch folder that goes when this does.
pub(super) struct House {
    scratch: tempfile::TempDir,
    store: Arc<Store>,
    pub(super) plain: Plain,
    threads: usize,
}

/// The engine, with a ledger that is really written.
pub(super) struct Protected {
    engine: Arc<Engine>,
    /// Many analysts may ask: of the places among the queries that run at once, nobody has more than half.
    agreements: Agreements,
    /// The ledger lies in it.
    _folder: tempfile::TempDir,
}

/// DataFusion over the truth.
pub(super) struct Plain {
    context: SessionContext,
    /// Threads of its own, as the engine has. Taken at drop, so that dropping does not block.
    runtime: Option<Runtime>,
}

impl House {
    /// So many people, the same in every run.
    pub(super) async fn make(
        people: u64,
        catalogue: &Arc<Catalogue>,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir().context("no scratch folder can be made")?;
        let population = Population::new(people, SEED);
        let truth = scratch.path().join("truth");
        let bar = Bar::spinner("writing the truth");
        write_parquet(&population, catalogue, &truth, &mut |done, of| bar.known(done, of))?;
        drop(bar);
        let store = Store::open(&scratch.path().join("store"), Arc::clone(catalogue)).await?;
        fill_reference(&store, catalogue).await?;
        fill_people(&store, catalogue, population).await?;
        let plain = Plain::over(&truth, catalogue, threads).await?;
        Ok(Self { scratch, store: Arc::new(store), plain, threads })
    }

    /// An engine with a memory and a meter of its own, in which nothing was asked yet.
    pub(super) fn protected(&self, catalogue: &Arc<Catalogue>) -> anyhow::Result<Protected> {
        Protected::over(&self.store, catalogue, self.scratch.path(), self.threads)
    }
}

fn analyst(number: usize) -> String {
    format!("bench-{number}")
}

impl Protected {
    /// Over a store, with a ledger in a folder of its own inside `scratch`.
    pub(super) fn over(
        store: &Arc<Store>,
        catalogue: &Arc<Catalogue>,
        scratch: &Path,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(scratch)?;
        let people: Vec<String> = (0..ANALYSTS).map(analyst).collect();
        let agreement = AGREEMENT.replace(r#"["bench"]"#, &format!("{people:?}"));
        let files = [("bench".to_owned(), agreement)];
        let agreements = Agreements::from_files(files, catalogue, &Profile::built_in)?;
        let ledger = SqliteState::open(folder.path().join("state.sqlite"))?;
        let settings = EngineSettings {
            threads,
            concurrency: threads * 2,
            spill_dir: folder.path().join("spill"),
            // The other engines have no limit.
            memory_bytes: 8 << 30,
            // Many clients on few processors wait long, and are to be measured too.
            deadline: Duration::from_secs(3600),
            ..EngineSettings::default()
        };
        let secret = Arc::new(Secret::new(&[7; 32])?);
        let (catalogue, store) = (Arc::clone(catalogue), Arc::clone(store));
        let engine = Engine::new(catalogue, store, ledger, secret, settings)?;
        Ok(Self { engine, agreements, _folder: folder })
    }

    /// Asks, releases, records.
    pub(super) async fn ask(&self, sql: &str) -> Result<Asked, String> {
        let started = Instant::now();
        let batches = self.rows(sql, 0).await?;
        Ok(Asked { took: started.elapsed(), rows: batches.iter().map(RecordBatch::num_rows).sum() })
    }

    /// The answer, with the standard error of every figure.
    pub(super) async fn answer(&self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        let options = QueryOptions { error_columns: true, ..QueryOptions::default() };
        self.run(sql, 0, options).await
    }

    /// The answer that one of the analysts gets.
    pub(super) async fn rows(&self, sql: &str, analyst: usize) -> Result<Vec<RecordBatch>, String> {
        self.run(sql, analyst, QueryOptions::default()).await
    }

    async fn run(
        &self,
        sql: &str,
        number: usize,
        options: QueryOptions,
    ) -> Result<Vec<RecordBatch>, String> {
        let who = UserId::new(cordon_agreements::LOCAL_ISSUER, &analyst(number % ANALYSTS));
        let today = chrono::Utc::now().date_naive();
        let permit = permit(&self.agreements, &who, None, today).map_err(|e| e.to_string())?;
        let sql = SubmittedSql {
            query_id: new_query_id(),
            permit,
            text: sql.to_owned(),
            parameters: None,
            options,
            door: "bench",
        };
        match self.engine.run(sql, CancellationToken::new()).await {
            Ok(answer) => Ok(answer.batches().to_vec()),
            Err(Stop::Refused(refusal)) => Err(format!("refused: {}", refusal.line())),
            Err(Stop::Failed(failure)) => Err(format!("failed: {}", failure.code.id())),
        }
    }
}

impl Plain {
    pub(super) async fn over(
        truth: &Path,
        catalogue: &Catalogue,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let mut config = SessionConfig::new().with_target_partitions(threads);
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let context = SessionContext::new_with_config(config);
        context.sql("CREATE SCHEMA hes").await?.collect().await?;
        context.sql("CREATE SCHEMA ref").await?.collect().await?;
        for name in Population::tables() {
            let path = truth.join(format!("{name}.parquet"));
            let path = path.to_str().context("the scratch folder's name is no text")?;
            context.register_parquet(*name, path, ParquetReadOptions::default()).await?;
        }
        for table in catalogue.tables().filter(|table| !table.is_protected()) {
            if let Some(rows) = reference_table(catalogue, &table.name) {
                let rows = rows?;
                let rows = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
                context.register_table(table.name.as_str(), Arc::new(rows))?;
            }
        }
        Self::with(context, threads)
    }

    /// With default settings over the store's own files; the number of a person is shown as the pseudonym.
    pub(super) async fn over_files(tables: &[TableFiles], threads: usize) -> anyhow::Result<Self> {
        let config = SessionConfig::new().with_target_partitions(threads);
        let context = SessionContext::new_with_config(config);
        context.sql("CREATE SCHEMA hes").await?.collect().await?;
        context.sql("CREATE SCHEMA ref").await?.collect().await?;
        for table in tables {
            let files = context.read_parquet(table.files.clone(), ParquetReadOptions::default());
            let files = match table.person {
                true => files.await?.with_column("pseudo_hesid", ident(PERSON))?,
                false => files.await?,
            };
            context.register_table(table.name.as_str(), files.into_view())?;
        }
        Self::with(context, threads)
    }

    fn with(context: SessionContext, threads: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(16 << 20)
            .enable_all()
            .build()?;
        Ok(Self { context, runtime: Some(runtime) })
    }

    pub(super) async fn ask(&self, sql: &str) -> Result<Asked, String> {
        let started = Instant::now();
        let batches = self.rows(sql).await?;
        Ok(Asked { took: started.elapsed(), rows: batches.iter().map(RecordBatch::num_rows).sum() })
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        let runtime = self.runtime.as_ref().ok_or("the plain side has stopped")?;
        let (context, sql) = (self.context.clone(), sql.to_owned());
        let work = runtime.spawn(async move { context.sql(&sql).await?.collect().await });
        // The people are made up: what DataFusion says may be shown.
        work.await
            .map_err(|e| e.to_string())?
            .map_err(|e| format!("plain: {}", e.strip_backtrace()))
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
