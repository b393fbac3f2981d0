//! What can go wrong while making synthetic rows.

use std::path::PathBuf;

/// A table that cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SyntheticError {
    /// The catalogue does not describe the table.
    #[error("the catalogue does not describe `{0}`")]
    Undescribed(String),
    /// Nothing synthetic is known of the table.
    #[error("no synthetic rows are made for `{0}`")]
    Unknown(String),
    /// A column is described with a type that its values do not fit.
    #[error("column `{column}` is described as {described}, but its values are {made}")]
    Type {
        /// The column.
        column: String,
        /// Its type in the catalogue.
        described: String,
        /// What we make.
        made: &'static str,
    },
    /// The columns could not be put together.
    #[error("rows could not be put together")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The Parquet file could not be encoded.
    #[error("the file could not be encoded")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A file could not be made or written.
    #[error("`{path}` could not be written")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
