//! How the rows of a described table are laid out in its files.
//!
//! Protected: `_person`, `_weight`, the described columns without the pseudonym, `_quality`. On the way there
//! rows are *staged*: the pseudonym's digest stands where person and weight will. Public: as described.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cordon_catalogue::{ColumnDescription, TableDescription, TableKind};

use crate::StoreError;
use crate::log::{Version, delta_schema};
use crate::person::{PERSON, QUALITY, WEIGHT};

/// Bits of `_quality`: bit n is set when the n-th date column, in described order and counted from 0, held a
/// placeholder that was stored as null. Dates beyond the last bit share it.
pub const QUALITY_BITS: usize = 31;

/// Where the digest of the pseudonym stands in staged rows.
const DIGEST: &str = "_digest";

/// The layout of one table.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) table: Arc<TableDescription>,
    pub(crate) stored: SchemaRef,
    /// Only protected tables are staged.
    pub(crate) clustered: Option<Clustered>,
    /// Described columns that must have a value.
    pub(crate) required: Vec<bool>,
    /// The quality bit of each described column that is a date.
    pub(crate) bits: Vec<Option<u32>>,
}

/// What only protected tables have.
#[derive(Clone, Debug)]
pub(crate) struct Clustered {
    pub(crate) staged: SchemaRef,
    /// Position of the pseudonym among the described columns.
    pub(crate) pseudonym: usize,
    /// Position of the date by which a person's rows are ordered, among the stored columns.
    pub(crate) date: usize,
    pub(crate) one_row_per_person: bool,
}

impl Layout {
    pub(crate) fn new(table: &Arc<TableDescription>) -> Result<Self, StoreError> {
        let missing = |what: &str| StoreError::Description {
            table: table.name.to_string(),
            problem: format!("{what} is not among its columns"),
        };
        let place = |name: &str| table.columns.iter().position(|c| c.name.as_str() == name);
        let keys: Vec<&str> = match &table.kind {
            TableKind::Protected { record, year, .. } => vec![record.as_str(), year.as_str()],
            TableKind::Public { key } => key.iter().map(|column| column.as_str()).collect(),
        };
        if let Some(absent) = keys.iter().find(|name| place(name).is_none()) {
            return Err(missing(absent));
        }
        let mut layout = Self {
            table: Arc::clone(table),
            stored: table.schema(),
            clustered: None,
            required: table.columns.iter().map(|c| keys.contains(&c.name.as_str())).collect(),
            bits: quality_bits(&table.columns),
        };
        if let TableKind::Protected { person, date, one_row_per_person, .. } = &table.kind {
            let pseudonym = place(person.as_str()).ok_or_else(|| missing(person.as_str()))?;
            layout.stored = Arc::new(Schema::new(stored_fields(&table.columns, pseudonym)));
            let is_date = |field: &Arc<Field>| field.data_type() == &DataType::Date32;
            let date = layout
                .stored
                .fields()
                .iter()
                .position(|field| field.name() == date.as_str() && is_date(field))
                .ok_or_else(|| missing(date.as_str()))?;
            let digest = Field::new(DIGEST, DataType::FixedSizeBinary(16), true);
            let rest = layout.stored.fields().iter().skip(2).map(|field| field.as_ref().clone());
            layout.clustered = Some(Clustered {
                staged: Arc::new(Schema::new(
                    std::iter::once(digest).chain(rest).collect::<Vec<_>>(),
                )),
                pseudonym,
                date,
                one_row_per_person: *one_row_per_person,
            });
        }
        Ok(layout)
    }

    /// Whether the description has columns that the stored table lacks; any other difference is an error.
    /// New columns read as null. New dates must come after the old ones, which own the lower quality bits.
    pub(crate) fn widens(&self, version: &Version) -> Result<bool, StoreError> {
        let stored = version.columns();
        let described = delta_schema(&self.stored)?;
        for old in &stored {
            match described.field(old.name()) {
                Some(new) if new.data_type() == old.data_type() => {}
                Some(_) => return Err(self.unlike(old.name(), "has another type")),
                None => return Err(self.unlike(old.name(), "is no longer described")),
            }
        }
        let is_stored = |name: &str| stored.iter().any(|old| old.name() == name);
        let dates = || {
            let columns = self.table.columns.iter();
            columns.filter(|c| c.data_type == DataType::Date32).map(|c| c.name.as_str())
        };
        let mut old_after_new = dates().skip_while(|name| is_stored(name)).filter(|n| is_stored(n));
        match old_after_new.next() {
            Some(name) if self.clustered.is_some() => {
                Err(self.unlike(name, "is a date that now comes after a new one"))
            }
            _ => Ok(described.fields().any(|new| !is_stored(new.name()))),
        }
    }

    fn unlike(&self, column: &str, how: &str) -> StoreError {
        StoreError::Description {
            table: self.table.name.to_string(),
            problem: format!("column `{column}` {how}"),
        }
    }
}

fn stored_fields(columns: &[ColumnDescription], pseudonym: usize) -> Vec<Field> {
    let described = columns
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != pseudonym)
        .map(|(_, column)| Field::new(column.name.as_str(), column.data_type.clone(), true));
    let mut fields = vec![
        Field::new(PERSON, DataType::Int64, false),
        Field::new(WEIGHT, DataType::Int16, false),
    ];
    fields.extend(described);
    fields.push(Field::new(QUALITY, DataType::Int32, false));
    fields
}

fn quality_bits(columns: &[ColumnDescription]) -> Vec<Option<u32>> {
    let mut next = 0;
    columns
        .iter()
        .map(|column| {
            (column.data_type == DataType::Date32).then(|| {
                let bit = next;
                next = (next + 1).min(QUALITY_BITS as u32 - 1);
                bit
            })
        })
        .collect()
}
