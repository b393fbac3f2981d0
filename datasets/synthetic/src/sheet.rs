//! The columns of one batch, filled by name and row by row. A column that is not touched costs nothing: gaps
//! are filled with nulls when a value arrives behind them, and untouched columns become null arrays.

use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Decimal128Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, SchemaRef};

use crate::error::SyntheticError;

/// A column being filled.
enum Column {
    Text(StringBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    /// A type nothing is made for, or a column nobody asked for: stays null.
    Empty,
}

/// What kind of value a writer wants to put into a column.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Int,
    Float,
    Date,
}

/// A column by position; a column that the table does not have swallows what is written to it.
#[derive(Clone, Copy)]
pub(crate) struct Slot(usize);

impl Slot {
    /// A column that the table does not have.
    pub(crate) const NOWHERE: Self = Self(usize::MAX);
}

pub(crate) struct Sheet {
    schema: SchemaRef,
    columns: Vec<Column>,
    filled: Vec<usize>,
    row: usize,
    rows: usize,
}

impl Sheet {
    pub(crate) fn new(schema: SchemaRef, rows: usize) -> Self {
        let columns = schema.fields().iter().map(|_| Column::Empty).collect();
        let filled = vec![0; schema.fields().len()];
        Self { schema, columns, filled, row: 0, rows }
    }

    /// The column of that name, made ready for values of that kind.
    pub(crate) fn slot(&mut self, name: &str, kind: Kind) -> Result<Slot, SyntheticError> {
        let Some((at, field)) = self.schema.column_with_name(name) else {
            return Ok(Slot::NOWHERE);
        };
        let n = self.rows;
        self.columns[at] = match (kind, field.data_type()) {
            (Kind::Text, DataType::Utf8) => Column::Text(StringBuilder::with_capacity(n, n * 4)),
            (Kind::Int, DataType::Int16) => Column::Int16(Int16Builder::with_capacity(n)),
            (Kind::Int, DataType::Int32) => Column::Int32(Int32Builder::with_capacity(n)),
            (Kind::Int, DataType::Int64) => Column::Int64(Int64Builder::with_capacity(n)),
            (Kind::Int | Kind::Float, DataType::Float64) => {
                Column::Float(Float64Builder::with_capacity(n))
            }
            (Kind::Int, DataType::Decimal128(precision, 0)) => Column::Decimal(
                Decimal128Builder::with_capacity(n).with_precision_and_scale(*precision, 0)?,
            ),
            (Kind::Date, DataType::Date32) => Column::Date(Date32Builder::with_capacity(n)),
            (kind, other) => {
                return Err(SyntheticError::Type {
                    column: name.to_owned(),
                    described: other.to_string(),
                    made: kind.name(),
                });
            }
        };
        Ok(Slot(at))
    }

    /// The numbered columns of a list: `diag_4_01`, `diag_4_02` and so on, as many as the table has.
    pub(crate) fn list(&mut self, stem: &str, most: usize) -> Result<Vec<Slot>, SyntheticError> {
        (1..=most).map(|i| self.slot(&format!("{stem}_{i:02}"), Kind::Text)).collect()
    }

    pub(crate) fn text(&mut self, slot: Slot, value: &str) {
        let gap = self.gap(slot);
        if let Some(Column::Text(builder)) = self.columns.get_mut(slot.0) {
            builder.append_nulls(gap);
            builder.append_value(value);
        }
    }

    pub(crate) fn int(&mut self, slot: Slot, value: i64) {
        let gap = self.gap(slot);
        // INVARIANT: values are ages, counts and keys, which fit the type the catalogue gives them; one
        // that did not would be null rather than another number.
        match self.columns.get_mut(slot.0) {
            Some(Column::Int16(builder)) => {
                builder.append_nulls(gap);
                builder.append_option(i16::try_from(value).ok());
            }
            Some(Column::Int32(builder)) => {
                builder.append_nulls(gap);
                builder.append_option(i32::try_from(value).ok());
            }
            Some(Column::Int64(builder)) => {
                builder.append_nulls(gap);
                builder.append_value(value);
            }
            Some(Column::Float(builder)) => {
                builder.append_nulls(gap);
                builder.append_value(value as f64);
            }
            Some(Column::Decimal(builder)) => {
                builder.append_nulls(gap);
                builder.append_value(i128::from(value));
            }
            _ => {}
        }
    }

    pub(crate) fn float(&mut self, slot: Slot, value: f64) {
        let gap = self.gap(slot);
        if let Some(Column::Float(builder)) = self.columns.get_mut(slot.0) {
            builder.append_nulls(gap);
            builder.append_value(value);
        }
    }

    pub(crate) fn date(&mut self, slot: Slot, value: i32) {
        let gap = self.gap(slot);
        if let Some(Column::Date(builder)) = self.columns.get_mut(slot.0) {
            builder.append_nulls(gap);
            builder.append_value(value);
        }
    }

    /// The row is complete.
    pub(crate) fn next_row(&mut self) {
        self.row += 1;
    }

    pub(crate) fn finish(self) -> Result<RecordBatch, SyntheticError> {
        let rows = self.row;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for ((column, filled), field) in
            self.columns.into_iter().zip(self.filled).zip(self.schema.fields())
        {
            arrays.push(column.finish(rows - filled, rows, field.data_type()));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema, arrays, &options)?)
    }

    /// How many nulls stand between the last value of the column and this row; marks the row as filled.
    fn gap(&mut self, slot: Slot) -> usize {
        let Some(filled) = self.filled.get_mut(slot.0) else {
            return 0;
        };
        let gap = self.row - *filled;
        *filled = self.row + 1;
        gap
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "whole numbers",
            Self::Float => "decimals",
            Self::Date => "dates",
        }
    }
}

impl Column {
    fn finish(self, gap: usize, rows: usize, data_type: &DataType) -> ArrayRef {
        match self {
            Self::Text(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Int16(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Int32(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Int64(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Float(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Decimal(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Date(mut b) => {
                b.append_nulls(gap);
                Arc::new(b.finish())
            }
            Self::Empty => new_null_array(data_type, rows),
        }
    }
}
