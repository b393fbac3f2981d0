//! Rows of different systems as one kind of thing, and whether they are the same.

use anyhow::Result;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;

use crate::neighbours::statement::{Above, Statement};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(f64),
    Text(String),
}

/// A table.
pub(super) type Rows = Vec<Vec<Cell>>;

impl Cell {
    pub(super) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Nothing is 0: SQL has null for a sum over nothing.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Null | Self::Text(_) => 0.0,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Text(_), _) | (_, Self::Text(_)) => false,
            _ => {
                let (one, other) = (self.number(), other.number());
                (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1e-3)
            }
        }
    }
}

pub(super) fn of_batches(batches: &[RecordBatch]) -> Result<Rows> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let mut columns = Vec::new();
        for column in batch.columns() {
            let numeric =
                column.data_type().is_numeric() || matches!(column.data_type(), DataType::Boolean);
            columns.push(if numeric {
                let numbers = cast(column, &DataType::Float64)?;
                let numbers = numbers.as_primitive::<Float64Type>();
                let cell = |row| match numbers.is_valid(row) {
                    true => Cell::Number(numbers.value(row)),
                    false => Cell::Null,
                };
                (0..batch.num_rows()).map(cell).collect::<Vec<_>>()
            } else {
                let texts = ArrayFormatter::try_new(column, &options)?;
                let cell = |row| match column.is_valid(row) {
                    true => Cell::Text(texts.value(row).to_string()),
                    false => Cell::Null,
                };
                (0..batch.num_rows()).map(cell).collect()
            });
        }
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column[row].clone()).collect::<Vec<_>>()),
        );
    }
    Ok(rows)
}

/// A truth in which nothing divided by nothing is null, as it must be in our answers.
pub(super) fn without_nan(mut truth: Rows) -> Rows {
    for cell in truth.iter_mut().flatten() {
        if matches!(cell, Cell::Number(number) if number.is_nan()) {
            *cell = Cell::Null;
        }
    }
    truth
}

/// Whether a figure says anything: groups of a public list stand in our tables with nobody in them too.
pub(super) fn says(figure: &Cell) -> bool {
    !matches!(figure, Cell::Null) && *figure != Cell::Number(0.0)
}

/// What differs, if anything does, whatever the order.
pub(super) fn same(ours: &Rows, truth: &Rows, statement: &Statement) -> Option<String> {
    let keys = match statement.above {
        Above::Nothing | Above::Beside(..) => statement.keys.len(),
        Above::Around(..) => 0,
    };
    // A deviation is shown for enough people only.
    let loose: Vec<usize> = (0..statement.figures.len())
        .filter(|n| statement.figures[*n].is.contains(&"deviation"))
        .map(|n| statement.keys.len() + n)
        .collect();
    let kept = |rows: &Rows| {
        let rows = rows.iter().filter(|row| row.iter().skip(keys).any(says));
        rows.cloned().collect::<Vec<_>>()
    };
    let (mine, mut left) = (kept(ours), kept(truth));
    let all = left.len();
    for row in &mine {
        let is =
            |other: &Vec<Cell>| {
                row.len() == other.len()
                    && row.iter().zip(other).enumerate().all(|(n, (one, other))| {
                        one.is(other) || (loose.contains(&n) && one.is_null())
                    })
            };
        match left.iter().position(is) {
            Some(place) => drop(left.swap_remove(place)),
            None => {
                let near = left.iter().find(|other| other.first() == row.first());
                return Some(format!("ours only {row:?}; truth has {near:?}"));
            }
        }
    }
    // What only a deviation told may be missing.
    left.retain(|row| {
        let mut figures = row.iter().enumerate().skip(keys);
        figures.any(|(n, figure)| says(figure) && !loose.contains(&n))
    });
    match &statement.limit {
        None => left.first().map(|row| format!("truth only {row:?}")),
        Some(_) if statement.keys.is_empty() => None,
        Some(limit) => {
            let first = if limit.is.contains(&"OFFSET") { 1 } else { 0 };
            let wanted = all.saturating_sub(first).min(3);
            // Rows that say nothing may be among the three.
            (ours.len() < wanted).then(|| format!("{} rows, not {wanted}", ours.len()))
        }
    }
}
