//! Flight SQL: the methods, and which part of the door answers which command.
//!
//! `arrow_flight::sql::server` would dispatch too, but answers PollFlightInfo and GetSchema with a fixed
//! no and passes library texts on. Statements run and are checked at GetFlightInfo; DoGet only streams
//! what was stored, because drivers lose the details of an error there.

mod actions;
mod caller;
mod like;
mod metadata;
mod sessions;
mod sql_info;
mod statements;
#[cfg(test)]
mod tests;
mod xdbc;

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{Any, Command, DoPutPreparedStatementResult};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use cordon_agreements::UserId;
use cordon_disclosure::{Code, Ledger, Refusal};
use cordon_engine::Note;
use futures::{Stream, StreamExt as _};
use prost::Message as _;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use crate::agreements::AgreementsInForce;
use crate::encode;
use crate::questions::Questions;
use crate::shelf::Shelf;
use crate::sign_in::PresentedToken;
use crate::status;

use caller::Caller;
use metadata::{Constants, Needs};
use statements::{Statement, Stored};

/// The one catalogue there is.
pub(crate) const CATALOGUE: &str = "cordon";

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Keeps the notes on an answer (query id, who asked, notes), so that SQL can reach them.
pub type KeepNotes = dyn Fn(&str, &UserId, &[Note]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    + Send
    + Sync;

/// Everything behind the Flight SQL port.
pub(crate) struct FlightDoor {
    questions: Arc<dyn Questions>,
    agreements: AgreementsInForce,
    ledger: Arc<dyn Ledger>,
    keep_notes: Option<Arc<KeepNotes>>,
    constants: Constants,
    statements: Shelf<Statement>,
    results: Shelf<Stored>,
}

impl FlightDoor {
    pub(crate) fn new(
        questions: Arc<dyn Questions>,
        agreements: AgreementsInForce,
        ledger: Arc<dyn Ledger>,
        keep_notes: Option<Arc<KeepNotes>>,
    ) -> Result<Self, FlightError> {
        let sql_info = sql_info::all(questions.function_names())?;
        Ok(Self {
            questions,
            agreements,
            ledger,
            keep_notes,
            constants: Constants { sql_info, types: xdbc::types()? },
            statements: Shelf::new(statements::OPEN_STATEMENTS),
            results: Shelf::new(statements::KEPT_RESULTS),
        })
    }

    /// Answers a metadata command; none when it is another command.
    async fn metadata(
        &self,
        caller: &Caller,
        command: &Command,
    ) -> Result<Option<RecordBatch>, Status> {
        let tables = match metadata::needs(command) {
            None => return Ok(None),
            Some(Needs::Nobody) => Vec::new(),
            Some(Needs::Permit) => {
                let permit = self.permit(caller, None, metadata::name(command)).await?;
                self.questions.visible_tables(&permit)
            }
        };
        metadata::answer(command.clone(), &tables, &self.constants)
            .map(Some)
            .map_err(|error| status::fault(&error))
    }

    /// What a descriptor asks for, ready to be fetched.
    async fn flight_info(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        let command = command(&descriptor.cmd)?;
        if let Some(batch) = self.metadata(caller, &command).await? {
            let ticket = Ticket::new(descriptor.cmd.clone());
            let info = FlightInfo::new()
                .try_with_schema(&batch.schema())
                .map_err(|error| status::fault(&error))?
                .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
                .with_descriptor(descriptor);
            return Ok(Response::new(info));
        }
        let (info, query_id) = match command {
            Command::CommandStatementQuery(statement) => self.run_text(caller, statement).await?,
            Command::CommandPreparedStatementQuery(prepared) => {
                self.run_prepared(caller, &prepared.prepared_statement_handle).await?
            }
            other => return Err(not_offered(&other)),
        };
        let mut response = Response::new(info.with_descriptor(descriptor));
        if let Ok(id) = MetadataValue::try_from(query_id) {
            response.metadata_mut().insert("cordon-query-id", id);
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl FlightService for FlightDoor {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = encode::FlightStream;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    /// The credentials were in the headers and were good, or the call would not be here. Drivers take
    /// the bearer from the header of the answer.
    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        Caller::of(&request)?;
        let token = request.extensions().get::<PresentedToken>().map(|token| token.0.clone());
        let token = token.ok_or_else(caller::nobody)?;
        let bearer = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|error| status::fault(&error))?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let mut response: Response<Self::HandshakeStream> = Response::new(one(answer));
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    /// There is nothing to fetch but what one asked for.
    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Caller::of(&request)?;
        Ok(Response::new(futures::stream::empty().boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = Caller::of(&request)?;
        self.flight_info(&caller, request.into_inner()).await
    }

    /// The answer is complete at the first poll: it comes as late as GetFlightInfo would.
    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let caller = Caller::of(&request)?;
        let info = self.flight_info(&caller, request.into_inner()).await?;
        let complete = |info| PollInfo::new().with_info(info).try_with_progress(1.0);
        let (headers, info, _) = info.into_parts();
        let poll = complete(info).map_err(|error| status::fault(&error))?;
        Ok(Response::from_parts(headers, poll, http::Extensions::new()))
    }

    /// Plans, never runs.
    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let caller = Caller::of(&request)?;
        let command = command(&request.into_inner().cmd)?;
        let schema = match self.metadata(&caller, &command).await? {
            Some(batch) => batch.schema(),
            None => match command {
                Command::CommandStatementQuery(statement) => {
                    self.plan_text(&caller, statement).await?
                }
                Command::CommandPreparedStatementQuery(prepared) => {
                    let handle = &prepared.prepared_statement_handle;
                    self.open_statement(&caller, handle).await?.1.schema.clone()
                }
                other => return Err(not_offered(&other)),
            },
        };
        let schema = encode::schema_bytes(&schema).map_err(|error| status::fault(&error))?;
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let caller = Caller::of(&request)?;
        let command = command(&request.into_inner().ticket)?;
        if let Some(batch) = self.metadata(&caller, &command).await? {
            return Ok(Response::new(encode::stream(batch.schema(), vec![batch])));
        }
        match command {
            Command::TicketStatementQuery(ticket) => {
                let stored = self.stored_result(&caller, &ticket.statement_handle).await?;
                Ok(Response::new(encode::stream(stored.schema.clone(), stored.batches.clone())))
            }
            other => Err(not_offered(&other)),
        }
    }

    /// Binds values to a prepared statement; nothing else can be put.
    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let caller = Caller::of(&request)?;
        let mut messages = request.into_inner();
        let first = messages.message().await.map_err(|_| no_command())?.ok_or_else(no_command)?;
        let descriptor = first.flight_descriptor.clone().ok_or_else(no_command)?;
        let handle = match command(&descriptor.cmd)? {
            Command::CommandPreparedStatementQuery(query) => query.prepared_statement_handle,
            other => return Err(not_offered(&other)),
        };
        let bound = self.bind(&caller, &handle, first, messages).await?;
        let result =
            DoPutPreparedStatementResult { prepared_statement_handle: Some(bound.to_vec().into()) };
        Ok(Response::new(one(PutResult { app_metadata: result.encode_to_vec().into() })))
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Caller::of(&request)?;
        Err(status::refused(
            &Refusal::new(Code::NotOffered, "exchanging data is not offered"),
            None,
        ))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let caller = Caller::of(&request)?;
        let results = self.act(&caller, request.into_inner()).await?;
        let results = results.into_iter().map(|body| Ok(arrow_flight::Result { body }));
        Ok(Response::new(futures::stream::iter(results.collect::<Vec<_>>()).boxed()))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        Caller::of(&request)?;
        Ok(Response::new(futures::stream::iter(actions::list()).boxed()))
    }
}

fn one<T: Send + 'static>(item: T) -> Answers<T> {
    futures::stream::once(std::future::ready(Ok(item))).boxed()
}

fn command(bytes: &[u8]) -> Result<Command, Status> {
    let any = Any::decode(bytes).map_err(|_| no_command())?;
    Command::try_from(any).map_err(|_| no_command())
}

/// The bytes are no command of Flight SQL.
fn no_command() -> Status {
    let refusal = Refusal::new(Code::NotOffered, "the call carries no Flight SQL command");
    status::refused(&refusal, None)
}

/// A command that is known, and not offered here.
fn not_offered(command: &Command) -> Status {
    let what = match command {
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) => {
            "updates are not offered"
        }
        Command::CommandStatementIngest(_) => "loading data is not offered here",
        Command::CommandStatementSubstraitPlan(_)
        | Command::ActionCreatePreparedSubstraitPlanRequest(_) => "Substrait plans are not offered",
        Command::ActionBeginTransactionRequest(_)
        | Command::ActionEndTransactionRequest(_)
        | Command::ActionBeginSavepointRequest(_)
        | Command::ActionEndSavepointRequest(_) => "transactions are not offered",
        _ => "this Flight SQL command is not offered in this place",
    };
    status::refused(&Refusal::new(Code::NotOffered, what), None)
}
