//! The release of one table: every cell passes or is suppressed, and the ledger holds it before it is returned.

mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Field};

use self::rows::{by_noise, by_privacy, by_rules};
pub use self::table::error_column;
use self::table::{renamed, table};
use crate::index::Outcome as CellOutcome;
use crate::privacy::PrivacyError;
use crate::sabotage::{Control, is_off};
use crate::{
    Asked, Charge, Code, Decided, Earlier, Index, Ledger, LedgerError, Measure, Profile,
    Protection, Question, RawAggregates, Refusal, Secret, Timestamp, stored,
};

/// A table that has passed disclosure control and been recorded. [`release`] is its only constructor; what
/// the ledger recorded earlier becomes a table again only there.
///
/// ```compile_fail,E0451
/// fn forged(batch: arrow_array::RecordBatch) -> cordon_disclosure::ReleasedTable {
///     cordon_disclosure::ReleasedTable { batch, measures: Vec::new(), notes: Vec::new(), metered: None }
/// }
/// ```
/// ```compile_fail,E0277
/// fn forged(batch: arrow_array::RecordBatch) -> cordon_disclosure::ReleasedTable {
///     batch.into()
/// }
/// ```
/// ```compile_fail,E0277
/// fn read<T: serde::de::DeserializeOwned>() {}
/// read::<cordon_disclosure::ReleasedTable>();
/// ```
/// The same line about a type that may be read compiles:
/// ```
/// fn read<T: serde::de::DeserializeOwned>() {}
/// read::<cordon_disclosure::ReleasedMeasure>();
/// ```
pub struct ReleasedTable {
    pub(crate) batch: RecordBatch,
    pub(crate) measures: Vec<ReleasedMeasure>,
    pub(crate) notes: Vec<String>,
    pub(crate) metered: Option<Metered>,
}

/// What a table cost its agreement, and where the meter stands now. Both are public to its analysts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metered {
    /// Charged for this table; nothing for one that was answered before.
    pub charge: Charge,
    /// Charged so far, this table included.
    pub meter: Charge,
    /// By how much the noise of new draws is multiplied from here on.
    pub growth: f64,
    /// The hard budget in answers, if there is one.
    pub budget: Option<f64>,
}

/// One figure column of a released table and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReleasedMeasure {
    /// Column name.
    pub name: String,
    /// `persons`, `rows` or `total`.
    pub measure: String,
    /// What was done, in words: `rounded to 5; fewer than 10 people suppressed`.
    pub treatment: String,
}

/// The status of a cell, as `<column>_status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellStatus {
    /// The figure is shown.
    Released,
    /// Too few people.
    Suppressed,
    /// Computed from a suppressed figure.
    Derived,
}

/// What became of a table.
#[derive(Debug)]
pub enum Outcome {
    /// It may leave.
    Released(ReleasedTable),
    /// It may not, for a reason that does not depend on data.
    Refused(Box<Refusal>),
}

/// Release was not possible: nothing leaves.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It could not be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No noise could be drawn: an internal error.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// A figure does not fit its column: an internal error.
    #[error("a released table could not be built")]
    Build(#[source] ArrowError),
    /// The ledger returned without having asked for a decision: an internal error.
    #[error("the ledger recorded nothing")]
    NothingRecorded,
}

