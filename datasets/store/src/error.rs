//! What can go wrong with stored tables. Messages name file, line and column, never a value from the data.

use std::path::{Path, PathBuf};

use cordon_catalogue::TableName;

/// A store that cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk said no.
    #[error("cannot {action} `{}`", path.display())]
    Disk {
        /// What was tried: "write", "open".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No such table is described.
    #[error("`{0}` is not in the catalogue")]
    NoSuchTable(TableName),
    /// That version never was, or is gone.
    #[error("`{table}` has no version {version}")]
    NoSuchVersion {
        /// The table.
        table: TableName,
        /// The version asked for.
        version: u64,
    },
    /// The store's own settings or key cannot be used.
    #[error("`{}`: {problem}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else is writing to this store.
    #[error("another process is writing to this store: wait until it has finished")]
    Busy,
    /// A file of the store is not what was written.
    #[error("`{file}` is damaged: {problem}")]
    Damaged {
        /// The file.
        file: String,
        /// In what way.
        problem: &'static str,
    },
    /// A Delta feature under which our scan would read wrong rows.
    #[error("`{table}` uses the Delta feature {feature}, which this store does not read")]
    Foreign {
        /// The table.
        table: String,
        /// The feature.
        feature: String,
    },
    /// The stored table and its description disagree.
    #[error("`{table}` is stored differently from its description: {problem}")]
    Description {
        /// The table.
        table: String,
        /// Which columns.
        problem: String,
    },
    /// The Delta log cannot be read or written.
    #[error("the log of `{table}` cannot be {action}")]
    Log {
        /// The table.
        table: String,
        /// "read", "written".
        action: &'static str,
        /// What delta-rs said.
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// A file to be loaded cannot be used at all; nothing was loaded.
    #[error("`{}`: {problem}; nothing was loaded", file.display())]
    Input {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The same content was loaded before.
    #[error("`{}` was loaded into `{table}` before; nothing was loaded", file.display())]
    AlreadyLoaded {
        /// The file.
        file: PathBuf,
        /// The table.
        table: TableName,
    },
    /// Batches that do not fit the description.
    #[error("rows for `{table}` do not fit its description: {problem}")]
    Rows {
        /// The table.
        table: TableName,
        /// Which column and why.
        problem: String,
    },
    /// Two rows of a reference table have the same key: joining it could repeat patients' rows.
    #[error("row {row} for `{table}` repeats a key ({columns}); nothing was loaded")]
    RepeatedKey {
        /// The table.
        table: TableName,
        /// The key columns.
        columns: String,
        /// The row, counted from 1 over all files.
        row: u64,
    },
    /// What was asked makes no sense for this kind of table.
    #[error("`{table}` {problem}")]
    Kind {
        /// The table.
        table: TableName,
        /// Why not.
        problem: &'static str,
    },
    /// A Parquet file of ours cannot be written or read back.
    #[error("`{}` cannot be {action}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// "written", "read".
        action: &'static str,
        /// What the Parquet library said.
        #[source]
        source: Box<parquet::errors::ParquetError>,
    },
    /// More persons than numbers.
    #[error("bucket {bucket} has no person numbers left")]
    NumbersExhausted {
        /// The bucket.
        bucket: u32,
    },
    /// A fault of our own.
    #[error("internal error while {0}")]
    Internal(&'static str),
}

impl StoreError {
    pub(crate) fn disk(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Disk { action, path, source }
    }

    pub(crate) fn parquet(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Parquet { path, action, source: Box::new(source) }
    }

    pub(crate) fn log(
        action: &'static str,
        table: &str,
    ) -> impl FnOnce(deltalake_core::DeltaTableError) -> StoreError {
        let table = table.to_owned();
        move |source| StoreError::Log { table, action, source: Box::new(source) }
    }

    pub(crate) fn input(file: &Path, problem: impl Into<String>) -> StoreError {
        StoreError::Input { file: file.to_owned(), problem: problem.into() }
    }
}
