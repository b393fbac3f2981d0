//! Rows that the catalogue itself states: code lists as tables, and short lists such as common diagnoses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;

use crate::written::RowsFile;
use crate::{Code, TableDescription, TableKind};

/// The columns of a table under construction, one list of values each.
type Columns = BTreeMap<String, Vec<String>>;

/// A code list as the rows of a table with two text columns: the code, then its meaning.
pub(crate) fn from_list(table: &TableDescription, codes: &[Code]) -> Result<RecordBatch, String> {
    let [code, title] = table.columns.as_slice() else {
        return Err(format!(
            "table `{}`: `rows_from` needs exactly two columns, one for the code and one for its meaning",
            table.name
        ));
    };
    let columns = BTreeMap::from([
        (code.name.to_string(), codes.iter().map(|c| c.code.clone()).collect()),
        (title.name.to_string(), codes.iter().map(|c| c.meaning.clone()).collect()),
    ]);
    batch(table, columns)
}

/// All `[[rows]]` blocks of one table, in the order in which they stand.
pub(crate) fn from_blocks(
    table: &TableDescription,
    blocks: Vec<RowsFile>,
) -> Result<RecordBatch, String> {
    let here = |problem: String| format!("rows of `{}`: {problem}", table.name);
    let mut columns: Columns =
        table.columns.iter().map(|c| (c.name.to_string(), Vec::new())).collect();
    for block in blocks {
        let named: BTreeSet<&String> = block.columns.iter().chain(block.same.keys()).collect();
        let complete = named.len() == block.columns.len() + block.same.len()
            && named.len() == columns.len()
            && named.iter().all(|name| columns.contains_key(*name));
        if !complete {
            return Err(here(
                "`columns` and `same` together must name every column of the table once".to_owned(),
            ));
        }
        for row in block.rows {
            if row.len() != block.columns.len() {
                return Err(here(format!(
                    "the row that begins with `{}` has {} values where `columns` names {}",
                    row.first().map_or("", String::as_str),
                    row.len(),
                    block.columns.len()
                )));
            }
            let fixed = block.same.iter().map(|(name, value)| (name, value.clone()));
            for (name, value) in block.columns.iter().zip(row).chain(fixed) {
                columns.entry(name.clone()).or_default().push(value);
            }
        }
    }
    batch(table, columns)
}

/// The batch, once types and key have been checked.
fn batch(table: &TableDescription, mut columns: Columns) -> Result<RecordBatch, String> {
    let here = |problem: &str| format!("rows of `{}`: {problem}", table.name);
    let TableKind::Public { key } = &table.kind else {
        return Err(here("rows about people are loaded, never stated in the catalogue"));
    };
    if let Some(column) = table.columns.iter().find(|c| c.data_type != DataType::Utf8) {
        return Err(here(&format!(
            "only text can be stated here, and column `{}` is not; load the table from a file",
            column.name
        )));
    }
    let keys: Vec<&Vec<String>> =
        key.iter().filter_map(|name| columns.get(name.as_str())).collect();
    let rows = keys.first().map_or(0, |values| values.len());
    let mut seen = BTreeSet::new();
    for row in 0..rows {
        let value: Vec<&str> =
            keys.iter().filter_map(|values| values.get(row)).map(String::as_str).collect();
        let shown = value.join(", ");
        if value.iter().any(|part| part.is_empty()) || !seen.insert(value) {
            return Err(here(&format!("the key `{shown}` is empty or stands twice; keep one")));
        }
    }
    let arrays: Vec<ArrayRef> = table
        .columns
        .iter()
        .map(|c| {
            Arc::new(StringArray::from(columns.remove(c.name.as_str()).unwrap_or_default()))
                as ArrayRef
        })
        .collect();
    RecordBatch::try_new(table.schema(), arrays).map_err(|error| here(&error.to_string()))
}
