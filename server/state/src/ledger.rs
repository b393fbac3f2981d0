//! [`Ledger`] over SQLite: one immediate transaction per call, durable when the call returns.

use cordon_disclosure::{
    Asked, AuditEvent, AuditOutcome, Charge, Decide, Decided, Earlier, Fingerprint, Index, Ledger,
    LedgerError, Question, Recorded, Standing, Timestamp,
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
    /// Millionths of an answer that the agreement was charged.
    #[serde(default)]
    pub(crate) charged: u64,
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
        asked: Asked<'_>,
        now: Timestamp,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        let mut writer = self.writer.lock();
        let transaction = self.begin(&mut writer).map_err(StateError::writing)?;
        let question = asked.question;
        let mut indexes = self.indexes.lock();
        // Taken out while it is worked on: after a failure or a panic it is read anew.
        let known = indexes.remove(&question.scope);
        let mut index = caught_up(&transaction, asked, known).map_err(StateError::reading)?;
        let mark = index.index.mark();
        let view = ScopeView { transaction: &transaction, question };
        // When `decide` fails or panics, the transaction is dropped and with it all that was written.
        let Some(decided) = decide(&view, &mut index.index)? else {
            index.index.forget_since(mark);
            indexes.insert(question.scope.clone(), index);
            return Ok(None);
        };
        let recorded =
            remember(&transaction, question, now, &decided).map_err(StateError::writing)?;
        self.commit(transaction).map_err(StateError::writing)?;
        index.read_to = recorded;
        indexes.insert(question.scope.clone(), index);
        Ok(Some(recorded))
    }

    fn charge(&self, question: &Question, charge: Charge) -> Result<(), LedgerError> {
        let mut writer = self.writer.lock();
        let written = self.begin(&mut writer).and_then(|transaction| {
            add_to_meter(&transaction, &question.meter, charge)?;
            self.commit(transaction)
        });
        written.map_err(StateError::writing)
    }

    fn standing(&self, question: &Question) -> Result<Standing, LedgerError> {
        let reader = self.reader.lock();
        let found = (|| -> Result<Standing, StateError> {
            let known = is_known(&reader, question)?;
            Ok(Standing { known, meter: meter(&reader, &question.meter)? })
        })();
        found.map_err(StateError::reading)
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

    /// Whether any answer was ever recorded.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_answers(&self) -> Result<bool, StateError> {
        let reader = self.reader.lock();
        Ok(reader.query_row("SELECT EXISTS (SELECT 1 FROM answers)", [], |row| row.get(0))?)
    }

    /// What an agreement was charged so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn charged(&self, agreement: &str) -> Result<Charge, StateError> {
        meter(&self.reader.lock(), agreement)
    }

    /// Looks again at the file after the commit: what was committed into a file that is gone is lost.
    pub(crate) fn commit(&self, transaction: Transaction<'_>) -> Result<(), StateError> {
        transaction.commit()?;
        self.file.still_there()
    }
}

/// The index of one scope, and up to which entry of the journal it was read.
pub(crate) struct ScopeIndex {
    index: Index,
    read_to: Recorded,
}

/// The index with what was recorded since it was last used, by whatever process.
fn caught_up(
    transaction: &Transaction<'_>,
    asked: Asked<'_>,
    known: Option<ScopeIndex>,
) -> Result<ScopeIndex, StateError> {
    let k = asked.separation.unwrap_or(2);
    let mut index =
        known.unwrap_or_else(|| ScopeIndex { index: Index::new(k), read_to: Recorded(0) });
    let mut newer = transaction.prepare_cached(
        "SELECT position, sets FROM answered_sets WHERE scope = ?1 AND position > ?2 ORDER BY position",
    )?;
    let mut rows = newer.query(params![asked.question.scope.0, index.read_to.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (position, sets): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        index.index.append(&sets)?;
        index.read_to = Recorded(position.cast_unsigned());
    }
    drop(rows);
    drop(newer);
    Ok(index)
}

fn is_known(connection: &Connection, question: &Question) -> Result<bool, StateError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM answers WHERE scope = ?1 AND fingerprint = ?2)";
    let mut known = connection.prepare_cached(sql)?;
    let key = params![question.scope.0, question.fingerprint.0];
    Ok(known.query_row(key, |row| row.get(0))?)
}

fn meter(connection: &Connection, agreement: &str) -> Result<Charge, StateError> {
    let mut charged =
        connection.prepare_cached("SELECT charged FROM meters WHERE agreement = ?1")?;
    let charged: Option<i64> = charged.query_row([agreement], |row| row.get(0)).optional()?;
    Ok(Charge(charged.unwrap_or(0).cast_unsigned()))
}

/// The earlier answers of one scope, as they stand inside the transaction.
struct ScopeView<'a> {
    transaction: &'a Transaction<'a>,
    question: &'a Question,
}

impl Earlier for ScopeView<'_> {
    fn table(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError> {
        self.transaction
            .prepare_cached("SELECT sealed FROM answers WHERE scope = ?1 AND fingerprint = ?2")
            .and_then(|mut sealed| {
                let key = params![self.question.scope.0, fingerprint.0];
                sealed.query_row(key, |row| row.get(0)).optional()
            })
            .map_err(|error| StateError::from(error).reading())
    }

    fn meter(&self) -> Result<Charge, LedgerError> {
        meter(self.transaction, &self.question.meter).map_err(StateError::reading)
    }
}

fn remember(
    transaction: &Transaction<'_>,
    question: &Question,
    now: Timestamp,
    decided: &Decided,
) -> Result<Recorded, StateError> {
    let known = is_known(transaction, question)?;
    // A copied table may carry other column names: what was first recorded stays. One that was decided
    // anew must not be known; if it is, the insert below fails, and nothing leaves.
    let kept = !(known && decided.copied);
    let body = DecisionBody {
        scope: question.scope.0.clone(),
        fingerprint: hex::encode(question.fingerprint.0),
        copied: decided.copied,
        charged: decided.charge.0,
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
    if !decided.sets.is_empty() {
        transaction
            .prepare_cached("INSERT INTO answered_sets VALUES (?1, ?2, ?3)")?
            .execute(params![question.scope.0, recorded.0.cast_signed(), decided.sets])?;
    }
    if !decided.near.is_empty() {
        let near: Vec<u8> = decided.near.iter().flat_map(|set| set.to_le_bytes()).collect();
        transaction
            .prepare_cached("INSERT INTO near_sets VALUES (?1, ?2, ?3)")?
            .execute(params![question.scope.0, recorded.0.cast_signed(), near])?;
    }
    add_to_meter(transaction, &question.meter, decided.charge)?;
    Ok(recorded)
}

fn add_to_meter(
    transaction: &Transaction<'_>,
    agreement: &str,
    charge: Charge,
) -> Result<(), StateError> {
    if charge > Charge::default() {
        transaction
            .prepare_cached(
                "INSERT INTO meters VALUES (?1, ?2)
                 ON CONFLICT (agreement) DO UPDATE SET charged = charged + excluded.charged",
            )?
            .execute(params![agreement, charge.0.cast_signed()])?;
    }
    Ok(())
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
