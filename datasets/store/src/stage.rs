//! From what a file holds to rows in the layout of a table, and the rows that cannot be loaded.

use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Date32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::filter::filter_record_batch;
use csv::ByteRecord;

use crate::StoreError;
use crate::layout::Layout;
use crate::parse::{self, Fault, Reason, Rule};
use crate::person::Keys;

/// Rows ready to be put in their buckets (protected) or written (public).
pub(crate) struct Staged {
    pub(crate) rows: RecordBatch,
    pub(crate) read: u64,
    pub(crate) rejects: Vec<Reject>,
}

/// One reason why one row was not loaded. A row can have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    /// Line of a text file, row of any other, from 1.
    pub(crate) line: u64,
    pub(crate) column: Option<String>,
    pub(crate) reason: Reason,
}

/// Which field of a file holds each described column; `None` where the file has none and need not.
pub(crate) type Fields = Vec<Option<usize>>;

/// Finds the described columns under the names of a file, whatever their case.
pub(crate) fn match_fields(
    layout: &Layout,
    names: &[&str],
    missing_as_null: bool,
) -> Result<Fields, String> {
    let clean: Vec<String> = names
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase())
        .collect();
    let list = |what: &str, columns: Vec<&str>| {
        (!columns.is_empty()).then(|| format!("{what} {}", columns.join(", ")))
    };
    let described = |name: &str| layout.table.column(name).is_some();
    let may_be_missing = |place: usize| {
        let pseudonym = layout.clustered.as_ref().is_some_and(|c| c.pseudonym == place);
        missing_as_null && !layout.required[place] && !pseudonym
    };
    let fields: Fields = layout
        .table
        .columns
        .iter()
        .map(|column| clean.iter().position(|name| name == column.name.as_str()))
        .collect();
    let columns = || layout.table.columns.iter().map(|column| column.name.as_str());
    let absent = columns().enumerate().filter(|(place, _)| fields[*place].is_none());
    let absent =
        absent.filter(|(place, _)| !may_be_missing(*place)).map(|(_, name)| name).collect();
    // A file without a header starts with data, so mostly unknown names are counted instead of repeated.
    if clean.is_empty() {
        return Err("it is empty: its first line names the columns".to_owned());
    }
    let strangers: Vec<&str> =
        clean.iter().map(String::as_str).filter(|name| !described(name)).collect();
    let unknown = match strangers.len() * 2 < clean.len() {
        true => list("unknown", strangers),
        false => Some(format!(
            "{} of {} names are unknown (is the first line a header?)",
            strangers.len(),
            clean.len()
        )),
    };
    let repeats = clean.iter().enumerate().filter(|(at, name)| clean[..*at].contains(name));
    let repeats = repeats.map(|(_, name)| name.as_str()).filter(|name| described(name)).collect();
    let problems: Vec<String> = [list("missing", absent), unknown, list("repeated", repeats)]
        .into_iter()
        .flatten()
        .collect();
    if problems.is_empty() { Ok(fields) } else { Err(format!("columns: {}", problems.join("; "))) }
}

/// Lines of a text file.
pub(crate) struct Lines {
    /// Line number and fields.
    pub(crate) records: Vec<(u64, ByteRecord)>,
    /// How many fields the header has.
    pub(crate) width: usize,
}

/// Parses lines of a text file.
pub(crate) fn stage_lines(
    layout: &Layout,
    keys: &Keys,
    fields: &Fields,
    lines: &Lines,
) -> Result<Staged, StoreError> {
    let records = &lines.records;
    let whole: Vec<bool> = records.iter().map(|(_, r)| r.len() == lines.width).collect();
    let mut faults: Vec<Fault> = Vec::new();
    let mut quality = vec![0i32; records.len()];
    let mut columns = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let cell = |row: usize| {
            let field = (*field).filter(|_| whole[row])?;
            records[row].1.get(field)
        };
        if is_pseudonym(layout, place) {
            columns.push(digests(keys, records.len(), place, cell, &mut faults)?);
        } else {
            let rule = rule(layout, place);
            columns.push(parse::column(&rule, records.len(), cell, &mut quality, &mut faults)?);
        }
    }
    // A line of the wrong length is one fault, not one for every required column.
    faults.retain(|(row, ..)| whole[*row]);
    let short = whole.iter().enumerate().filter(|(_, whole)| !**whole);
    faults.extend(short.map(|(row, _)| (row, usize::MAX, Reason::FieldCount)));
    finish(layout, columns, quality, faults, |row| records[row].0)
}

