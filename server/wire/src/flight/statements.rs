//! Statements: prepared, bound, run; and the results they leave to be fetched.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow_array::RecordBatch;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt as _, TicketStatementQuery};
use arrow_flight::{FlightData, FlightEndpoint, FlightInfo, Ticket};
use arrow_schema::SchemaRef;
use cordon_agreements::{AgreementId, Permit};
use cordon_disclosure::{Code, Refusal};
use cordon_engine::{Note, QueryOptions, SubmittedSql, new_query_id};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::FlightDoor;
use super::caller::Caller;
use crate::encode;
use crate::parameters::{self, Binding};
use crate::questions::Finished;
use crate::shelf::{Key, Limits, NotKept};
use crate::status;

/// Prepared statements stay open for an hour, at most a hundred for each person.
pub(crate) const OPEN_STATEMENTS: Limits =
    Limits { per_person: 100, bytes: 64 << 20, life: Duration::from_secs(3600) };

/// Results wait for a quarter of an hour.
pub(crate) const KEPT_RESULTS: Limits =
    Limits { per_person: 1000, bytes: 256 << 20, life: Duration::from_secs(15 * 60) };

/// A prepared statement, with its values once they are bound.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) options: QueryOptions,
    /// As announced.
    pub(crate) schema: SchemaRef,
    pub(crate) parameters: SchemaRef,
    bound: Option<RecordBatch>,
}

/// A result that was released and recorded, as it will be streamed.
pub(crate) struct Stored {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

/// The door's name in the audit log.
const DOOR: &str = "flight";

impl FlightDoor {
    /// Plans a statement and opens it.
    pub(crate) async fn open(
        &self,
        caller: &Caller,
        text: String,
    ) -> Result<(Key, Arc<Statement>), Status> {
        let permit = self.permit(caller, None, &text).await?;
        let agreement = permit.agreement().clone();
        let sql = submitted(permit, text.clone(), None, caller.options);
        let query_id = sql.query_id.clone();
        let planned = self.questions.prepare(sql).await;
        let planned = planned.map_err(|stop| status::stopped(&stop, &query_id))?;
        let statement = Statement {
            text,
            options: caller.options,
            schema: encode::announced(&planned.schema),
            parameters: planned.parameters,
            bound: None,
        };
        let key = self.keep_statement(caller, &agreement, statement.clone())?;
        Ok((key, Arc::new(statement)))
    }

    /// The columns of a statement's answer. Plans, never runs.
    pub(crate) async fn plan_text(
        &self,
        caller: &Caller,
        statement: CommandStatementQuery,
    ) -> Result<SchemaRef, Status> {
        let text = without_transaction(statement)?;
        let permit = self.permit(caller, None, &text).await?;
        let sql = submitted(permit, text, None, caller.options);
        let query_id = sql.query_id.clone();
        let planned = self.questions.prepare(sql).await;
        let planned = planned.map_err(|stop| status::stopped(&stop, &query_id))?;
        Ok(encode::announced(&planned.schema))
    }

    /// The caller's open statement of that handle, with the agreement it is bound to as that stands now.
    pub(crate) async fn open_statement(
        &self,
        caller: &Caller,
        handle: &[u8],
    ) -> Result<(Permit, Arc<Statement>), Status> {
        let found = self.statements.find(&caller.signed_in.user, handle, Instant::now());
        let found = found.filter(|(agreement, _)| caller.may_mean(agreement));
        let (agreement, statement) = found.ok_or_else(no_statement)?;
        let permit = self.permit(caller, Some(agreement.as_str()), &statement.text).await?;
        Ok((permit, statement))
    }

    /// Opens the statement again with one row of values bound to it.
    pub(crate) async fn bind(
        &self,
        caller: &Caller,
        handle: &[u8],
        first: FlightData,
        mut messages: Streaming<FlightData>,
    ) -> Result<Key, Status> {
        let (permit, statement) = self.open_statement(caller, handle).await?;
        let agreement = permit.agreement();
        let mut binding = Binding::default();
        let mut next = Ok(Some(first));
        let read = loop {
            match next {
                Ok(Some(message)) => {
                    if let Err(refusal) = binding.push(message) {
                        break Err(refusal);
                    }
                }
                Ok(None) => break binding.row(statement.parameters.fields().len()),
                // A message over the size limit, or one that is no message.
                Err(_) => break Err(parameters::too_large()),
            }
            next = messages.message().await;
        };
        match read {
            Ok(row) => {
                let bound = Statement { bound: Some(row), ..statement.as_ref().clone() };
                self.keep_statement(caller, agreement, bound)
            }
            Err(refusal) => {
                Err(self.refuse(caller, agreement.as_str(), &statement.text, &refusal).await)
            }
        }
    }

    /// Runs a statement as it came.
    pub(crate) async fn run_text(
        &self,
        caller: &Caller,
        statement: CommandStatementQuery,
    ) -> Result<(FlightInfo, String), Status> {
        let text = without_transaction(statement)?;
        let permit = self.permit(caller, None, &text).await?;
        self.run(caller, submitted(permit, text, None, caller.options)).await
    }

    /// Runs a prepared statement with what is bound to it.
    pub(crate) async fn run_prepared(
        &self,
        caller: &Caller,
        handle: &[u8],
    ) -> Result<(FlightInfo, String), Status> {
        let (permit, statement) = self.open_statement(caller, handle).await?;
        let Statement { text, options, bound, .. } = statement.as_ref().clone();
        self.run(caller, submitted(permit, text, bound, options)).await
    }

