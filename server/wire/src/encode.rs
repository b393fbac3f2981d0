//! From finished answers to the wire. The one place where batches are written, and the one function that
//! says what their columns look like: drivers reject a stream that differs from what was announced.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tonic::Status;

use crate::status;

/// Largest message sent; clients of gRPC take 4 MiB.
const LARGEST_MESSAGE: usize = 2 << 20;

pub(crate) type FlightStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The columns of an answer as they are announced and streamed: every one nullable (suppression makes
/// nulls), in types that every client reads, with what JDBC asks of a column beside it.
pub(crate) fn announced(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let kind = plain(field.data_type());
        let mut beside = field.metadata().clone();
        beside.extend(sql_metadata(&kind));
        Field::new(field.name(), kind, true).with_metadata(beside)
    });
    let fields: Vec<Field> = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A batch in the form that was announced for its schema.
pub(crate) fn fitted(
    batch: &RecordBatch,
    announced: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() != announced.fields().len() {
        return Err(ArrowError::SchemaError(
            "a batch has other columns than its answer".to_owned(),
        ));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(announced.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(announced.clone(), columns, &options)
}

/// The stream of a DoGet.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this door where batches become bytes: answers and metadata alike"
)]
pub(crate) fn stream(schema: SchemaRef, batches: Vec<RecordBatch>) -> FlightStream {
    let batches = futures::stream::iter(batches.into_iter().map(Ok));
    let encoded = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_max_flight_data_size(LARGEST_MESSAGE)
        .build(batches);
    Box::pin(encoded.map(|message| message.map_err(|error: FlightError| status::fault(&error))))
}

/// A schema as an IPC message, as prepared statements and GetSchema carry it.
pub(crate) fn schema_bytes(schema: &Schema) -> Result<Bytes, ArrowError> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into()?;
    Ok(bytes)
}

/// Encodings that save memory inside mean work for clients outside: some cannot read them at all.
fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, value) => plain(value.data_type()),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}

/// What JDBC and ODBC drivers ask of a column (`FlightSqlColumnMetadata`).
pub(crate) fn sql_metadata(kind: &DataType) -> HashMap<String, String> {
    let mut beside = HashMap::from([
        key("TYPE_NAME", type_name(kind)),
        key("IS_AUTO_INCREMENT", "0"),
        key("IS_CASE_SENSITIVE", if matches!(kind, DataType::Utf8) { "1" } else { "0" }),
        key("IS_READ_ONLY", "1"),
        key("IS_SEARCHABLE", "1"),
    ]);
    if let DataType::Decimal128(precision, scale) = kind {
        beside.extend([key("PRECISION", precision.to_string()), key("SCALE", scale.to_string())]);
    }
    beside
}

pub(crate) fn key(name: &str, value: impl Into<String>) -> (String, String) {
    (format!("ARROW:FLIGHT:SQL:{name}"), value.into())
}

/// The SQL name of a type.
fn type_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 | DataType::UInt8 => "TINYINT",
        DataType::Int16 | DataType::UInt16 => "SMALLINT",
        DataType::Int32 | DataType::UInt32 => "INTEGER",
        DataType::Int64 | DataType::UInt64 => "BIGINT",
        DataType::Float16 | DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "DECIMAL",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "VARBINARY",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(..) => "TIMESTAMP",
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL",
        DataType::Dictionary(_, value) => type_name(value),
        _ => "OTHER",
    }
}
