//! Actions: statements are opened and closed, results given up, sessions asked about.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command,
    ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
};
use bytes::Bytes;
use cordon_disclosure::{Code, Refusal};
use prost::Message as _;
use tonic::Status;

use super::caller::Caller;
use super::sessions::{CloseSessionResult, CloseSessionStatus, SetSessionOptionsRequest};
use super::statements::{no_result, no_transactions};
use super::{FlightDoor, command, no_command, not_offered, sessions};
use crate::{encode, status};

const PREPARE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
const CANCEL: &str = "CancelFlightInfo";
const CANCEL_OLD: &str = "CancelQuery";
const CLOSE_SESSION: &str = "CloseSession";
const SET_OPTIONS: &str = "SetSessionOptions";
const GET_OPTIONS: &str = "GetSessionOptions";

/// The result of `CancelQuery`, whose enumeration arrow-flight keeps to itself: cancelled.
const CANCELLED_OLD: i32 = 1;

/// What can be done.
pub(crate) fn list() -> Vec<Result<ActionType, Status>> {
    let action = |(name, description): (&str, &str)| {
        Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() })
    };
    [
        (PREPARE, "plan a statement and open it; never runs it"),
        (CLOSE, "close a prepared statement"),
        (CANCEL, "give up a result that was not fetched yet"),
        (CANCEL_OLD, "give up a result that was not fetched yet (older name)"),
        (CLOSE_SESSION, "end a session; there is nothing to end"),
        (SET_OPTIONS, "set options of a session; `catalog` can be set to the one there is"),
        (GET_OPTIONS, "the options of a session"),
    ]
    .map(action)
    .into()
}

impl FlightDoor {
    /// Does it; the bodies of the results.
    pub(crate) async fn act(&self, caller: &Caller, action: Action) -> Result<Vec<Bytes>, Status> {
        let body = &action.body;
        match action.r#type.as_str() {
            PREPARE => self.create(caller, unpacked(body)?).await,
            CLOSE => {
                let close: ActionClosePreparedStatementRequest = unpacked(body)?;
                // Closing what is closed, or never was, is no error: clients do it when they give up.
                self.statements.drop_one(&caller.signed_in.user, &close.prepared_statement_handle);
                Ok(Vec::new())
            }
            CANCEL => {
                let cancel =
                    CancelFlightInfoRequest::decode(body.clone()).map_err(|_| no_command())?;
                self.give_up(caller, cancel.info.as_ref())?;
                Ok(encoded(&CancelFlightInfoResult::new(CancelStatus::Cancelled)))
            }
            CANCEL_OLD => {
                let cancel: ActionCancelQueryRequest = unpacked(body)?;
                let info = FlightInfo::decode(cancel.info).map_err(|_| no_command())?;
                self.give_up(caller, Some(&info))?;
                Ok(encoded(&ActionCancelQueryResult { result: CANCELLED_OLD }.as_any()))
            }
            CLOSE_SESSION => {
                let status = CloseSessionStatus::Closed as i32;
                Ok(encoded(&CloseSessionResult { status }))
            }
            SET_OPTIONS => {
                let wanted =
                    SetSessionOptionsRequest::decode(body.clone()).map_err(|_| no_command())?;
                Ok(encoded(&sessions::set(wanted)))
            }
            GET_OPTIONS => Ok(encoded(&sessions::get())),
            // An action of Flight SQL that is not offered is told by its name.
            _ => Err(command(body).map_or_else(|_| no_such_action(), |known| not_offered(&known))),
        }
    }

    async fn create(
        &self,
        caller: &Caller,
        request: ActionCreatePreparedStatementRequest,
    ) -> Result<Vec<Bytes>, Status> {
        if request.transaction_id.is_some_and(|id| !id.is_empty()) {
            return Err(no_transactions());
        }
        let (key, statement) = self.open(caller, request.query).await?;
        let schema = |schema| encode::schema_bytes(schema).map_err(|error| status::fault(&error));
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: key.to_vec().into(),
            dataset_schema: schema(&statement.schema)?,
            parameter_schema: schema(&statement.parameters)?,
        };
        Ok(encoded(&result.as_any()))
    }

    /// A query that has an info has run: what can still be cancelled is that its result is kept.
    fn give_up(&self, caller: &Caller, info: Option<&FlightInfo>) -> Result<(), Status> {
        let info = info.ok_or_else(no_command)?;
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        let mut dropped = false;
        for ticket in tickets.take(1) {
            if let Command::TicketStatementQuery(query) = command(&ticket.ticket)? {
                dropped = self.results.drop_one(&caller.signed_in.user, &query.statement_handle);
            }
        }
        if dropped { Ok(()) } else { Err(no_result()) }
    }
}

fn no_such_action() -> Status {
    status::refused(&Refusal::new(Code::NotOffered, "this action is not offered"), None)
}

fn unpacked<M: ProstMessageExt>(body: &Bytes) -> Result<M, Status> {
    let any = Any::decode(body.clone()).map_err(|_| no_command())?;
    any.unpack().ok().flatten().ok_or_else(no_command)
}

fn encoded(message: &impl prost::Message) -> Vec<Bytes> {
    vec![message.encode_to_vec().into()]
}