    /// Runs, and keeps the result. When the caller goes away, this future is dropped and the work stops.
    async fn run(
        &self,
        caller: &Caller,
        sql: SubmittedSql,
    ) -> Result<(FlightInfo, String), Status> {
        let agreement = sql.permit.agreement().clone();
        let cancel = CancellationToken::new();
        let _stops_when_dropped = cancel.clone().drop_guard();
        let asked = sql.query_id.clone();
        let finished = self.questions.run(sql, cancel).await;
        let finished = finished.map_err(|stop| status::stopped(&stop, &asked))?;
        let Finished { query_id, schema, batches, notes } = finished;
        // Names and texts: nothing that JSON could not hold.
        let told = serde_json::to_vec(&notes).unwrap_or_default();
        self.keep_notes(caller, &query_id, notes).await;
        let schema = encode::announced(&schema);
        let batches: Vec<RecordBatch> = batches
            .iter()
            .map(|batch| encode::fitted(batch, &schema))
            .collect::<Result<_, _>>()
            .map_err(|error| status::fault(&error))?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();

        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|error| status::fault(&error))?
            .with_total_records(i64::try_from(rows).unwrap_or(-1))
            .with_total_bytes(i64::try_from(bytes).unwrap_or(-1))
            .with_ordered(true)
            .with_app_metadata(told);
        let stored = Stored { schema, batches };
        let user = &caller.signed_in.user;
        let key = self
            .results
            .keep(user, &agreement, stored, bytes, Instant::now())
            .map_err(|error| not_kept(&error))?;
        let ticket = TicketStatementQuery { statement_handle: key.to_vec().into() };
        let until = SystemTime::now() + KEPT_RESULTS.life;
        let endpoint = FlightEndpoint::new()
            .with_ticket(Ticket::new(ticket.as_any().encode_to_vec()))
            .with_expiration_time(prost_types::Timestamp::from(until));
        Ok((info.with_endpoint(endpoint), query_id))
    }

    /// Notes travel with the answer; that they are kept is for programs that drop them on the way. When
    /// they cannot be kept, the answer is as good.
    async fn keep_notes(&self, caller: &Caller, query_id: &str, notes: Vec<Note>) {
        let Some(keep) = &self.keep_notes else { return };
        let (keep, user) = (Arc::clone(keep), caller.signed_in.user.clone());
        let (query_id, id) = (query_id.to_owned(), query_id.to_owned());
        let kept = tokio::task::spawn_blocking(move || keep(&id, &user, &notes)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!(query_id, error = ?kept, "notes cannot be kept");
        }
    }

    /// The caller's result of that ticket, if its agreement still lets it be fetched.
    pub(crate) async fn stored_result(
        &self,
        caller: &Caller,
        handle: &[u8],
    ) -> Result<Arc<Stored>, Status> {
        let found = self.results.find(&caller.signed_in.user, handle, Instant::now());
        let (agreement, stored) =
            found.filter(|(agreement, _)| caller.may_mean(agreement)).ok_or_else(no_result)?;
        self.permit(caller, Some(agreement.as_str()), "fetch a result").await?;
        Ok(stored)
    }

    fn keep_statement(
        &self,
        caller: &Caller,
        agreement: &AgreementId,
        statement: Statement,
    ) -> Result<Key, Status> {
        let values = statement.bound.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        let columns = statement.schema.fields().len() + statement.parameters.fields().len();
        let bytes = statement.text.len() + values + columns * 512;
        self.statements
            .keep(&caller.signed_in.user, agreement, statement, bytes, Instant::now())
            .map_err(|error| not_kept(&error))
    }
}

impl Caller {
    /// A call that names an agreement means things of that agreement only.
    fn may_mean(&self, agreement: &AgreementId) -> bool {
        self.agreement.as_deref().is_none_or(|named| named == agreement.as_str())
    }
}

fn submitted(
    permit: Permit,
    text: String,
    parameters: Option<RecordBatch>,
    options: QueryOptions,
) -> SubmittedSql {
    SubmittedSql { query_id: new_query_id(), permit, text, parameters, options, door: DOOR }
}

fn without_transaction(statement: CommandStatementQuery) -> Result<String, Status> {
    match statement.transaction_id {
        Some(id) if !id.is_empty() => Err(no_transactions()),
        _ => Ok(statement.query),
    }
}

pub(crate) fn no_transactions() -> Status {
    status::refused(&Refusal::new(Code::NotOffered, "transactions are not offered"), None)
}

/// Unknown, expired and somebody else's are told alike.
fn no_statement() -> Status {
    let refusal = Refusal::new(Code::ResultUnknown, "no such prepared statement is open for you")
        .instead("prepare the statement again");
    status::refused(&refusal, None)
}

/// Unknown, expired and somebody else's are told alike.
pub(crate) fn no_result() -> Status {
    status::refused(&Refusal::new(Code::ResultUnknown, "no such result is kept for you"), None)
}

fn not_kept(error: &NotKept) -> Status {
    match error {
        NotKept::TooLarge => {
            let refusal = Refusal::new(Code::MemoryExhausted, "the answer is too large to be kept");
            status::refused(&refusal, None)
        }
        NotKept::Random(_) => status::fault(error),
    }
}
