//! The last stage: the outer plan over released tables, its columns as advertised, notes in the metadata.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use cordon_disclosure::{Charge, Metered, Profile, most_charged};
use datafusion::common::Result;

use crate::answer::{Answer, Note, Prepared};
use crate::engine::QueryOptions;
use crate::guard::{Figure, GuardedPlan};

/// Metadata key of the query id.
const QUERY_ID: &str = "cordon.query_id";
/// Metadata key of the notes, JSON.
const NOTES: &str = "cordon.notes";
/// Metadata key of the profile's name.
const POLICY: &str = "cordon.policy_version";
/// Metadata key of a prepared statement: how many answers it can be charged at most.
const MOST_CHARGED: &str = "cordon.most_charged";
/// Field metadata: what was done to a figure.
const TREATMENT: &str = "cordon.treatment";

/// What an answer of this plan looks like: every column nullable, a status column beside every figure
/// where wanted.
pub(crate) fn advertised(
    plan: &GuardedPlan,
    options: QueryOptions,
    profile: &Profile,
) -> SchemaRef {
    let mut fields = Vec::new();
    // Standard errors, where they were asked for, stand behind in the plan and beside their figures in the answer.
    for (field, figure) in plan.outer.schema().fields().iter().zip(&plan.columns) {
        let (data_type, figure) = (plain_type(field.data_type()), *figure);
        let metadata = treatment(figure)
            .map(|t| HashMap::from([(TREATMENT.to_owned(), t.to_owned())]))
            .unwrap_or_default();
        fields.push(Field::new(field.name(), data_type, true).with_metadata(metadata));
        if options.status_columns && figure != Figure::No {
            fields.push(Field::new(format!("{}_status", field.name()), DataType::Utf8, true));
        }
        if options.error_columns && figure != Figure::No {
            fields.push(Field::new(format!("{}_se", field.name()), DataType::Float64, true));
        }
    }
    let mut metadata = HashMap::new();
    if profile.has_meter() {
        let tables: usize = plan.steps.iter().map(|step| step.tables()).sum();
        let most = most_charged(profile, tables as u64).answers();
        metadata.insert(MOST_CHARGED.to_owned(), format!("{most:.3}"));
    }
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// What was charged for an answer, and where the meter stands.
pub(crate) fn metered(charge: Charge, last: &Metered) -> Note {
    let mut text = format!(
        "{:.3} answers charged for this; the agreement's meter stands at {:.3}",
        charge.answers(),
        last.meter.answers()
    );
    if let Some(budget) = last.budget {
        text.push_str(&format!(" of {budget}"));
    }
    if last.growth > 1.0 {
        text.push_str(&format!(
            ", and the noise of new answers is {:.2} times as wide",
            last.growth
        ));
    }
    Note { column: None, text }
}

/// Types that every client reads.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}

fn treatment(figure: Figure) -> Option<&'static str> {
    match figure {
        Figure::No => None,
        Figure::Direct => Some("released"),
        Figure::Derived => Some("derived"),
    }
}

/// What was done, in words.
pub(crate) fn notes(plan: &GuardedPlan, extra: Vec<Note>) -> Vec<Note> {
    let mut notes = extra;
    for (field, figure) in plan.outer.schema().fields().iter().zip(&plan.columns) {
        if *figure == Figure::Derived {
            notes.push(Note {
                column: Some(field.name().clone()),
                text: "computed from released figures; it leaves out what is suppressed".to_owned(),
            });
        }
    }
    notes
}

/// Puts the outer plan's rows into the advertised form.
pub(crate) fn answer(
    query_id: String,
    plan: &GuardedPlan,
    prepared: &Prepared,
    options: QueryOptions,
    batches: &[RecordBatch],
    notes: Vec<Note>,
    profile: &Profile,
) -> Result<Answer> {
    let metadata = HashMap::from([
        (QUERY_ID.to_owned(), query_id.clone()),
        (NOTES.to_owned(), serde_json::to_string(&notes).unwrap_or_default()),
        (POLICY.to_owned(), profile.name().to_owned()),
    ]);
    let schema = Arc::new(prepared.schema.as_ref().clone().with_metadata(metadata));
    let mut finished = Vec::new();
    if let Some(first) = batches.first() {
        let whole = concat_batches(&first.schema(), batches)?;
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut errors = whole.columns().iter().skip(plan.columns.len());
        for (column, figure) in whole.columns().iter().zip(plan.columns.iter().copied()) {
            let wanted = schema.field(columns.len()).data_type();
            columns.push(if column.data_type() == wanted {
                Arc::clone(column)
            } else {
                cast(column, wanted)?
            });
            if options.status_columns && figure != Figure::No {
                columns.push(statuses(column, figure));
            }
            if options.error_columns && figure != Figure::No {
                columns.extend(errors.next().cloned());
            }
        }
        let row_count =
            arrow_array::RecordBatchOptions::new().with_row_count(Some(whole.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &row_count)?;
        if batch.num_rows() > 0 {
            finished.push(batch);
        }
    }
    Ok(Answer { query_id, schema, batches: finished, notes })
}

fn statuses(column: &ArrayRef, figure: Figure) -> ArrayRef {
    let missing = if figure == Figure::Direct { "suppressed" } else { "derived" };
    Arc::new(
        (0..column.len())
            .map(|row| Some(if column.is_null(row) { missing } else { "released" }))
            .collect::<StringArray>(),
    )
}
