//! Building the house and asking it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow_array::RecordBatch;
use chrono::NaiveDate;
use cordon_agreements::{Agreements, UserId, permit};
use cordon_catalogue::Catalogue;
use cordon_disclosure::{Profile, Secret};
use cordon_engine::{
    Answer, Engine, EngineSettings, QueryOptions, Stop, SubmittedSql, new_query_id,
};
use cordon_state::SqliteState;
use cordon_store::Store;
use cordon_synthetic::{Population, reference_table};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio_util::sync::CancellationToken;

/// A profile that hides next to nothing, so that answers can be compared with the truth.
pub const EXACT: &str = r#"
name = "exact"
threshold = 2
rounding = 1
clip = "none"
zeros = "suppressed"
symbol = "[c]"
"#;

/// Everything, of everybody, exact: for comparison with the truth.
const EVERYTHING: &str = r#"
reference = "DARS-NIC-900001-EXACT"
title = "Comparison with the truth"
organisation = "EXU01"
controller = "Example University"
purpose = "research"
legal_basis = "none: synthetic people"
territory = "UK"
status = "active"
profile = "exact"
egress = "automatic"
people = ["referee"]
term = { start = 2020-01-01, end = 2099-12-31 }
opt_outs = { rule = "not_applied", reason = "synthetic people" }
[[lines]]
table = "hes.apc"
years = "all"
columns = "all"
[[lines]]
table = "hes.op"
years = "all"
columns = "all"
[[lines]]
table = "hes.ae"
years = "all"
columns = "all"
"#;

/// One house.
pub struct World {
    /// The engine under test.
    pub engine: Arc<Engine>,
    /// Its ledger and audit log.
    pub ledger: Arc<SqliteState>,
    /// All agreements: the three of the demo and an exact one for `referee`.
    pub agreements: Agreements,
    /// The same people in plain DataFusion.
    pub truth: SessionContext,
    /// Its store.
    pub store: Arc<Store>,
    /// Where all of it lies.
    pub folder: tempfile::TempDir,
}

/// A profile by name: the built-in ones and `exact`.
/// Any secret: the same in every test, so that answers are.
fn secret() -> Result<Arc<Secret>> {
    Ok(Arc::new(Secret::new(&[7; 32])?))
}

fn profile(name: &str) -> Option<Profile> {
    match name {
        "exact" => Profile::from_toml("exact.toml", EXACT).ok(),
        other => Profile::built_in(other),
    }
}

impl World {
    /// An agreement over everything under a profile, for one person.
    pub fn agreement(number: u8, profile: &str, who: &str) -> String {
        let reference = format!("DARS-NIC-90000{number}-EXACT");
        EVERYTHING
            .replace("DARS-NIC-900001-EXACT", &reference)
            .replace("\"exact\"", &format!("\"{profile}\""))
            .replace("\"referee\"", &format!("\"{who}\""))
    }

