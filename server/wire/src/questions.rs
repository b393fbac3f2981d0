//! The engine as the doors need it.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use cordon_agreements::Permit;
use cordon_catalogue::TableName;
use cordon_engine::{Answer, Engine, Note, Stop, SubmittedSql};
use tokio_util::sync::CancellationToken;

/// Answers questions. Tests answer without data.
#[tonic::async_trait]
pub(crate) trait Questions: Send + Sync + 'static {
    /// Plans without running.
    async fn prepare(&self, sql: SubmittedSql) -> Result<Planned, Stop>;

    /// Runs, releases, records.
    async fn run(&self, sql: SubmittedSql, cancel: CancellationToken) -> Result<Finished, Stop>;

    /// What exists for a permit.
    fn visible_tables(&self, permit: &Permit) -> Vec<(TableName, SchemaRef)>;

    /// The functions that analysts may use.
    fn function_names(&self) -> Vec<String>;
}

/// What a statement takes and gives.
pub(crate) struct Planned {
    pub(crate) schema: SchemaRef,
    pub(crate) parameters: SchemaRef,
}

/// A finished answer. Outside tests it is made from an [`Answer`] only: whatever is in it was released
/// and recorded.
pub(crate) struct Finished {
    pub(crate) query_id: String,
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) notes: Vec<Note>,
}

#[tonic::async_trait]
impl Questions for Engine {
    async fn prepare(&self, sql: SubmittedSql) -> Result<Planned, Stop> {
        let prepared = self.prepare(sql).await?;
        let (schema, parameters) = (prepared.schema(), prepared.parameters());
        Ok(Planned { schema: schema.clone(), parameters: parameters.clone() })
    }

    async fn run(&self, sql: SubmittedSql, cancel: CancellationToken) -> Result<Finished, Stop> {
        self.run(sql, cancel).await.map(|answer| Finished::from(&answer))
    }

    fn visible_tables(&self, permit: &Permit) -> Vec<(TableName, SchemaRef)> {
        self.visible_tables(permit)
    }

    fn function_names(&self) -> Vec<String> {
        self.function_names()
    }
}

impl From<&Answer> for Finished {
    fn from(answer: &Answer) -> Self {
        Self {
            query_id: answer.query_id().to_owned(),
            schema: answer.schema().clone(),
            batches: answer.batches().to_vec(),
            notes: answer.notes().to_vec(),
        }
    }
}
