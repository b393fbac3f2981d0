//! The lines of an agreement: which tables, columns, years and rows it grants.

use std::collections::{BTreeMap, BTreeSet};

use cordon_catalogue::{
    Catalogue, Class, ColumnDescription, ColumnName, TableDescription, TableName,
};
use serde::Deserialize;

use crate::{RowFilter, TableGrant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineFile {
    table: TableName,
    /// `1819..2223`, or `all`. Written out, so that nobody grants all years by forgetting.
    years: String,
    columns: ColumnsFile,
    rows: Option<RowsFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ColumnsFile {
    /// `all`.
    Word(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsFile {
    column: ColumnName,
    one_of: Vec<String>,
}

pub(super) fn convert(
    lines: Vec<LineFile>,
    catalogue: &Catalogue,
) -> Result<BTreeMap<TableName, TableGrant>, String> {
    let mut grants = BTreeMap::new();
    if lines.is_empty() {
        return Err("no `lines`: write one for each table that is granted".to_owned());
    }
    for line in lines {
        let name = line.table.clone();
        let grant =
            convert_line(line, catalogue).map_err(|problem| format!("line `{name}`: {problem}"))?;
        // Two lines would have to be united, and a union of columns and rows grants more than both.
        if grants.insert(name.clone(), grant).is_some() {
            return Err(format!("line `{name}` stands twice; write one line for each table"));
        }
    }
    Ok(grants)
}

fn convert_line(line: LineFile, catalogue: &Catalogue) -> Result<TableGrant, String> {
    let table = catalogue
        .table(&line.table)
        .ok_or("`table` is not in the catalogue; `cordon catalogue` lists what is")?;
    if !table.is_protected() {
        return Err(
            "`table` is reference data, which everybody may see; remove the line".to_owned()
        );
    }
    Ok(TableGrant {
        columns: columns(line.columns, table)?,
        years: years(&line.years)?,
        rows: line.rows.map(|rows| row_filter(rows, table)).transpose()?,
    })
}

/// Direct identifiers are never granted: names and NHS numbers have no place in the de-identified zone, and
/// no agreement can give them one.
pub(super) fn columns(
    written: ColumnsFile,
    table: &TableDescription,
) -> Result<BTreeSet<ColumnName>, String> {
    let listed = match written {
        ColumnsFile::Word(word) if word == "all" => {
            let stored =
                table.columns.iter().filter(|column| column.class != Class::DirectIdentifier);
            return Ok(stored.map(|column| column.name.clone()).collect());
        }
        ColumnsFile::Word(word) => {
            return Err(format!("`columns` is `{word}`; write a list of columns, or `all`"));
        }
        ColumnsFile::List(listed) => listed,
    };
    let mut columns = BTreeSet::new();
    for written in listed {
        for name in spelled_out(&written)? {
            let column = known("columns", &name, table)?;
            if column.class == Class::DirectIdentifier {
                return Err(format!(
                    "`columns` holds `{name}`, a direct identifier, which is never granted; remove it"
                ));
            }
            if !columns.insert(column.name.clone()) {
                return Err(format!("`columns` holds `{name}` twice; write it once"));
            }
        }
    }
    if columns.is_empty() {
        return Err("`columns` is empty; write the columns that are granted, or `all`".to_owned());
    }
    Ok(columns)
}

/// `diag_4_01..20` stands for `diag_4_01` to `diag_4_20`.
fn spelled_out(written: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = written.split_once("..") else {
        return Ok(vec![written.to_owned()]);
    };
    let told = || format!("`columns` holds `{written}`; write a range as `diag_4_01..20`");
    let at = first.len().checked_sub(last.len()).ok_or_else(told)?;
    let (stem, from) = first.split_at_checked(at).ok_or_else(told)?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u32>().ok()).flatten()
    };
    let (from, to) = number(from).zip(number(last)).ok_or_else(told)?;
    if !stem.ends_with('_') || from > to {
        return Err(told());
    }
    Ok((from..=to)
        .map(|position| format!("{stem}{position:0width$}", width = last.len()))
        .collect())
}

/// First and last financial year. They are compared as the year column spells them (`1819`), so both must
/// lie in one century: `9900` is followed by `0001`, which text sorts first.
fn years(written: &str) -> Result<Option<(String, String)>, String> {
    if written == "all" {
        return Ok(None);
    }
    let told =
        |why: &str| format!("`years` is `{written}`, {why}; write it as `1819..2223`, or `all`");
    let (first, last) = written.split_once("..").ok_or_else(|| told("which is not a range"))?;
    let (from, to) = financial_year(first)
        .zip(financial_year(last))
        .ok_or_else(|| told("which is not two financial years"))?;
    if from > to {
        return Err(told("which ends before it begins"));
    }
    if first > last {
        return Err(told("which reaches from one century into the next"));
    }
    Ok(Some((first.to_owned(), last.to_owned())))
}

/// The year in which it begins: 2018 for `1819`. HES begins with 1989 (outpatients and others later).
fn financial_year(text: &str) -> Option<u16> {
    if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (begins, ends) = text.split_at_checked(2)?;
    let (begins, ends) = (begins.parse::<u16>().ok()?, ends.parse::<u16>().ok()?);
    if begins.checked_add(1)?.checked_rem(100)? != ends {
        return None;
    }
    begins.checked_add(if begins >= 89 { 1900 } else { 2000 })
}

fn row_filter(written: RowsFile, table: &TableDescription) -> Result<RowFilter, String> {
    let column = known("rows.column", written.column.as_str(), table)?;
    // A filter by token or record number would be a list of single patients.
    if matches!(column.class, Class::DirectIdentifier | Class::Pseudonym | Class::RecordKey) {
        return Err(format!(
            "`rows.column` is `{}`, which names single patients or records; write a column of codes",
            column.name
        ));
    }
    if column.data_type != arrow_schema::DataType::Utf8 {
        return Err(format!(
            "`rows.column` is `{}`, which holds no codes; write one that does",
            column.name
        ));
    }
    let mut one_of = BTreeSet::new();
    for code in written.one_of {
        if !column.codes.is_empty() && !column.codes.iter().any(|known| known.code == code) {
            return Err(format!(
                "`rows.one_of` holds `{code}`, which is no code of `{}`; write codes of the catalogue",
                column.name
            ));
        }
        if code.trim() != code || code.is_empty() {
            return Err(format!("`rows.one_of` holds `{code}`; write codes without blanks"));
        }
        if one_of.contains(&code) {
            return Err(format!("`rows.one_of` holds `{code}` twice; write it once"));
        }
        one_of.insert(code);
    }
    if one_of.is_empty() {
        return Err(
            "`rows.one_of` is empty, so no row would pass; write the codes that do".to_owned()
        );
    }
    Ok(RowFilter { column: column.name.clone(), one_of })
}

fn known<'a>(
    field: &str,
    name: &str,
    table: &'a TableDescription,
) -> Result<&'a ColumnDescription, String> {
    table.column(name).ok_or_else(|| {
        format!("`{field}` holds `{name}`, which the catalogue does not know; check its spelling")
    })
}
