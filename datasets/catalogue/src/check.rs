//! What a description must satisfy before anything relies on it.
//!
//! Each check exists because something downstream would otherwise be unsafe, not merely untidy: a pseudonym
//! that may be grouped by lists patients, bounds on text clamp nothing, a domain off a column with repeated
//! values doubles groups.

use std::collections::BTreeMap;

use arrow_schema::DataType;

use crate::convert::Tables;
use crate::{Class, ColumnDescription, ColumnName, Domain, TableDescription, TableKind};

/// Groups of names that are not for tables: views of the analyst's own work, and what SQL itself owns.
const RESERVED_GROUPS: [&str; 2] = ["my", "information_schema"];

/// The most values that a domain of whole numbers may have.
const MOST_BOUNDED_VALUES: f64 = 200.0;

/// Checks one table; `tables` holds every table that its domains may name.
pub(crate) fn table(table: &TableDescription, tables: &Tables) -> Result<(), String> {
    let here = |problem: String| format!("table `{}`: {problem}", table.name);

    if RESERVED_GROUPS.contains(&table.name.group()) {
        return Err(here(format!(
            "the group `{}` is reserved; choose another",
            table.name.group()
        )));
    }
    if table.title.trim().is_empty() || table.row.trim().is_empty() {
        return Err(here("say what it is in `title` and what one row is in `row`".to_owned()));
    }
    if table.columns.is_empty() {
        return Err(here("it has no columns; describe at least one".to_owned()));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, column) in table.columns.iter().enumerate() {
        if let Some(first) = seen.insert(column.name.as_str(), position) {
            return Err(here(format!(
                "column `{}` stands at positions {} and {}; keep one",
                column.name,
                first + 1,
                position + 1
            )));
        }
        check_column(column, tables).map_err(|problem| {
            format!("table `{}`, column `{}`: {problem}", table.name, column.name)
        })?;
    }
    check_lists(table).map_err(here)?;
    match &table.kind {
        TableKind::Protected { person, record, year, date, .. } => {
            let plain = [Class::Ordinary, Class::QuasiIdentifier];
            check_part(table, "person", person, &[Class::Pseudonym], &DataType::Utf8)
                .map_err(here)?;
            check_part(table, "record", record, &[Class::RecordKey], &DataType::Utf8)
                .map_err(here)?;
            check_part(table, "year", year, &plain, &DataType::Utf8).map_err(here)?;
            check_part(table, "date", date, &plain, &DataType::Date32).map_err(here)
        }
        TableKind::Public { key } => check_public(table, key).map_err(here),
    }
}

fn check_column(column: &ColumnDescription, tables: &Tables) -> Result<(), String> {
    if column.meaning.trim().is_empty() {
        return Err("say in `meaning` what it holds".to_owned());
    }
    match column.class {
        Class::DirectIdentifier => {
            return Err(
                "direct identifiers are never stored here; replace it by a token before loading and leave it out"
                    .to_owned(),
            );
        }
        Class::Pseudonym | Class::RecordKey if column.groupable => {
            return Err(
                "it names single people or records and can never be grouped by; set `groupable = false` or leave it out"
                    .to_owned(),
            );
        }
        Class::Measure if !is_number(&column.data_type) => {
            return Err("a measure is summed, so its type must be a number; choose another `class` or `type`".to_owned());
        }
        _ => {}
    }
    check_codes(column)?;
    check_bounds(column)?;
    check_domain(column, tables)
}

fn check_codes(column: &ColumnDescription) -> Result<(), String> {
    let whole = is_whole(&column.data_type);
    for code in &column.codes {
        if !(column.data_type == DataType::Utf8 || whole && code.code.parse::<i64>().is_ok()) {
            return Err(format!(
                "code `{}` cannot stand in a column of this type; use Utf8, or whole numbers in a whole number column",
                code.code
            ));
        }
    }
    Ok(())
}

