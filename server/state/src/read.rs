//! Looking back: an analyst's own queries, and the end of the audit log.

use cordon_disclosure::{AuditEvent, AuditOutcome, Fingerprint, Recorded, Timestamp};
use rusqlite::{Params, Row};

use crate::ledger::{OutcomeBody, QueryBody};
use crate::{SqliteState, StateError};

/// One line of the audit log.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its place in the journal.
    pub position: Recorded,
    /// When it was recorded.
    pub at: Timestamp,
    /// What was recorded.
    pub event: AuditEvent,
}

const COLUMNS: &str = "SELECT position, at_ms, query_id, analyst, agreement, body FROM journal";

impl SqliteState {
    /// The latest queries of one analyst, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn queries_of(&self, analyst: &str, limit: u32) -> Result<Vec<AuditRow>, StateError> {
        let sql = format!(
            "{COLUMNS} WHERE kind = 'query' AND analyst = ?1 ORDER BY position DESC LIMIT ?2"
        );
        self.audit_rows(&sql, (analyst, limit))
    }

    /// The end of the audit log, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn audit_tail(&self, limit: u32) -> Result<Vec<AuditRow>, StateError> {
        let sql = format!("{COLUMNS} WHERE kind = 'query' ORDER BY position DESC LIMIT ?1");
        self.audit_rows(&sql, (limit,))
    }

    fn audit_rows(&self, sql: &str, parameters: impl Params) -> Result<Vec<AuditRow>, StateError> {
        let reader = self.reader.lock();
        let mut statement = reader.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(audit_row(row)?);
        }
        Ok(found)
    }
}

fn audit_row(row: &Row<'_>) -> Result<AuditRow, StateError> {
    let position = row.get::<_, i64>(0)?.unsigned_abs();
    let body: String = row.get(5)?;
    let body: QueryBody = serde_json::from_str(&body)?;
    let mut fingerprint = [0; 32];
    hex::decode_to_slice(&body.fingerprint, &mut fingerprint)
        .map_err(|_| StateError::Broken { position })?;
    Ok(AuditRow {
        position: Recorded(position),
        at: Timestamp(row.get(1)?),
        event: AuditEvent {
            query_id: row.get(2)?,
            analyst: row.get(3)?,
            agreement: row.get(4)?,
            door: body.door,
            sql: body.sql,
            fingerprint: Fingerprint(fingerprint),
            versions: body.versions,
            outcome: match body.outcome {
                OutcomeBody::Released { rows, columns } => AuditOutcome::Released { rows, columns },
                OutcomeBody::Refused(code) => AuditOutcome::Refused(code),
                OutcomeBody::Failed(code) => AuditOutcome::Failed(code),
            },
        },
    })
}
