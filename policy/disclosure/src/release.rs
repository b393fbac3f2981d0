//! The release of one table: every cell passes or is suppressed, and the ledger holds it before it is returned.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::groups::Group;
use crate::{
    Decided, Earlier, Ledger, LedgerError, Measure, Profile, RawAggregates, RawMeasure, Refusal,
    Timestamp, rules, stored,
};

/// A table that has passed disclosure control and been recorded. [`release`] is its only constructor; what
/// the ledger recorded earlier becomes a table again only there.
///
/// ```compile_fail,E0451
/// fn forged(batch: arrow_array::RecordBatch) -> cordon_disclosure::ReleasedTable {
///     cordon_disclosure::ReleasedTable { batch, measures: Vec::new(), notes: Vec::new() }
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
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Outcome, ReleaseError> {
    let mut outcome = Err(ReleaseError::NothingRecorded);
    let recorded = ledger.exclusive(&raw.question, now, &mut |earlier| match look_up_or_decide(
        &raw, earlier,
    ) {
        Ok((table, decided)) => {
            outcome = Ok(table);
            Ok(decided)
        }
        Err(error) => {
            outcome = Err(error);
            Err(LedgerError { action: "decide", source: "no decision was reached".into() })
        }
    });
    // I6: what was decided but not recorded is dropped here. A failed decision is the cause of the
    // ledger's failure, so it is the one that is told.
    let table = match (recorded, outcome) {
        (Ok(_), outcome) => outcome?,
        (Err(unrecorded), Ok(_) | Err(ReleaseError::NothingRecorded)) => {
            return Err(unrecorded.into());
        }
        (Err(_), Err(error)) => return Err(error),
    };
    Ok(Outcome::Released(table))
}

/// The look-up comes first: the same question receives the same answer, copied whole (I3).
fn look_up_or_decide(
    raw: &RawAggregates,
    earlier: &dyn Earlier,
) -> Result<(ReleasedTable, Decided), ReleaseError> {
    let fingerprint = &raw.question.fingerprint;
    let (table, copied) = match earlier.table(fingerprint)? {
        Some(bytes) => (renamed(stored::open(&bytes, fingerprint)?, raw)?, true),
        None => (decide(raw)?, false),
    };
    let bytes = stored::seal(&table, fingerprint).map_err(ReleaseError::Build)?;
    Ok((table, Decided { table: bytes, copied }))
}

/// Applies the rules to every cell of every group that may be listed.
fn decide(raw: &RawAggregates) -> Result<ReleasedTable, ReleaseError> {
    let groups = raw.groups.listed(&raw.people, raw.profile.threshold);
    let figures = |group: &Group| -> Vec<Option<i128>> {
        raw.measures.iter().map(|measure| figure(&raw.profile, measure, group)).collect()
    };
    // Wholly suppressed rows go last: then neither ORDER BY ties nor LIMIT of what is computed from this
    // table can tell absent from small.
    let (mut rows, hidden): (Vec<_>, Vec<_>) = groups
        .iter()
        .map(|group| (*group, figures(group)))
        .partition(|(_, figures)| figures.is_empty() || figures.iter().any(Option::is_some));
    rows.extend(hidden);

    let listed: Vec<Group> = rows.iter().map(|(group, _)| *group).collect();
    let mut columns = raw.groups.keys_of(&listed).map_err(ReleaseError::Build)?;
    for (at, measure) in raw.measures.iter().enumerate() {
        let figures = rows.iter().map(|(_, figures)| figures.get(at).copied().flatten());
        columns.push(column(measure.measure, figures).map_err(ReleaseError::Build)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(schema(raw), columns, &options)
        .map_err(ReleaseError::Build)?;
    Ok(ReleasedTable { batch, measures: measures(raw), notes: notes(raw) })
}

fn figure(profile: &Profile, measure: &RawMeasure, group: &Group) -> Option<i128> {
    match group.cells {
        Some(at) => rules::shown(profile, measure.measure, measure.cells.get(at)?),
        None => rules::nobody(profile),
    }
}

fn column(
    measure: Measure,
    figures: impl Iterator<Item = Option<i128>>,
) -> Result<ArrayRef, ArrowError> {
    Ok(match measure {
        Measure::Persons | Measure::Rows => {
            let counts = figures.map(|figure| figure.and_then(|figure| i64::try_from(figure).ok()));
            Arc::new(Int64Array::from_iter(counts))
        }
        Measure::Total { .. } => {
            Arc::new(Decimal128Array::from_iter(figures).with_data_type(data_type(measure)))
        }
    })
}

fn data_type(measure: Measure) -> DataType {
    match measure {
        Measure::Persons | Measure::Rows => DataType::Int64,
        // Decimals were checked to be below 38 when the figures came in.
        Measure::Total { decimals } => {
            DataType::Decimal128(38, i8::try_from(decimals).unwrap_or(i8::MAX))
        }
    }
}

/// Key columns as they came, then the figures, every one of which may be null. No metadata: what leaves is
/// what stands here.
fn schema(raw: &RawAggregates) -> SchemaRef {
    let keys = raw
        .groups
        .fields()
        .iter()
        .map(|field| Arc::new(Field::new(field.name(), field.data_type().clone(), true)));
    let figures = raw
        .measures
        .iter()
        .map(|measure| Arc::new(Field::new(&measure.name, data_type(measure.measure), true)));
    Arc::new(Schema::new(keys.chain(figures).collect::<Vec<_>>()))
}

fn measures(raw: &RawAggregates) -> Vec<ReleasedMeasure> {
    raw.measures
        .iter()
        .map(|measure| ReleasedMeasure {
            name: measure.name.clone(),
            measure: measure.measure.word().to_owned(),
            treatment: rules::treatment(&raw.profile, measure.measure),
        })
        .collect()
}

/// Said of every table of this kind alike, whether or not anything was left out of this one.
fn notes(raw: &RawAggregates) -> Vec<String> {
    if raw.groups.fields().is_empty() {
        return Vec::new();
    }
    let threshold = raw.profile.threshold;
    vec![if raw.groups.public_list() {
        format!(
            "every group of the public list stands in the table; others only with {threshold} people or more"
        )
    } else {
        format!("only groups of {threshold} people or more stand in the table")
    }]
}

/// An earlier answer under the column names of this question: names come from the text, and the text
/// changes nothing (I3).
fn renamed(table: ReleasedTable, raw: &RawAggregates) -> Result<ReleasedTable, ReleaseError> {
    let options = RecordBatchOptions::new().with_row_count(Some(table.batch.num_rows()));
    let batch =
        RecordBatch::try_new_with_options(schema(raw), table.batch.columns().to_vec(), &options)
            .map_err(ReleaseError::Build)?;
    let mut measures = table.measures;
    for (released, asked) in measures.iter_mut().zip(&raw.measures) {
        released.name.clone_from(&asked.name);
    }
    Ok(ReleasedTable { batch, measures, notes: table.notes })
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
    /// totals; null where suppressed). Sorted by keys, wholly suppressed rows last.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The figure columns, in order.
    pub fn measures(&self) -> &[ReleasedMeasure] {
        &self.measures
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
