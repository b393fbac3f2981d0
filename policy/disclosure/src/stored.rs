//! The stored form of a released table: how the ledger remembers it and [`crate::release`] finds it again.
//!
//! There is no way from bytes to a [`ReleasedTable`] but through `release`, and there only for the very
//! question they were sealed for: a store that is damaged, or returns another question's table, is noticed.
//! Somebody who can write to the ledger's file is not stopped by this; that is the operator's to prevent.

use std::collections::HashMap;
use std::io::Cursor;

use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, Schema};
use sha2::{Digest, Sha256};

use crate::{Fingerprint, LedgerError, ReleasedMeasure, ReleasedTable};

/// Begins every stored table; the digit changes when the form does.
const MARK: &[u8] = b"cordon-table-1\n";

/// Where the treatments of the figures stand beside the columns.
const ABOUT: &str = "cordon";

#[derive(serde::Serialize, serde::Deserialize)]
struct About {
    measures: Vec<ReleasedMeasure>,
    notes: Vec<String>,
}

/// What the ledger keeps: mark, seal, then the table as an Arrow stream.
pub(crate) fn seal(
    table: &ReleasedTable,
    fingerprint: &Fingerprint,
) -> Result<Vec<u8>, ArrowError> {
    let about = About { measures: table.measures.clone(), notes: table.notes.clone() };
    let about = serde_json::to_string(&about)
        .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let fields = table.batch.schema().fields().clone();
    let schema = Schema::new_with_metadata(fields, HashMap::from([(ABOUT.to_owned(), about)]));
    // Tables of thousands of groups are kept for as long as the data are.
    let compressed =
        IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut body = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "what the ledger keeps has passed release")]
    let mut writer = StreamWriter::try_new_with_options(&mut body, &schema, compressed)?;
    writer.write(&table.batch)?;
    writer.finish()?;
    drop(writer);
    Ok([MARK, digest(fingerprint, &body).as_slice(), &body].concat())
}

/// The table that was sealed for this question.
pub(crate) fn open(bytes: &[u8], fingerprint: &Fingerprint) -> Result<ReleasedTable, LedgerError> {
    let unsealed = |told: Unsealed| LedgerError { action: "read", source: Box::new(told) };
    let body = bytes.strip_prefix(MARK).ok_or_else(|| unsealed(Unsealed::Form))?;
    let (seal, body) = body.split_at_checked(32).ok_or_else(|| unsealed(Unsealed::Form))?;
    if seal != digest(fingerprint, body) {
        return Err(unsealed(Unsealed::Seal));
    }
    read(body).map_err(|error| LedgerError { action: "read", source: Box::new(error) })
}

fn read(body: &[u8]) -> Result<ReleasedTable, ArrowError> {
    let mut reader = StreamReader::try_new(Cursor::new(body), None)?;
    let schema = reader.schema();
    let about = schema.metadata().get(ABOUT).map_or("", String::as_str);
    let about: About =
        serde_json::from_str(about).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let batch =
        reader.next().unwrap_or_else(|| Err(ArrowError::IpcError("no batch".to_owned())))?;
    Ok(ReleasedTable { batch, measures: about.measures, notes: about.notes, metered: None })
}

fn digest(fingerprint: &Fingerprint, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(MARK)
        .chain_update(fingerprint.0)
        .chain_update(body)
        .finalize()
        .into()
}

#[derive(Debug, thiserror::Error)]
enum Unsealed {
    #[error("a stored table has an unknown form")]
    Form,
    #[error("a stored table was damaged, or belongs to another question")]
    Seal,
}
