//! The analyst's own work as tables: `my.agreements`, `my.queries`, `my.notes`. Nothing of anybody else,
//! and of queries and notes only what was asked under the agreement of the question.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{Field, Schema};
use chrono::{NaiveDate, Utc};
use cordon_agreements::{Agreement, AgreementId, Agreements, Permit, Status, UserId};
use cordon_catalogue::TableName;
use cordon_disclosure::{AuditOutcome, Charge};
use cordon_engine::OwnViews;
use cordon_state::{AuditRow, KeptNote, SqliteState};
use cordon_wire::AgreementsInForce;

/// Latest queries and notes that are looked at; older ones are the auditor's.
const QUERIES: u32 = 500;
const NOTES: u32 = 2_000;

/// Reads the analyst's own work from the ledger and the agreements in force.
pub(crate) struct OwnWork {
    pub(crate) state: Arc<SqliteState>,
    pub(crate) agreements: AgreementsInForce,
}

impl OwnViews for OwnWork {
    fn views(&self, permit: &Permit) -> BTreeMap<TableName, RecordBatch> {
        let agreement = permit.agreement().as_str();
        let analyst = permit.analyst().as_str();
        // A ledger that cannot be read shows an empty list, and refuses the answer when it is recorded.
        let mut queries = self.state.queries_of(analyst, QUERIES).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "own queries cannot be read");
            Vec::new()
        });
        queries.retain(|row| row.event.agreement == agreement);
        let notes = self.state.notes_of(analyst, NOTES).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "own notes cannot be read");
            Vec::new()
        });
        let today = Utc::now().date_naive();
        let agreements = self.agreements.now();
        let views = [
            (
                "my.agreements",
                agreements_of(&agreements, permit.analyst(), today, &|agreement| {
                    self.state.charged(agreements.lineage(agreement).as_str()).ok()
                }),
            ),
            ("my.queries", queries_table(&queries)),
            ("my.notes", notes_table(&notes, &queries)),
        ];
        views.into_iter().filter_map(|(name, batch)| Some((name.parse().ok()?, batch?))).collect()
    }
}

/// The agreements that name a person, whatever their status.
fn agreements_of(
    agreements: &Agreements,
    who: &UserId,
    today: NaiveDate,
    charged: &dyn Fn(&AgreementId) -> Option<Charge>,
) -> Option<RecordBatch> {
    agreements_table(&agreements.of(who).collect::<Vec<_>>(), today, charged)
}

/// Agreements as rows.
///
/// `charged` is the meter: answers charged so far, none where it is not known.
pub(crate) fn agreements_table(
    agreements: &[&Agreement],
    today: NaiveDate,
    charged: &dyn Fn(&AgreementId) -> Option<Charge>,
) -> Option<RecordBatch> {
    let text = |of: &dyn Fn(&Agreement) -> String| -> ArrayRef {
        Arc::new(agreements.iter().map(|a| Some(of(a))).collect::<StringArray>())
    };
    let day = |of: &dyn Fn(&Agreement) -> NaiveDate| -> ArrayRef {
        Arc::new(agreements.iter().map(|a| days_since_1970(of(a))).collect::<Date32Array>())
    };
    let number = |of: &dyn Fn(&Agreement) -> Option<f64>| -> ArrayRef {
        Arc::new(agreements.iter().map(|a| of(a)).collect::<Float64Array>())
    };
    let budget = |a: &Agreement| a.profile().budget();
    let tables = |a: &Agreement| a.grants().map(|(t, _)| t.as_str()).collect::<Vec<_>>().join(", ");
    table([
        ("reference", text(&|a| a.id().to_string())),
        ("title", text(&|a| a.title().to_owned())),
        ("organisation", text(&|a| a.organisation().to_owned())),
        ("purpose", text(&|a| a.purpose().to_owned())),
        ("status", text(&|a| status(a, today).to_owned())),
        ("first_day", day(&|a| a.term().0)),
        ("last_day", day(&|a| a.term().1)),
        ("profile", text(&|a| a.profile().name().to_owned())),
        ("tables", text(&tables)),
        ("charged", number(&|a| charged(a.id()).map(Charge::answers))),
        ("budget", number(&budget)),
    ])
}

/// The status as people mean it: an active agreement is not usable outside its term.
fn status(agreement: &Agreement, today: NaiveDate) -> &'static str {
    let (first, last) = agreement.term();
    match agreement.status() {
        Status::Active if today < first => "not begun",
        Status::Active if today > last => "ended",
        other => other.word(),
    }
}

fn queries_table(queries: &[AuditRow]) -> Option<RecordBatch> {
    let text = |of: &dyn Fn(&AuditRow) -> String| -> ArrayRef {
        Arc::new(queries.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    table([
        ("query_id", text(&|row| row.event.query_id.clone())),
        ("time", times(queries.iter().map(|row| row.at.0))),
        ("sql", text(&|row| row.event.sql.clone())),
        ("outcome", text(&|row| outcome(&row.event.outcome).to_owned())),
        (
            "rows",
            Arc::new(queries.iter().map(|row| rows(&row.event.outcome)).collect::<Int64Array>()),
        ),
    ])
}

/// `released`, or the code with which it ended.
pub(crate) fn outcome(outcome: &AuditOutcome) -> &str {
    match outcome {
        AuditOutcome::Released { .. } => "released",
        AuditOutcome::Refused(code) | AuditOutcome::Failed(code) => code,
    }
}

pub(crate) fn rows(outcome: &AuditOutcome) -> Option<i64> {
    match outcome {
        AuditOutcome::Released { rows, .. } => i64::try_from(*rows).ok(),
        AuditOutcome::Refused(_) | AuditOutcome::Failed(_) => None,
    }
}

/// The notes on these queries.
fn notes_table(notes: &[KeptNote], queries: &[AuditRow]) -> Option<RecordBatch> {
    let own: BTreeSet<&str> = queries.iter().map(|row| row.event.query_id.as_str()).collect();
    let notes: Vec<&KeptNote> =
        notes.iter().filter(|note| own.contains(note.query_id.as_str())).collect();
    let text = |of: &dyn Fn(&KeptNote) -> Option<String>| -> ArrayRef {
        Arc::new(notes.iter().map(|note| of(note)).collect::<StringArray>())
    };
    table([
        ("query_id", text(&|note| Some(note.query_id.clone()))),
        ("time", times(notes.iter().map(|note| note.at.0))),
        ("column", text(&|note| note.column.clone())),
        ("note", text(&|note| Some(note.text.clone()))),
    ])
}

/// Moments, in UTC.
pub(crate) fn times(milliseconds: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(milliseconds).with_timezone("+00:00"))
}

/// Columns of whatever length they have, all nullable. `None` never happens: the columns are made here.
pub(crate) fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Option<RecordBatch> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let made = RecordBatch::try_new(Arc::new(schema), arrays);
    debug_assert!(made.is_ok(), "{made:?}");
    made.ok()
}

fn days_since_1970(day: NaiveDate) -> Option<i32> {
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

impl fmt::Debug for OwnWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnWork")
    }
}