    /// A house of so many synthetic people.
    ///
    /// # Errors
    /// When a part of it cannot be built.
    pub async fn new(people: u64) -> Result<Self> {
        Self::with_settings(people, |_| {}).await
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// When a part of it cannot be built.
    pub async fn with_settings(
        people: u64,
        change: impl FnOnce(&mut EngineSettings),
    ) -> Result<Self> {
        Self::altered(people, change, &[], |_, batch| Ok(batch)).await
    }

    /// The same with further agreements, and rows of patients altered before they are loaded: a house that differs from
    /// another in one patient.
    ///
    /// # Errors
    /// When a part of it cannot be built.
    pub async fn altered(
        people: u64,
        change: impl FnOnce(&mut EngineSettings),
        more: &[String],
        alter: impl Fn(&str, RecordBatch) -> Result<RecordBatch>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let catalogue = Arc::new(Catalogue::built_in()?);
        // The same numbers for the same people in every test: noise is drawn by them.
        let at = folder.path().join("store");
        std::fs::create_dir_all(&at)?;
        std::fs::write(at.join("person.key"), [9; 32])?;
        let store = Arc::new(Store::open(&at, Arc::clone(&catalogue)).await?);
        let truth = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let population = Population::new(people, 42);
        let default = truth.catalog("datafusion").context("the default catalogue")?;
        for group in ["hes", "ref"] {
            default.register_schema(group, Arc::new(MemorySchemaProvider::new()))?;
        }
        // The store numbers people as it meets them, and noise is drawn by numbers: always in the same order.
        let about_people = Population::tables();
        let mut tables: Vec<_> = catalogue.tables().collect();
        tables
            .sort_by_key(|table| about_people.iter().position(|name| *name == table.name.as_str()));
        for table in tables {
            let schema: Arc<dyn SchemaProvider> =
                default.schema(table.name.group()).context("a schema for every group")?;
            let batches = if about_people.contains(&table.name.as_str()) {
                let batches = (0..population.blocks())
                    .map(|block| population.block(&catalogue, &table.name, block))
                    .collect::<std::result::Result<Vec<_>, _>>()?
                    .into_iter()
                    .map(|batch| alter(table.name.as_str(), batch))
                    .collect::<Result<Vec<_>>>()?;
                store
                    .append(&table.name, batches.clone().into_iter(), &cordon_store::Silent)
                    .await?;
                batches
            } else if let Some(batch) = reference_table(&catalogue, &table.name) {
                let batch = batch?;
                store
                    .replace(&table.name, std::iter::once(batch.clone()), &cordon_store::Silent)
                    .await?;
                vec![batch]
            } else {
                continue;
            };
            let memory = MemTable::try_new(table.schema(), vec![batches])?;
            schema.register_table(table.name.name().to_owned(), Arc::new(memory))?;
        }
        let mut files = vec![("everything.toml".to_owned(), EVERYTHING.to_owned())];
        files.extend(more.iter().enumerate().map(|(n, text)| (format!("{n}.toml"), text.clone())));
        let deployed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/agreements");
        for entry in std::fs::read_dir(deployed)? {
            let path = entry?.path();
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
        let agreements = Agreements::from_files(files, &catalogue, &profile)?;
        let ledger = SqliteState::open(folder.path().join("ledger.sqlite"))?;
        let mut settings = EngineSettings {
            threads: 2,
            spill_dir: folder.path().join("spill"),
            ..EngineSettings::default()
        };
        change(&mut settings);
        let engine = Engine::new(
            catalogue,
            Arc::clone(&store),
            Arc::clone(&ledger) as _,
            secret()?,
            settings,
        )?;
        Ok(Self { engine, ledger, agreements, truth, store, folder })
    }

    /// The same house with other limits: store, ledger and people stay.
    ///
    /// # Errors
    /// When the engine cannot start.
    pub fn reopened(mut self, change: impl FnOnce(&mut EngineSettings)) -> Result<Self> {
        let spill_dir = self.folder.path().join("spill-again");
        let mut settings = EngineSettings { threads: 2, spill_dir, ..EngineSettings::default() };
        change(&mut settings);
        let catalogue = Arc::clone(self.engine.catalogue());
        self.engine = Engine::new(
            catalogue,
            Arc::clone(&self.store),
            Arc::clone(&self.ledger) as _,
            secret()?,
            settings,
        )?;
        Ok(self)
    }

    /// A question of one of the people named in the agreements.
    ///
    /// # Errors
    /// When the agreements do not let them ask.
    pub fn question(&self, who: &str, text: &str) -> Result<SubmittedSql> {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).context("a day")?;
        let user = UserId::new("cordon-local", who);
        let permit = permit(&self.agreements, &user, None, today).map_err(|r| anyhow!("{r}"))?;
        Ok(SubmittedSql {
            query_id: new_query_id(),
            permit,
            text: text.to_owned(),
            parameters: None,
            options: QueryOptions::default(),
            door: "test",
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// The outer error is of the test; the inner one is the engine's answer.
    pub async fn ask(&self, who: &str, text: &str) -> Result<std::result::Result<Answer, Stop>> {
        let question = self.question(who, text)?;
        Ok(self.engine.run(question, CancellationToken::new()).await)
    }

    /// What plain DataFusion says about the same people.
    ///
    /// # Errors
    /// When DataFusion cannot answer.
    pub async fn plain(&self, text: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.truth.sql(text).await?.collect().await?)
    }
}
