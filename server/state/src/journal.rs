//! The chain: each entry's hash covers the entry and the hash before it, so that an entry that is
//! altered, removed or slipped in is found. (Entries cut off at the end are not: that takes a witness
//! elsewhere who has seen a later hash.)

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use cordon_disclosure::{Recorded, Timestamp};

use crate::ledger::DecisionBody;
use crate::{SqliteState, StateError};

/// What comes before the first entry.
const START: [u8; 32] = [0; 32];

/// One entry as it is hashed and stored.
pub(crate) struct Entry<'a> {
    pub(crate) at: Timestamp,
    pub(crate) kind: &'a str,
    pub(crate) query_id: &'a str,
    pub(crate) analyst: &'a str,
    pub(crate) agreement: &'a str,
    pub(crate) body: &'a str,
}

/// Appends one entry after the last.
pub(crate) fn append(to: &Transaction<'_>, entry: &Entry<'_>) -> Result<Recorded, StateError> {
    let last: Option<(i64, [u8; 32])> = to
        .prepare_cached("SELECT position, hash FROM journal ORDER BY position DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (before, previous) = last.unwrap_or((0, START));
    let position = before + 1;
    let hash = link(&previous, position, entry);
    to.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
        params![
            position,
            entry.at.0,
            entry.kind,
            entry.query_id,
            entry.analyst,
            entry.agreement,
            entry.body,
            hash
        ],
    )?;
    Ok(Recorded(position.unsigned_abs()))
}

/// Every part with its length before it: no two entries are hashed from the same bytes.
fn link(previous: &[u8; 32], position: i64, entry: &Entry<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(position.to_be_bytes());
    hash.update(entry.at.0.to_be_bytes());
    for part in [entry.kind, entry.query_id, entry.analyst, entry.agreement, entry.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

impl SqliteState {
    /// Walks the whole journal and every stored answer; how many entries there are.
    ///
    /// # Errors
    /// [`StateError::Broken`] names the first entry that does not follow from those before it, or whose
    /// answer is not the one that was recorded.
    pub fn verify(&self) -> Result<u64, StateError> {
        let mut reader = self.reader.lock();
        let snapshot = reader.transaction()?;
        let entries = verify_chain(&snapshot)?;
        let answers: i64 =
            snapshot.query_row("SELECT count(*) FROM answers", [], |row| row.get(0))?;
        tracing::info!(entries, answers, "journal verified");
        Ok(entries)
    }
}

fn verify_chain(snapshot: &Connection) -> Result<u64, StateError> {
    let mut entries = snapshot.prepare(
        "SELECT position, at_ms, kind, query_id, analyst, agreement, body, hash \
         FROM journal ORDER BY position",
    )?;
    let mut rows = entries.query([])?;
    let (mut expected, mut previous) = (1_i64, START);
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let broken = || StateError::Broken { position: expected.unsigned_abs() };
        let entry = Entry {
            at: Timestamp(row.get(1)?),
            kind: row.get_ref(2)?.as_str().map_err(|_| broken())?,
            query_id: row.get_ref(3)?.as_str().map_err(|_| broken())?,
            analyst: row.get_ref(4)?.as_str().map_err(|_| broken())?,
            agreement: row.get_ref(5)?.as_str().map_err(|_| broken())?,
            body: row.get_ref(6)?.as_str().map_err(|_| broken())?,
        };
        let hash: [u8; 32] = row.get(7)?;
        let follows = position == expected && hash == link(&previous, position, &entry);
        if !(follows && answer_is_the_recorded_one(snapshot, position, &entry)?) {
            return Err(broken());
        }
        (expected, previous) = (position + 1, hash);
    }
    Ok((expected - 1).unsigned_abs())
}

/// A decision that gave a new answer has that answer, with the digest in the entry; others have none.
fn answer_is_the_recorded_one(
    snapshot: &Connection,
    position: i64,
    entry: &Entry<'_>,
) -> Result<bool, StateError> {
    let stored: Option<(String, [u8; 32], Vec<u8>)> = snapshot
        .prepare_cached("SELECT scope, fingerprint, sealed FROM answers WHERE position = ?1")?
        .query_row([position], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if entry.kind != "decision" {
        return Ok(stored.is_none());
    }
    let Ok(body) = serde_json::from_str::<DecisionBody>(entry.body) else { return Ok(false) };
    Ok(match stored {
        Some((scope, fingerprint, sealed)) => {
            body.kept
                && body.scope == scope
                && body.fingerprint == hex::encode(fingerprint)
                && body.table_sha256 == hex::encode(Sha256::digest(&sealed))
        }
        None => !body.kept,
    })
}
