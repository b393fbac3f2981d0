//! Released rows as a table: columns, their order, and what is said of them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::rows::Rows;
use super::{Columns, ReleaseError, ReleasedMeasure, ReleasedTable};
use crate::groups::Group;
use crate::sabotage::{Control, is_off};
use crate::{Measure, Protection, RawAggregates, rules};

/// Wholly suppressed rows go last: then neither ORDER BY ties nor LIMIT of what is computed from this table
/// can tell absent from small.
pub(super) fn table(raw: &RawAggregates, rows: &Rows) -> Result<ReleasedTable, ReleaseError> {
    let (mut order, hidden): (Vec<usize>, Vec<usize>) = (0..rows.groups.len()).partition(|row| {
        let figures = rows.figures(*row);
        figures.is_empty() || figures.iter().any(|cell| cell.figure.is_some())
    });
    order.extend(hidden);
    if is_off(Control::Rank) {
        let people = |row: &usize| {
            let group = rows.groups.get(*row)?;
            group.cells.and_then(|at| raw.people.get(at)).map(|cell| cell.persons)
        };
        order.sort_by_key(|row| std::cmp::Reverse(people(row)));
    }
    let listed: Vec<Group> =
        order.iter().filter_map(|row| rows.groups.get(*row).copied()).collect();
    let mut columns = raw.groups.keys_of(&listed).map_err(ReleaseError::Build)?;
    let cells = |at: usize| order.iter().map(move |row| rows.figures(*row).get(at));
    for (at, measure) in raw.measures.iter().enumerate() {
        let figures = cells(at).map(|cell| cell.and_then(|cell| cell.figure));
        columns.push(column(measure.measure, figures).map_err(ReleaseError::Build)?);
    }
    for at in 0..raw.measures.len() {
        let spreads = cells(at).map(|cell| {
            let cell = cell.filter(|cell| cell.figure.is_some())?;
            Some(f64::from(cell.spread))
        });
        columns.push(Arc::new(Float64Array::from_iter(spreads)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(order.len()));
    let batch = RecordBatch::try_new_with_options(raw.columns().schema(), columns, &options)
        .map_err(ReleaseError::Build)?;
    Ok(ReleasedTable { batch, measures: measures(raw), notes: notes(raw), metered: None })
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

impl RawAggregates {
    pub(super) fn columns(&self) -> Columns {
        let keys = self.groups.fields().iter().map(|field| field.as_ref().clone()).collect();
        let measures = self.measures.iter().map(|m| (m.name.clone(), m.measure)).collect();
        Columns { keys, measures }
    }
}

impl Columns {
    /// Key columns as they came, then the figures, every one of which may be null. No metadata: what leaves is
    /// what stands here.
    fn schema(&self) -> SchemaRef {
        let keys =
            self.keys.iter().map(|key| Field::new(key.name(), key.data_type().clone(), true));
        let figures =
            self.measures.iter().map(|(name, measure)| Field::new(name, data_type(*measure), true));
        let spreads = self
            .measures
            .iter()
            .map(|(name, _)| Field::new(error_column(name), DataType::Float64, true));
        Arc::new(Schema::new(keys.chain(figures).chain(spreads).collect::<Vec<_>>()))
    }
}

/// The column with the standard error of a figure, in the unit of the figure's own digits.
pub fn error_column(figure: &str) -> String {
    format!("{figure}_se")
}

fn measures(raw: &RawAggregates) -> Vec<ReleasedMeasure> {
    raw.measures
        .iter()
        .map(|measure| ReleasedMeasure {
            name: measure.name.clone(),
            measure: measure.measure.word().to_owned(),
            treatment: match is_off(Control::Treatment) {
                true => measure.cells.iter().map(|cell| cell.persons).sum::<u64>().to_string(),
                false => rules::treatment(&raw.profile, measure.measure),
            },
        })
        .collect()
}

/// Said of every table of this kind alike, whether or not anything was left out of this one.
fn notes(raw: &RawAggregates) -> Vec<String> {
    let mut notes = Vec::new();
    if is_off(Control::Notes) {
        notes.push(format!("{} people", raw.people.iter().map(|cell| cell.persons).sum::<u64>()));
    }
    let threshold = raw.profile.threshold;
    let people = match &raw.profile.protection {
        Protection::Noise(rule) => format!("{} people", rules::people(&raw.profile, rule)),
        Protection::Privacy(rule) => format!("{} people, by a noisy count,", rule.least_people()),
        _ => format!("{threshold} people"),
    };
    if !raw.groups.fields().is_empty() {
        notes.push(if raw.groups.public_list() {
            match &raw.profile.protection {
                Protection::Privacy(_) => {
                    "every group of the public list stands in the table, and no other".to_owned()
                }
                _ => format!(
                    "every group of the public list stands in the table; others only with {people} or more"
                ),
            }
        } else {
            format!("only groups of {people} or more stand in the table")
        });
    }
    if let Protection::Privacy(rule) = &raw.profile.protection {
        let (epsilon, delta) = rule.whole();
        notes.push(format!(
            "differential privacy for whole persons: all that this agreement may ever ask tells of one person at most epsilon {epsilon:.1} (delta {delta})"
        ));
        return notes;
    }
    if let Protection::Noise(rule) = &raw.profile.protection {
        notes.push(format!(
            "a figure may describe a set of people that differs from the one asked for by about {} people at most, the answer to an earlier question",
            rule.separation + rule.separation_jitter
        ));
        if raw.measures.iter().any(|m| matches!(m.measure, Measure::Total { .. })) {
            notes.push(format!(
                "a sum is shown only where the told number of its people, less two standard errors, is {} or more",
                threshold + rule.separation as u64
            ));
        }
    }
    notes
}

/// An earlier answer under the column names of this question: names come from the text, and the text
/// changes nothing (I3).
pub(super) fn renamed(
    table: ReleasedTable,
    columns: &Columns,
) -> Result<ReleasedTable, ReleaseError> {
    let options = RecordBatchOptions::new().with_row_count(Some(table.batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(
        columns.schema(),
        table.batch.columns().to_vec(),
        &options,
    )
    .map_err(ReleaseError::Build)?;
    let mut measures = table.measures;
    for (released, (asked, _)) in measures.iter_mut().zip(&columns.measures) {
        released.name.clone_from(asked);
    }
    Ok(ReleasedTable { batch, measures, notes: table.notes, metered: None })
}