fn check_bounds(column: &ColumnDescription) -> Result<(), String> {
    let Some(bounds) = column.bounds else {
        return Ok(());
    };
    if !is_number(&column.data_type) {
        return Err("bounds are for numbers; leave out `bounds`".to_owned());
    }
    if !(bounds.min.is_finite() && bounds.max.is_finite() && bounds.min < bounds.max) {
        return Err("write `bounds = [smallest, largest]`, the smallest first".to_owned());
    }
    if is_whole(&column.data_type) && (bounds.min.fract() != 0.0 || bounds.max.fract() != 0.0) {
        return Err("the bounds of a whole number column must be whole numbers".to_owned());
    }
    Ok(())
}

fn check_domain(column: &ColumnDescription, tables: &Tables) -> Result<(), String> {
    match &column.domain {
        None => Ok(()),
        Some(Domain::Codes) if column.codes.is_empty() => {
            Err("`domain = \"codes\"` needs `codes`; state them or leave out the domain".to_owned())
        }
        Some(Domain::Codes) => Ok(()),
        Some(Domain::Bounds) => match column.bounds {
            Some(bounds)
                if is_whole(&column.data_type) && bounds.max - bounds.min < MOST_BOUNDED_VALUES =>
            {
                Ok(())
            }
            _ => Err(format!(
                "`domain = \"bounds\"` needs a whole number column with `bounds` of at most {MOST_BOUNDED_VALUES} values"
            )),
        },
        Some(Domain::Table { table, column: reference }) => {
            let described = tables
                .get(table)
                .ok_or_else(|| format!("its domain names `{table}`, which is not described; describe it or leave out the domain"))?;
            // Each value once: only the whole key of a public table says so.
            let is_key = matches!(&described.kind, TableKind::Public { key } if key.as_slice() == [reference.clone()]);
            let same_type = described
                .column(reference.as_str())
                .is_some_and(|c| c.data_type == column.data_type);
            if is_key && same_type {
                Ok(())
            } else {
                Err(format!(
                    "its domain `{table}.{reference}` must be the key of a public table and have the same type"
                ))
            }
        }
    }
}

/// Positions of one code list hold the same kind of value, or OR across them means nothing.
fn check_lists(table: &TableDescription) -> Result<(), String> {
    let mut types: BTreeMap<&str, &ColumnDescription> = BTreeMap::new();
    for column in &table.columns {
        let Some(list) = &column.list else { continue };
        let first = types.entry(list.as_str()).or_insert(column);
        if first.data_type != column.data_type || first.class != column.class {
            return Err(format!(
                "columns `{}` and `{}` are positions of the list `{list}` and must have the same type and class",
                first.name, column.name
            ));
        }
    }
    Ok(())
}

/// A column with a part to play in a protected table.
fn check_part(
    table: &TableDescription,
    part: &str,
    name: &ColumnName,
    classes: &[Class],
    data_type: &DataType,
) -> Result<(), String> {
    let column = table.column(name.as_str()).ok_or_else(|| {
        format!("the {part} column `{name}` is not among its columns; describe it or name another")
    })?;
    if !classes.contains(&column.class) || column.data_type != *data_type {
        let classes: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
        return Err(format!(
            "the {part} column `{name}` must have class `{}` and type `{data_type}`",
            classes.join("` or `")
        ));
    }
    Ok(())
}

fn check_public(table: &TableDescription, key: &[ColumnName]) -> Result<(), String> {
    if key.is_empty() {
        return Err("a public table needs a `key`: the columns that make a row unique".to_owned());
    }
    if let Some(missing) = key.iter().find(|name| table.column(name.as_str()).is_none()) {
        return Err(format!(
            "the key column `{missing}` is not among its columns; describe it or name another"
        ));
    }
    let personal =
        table.columns.iter().find(|c| matches!(c.class, Class::Pseudonym | Class::RecordKey));
    match personal {
        Some(column) => Err(format!(
            "column `{}` is about single people, so the table cannot be public; make it `protected` or drop the column",
            column.name
        )),
        None => Ok(()),
    }
}

fn is_whole(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn is_number(data_type: &DataType) -> bool {
    is_whole(data_type) || matches!(data_type, DataType::Float64 | DataType::Decimal128(_, _))
}
