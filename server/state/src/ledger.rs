//! [`Ledger`] over SQLite: one immediate transaction per call, durable when the call returns.

use cordon_disclosure::{
    AuditEvent, AuditOutcome, Decided, Earlier, Fingerprint, Ledger, LedgerError, Question,
    Recorded, Scope, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::journal::{Entry, append};
use crate::{SqliteState, StateError};

/// What the journal says of a decision.
#[derive(Serialize, Deserialize)]
pub(crate) struct DecisionBody {
    pub(crate) scope: String,
    pub(crate) fingerprint: String,
    /// The outcome of an earlier answer was copied.
    pub(crate) copied: bool,
    /// The table was remembered with this entry; else an earlier entry holds it.
    pub(crate) kept: bool,
    pub(crate) table_sha256: String,
}

/// What the journal says of a query.
#[derive(Serialize, Deserialize)]
pub(crate) struct QueryBody {
    pub(crate) door: String,
    pub(crate) sql: String,
    pub(crate) fingerprint: String,
    pub(crate) versions: String,
    pub(crate) outcome: OutcomeBody,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeBody {
    Released { rows: u64, columns: u64 },
    Refused(String),
    Failed(String),
}

impl Ledger for SqliteState {
    fn exclusive(
        &self,
        question: &Question,
        now: Timestamp,
        decide: &mut dyn FnMut(&dyn Earlier) -> Result<Decided, LedgerError>,
    ) -> Result<Recorded, LedgerError> {
        let mut writer = self.writer.lock();
        let transaction = self.begin(&mut writer).map_err(StateError::writing)?;
        let view = ScopeView { transaction: &transaction, scope: &question.scope };
        // When `decide` fails or panics, the transaction is dropped and with it all that was written.
        let decided = decide(&view)?;
        let recorded =
            remember(&transaction, question, now, &decided).map_err(StateError::writing)?;
        self.commit(transaction).map_err(StateError::writing)?;
        Ok(recorded)
    }

    fn record(&self, event: &AuditEvent, now: Timestamp) -> Result<Recorded, LedgerError> {
        let mut writer = self.writer.lock();
        let written = self.begin(&mut writer).and_then(|transaction| {
            let recorded = append_event(&transaction, event, now)?;
            self.commit(transaction)?;
            Ok(recorded)
        });
        written.map_err(StateError::writing)
    }
}

impl SqliteState {
    /// The right to write, taken at once: a transaction that reads first and then asks for it can be
    /// turned away after it has decided.
    pub(crate) fn begin<'a>(
        &self,
        writer: &'a mut Connection,
    ) -> Result<Transaction<'a>, StateError> {
        self.file.still_there()?;
        Ok(writer.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Looks again at the file after the commit: what was committed into a file that is gone is lost.
    pub(crate) fn commit(&self, transaction: Transaction<'_>) -> Result<(), StateError> {
        transaction.commit()?;
        self.file.still_there()
    }
}

/// The earlier answers of one scope, as they stand inside the transaction.
struct ScopeView<'a> {
    transaction: &'a Transaction<'a>,
    scope: &'a Scope,
}

impl Earlier for ScopeView<'_> {
    fn table(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError> {
        self.transaction
            .prepare_cached("SELECT sealed FROM answers WHERE scope = ?1 AND fingerprint = ?2")
            .and_then(|mut sealed| {
                sealed.query_row(params![self.scope.0, fingerprint.0], |row| row.get(0)).optional()
            })
            .map_err(|error| StateError::from(error).reading())
    }
}

fn remember(
    transaction: &Transaction<'_>,
    question: &Question,
    now: Timestamp,
    decided: &Decided,
) -> Result<Recorded, StateError> {
    let key = params![question.scope.0, question.fingerprint.0];
    let known: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM answers WHERE scope = ?1 AND fingerprint = ?2)",
        )?
        .query_row(key, |row| row.get(0))?;
    // A copied table may carry other column names: what was first recorded stays. One that was decided
    // anew must not be known; if it is, the insert below fails, and nothing leaves.
    let kept = !(known && decided.copied);
    let body = DecisionBody {
        scope: question.scope.0.clone(),
        fingerprint: hex::encode(question.fingerprint.0),
        copied: decided.copied,
        kept,
        table_sha256: hex::encode(Sha256::digest(&decided.table)),
    };
    let entry = Entry {
        at: now,
        kind: "decision",
        query_id: &question.query_id,
        analyst: &question.analyst,
        agreement: &question.agreement,
        body: &serde_json::to_string(&body)?,
    };
    let recorded = append(transaction, &entry)?;
    if kept {
        transaction.prepare_cached("INSERT INTO answers VALUES (?1, ?2, ?3, ?4)")?.execute(
            params![
                question.scope.0,
                question.fingerprint.0,
                decided.table,
                recorded.0.cast_signed()
            ],
        )?;
    }
    Ok(recorded)
}

fn append_event(
    transaction: &Transaction<'_>,
    event: &AuditEvent,
    now: Timestamp,
) -> Result<Recorded, StateError> {
    let body = QueryBody {
        door: event.door.clone(),
        sql: event.sql.clone(),
        fingerprint: hex::encode(event.fingerprint.0),
        versions: event.versions.clone(),
        outcome: match &event.outcome {
            AuditOutcome::Released { rows, columns } => {
                OutcomeBody::Released { rows: *rows, columns: *columns }
            }
            AuditOutcome::Refused(code) => OutcomeBody::Refused(code.clone()),
            AuditOutcome::Failed(code) => OutcomeBody::Failed(code.clone()),
        },
    };
    let entry = Entry {
        at: now,
        kind: "query",
        query_id: &event.query_id,
        analyst: &event.analyst,
        agreement: &event.agreement,
        body: &serde_json::to_string(&body)?,
    };
    append(transaction, &entry)
}
