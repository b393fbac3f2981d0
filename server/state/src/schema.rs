//! The tables, as an ordered list of steps. A step that was published is never edited: another is added.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StateError;

/// Marks a file as ours: "Cord" in ASCII.
const APPLICATION: i64 = 0x436f_7264;

/// Step n brings form n to form n + 1.
const STEPS: &[&str] = &[
    include_str!("schema/0001-ledger.sql"),
    include_str!("schema/0002-index.sql"),
    include_str!("schema/0003-circling.sql"),
];

/// The newest form known here.
pub(crate) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Refuses a database that something else made, before anything in it is changed.
pub(crate) fn belongs_here(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let foreign = || StateError::Foreign { path: path.to_owned() };
    let marked: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => foreign(),
            _ => error.into(),
        })?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (marked, tables) {
        (APPLICATION, _) | (0, 0) => Ok(()),
        _ => Err(foreign()),
    }
}

/// Takes the steps that the file has not seen, each with its number in one transaction.
pub(crate) fn bring_up_to_date(writer: &mut Connection, path: &Path) -> Result<(), StateError> {
    loop {
        let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = newest();
        if found > known {
            return Err(StateError::Newer { path: path.to_owned(), found, known });
        }
        let Some(sql) = usize::try_from(found).ok().and_then(|at| STEPS.get(at)) else {
            return Ok(());
        };
        step.execute_batch(sql)?;
        step.pragma_update(None, "application_id", APPLICATION)?;
        step.pragma_update(None, "user_version", found + 1)?;
        step.commit()?;
    }
}