/// Decides over every cell, remembers and records the outcome, and only then returns it.
///
/// # Errors
/// When the ledger cannot record, or on an internal error. Never because of what the data hold.
pub fn release(
    raw: RawAggregates,
    secret: &Secret,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Outcome, ReleaseError> {
    let mut outcome = Err(ReleaseError::NothingRecorded);
    let asked = Asked { question: &raw.question, separation: raw.profile.separation() };
    let recorded = ledger.exclusive(asked, now, &mut |earlier, index| match look_up_or_decide(
        &raw, secret, earlier, index,
    ) {
        Ok(Decision::Table(table, decided)) => {
            outcome = Ok(Outcome::Released(table));
            Ok(Some(*decided))
        }
        Ok(Decision::Refused(refusal)) => {
            outcome = Ok(Outcome::Refused(refusal));
            Ok(None)
        }
        Err(error) => {
            outcome = Err(error);
            Err(LedgerError { action: "decide", source: "no decision was reached".into() })
        }
    });
    // I6: what was decided but not recorded is dropped here. A failed decision is the cause of the
    // ledger's failure, so it is the one that is told.
    match (recorded, outcome) {
        (Ok(Some(_)), outcome) | (Ok(None), outcome @ Ok(Outcome::Refused(_))) => outcome,
        (Ok(None), _) => Err(ReleaseError::NothingRecorded),
        (Err(unrecorded), Ok(_) | Err(ReleaseError::NothingRecorded)) => Err(unrecorded.into()),
        (Err(_), Err(error)) => Err(error),
    }
}

/// The columns of a table as its question names them.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The group keys.
    pub keys: Vec<Field>,
    /// The figures, and what each measures.
    pub measures: Vec<(String, Measure)>,
}

