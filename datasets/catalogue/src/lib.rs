//! What every table and column is: type, meaning, codes, sensitivity, public domain, bounds, keys.
//!
//! A table is *described* in TOML (`datasets/catalogue/tables/*.toml`), never coded. This crate reads and
//! checks the descriptions; it knows nothing of users, agreements, files or SQL.

mod built_in;
mod check;
mod convert;
mod description;
mod file;
mod grid;
mod names;
mod rows;
mod written;

#[cfg(test)]
mod tests;

pub use description::{
    Bounds, Class, Code, ColumnDescription, Domain, TableDescription, TableKind,
};
pub use file::{Catalogue, CatalogueError};
pub use grid::grid;
pub use names::{ColumnName, NameError, TableName};
