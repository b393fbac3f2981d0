//! The durable ledger and audit journal, in one SQLite file.
//!
//! Nothing is decided here: what a decision is made of comes from `policy/disclosure`. What is promised
//! here is that an entry is on the disk when the call that makes it returns, that a call which fails
//! leaves nothing behind, and that two decisions of one scope never overlap.
//!
//! Results are not kept here; only what `release` needs to give the same answer to the same question.

#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod circling;
mod error;
mod file;
mod journal;
mod ledger;
mod notes;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use cordon_disclosure::Scope;

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::file::OpenedFile;
use crate::ledger::ScopeIndex;

pub use circling::Circle;
pub use error::StateError;
pub use notes::KeptNote;
pub use read::AuditRow;

/// The ledger, the audit journal and the list of withdrawn tokens, in one file.
///
/// One connection writes, behind a lock; another reads. Both see only what was committed.
pub struct SqliteState {
    pub(crate) writer: Mutex<Connection>,
    pub(crate) reader: Mutex<Connection>,
    /// Answered sets of the scopes in use. Locked by whoever writes, after the writer.
    pub(crate) indexes: Mutex<HashMap<Scope, ScopeIndex>>,
    pub(crate) file: OpenedFile,
}

impl SqliteState {
    /// Opens the file, creating it (readable by its owner only) or bringing it up to date when needed.
    ///
    /// # Errors
    /// When it cannot be written now, belongs to another program or a newer version, or when the SQLite
    /// library is older than the first one whose write-ahead log is safe.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Arc<Self>, StateError> {
        file::open(path.as_ref()).map(Arc::new)
    }
}

impl std::fmt::Debug for SqliteState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteState({})", self.file.path().display())
    }
}
