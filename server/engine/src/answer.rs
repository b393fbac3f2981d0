//! What comes back from a query: an answer, a refusal or a failure. Nothing else.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use cordon_disclosure::{Code, Refusal};

/// A statement that was planned and may run: what its answer will look like.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) schema: SchemaRef,
    pub(crate) parameters: SchemaRef,
}

/// A finished answer: the outer plan ran over released tables and public tables only, and the ledger
/// holds it. Made by `finish` alone.
#[derive(Clone)]
pub struct Answer {
    pub(crate) query_id: String,
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) notes: Vec<Note>,
}

/// What was done to an answer, said once for the table or for one column.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The column; none for the whole table.
    pub column: Option<String>,
    /// In plain words.
    pub text: String,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Stop {
    /// An expected "no".
    Refused(Box<Refusal>),
    /// The system could not; the cause stays in the operator's log under the error id.
    Failed(Failure),
}

/// A failure of the system, with nothing of its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the `CORDON-X…` codes.
    pub code: Code,
    /// Finds the cause in the operator's log.
    pub error_id: String,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl Prepared {
    /// The columns of the answer: exactly what [`Answer::schema`] will say, metadata of notes aside.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// One field per parameter, named "0", "1", …; type Null where it could not be told.
    pub fn parameters(&self) -> &SchemaRef {
        &self.parameters
    }
}

impl Answer {
    /// The query's id in ledger, audit log and notes.
    pub fn query_id(&self) -> &str {
        &self.query_id
    }

    /// Columns, all nullable; `cordon.query_id`, `cordon.notes` (JSON) and `cordon.policy_version` in the
    /// schema's metadata, `cordon.treatment` in that of a field.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows. A suppressed figure is null.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// What was done to the figures.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} columns)", self.query_id, self.schema.fields().len())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
