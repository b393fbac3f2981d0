//! Over a real port, with a stand-in for the engine.

mod doors;
mod lookups;
mod queries;
mod refusals;

use arrow_array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo, Ticket};
use futures::TryStreamExt as _;
use prost::Message as _;
use tonic::{Request, Status};

use crate::testing::Running;

const SQL: &str =
    "SELECT procode3, count(distinct pseudo_hesid) AS patients FROM hes.apc GROUP BY 1";

type Header<'a> = (&'static str, &'a str);

/// A call with a token and headers, as drivers make it.
fn call<T>(token: &str, headers: &[Header<'_>], message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn asked_for(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

fn statement(text: &str) -> FlightDescriptor {
    asked_for(&CommandStatementQuery { query: text.to_owned(), transaction_id: None })
}

fn ticket_of(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

async fn fetch(running: &Running, token: &str, ticket: Ticket) -> Result<Vec<RecordBatch>, Status> {
    let stream = running.flight().await.do_get(call(token, &[], ticket)).await?.into_inner();
    let batches = FlightRecordBatchStream::new_from_flight_data(stream.map_err(FlightError::from));
    Ok(batches.try_collect().await.unwrap())
}

/// The first column of all rows.
fn first_column(batches: &[RecordBatch]) -> Vec<String> {
    let column = |batch: &RecordBatch| -> Vec<String> {
        let column = batch.column(0);
        let value = |row| arrow_cast::display::array_value_to_string(column, row).unwrap();
        (0..batch.num_rows()).map(value).collect()
    };
    batches.iter().flat_map(column).collect()
}

/// The status inside an error of the client.
fn status_of(error: FlightError) -> String {
    error.to_string()
}

fn code_of(status: &Status) -> &str {
    status.metadata().get("cordon-code").map_or("", |code| code.to_str().unwrap())
}
