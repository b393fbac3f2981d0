//! The two sides that are compared.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use arrow_array::RecordBatch;
use cordon_agreements::{Agreements, Permit, UserId, permit};
use cordon_catalogue::Catalogue;
use cordon_disclosure::{Profile, Secret};
use cordon_engine::{Engine, EngineSettings, QueryOptions, Stop, SubmittedSql, new_query_id};
use cordon_state::SqliteState;
use cordon_store::Store;
use cordon_synthetic::{Population, reference_table};
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::report::Asked;
use crate::demo::population::{fill_people, fill_reference};

/// Grants everything, so that both sides read the same rows.
const AGREEMENT: &str = include_str!("agreement.toml");

/// The engine over a store of its own, with a ledger that is really written.
pub(super) struct Protected {
    engine: Arc<Engine>,
    permit: Permit,
}

/// DataFusion over the truth.
pub(super) struct Plain {
    context: SessionContext,
    /// Threads of its own, as the engine has. Taken at drop, so that dropping does not block.
    runtime: Option<Runtime>,
}

impl Protected {
    pub(super) async fn make(
        folder: &Path,
        catalogue: &Arc<Catalogue>,
        population: Population,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let store = Store::open(&folder.join("store"), Arc::clone(catalogue)).await?;
        fill_reference(&store, catalogue).await?;
        fill_people(&store, catalogue, population).await?;
        let files = [("bench".to_owned(), AGREEMENT.to_owned())];
        let agreements = Agreements::from_files(files, catalogue, &Profile::built_in)?;
        let who = UserId::new(cordon_agreements::LOCAL_ISSUER, "bench");
        let permit = permit(&agreements, &who, None, chrono::Utc::now().date_naive())?;
        let ledger = SqliteState::open(folder.join("state.sqlite"))?;
        let settings = EngineSettings {
            threads,
            spill_dir: folder.join("spill"),
            ..EngineSettings::default()
        };
        let secret = Arc::new(Secret::new(&[7; 32])?);
        let engine = Engine::new(Arc::clone(catalogue), Arc::new(store), ledger, secret, settings)?;
        Ok(Self { engine, permit })
    }

    /// Asks, releases, records.
    pub(super) async fn ask(&self, sql: &str) -> Result<Asked, String> {
        let started = Instant::now();
        let sql = SubmittedSql {
            query_id: new_query_id(),
            permit: self.permit.clone(),
            text: sql.to_owned(),
            parameters: None,
            options: QueryOptions::default(),
            door: "bench",
        };
        match self.engine.run(sql, CancellationToken::new()).await {
            Ok(answer) => Ok(Asked {
                took: started.elapsed(),
                rows: answer.batches().iter().map(RecordBatch::num_rows).sum(),
            }),
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(16 << 20)
            .enable_all()
            .build()?;
        Ok(Self { context, runtime: Some(runtime) })
    }

    pub(super) async fn ask(&self, sql: &str) -> Result<Asked, String> {
        let runtime = self.runtime.as_ref().ok_or("the plain side has stopped")?;
        let started = Instant::now();
        let (context, sql) = (self.context.clone(), sql.to_owned());
        let work = runtime.spawn(async move { context.sql(&sql).await?.collect().await });
        // The people are made up: what DataFusion says may be shown.
        let batches = work
            .await
            .map_err(|e| e.to_string())?
            .map_err(|e| format!("plain: {}", e.strip_backtrace()))?;
        Ok(Asked { took: started.elapsed(), rows: batches.iter().map(RecordBatch::num_rows).sum() })
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