/// Takes over rows that are typed already.
pub(crate) fn stage_batch(
    layout: &Layout,
    keys: &Keys,
    fields: &Fields,
    batch: &RecordBatch,
    first_row: u64,
) -> Result<Staged, StoreError> {
    let rows = batch.num_rows();
    let mut faults: Vec<Fault> = Vec::new();
    let mut quality = vec![0i32; rows];
    let mut columns = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let rule = rule(layout, place);
        let array = match field {
            Some(field) => Arc::clone(batch.column(*field)),
            None => arrow_array::new_null_array(rule.data_type, rows),
        };
        columns.push(if is_pseudonym(layout, place) {
            let text = as_text(layout, place, &array)?;
            let text = text.as_string::<i32>();
            digests(keys, rows, place, |row| cell(text, row), &mut faults)?
        } else {
            stage_array(layout, &rule, array, &mut quality, &mut faults)?
        });
    }
    finish(layout, columns, quality, faults, |row| first_row + row as u64)
}

fn stage_array(
    layout: &Layout,
    rule: &Rule<'_>,
    array: ArrayRef,
    quality: &mut [i32],
    faults: &mut Vec<Fault>,
) -> Result<ArrayRef, StoreError> {
    if array.data_type() == &DataType::Date32 && rule.data_type == &DataType::Date32 {
        let dates = array.as_primitive::<Date32Type>();
        return Ok(parse::typed_dates(rule, dates, quality, faults));
    }
    if array.data_type() == rule.data_type && is_clean(&array) {
        let missing = (0..array.len()).filter(|row| rule.required && array.is_null(*row));
        faults.extend(missing.map(|row| (row, rule.column, Reason::Missing)));
        return Ok(array);
    }
    let text = as_text(layout, rule.column, &array)?;
    let text = text.as_string::<i32>();
    parse::column(rule, text.len(), |row| cell(text, row), quality, faults)
}

/// Whether the values are what parsing them would give.
fn is_clean(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .flatten()
            .all(|text| !text.is_empty() && text.trim_ascii().len() == text.len()),
        DataType::Float64 => array
            .as_primitive::<arrow_array::types::Float64Type>()
            .iter()
            .flatten()
            .all(f64::is_finite),
        _ => true,
    }
}

fn cell(text: &arrow_array::StringArray, row: usize) -> Option<&[u8]> {
    text.is_valid(row).then(|| text.value(row).as_bytes())
}

fn as_text(layout: &Layout, place: usize, array: &ArrayRef) -> Result<ArrayRef, StoreError> {
    // The cast's own error may quote a value, so it is not kept.
    arrow_cast::cast(array, &DataType::Utf8).map_err(|_: ArrowError| StoreError::Rows {
        table: layout.table.name.clone(),
        problem: format!("column `{}` cannot be read as text", layout.table.columns[place].name),
    })
}

fn is_pseudonym(layout: &Layout, place: usize) -> bool {
    layout.clustered.as_ref().is_some_and(|clustered| clustered.pseudonym == place)
}

fn rule(layout: &Layout, place: usize) -> Rule<'_> {
    Rule {
        column: place,
        data_type: &layout.table.columns[place].data_type,
        required: layout.required[place],
        bit: layout.bits[place],
    }
}

fn digests<'c>(
    keys: &Keys,
    rows: usize,
    place: usize,
    cell: impl Fn(usize) -> Option<&'c [u8]>,
    faults: &mut Vec<Fault>,
) -> Result<ArrayRef, StoreError> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(rows, 16);
    for row in 0..rows {
        let text = cell(row).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
        match text.map(std::str::from_utf8) {
            Some(Ok(text)) => builder
                .append_value(keys.digest(text))
                .map_err(|_| StoreError::Internal("keeping a digest"))?,
            Some(Err(_)) => {
                faults.push((row, place, Reason::NotText));
                builder.append_null();
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn finish(
    layout: &Layout,
    mut columns: Vec<ArrayRef>,
    quality: Vec<i32>,
    mut faults: Vec<Fault>,
    line: impl Fn(usize) -> u64,
) -> Result<Staged, StoreError> {
    let read = quality.len();
    let schema: SchemaRef = match &layout.clustered {
        Some(clustered) => {
            let digest = columns.remove(clustered.pseudonym);
            columns.insert(0, digest);
            columns.push(Arc::new(Int32Array::from(quality)));
            Arc::clone(&clustered.staged)
        }
        None => Arc::clone(&layout.stored),
    };
    let wrong = |_| StoreError::Internal("staging rows");
    let mut rows = RecordBatch::try_new(schema, columns).map_err(wrong)?;
    if !faults.is_empty() {
        let mut keep = vec![true; read];
        faults.iter().for_each(|(row, ..)| keep[*row] = false);
        rows = filter_record_batch(&rows, &BooleanArray::from(keep)).map_err(wrong)?;
    }
    faults.sort_unstable();
    let name = |place: usize| layout.table.columns.get(place).map(|c| c.name.to_string());
    let rejects = faults
        .into_iter()
        .map(|(row, place, reason)| Reject { line: line(row), column: name(place), reason })
        .collect();
    Ok(Staged { rows, read: read as u64, rejects })
}
