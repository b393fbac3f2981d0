//! What an attacker asks: `release` with its real index and meter, over sets of people instead of SQL.
//!
//! An attacker sees figures and their told errors, and what is suppressed; nothing else of a [`House`] is public but
//! what the meters say, which analysts are told too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use cordon_disclosure::{
    Asked, AuditEvent, Charge, Decide, Earlier, Fingerprint, Gathering, Index, Ledger, LedgerError,
    Measure, Outcome, Part, Profile, Protection, Question, RawAggregates, RawCell, RawMeasure,
    Recorded, RowsOf, Scope, Secret, Standing, Timestamp, Unbounded, release,
};

/// Which part of the protection is left out, so that it shows what it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Everything is there.
    Nothing,
    /// Noise does not grow and no budget ends.
    Meter,
    /// Answered sets are forgotten, and no meter either.
    Memory,
    /// Answered sets are forgotten when the data change.
    Releases,
    /// Noise is drawn anew for each question, as systems do that draw it by the text; no memory, no meter.
    Keying,
}

/// A figure as it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The figure.
    pub figure: f64,
    /// Its standard error.
    pub error: f64,
}

/// A question as an attack asks it: a figure of each of these groups of people, in one table.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Which figure.
    pub measure: Measure,
    /// People and what each contributes.
    pub groups: Vec<Vec<Part>>,
}

/// One data release behind `release`, as any number of accounts see it.
pub struct House {
    profile: Profile,
    without: Without,
    seed: u64,
    secret: Secret,
    ledger: MemoryLedger,
    asked: u64,
    /// The most that one row adds to a total, where everybody knows one: what an analyst may choose under differential privacy.
    most: u128,
    heard: Option<(Arc<Mutex<Vec<Asking>>>, usize)>,
}

impl House {
    /// A house with a secret of its own.
    ///
    /// # Errors
    /// Never in practice: secrets have a length.
    pub fn new(profile: &Profile, without: Without, seed: u64) -> Result<Self> {
        Ok(Self { without, seed, ..Self::with_secret(profile, secret(seed, 0)?) })
    }

    /// A house with this secret, whole.
    pub fn with_secret(profile: &Profile, secret: Secret) -> Self {
        Self {
            profile: profile.clone(),
            without: Without::Nothing,
            seed: 0,
            secret,
            ledger: MemoryLedger::default(),
            asked: 0,
            most: 8,
            heard: None,
        }
    }

    /// The same with somebody who writes down so many questions, and stops it then.
    #[must_use]
    pub(crate) fn heard_by(mut self, list: &Arc<Mutex<Vec<Asking>>>, most: usize) -> Self {
        self.heard = Some((Arc::clone(list), most));
        self
    }

    /// The same with another bound of what one row adds to a total.
    #[must_use]
    pub fn bounded(mut self, most: u128) -> Self {
        self.most = most;
        self
    }

    /// The rules.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What an account's agreement was charged so far: its analysts are told.
    pub fn charged(&self, account: u8) -> f64 {
        let name = format!("agreement-{account}");
        self.ledger.lock().charged.get(&name).copied().unwrap_or_default().answers()
    }

    /// How many questions were asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// The data changed. Answered sets are remembered, meters and secret stay.
    pub fn next_release(&mut self) {
        if self.without == Without::Releases {
            self.ledger.lock().index = None;
        }
    }

    /// A figure of one set of people.
    ///
    /// # Errors
    /// When the evidence contradicts itself: an error of the attack.
    pub fn one(&mut self, account: u8, measure: Measure, set: &[Part]) -> Result<Option<Told>> {
        let told = self.table(account, measure, &[set.to_vec()])?;
        Ok(told.first().copied().flatten())
    }

    /// A figure of each of these groups, in one table of one column whose list of groups is public. None is suppressed, or
    /// the budget is spent.
    ///
    /// # Errors
    /// When the evidence contradicts itself: an error of the attack.
    pub fn table(
        &mut self,
        account: u8,
        measure: Measure,
        groups: &[Vec<Part>],
    ) -> Result<Vec<Option<Told>>> {
        self.asked += 1;
        if let Some((heard, most)) = &self.heard {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            ensure!(heard.len() < *most, "enough was heard");
            heard.push(Asking { measure, groups: groups.to_vec() });
        }
        match self.without {
            Without::Nothing | Without::Releases => {}
            Without::Meter => self.ledger.lock().charged.clear(),
            Without::Memory => *self.ledger.lock() = Memory::default(),
            Without::Keying => {
                *self.ledger.lock() = Memory::default();
                self.secret = secret(self.seed, self.asked)?;
            }
        }
        let raw = self.raw(account, measure, groups)?;
        let mut told = vec![None; groups.len()];
        if let Outcome::Released(table) = release(raw, &self.secret, &self.ledger, Timestamp(0))? {
            read(table.batch(), &mut told)?;
        }
        Ok(told)
    }

