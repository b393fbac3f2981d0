//! Notes on answers, kept so that SQL can reach them: pandas and polars drop the metadata of a schema.

use cordon_disclosure::Timestamp;
use rusqlite::params;

use crate::{SqliteState, StateError};

/// One note on one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNote {
    /// The query.
    pub query_id: String,
    /// When it was answered.
    pub at: Timestamp,
    /// The column it is about; none for the whole table.
    pub column: Option<String>,
    /// In plain words.
    pub text: String,
}

impl SqliteState {
    /// Keeps what was said about an answer (column and text of each note) for its analyst.
    ///
    /// # Errors
    /// When it cannot be written; then none of the notes is kept.
    pub fn keep_notes<'a>(
        &self,
        query_id: &str,
        analyst: &str,
        now: Timestamp,
        notes: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
    ) -> Result<(), StateError> {
        let mut writer = self.writer.lock();
        let transaction = self.begin(&mut writer)?;
        for (place, (column, text)) in (0_i64..).zip(notes) {
            transaction
                .prepare_cached("INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![query_id, place, analyst, now.0, column, text])?;
        }
        self.commit(transaction)
    }

    /// The notes on an analyst's latest answers, newest answer first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn notes_of(&self, analyst: &str, limit: u32) -> Result<Vec<KeptNote>, StateError> {
        let reader = self.reader.lock();
        let mut notes = reader.prepare_cached(
            "SELECT query_id, at_ms, column, text FROM notes WHERE analyst = ?1 \
             ORDER BY at_ms DESC, query_id, place LIMIT ?2",
        )?;
        let rows = notes.query_map(params![analyst, limit], |row| {
            Ok(KeptNote {
                query_id: row.get(0)?,
                at: Timestamp(row.get(1)?),
                column: row.get(2)?,
                text: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
