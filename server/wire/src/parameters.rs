//! The values that a client binds to a prepared statement. Bytes from outside: read within limits, and
//! only the plain types that a parameter can have.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::utils::flight_data_to_arrow_batch;
use arrow_ipc::convert::fb_to_schema;
use arrow_schema::{DataType, Schema};
use cordon_disclosure::{Code, Refusal};

/// Longest a statement can be is as long as its values can be.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Most messages of one binding: a schema, a row, and some empty ones.
const MESSAGES: usize = 16;

/// Collects the messages of one binding within its limits.
#[derive(Default)]
pub(crate) struct Binding {
    messages: Vec<FlightData>,
    bytes: usize,
}

impl Binding {
    pub(crate) fn push(&mut self, message: FlightData) -> Result<(), Refusal> {
        self.bytes += message.data_header.len() + message.data_body.len();
        if self.bytes > LONGEST || self.messages.len() >= MESSAGES {
            return Err(too_large());
        }
        self.messages.push(message);
        Ok(())
    }

    /// The one row that was bound.
    pub(crate) fn row(self, parameters: usize) -> Result<RecordBatch, Refusal> {
        // Arrow's reader panics on some malformed bytes. That is a fault of the bytes here, and nobody
        // else's: nothing is shared with the reader.
        let read = catch_unwind(AssertUnwindSafe(|| read(&self.messages)));
        let (row, rows) = read.unwrap_or(None).ok_or_else(malformed)?;
        if rows != 1 {
            return Err(Refusal::new(
                Code::BadParameters,
                "a statement runs with one row of values",
            )
            .instead("bind one row, and run the statement once for each row"));
        }
        if row.num_columns() != parameters {
            let found = row.num_columns();
            return Err(Refusal::new(
                Code::BadParameters,
                format!("parameters of the statement: {parameters}, values bound: {found}"),
            ));
        }
        Ok(row)
    }
}

pub(crate) fn too_large() -> Refusal {
    Refusal::new(Code::BadParameters, "the values bound are larger than 64 KiB")
        .instead("bind fewer or shorter values")
}

pub(crate) fn malformed() -> Refusal {
    Refusal::new(Code::BadParameters, "the values bound are not readable Arrow data of plain types")
        .instead("bind numbers, texts, dates or booleans")
}

/// The row and how many there are; none when the bytes are not what they should be.
fn read(messages: &[FlightData]) -> Option<(RecordBatch, usize)> {
    let (schema, rest) = messages.split_first()?;
    let schema = arrow_ipc::root_as_message(&schema.data_header).ok()?.header_as_schema()?;
    let schema: Schema = fb_to_schema(schema);
    if !schema.fields().iter().all(|field| may_be_bound(field.data_type())) {
        return None;
    }
    let schema = Arc::new(schema);
    let (mut row, mut rows) = (RecordBatch::new_empty(schema.clone()), 0);
    for message in rest {
        if message.data_header.is_empty() {
            continue;
        }
        let header = arrow_ipc::root_as_message(&message.data_header).ok()?;
        // A few compressed bytes can claim to be gigabytes.
        if header.header_as_record_batch()?.compression().is_some() {
            return None;
        }
        let batch = flight_data_to_arrow_batch(message, schema.clone(), &HashMap::new()).ok()?;
        rows += batch.num_rows();
        if batch.num_rows() > 0 {
            row = batch;
        }
    }
    Some((row, rows))
}

fn may_be_bound(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Null
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(..)
            | DataType::Decimal128(..)
    )
}