/// What was released when this very question was asked before, under the names of now, and recorded as a copy:
/// nothing is run for it. None where it was not asked.
///
/// # Errors
/// When the ledger cannot read or record, or on an internal error.
pub fn repeat(
    question: &Question,
    profile: &Profile,
    columns: &Columns,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Option<ReleasedTable>, ReleaseError> {
    let mut outcome = Ok(None);
    let asked = Asked { question, separation: profile.separation() };
    let recorded = ledger.exclusive(asked, now, &mut |earlier, _| {
        let copied = || -> Result<_, ReleaseError> {
            let Some(bytes) = earlier.table(&question.fingerprint)? else { return Ok(None) };
            let table = renamed(stored::open(&bytes, &question.fingerprint)?, columns)?;
            sealed(table, question, profile, earlier, Charge::default()).map(Some)
        };
        match copied() {
            Ok(None) => Ok(None),
            Ok(Some((table, bytes))) => {
                outcome = Ok(Some(table));
                let (charge, sets, near) = (Charge::default(), Vec::new(), Vec::new());
                Ok(Some(Decided { table: bytes, copied: true, charge, sets, near }))
            }
            Err(error) => {
                outcome = Err(error);
                Err(LedgerError { action: "decide", source: "no copy could be made".into() })
            }
        }
    });
    match (recorded, outcome) {
        (_, Err(error)) => Err(error),
        (Err(unrecorded), _) => Err(unrecorded.into()),
        (Ok(Some(_)), Ok(Some(table))) => Ok(Some(table)),
        (Ok(_), Ok(_)) => Ok(None),
    }
}

enum Decision {
    Table(ReleasedTable, Box<Decided>),
    Refused(Box<Refusal>),
}

/// The look-up comes first: the same question receives the same answer, copied whole and free (I3).
fn look_up_or_decide(
    raw: &RawAggregates,
    secret: &Secret,
    earlier: &dyn Earlier,
    index: &mut Index,
) -> Result<Decision, ReleaseError> {
    let fingerprint = &raw.question.fingerprint;
    let before = index.mark();
    let mut near = Vec::new();
    let (table, copied, charge) = match earlier.table(fingerprint)? {
        Some(bytes) => {
            let table = renamed(stored::open(&bytes, fingerprint)?, &raw.columns())?;
            (table, true, Charge::default())
        }
        None => match &raw.profile.protection {
            Protection::Rules | Protection::CellKey => {
                (table(raw, &by_rules(raw))?, false, Charge::default())
            }
            Protection::Privacy(rule) => {
                if let Some(refusal) = spent(&raw.profile, earlier.meter()?, raw.question.tables) {
                    return Ok(Decision::Refused(Box::new(refusal)));
                }
                let charge = most_charged(&raw.profile, raw.question.tables);
                (table(raw, &by_privacy(raw, rule)?)?, false, charge)
            }
            Protection::Noise(rule) => {
                let meter = earlier.meter()?;
                if let Some(refusal) = spent(&raw.profile, meter, raw.question.tables) {
                    return Ok(Decision::Refused(Box::new(refusal)));
                }
                let decided = by_noise(raw, rule, secret, index, meter);
                near = decided.near;
                let mut table = table(raw, &decided.rows)?;
                if is_off(Control::NearNote) {
                    table.notes.push(format!("{} near sets", near.len()));
                }
                (table, false, decided.charge)
            }
        },
    };
    let (table, sealed) = sealed(table, &raw.question, &raw.profile, earlier, charge)?;
    // A repeat, and a profile without memory, have nothing to keep.
    let unchanged = index.mark() == before;
    let sets = if unchanged { Vec::new() } else { index.bytes_since(before) };
    let decided = Decided { table: sealed, copied, charge, sets, near };
    Ok(Decision::Table(table, Box::new(decided)))
}

/// A table with what it cost, and as the ledger keeps it.
fn sealed(
    mut table: ReleasedTable,
    question: &Question,
    profile: &Profile,
    earlier: &dyn Earlier,
    charge: Charge,
) -> Result<(ReleasedTable, Vec<u8>), ReleaseError> {
    if profile.has_meter() {
        let meter = earlier.meter()?.and(charge);
        let (growth, budget) = (profile.growth(meter.answers()), profile.budget());
        table.metered = Some(Metered { charge, meter, growth, budget });
    }
    let sealed = stored::seal(&table, &question.fingerprint).map_err(ReleaseError::Build)?;
    Ok((table, sealed))
}

/// The refusal of a question that an agreement's budget may not reach: so many figure columns times grouping
/// sets. It speaks of the meter and the text only, which are public.
pub fn spent(profile: &Profile, meter: Charge, tables: u64) -> Option<Refusal> {
    let budget = profile.budget()?;
    let most = most_charged(profile, tables);
    (meter.and(most).answers() > budget).then(|| {
        let left = (budget - meter.answers()).max(0.0);
        Refusal::new(
            Code::BudgetSpent,
            format!(
                "of the agreement's budget of {budget} charged answers {left:.2} are left, and this can be charged {:.2}",
                most.answers()
            ),
        )
    })
}

/// What so many figure columns times grouping sets can be charged at most; nothing under profiles without a
/// meter.
#[expect(clippy::cast_precision_loss, reason = "numbers of columns are far below 2^52")]
pub fn most_charged(profile: &Profile, tables: u64) -> Charge {
    match &profile.protection {
        Protection::Noise(rule) => Charge::of(tables as f64 * rule.largest_charge(profile)),
        Protection::Privacy(_) => Charge::of(tables as f64),
        Protection::Rules | Protection::CellKey => Charge::default(),
    }
}

impl Measure {
    /// `persons`, `rows` or `total`.
    pub fn word(self) -> &'static str {
        match self {
            Measure::Persons => "persons",
            Measure::Rows => "rows",
            Measure::Total { .. } => "total",
        }
    }
}

impl CellStatus {
    /// As the status column says it.
    pub fn word(self) -> &'static str {
        match self {
            CellStatus::Released => "released",
            CellStatus::Suppressed => "suppressed",
            CellStatus::Derived => "derived",
        }
    }
}

impl ReleasedTable {
    /// Key columns, then for each measure its figure (Int64 for persons and rows, Decimal128(38, d) for
    /// totals; null where suppressed), then for each measure the standard error of its figures
    /// ([`error_column`]; Float64, in units of the figure's last digit; null where suppressed). Sorted by
    /// keys, wholly suppressed rows last.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The figure columns, in order.
    pub fn measures(&self) -> &[ReleasedMeasure] {
        &self.measures
    }

    /// What it cost and where the meter stands; none under profiles without a meter.
    pub fn metered(&self) -> Option<Metered> {
        self.metered
    }

    /// What holds for the whole table, from the question and the profile only: which groups stand in it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Debug for ReleasedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ReleasedTable({} rows x {} columns)",
            self.batch.num_rows(),
            self.batch.num_columns()
        )
    }
}