    /// Of each group that holds somebody its people and the figure.
    fn evidence(
        &self,
        measure: Measure,
        groups: &[Vec<Part>],
        keys: &[ArrayRef],
    ) -> Result<(Vec<RawCell>, Vec<RawCell>)> {
        let threshold = self.profile.threshold();
        let by = |decimals| Gathering { threshold, decimals, key: self.secret.people() };
        let one = |part: &Part| Part { contribution: 1, ..*part };
        let there: Vec<&Vec<Part>> = groups.iter().filter(|group| !group.is_empty()).collect();
        let people = || there.iter().map(|group| group.iter().map(one).collect::<Vec<_>>());
        let decimals = match measure {
            Measure::Total { decimals } => Some(decimals),
            Measure::Rows | Measure::Persons => None,
        };
        let figures = || match measure {
            Measure::Persons => people().collect(),
            Measure::Rows | Measure::Total { .. } => there.iter().copied().cloned().collect(),
        };
        if let Protection::Privacy(rule) = self.profile.protection() {
            let bounded = rule.bounding().cells(
                &self.secret.people(),
                keys,
                vec![
                    Unbounded { by: by(None), most: None, groups: people().collect() },
                    Unbounded { by: by(decimals), most: Some(self.most), groups: figures() },
                ],
            )?;
            let [everybody, cells] = <[_; 2]>::try_from(bounded).unwrap_or_default();
            return Ok((everybody, cells));
        }
        let (mut everybody, mut cells) = (Vec::new(), Vec::new());
        for (ones, figure) in people().zip(figures()) {
            let cell = RawCell::of_parts(&ones, &by(None));
            match measure {
                Measure::Persons => {
                    cells.push(cell.of_people());
                    everybody.push(cell);
                }
                Measure::Rows => {
                    let cell = RawCell::of_parts(&figure, &by(None));
                    cells.push(cell.clone());
                    everybody.push(cell);
                }
                Measure::Total { .. } => {
                    cells.push(RawCell::of_parts(&figure, &by(decimals)));
                    everybody.push(cell);
                }
            }
        }
        Ok((everybody, cells))
    }

    fn raw(&self, account: u8, measure: Measure, groups: &[Vec<Part>]) -> Result<RawAggregates> {
        let labels = Int32Array::from_iter_values(0..i32::try_from(groups.len())?);
        let schema = Arc::new(Schema::new(vec![Field::new("label", DataType::Int32, true)]));
        let batch = |labels| RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(labels)]);
        // Of a group that holds nobody there are no rows.
        let there =
            (0..).zip(groups).filter(|(_, group)| !group.is_empty()).map(|(label, _)| label);
        let (keys, domain) = (batch(there.collect())?, batch(labels)?);
        let (everybody, cells) = self.evidence(measure, groups, keys.columns())?;
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&self.asked.to_le_bytes());
        let question = Question {
            query_id: "q".to_owned(),
            analyst: format!("analyst-{account}"),
            agreement: format!("agreement-{account}"),
            meter: format!("agreement-{account}"),
            scope: Scope("one".to_owned()),
            fingerprint: Fingerprint(fingerprint),
            tables: 1,
        };
        let measures = vec![RawMeasure {
            name: "figure".to_owned(),
            measure,
            cells: cells.into(),
            most: Some(self.most),
        }];
        let profile = self.profile.clone();
        #[expect(clippy::disallowed_methods, reason = "made-up people that no door knows")]
        let raw = RawAggregates::new(
            question,
            profile,
            keys,
            (everybody, RowsOf::Base),
            measures,
            Some(domain),
        );
        raw.context("evidence of an attack")
    }
}

fn secret(seed: u64, question: u64) -> Result<Secret> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&question.to_le_bytes());
    Secret::new(&bytes).context("a secret")
}

fn read(batch: &RecordBatch, told: &mut [Option<Told>]) -> Result<()> {
    let labels = batch.column(0).as_primitive::<Int32Type>();
    let figures = batch.column(1);
    let errors = batch.column(2).as_primitive::<Float64Type>();
    for row in (0..batch.num_rows()).filter(|row| figures.is_valid(*row)) {
        #[expect(clippy::cast_precision_loss, reason = "figures of made-up people are small")]
        let figure = match figures.data_type() {
            DataType::Int64 => figures.as_primitive::<Int64Type>().value(row) as f64,
            DataType::Decimal128(..) => figures.as_primitive::<Decimal128Type>().value(row) as f64,
            other => bail!("a figure is {other}"),
        };
        let place = usize::try_from(labels.value(row))?;
        *told.get_mut(place).context("a group that was asked for")? =
            Some(Told { figure, error: errors.value(row) });
    }
    Ok(())
}

/// The real index and real meters, in memory.
#[derive(Default)]
struct MemoryLedger(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    index: Option<Index>,
    charged: HashMap<String, Charge>,
    answers: u64,
}

impl MemoryLedger {
    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No question is asked twice in the same words: nothing is found by its text.
struct View(Charge);

impl Earlier for View {
    fn table(&self, _fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }

    fn meter(&self) -> Result<Charge, LedgerError> {
        Ok(self.0)
    }
}

impl Ledger for MemoryLedger {
    fn exclusive(
        &self,
        asked: Asked<'_>,
        _now: Timestamp,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        let mut memory = self.lock();
        let Memory { index, charged, answers } = &mut *memory;
        let index = index.get_or_insert_with(|| Index::new(asked.separation.unwrap_or(2)));
        let meter = charged.entry(asked.question.agreement.clone()).or_default();
        let Some(decided) = decide(&View(*meter), index)? else { return Ok(None) };
        *meter = meter.and(decided.charge);
        *answers += 1;
        Ok(Some(Recorded(*answers)))
    }

    fn charge(&self, question: &Question, charge: Charge) -> Result<(), LedgerError> {
        let mut memory = self.lock();
        let meter = memory.charged.entry(question.agreement.clone()).or_default();
        *meter = meter.and(charge);
        Ok(())
    }

    fn standing(&self, question: &Question) -> Result<Standing, LedgerError> {
        let meter = self.lock().charged.get(&question.agreement).copied().unwrap_or_default();
        Ok(Standing { known: false, meter })
    }

    fn record(&self, _event: &AuditEvent, _now: Timestamp) -> Result<Recorded, LedgerError> {
        Ok(Recorded(self.lock().answers))
    }
}
