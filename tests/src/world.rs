//! Building the house and asking it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow_array::RecordBatch;
use chrono::NaiveDate;
use cordon_agreements::{Agreements, UserId, permit};
use cordon_catalogue::{Catalogue, TableName};
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

/// An agreement of one person over all columns of all tables of patients. `opt_outs` is `applied` or `not_applied`;
/// `line` says which years and rows of each table.
pub fn agreement(
    reference: &str,
    profile: &str,
    person: &str,
    opt_outs: &str,
    line: &str,
) -> (String, String) {
    let mut text = format!(
        r#"
reference = "{reference}"
title = "Made up for tests"
organisation = "EXU01"
controller = "Example University"
purpose = "research"
legal_basis = "none: synthetic people"
territory = "UK"
status = "active"
profile = "{profile}"
egress = "automatic"
people = ["{person}"]
term = {{ start = 2020-01-01, end = 2099-12-31 }}
opt_outs = {{ rule = "{opt_outs}", reason = "synthetic people" }}
"#
    );
    for table in Population::tables() {
        text.push_str(&format!("[[lines]]\ntable = \"{table}\"\ncolumns = \"all\"\n{line}\n"));
    }
    (format!("{reference}.toml"), text)
}

/// One house.
pub struct World {
    /// The engine under test.
    pub engine: Arc<Engine>,
    /// Its ledger and audit log.
    pub ledger: Arc<SqliteState>,
    /// All agreements: the three of the demo, an exact one for `referee`, one with differential privacy for `stranger`.
    pub agreements: Agreements,
    /// The same people in plain DataFusion.
    pub truth: SessionContext,
    /// Its store.
    pub store: Arc<Store>,
    /// Where all of it lies.
    pub folder: tempfile::TempDir,
}

/// The same that shows zeros.
fn bare() -> String {
    EXACT.replace("suppressed", "shown").replace("exact", "bare")
}

/// Any secret: the same in every test, so that answers are.
///
/// # Errors
/// Never: it is long enough.
pub fn secret() -> Result<Secret> {
    Ok(Secret::new(&[7; 32])?)
}

/// A profile by name: the built-in ones, `exact` and `bare`.
fn profile(name: &str) -> Option<Profile> {
    match name {
        "exact" => Profile::from_toml("exact.toml", EXACT).ok(),
        "bare" => Profile::from_toml("bare.toml", &bare()).ok(),
        other => Profile::built_in(other),
    }
}

/// What a house is built of.
pub struct Plan<'a> {
    /// How many synthetic people.
    pub people: u64,
    /// Which ones.
    pub seed: u64,
    /// Rows of one table as they are loaded, one load after another.
    pub loads: &'a Loads<'a>,
    /// Further agreements: file name and text.
    pub agreements: Vec<(String, String)>,
    /// Whether the first public table is loaded once more: all versions together then have another name, and those of
    /// patients' tables have not.
    pub again: bool,
    /// Another house's ledger; a new one without.
    pub ledger: Option<Arc<SqliteState>>,
}

/// From the rows of a table the batches that are loaded one after another.
pub type Loads<'a> = dyn Fn(&TableName, Vec<RecordBatch>) -> Result<Vec<Vec<RecordBatch>>> + 'a;

impl Plan<'_> {
    /// So many people, all loaded at once.
    pub fn of(people: u64) -> Self {
        Self {
            people,
            seed: 42,
            loads: &|_, rows| Ok(vec![rows]),
            agreements: Vec::new(),
            again: false,
            ledger: None,
        }
    }
}

impl World {
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
        Self::built(Plan::of(people), change).await
    }

    /// A house by a plan.
    ///
    /// # Errors
    /// When a part of it cannot be built.
    pub async fn built(plan: Plan<'_>, change: impl FnOnce(&mut EngineSettings)) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let catalogue = Arc::new(Catalogue::built_in()?);
        // The same numbers for the same people in every test: noise is drawn by them.
        let at = folder.path().join("store");
        std::fs::create_dir_all(&at)?;
        std::fs::write(at.join("person.key"), [9; 32])?;
        let store = Arc::new(Store::open(&at, Arc::clone(&catalogue)).await?);
        let truth = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let population = Population::new(plan.people, plan.seed);
        let (mut again, mut of_people) = (plan.again, Vec::new());
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
                    .collect::<std::result::Result<Vec<_>, _>>()?;
                let loads = (plan.loads)(&table.name, batches)?;
                let rows = loads.concat();
                of_people.push((table.name.clone(), loads));
                rows
            } else if let Some(batch) = reference_table(&catalogue, &table.name) {
                let batch = batch?;
                for _ in 0..=usize::from(std::mem::take(&mut again)) {
                    store
                        .replace(&table.name, std::iter::once(batch.clone()), &cordon_store::Silent)
                        .await?;
                }
                vec![batch]
            } else {
                continue;
            };
            let memory = MemTable::try_new(table.schema(), vec![batches])?;
            schema.register_table(table.name.name().to_owned(), Arc::new(memory))?;
        }
        // The first load of every table, then the second of every table: whoever is in that gets the last number.
        let rounds = of_people.iter().map(|(_, loads)| loads.len()).max().unwrap_or(0);
        for round in 0..rounds {
            for (table, loads) in &of_people {
                if let Some(load) = loads.get(round) {
                    store.append(table, load.clone().into_iter(), &cordon_store::Silent).await?;
                }
            }
        }
        // Everything, of everybody, for two more people.
        let everything = |number: &str, profile, person| {
            let reference = format!("DARS-NIC-{number}");
            agreement(&reference, profile, person, "not_applied", "years = \"all\"")
        };
        let mut files = vec![
            everything("900001-EXACT", "exact", "referee"),
            everything("900002-PRIVA", "differential-privacy", "stranger"),
        ];
        let deployed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/agreements");
        files.extend(plan.agreements);
        for entry in std::fs::read_dir(deployed)? {
            let path = entry?.path();
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
        let agreements = Agreements::from_files(files, &catalogue, &profile)?;
        let ledger = match plan.ledger {
            Some(ledger) => ledger,
            None => SqliteState::open(folder.path().join("ledger.sqlite"))?,
        };
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
            Arc::new(secret()?),
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
            Arc::new(secret()?),
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
