//! The description of one table. Plain data, already checked: see [`crate::Catalogue`] for the checks.

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

use crate::{ColumnName, TableName};

/// One table as the catalogue describes it.
#[derive(Clone, Debug)]
pub struct TableDescription {
    /// `hes.apc`.
    pub name: TableName,
    /// One line: "HES admitted patient care".
    pub title: String,
    /// What one row is, in a sentence.
    pub row: String,
    /// Whose rows these are.
    pub kind: TableKind,
    /// In published order.
    pub columns: Vec<ColumnDescription>,
}

/// Whether rows belong to patients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Every row belongs to one person.
    Protected {
        /// The pseudonym column, the privacy unit.
        person: ColumnName,
        /// Unique per row.
        record: ColumnName,
        /// The financial year column (`1718` text) that agreements limit.
        year: ColumnName,
        /// The date by which rows of one person are ordered in storage.
        date: ColumnName,
        /// Whether a person has at most one row (mortality), so that joining it cannot repeat rows.
        one_row_per_person: bool,
    },
    /// Reference data that anybody may see.
    Public {
        /// The columns that make a row unique.
        key: Vec<ColumnName>,
    },
}

/// One column.
#[derive(Clone, Debug)]
pub struct ColumnDescription {
    /// Lower case published name.
    pub name: ColumnName,
    /// Utf8, Int16, Int32, Int64, Float64, Decimal128 or Date32.
    pub data_type: DataType,
    /// What it means, in our words.
    pub meaning: String,
    /// How sensitive, see [`Class`].
    pub class: Class,
    /// Whether analysts may GROUP BY it.
    pub groupable: bool,
    /// The codes it may hold, where we state them.
    pub codes: Vec<Code>,
    /// The values everybody knows to be possible, so that a group of none looks like a small one.
    pub domain: Option<Domain>,
    /// Declared public bounds of a measure; contributions beyond are clamped to them.
    pub bounds: Option<Bounds>,
    /// The list it is a position of: `diag_4` for `diag_4_01..20`. OR is free across one list.
    pub list: Option<String>,
}

/// A code and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// As stored.
    pub code: String,
    /// In our words.
    pub meaning: String,
}

/// Where the public list of possible values stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The column's own `codes`.
    Codes,
    /// All values of a column of a reference table.
    Table {
        /// `ref.organisation`.
        table: TableName,
        /// `code`.
        column: ColumnName,
    },
    /// All whole numbers of the bounds (only for narrow bounds, at most 200 values).
    Bounds,
}

/// Public bounds of a measure, inclusive, in the column's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Smallest value that counts as it is.
    pub min: f64,
    /// Largest value that counts as it is.
    pub max: f64,
}

/// Sensitivity class (NHS data dictionary practice; the list is this project's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Never stored in the de-identified zone.
    DirectIdentifier,
    /// Person token: joins, partitions and is counted, never shown.
    Pseudonym,
    /// Unique record number: joins and is counted, never shown.
    RecordKey,
    /// Describes a person or place and could single somebody out.
    QuasiIdentifier,
    /// Diagnosis, procedure, death and the like.
    Sensitive,
    /// A number that is summed.
    Measure,
    /// Administrative code.
    Ordinary,
}

impl Class {
    /// As catalogue files write it: `quasi_identifier`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DirectIdentifier => "direct_identifier",
            Self::Pseudonym => "pseudonym",
            Self::RecordKey => "record_key",
            Self::QuasiIdentifier => "quasi_identifier",
            Self::Sensitive => "sensitive",
            Self::Measure => "measure",
            Self::Ordinary => "ordinary",
        }
    }
}

impl TableDescription {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnDescription> {
        self.columns.iter().find(|c| c.name.as_str() == name)
    }

    /// Whether rows belong to patients.
    pub fn is_protected(&self) -> bool {
        matches!(self.kind, TableKind::Protected { .. })
    }

    /// The published columns as an Arrow schema. All are nullable, as HES declares them; that keys are
    /// filled is checked where rows are loaded.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns
                .iter()
                .map(|c| Field::new(c.name.as_str(), c.data_type.clone(), true))
                .collect::<Vec<_>>(),
        ))
    }
}
