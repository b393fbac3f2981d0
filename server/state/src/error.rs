//! Why the state file cannot be used. Messages name the file, never what stands in it.

use std::path::PathBuf;

use cordon_disclosure::LedgerError;

/// Why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The write-ahead log of older libraries can lose committed pages.
    #[error("SQLite {found} is too old; 3.51.3 is the first whose write-ahead log is safe")]
    Library {
        /// The library's version.
        found: String,
    },
    /// The file cannot be created or opened.
    #[error("`{}` cannot be opened for writing", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is a database of another program.
    #[error("`{}` is not a state file of Cordon", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer Cordon.
    #[error("`{}` has form {found}, this program knows up to {known}; use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form known here.
        known: i64,
    },
    /// The file at the path is no longer the one that was opened: entries would be lost with it.
    #[error("`{}` was removed or replaced while it was open", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The journal's chain does not hold: an entry was altered or removed.
    #[error("the journal is broken at entry {position}")]
    Broken {
        /// The first entry that does not follow from those before it.
        position: u64,
    },
    /// SQLite could not.
    #[error("the state file cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    /// The index of answered sets was damaged.
    #[error("the answered sets cannot be read")]
    Index(#[from] cordon_disclosure::DamagedIndex),
    /// An entry cannot be written as JSON or read back.
    #[error("an entry of the journal has an unknown form")]
    Entry(#[from] serde_json::Error),
}

impl StateError {
    pub(crate) fn reading(self) -> LedgerError {
        LedgerError { action: "read", source: Box::new(self) }
    }

    pub(crate) fn writing(self) -> LedgerError {
        LedgerError { action: "write", source: Box::new(self) }
    }
}
