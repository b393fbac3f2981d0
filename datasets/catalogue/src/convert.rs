//! From the written form to descriptions: templates written out, lists looked up, borrowed columns fetched.
//!
//! What is decided here is what a file *says*; whether it can be right is decided in `check`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;

use crate::written::{CodesFile, ColumnFile, TableFile};
use crate::{
    Bounds, Class, Code, ColumnDescription, ColumnName, Domain, TableDescription, TableKind,
    TableName,
};

/// Code lists by name.
pub(crate) type Lists = BTreeMap<String, Arc<[Code]>>;

/// Descriptions by name, from which `as_in` takes columns.
pub(crate) type Tables = BTreeMap<TableName, Arc<TableDescription>>;

/// Codes of a list: none empty, none twice.
pub(crate) fn codes(pairs: Vec<(String, String)>) -> Result<Vec<Code>, String> {
    let mut codes: Vec<Code> = Vec::with_capacity(pairs.len());
    for (code, meaning) in pairs {
        if code.is_empty() || meaning.trim().is_empty() {
            return Err(format!("code `{code}` needs both a code and a meaning"));
        }
        if codes.iter().any(|known| known.code == code) {
            return Err(format!("code `{code}` stands twice; keep one"));
        }
        codes.push(Code { code, meaning });
    }
    Ok(codes)
}

/// The description that a `[[table]]` stands for. The problem is told without the file.
pub(crate) fn table(
    written: TableFile,
    lists: &Lists,
    tables: &Tables,
) -> Result<TableDescription, String> {
    let TableFile { name, title, row, protected, public, rows_from: _, columns: written_columns } =
        written;
    let here = |problem: String| format!("table `{name}`: {problem}");

    let kind = match (protected, public) {
        (Some(protected), None) => TableKind::Protected {
            person: column_name(protected.person).map_err(here)?,
            record: column_name(protected.record).map_err(here)?,
            year: column_name(protected.year).map_err(here)?,
            date: column_name(protected.date).map_err(here)?,
            one_row_per_person: protected.one_row_per_person,
        },
        (None, Some(public)) => TableKind::Public {
            key: public.key.into_iter().map(column_name).collect::<Result<_, _>>().map_err(here)?,
        },
        _ => {
            return Err(here(
                "say whose rows these are, with either `protected = { person, record, year, date }` \
                 or `public = { key }`"
                    .to_owned(),
            ));
        }
    };

    let mut columns = Vec::new();
    for written in written_columns {
        let names = names(&written).map_err(here)?;
        for (column, number) in names {
            let place = format!("table `{name}`, column `{column}`");
            columns.push(
                column_description(column, number, &written, lists, tables)
                    .map_err(|problem| format!("{place}: {problem}"))?,
            );
        }
    }
    Ok(TableDescription { name, title, row, kind, columns })
}

/// The names a `[[table.columns]]` stands for, with the number where it is repeated.
fn names(written: &ColumnFile) -> Result<Vec<(ColumnName, Option<u32>)>, String> {
    match (&written.name, &written.names, written.repeat) {
        (Some(name), None, None) if !has_place(name) => {
            Ok(vec![(column_name(name.clone())?, None)])
        }
        (Some(name), None, Some([first, last])) if has_place(name) => {
            if first > last || last > 999 {
                return Err(format!(
                    "`{name}` is repeated from {first} to {last}; write `repeat = [first, last]`, at most 999"
                ));
            }
            (first..=last)
                .map(|number| Ok((column_name(numbered(name, number))?, Some(number))))
                .collect()
        }
        (None, Some(names), None) if !names.is_empty() => {
            names.iter().map(|name| Ok((column_name(name.clone())?, None))).collect()
        }
        (Some(name), None, _) => Err(format!(
            "`{name}` needs both a place for the number, as in `diag_{{:02}}`, and `repeat = [first, last]`, \
             or neither"
        )),
        _ => Err("a column needs either `name` (with or without `repeat`) or `names`".to_owned()),
    }
}

fn has_place(text: &str) -> bool {
    text.contains("{}") || text.contains("{:02}")
}

fn numbered(text: &str, number: u32) -> String {
    text.replace("{:02}", &format!("{number:02}")).replace("{}", &number.to_string())
}

fn column_name(name: String) -> Result<ColumnName, String> {
    ColumnName::try_from(name).map_err(|error| error.to_string())
}

fn column_description(
    name: ColumnName,
    number: Option<u32>,
    written: &ColumnFile,
    lists: &Lists,
    tables: &Tables,
) -> Result<ColumnDescription, String> {
    if let Some(other) = &written.as_in {
        return borrowed(&name, other, written, tables);
    }
    let (Some(data_type), Some(class), Some(meaning)) =
        (&written.data_type, written.class, &written.meaning)
    else {
        return Err(
            "`type`, `class` and `meaning` are needed, or `as_in` with the table that describes the same column"
                .to_owned(),
        );
    };
    let codes = match &written.codes {
        None => Vec::new(),
        Some(CodesFile::Stated(pairs)) => codes(pairs.clone())?,
        Some(CodesFile::Named(list)) => lists
            .get(list)
            .ok_or_else(|| format!("no code list is called `{list}`; state it under `[lists]`"))?
            .to_vec(),
    };
    Ok(ColumnDescription {
        data_type: parse_type(data_type)?,
        meaning: number.map_or_else(|| meaning.clone(), |number| numbered(meaning, number)),
        class,
        groupable: written.groupable.unwrap_or(groupable_by_class(class)),
        codes,
        domain: written.domain.as_deref().map(parse_domain).transpose()?,
        bounds: written.bounds.map(|[min, max]| Bounds { min, max }),
        list: written.list.clone(),
        name,
    })
}

/// The column of the same name in another table, taken whole.
fn borrowed(
    name: &ColumnName,
    other: &TableName,
    written: &ColumnFile,
    tables: &Tables,
) -> Result<ColumnDescription, String> {
    let says_more = written.data_type.is_some()
        || written.class.is_some()
        || written.meaning.is_some()
        || written.groupable.is_some()
        || written.codes.is_some()
        || written.domain.is_some()
        || written.bounds.is_some()
        || written.list.is_some();
    if says_more {
        return Err(
            "`as_in` takes the description whole; leave out everything else, or leave out `as_in`"
                .to_owned(),
        );
    }
    let table = tables.get(other).ok_or_else(|| {
        format!("`as_in` names `{other}`, which is not described, or itself borrows columns; name the table with the full description")
    })?;
    table
        .column(name.as_str())
        .cloned()
        .ok_or_else(|| format!("`{other}` has no column of that name; describe it here"))
}

/// Pseudonyms and record numbers are never grouped by; all else is, unless the file says otherwise.
fn groupable_by_class(class: Class) -> bool {
    match class {
        Class::DirectIdentifier | Class::Pseudonym | Class::RecordKey => false,
        Class::QuasiIdentifier | Class::Sensitive | Class::Measure | Class::Ordinary => true,
    }
}

fn parse_type(text: &str) -> Result<DataType, String> {
    let simple = match text {
        "Utf8" => Some(DataType::Utf8),
        "Int16" => Some(DataType::Int16),
        "Int32" => Some(DataType::Int32),
        "Int64" => Some(DataType::Int64),
        "Float64" => Some(DataType::Float64),
        "Date32" => Some(DataType::Date32),
        _ => None,
    };
    simple.or_else(|| parse_decimal(text)).ok_or_else(|| {
        format!(
            "type `{text}` is not known; use Utf8, Int16, Int32, Int64, Float64, Date32 or Decimal128(digits, decimals)"
        )
    })
}

fn parse_decimal(text: &str) -> Option<DataType> {
    let (digits, decimals) =
        text.strip_prefix("Decimal128(")?.strip_suffix(')')?.split_once(',')?;
    let digits: u8 = digits.trim().parse().ok()?;
    let decimals: i8 = decimals.trim().parse().ok()?;
    let fits =
        (1..=38).contains(&digits) && decimals >= 0 && i16::from(decimals) <= i16::from(digits);
    fits.then_some(DataType::Decimal128(digits, decimals))
}

fn parse_domain(text: &str) -> Result<Domain, String> {
    match text {
        "codes" => Ok(Domain::Codes),
        "bounds" => Ok(Domain::Bounds),
        _ => {
            let parts = text.rsplit_once('.').and_then(|(table, column)| {
                Some((table.parse::<TableName>().ok()?, column.parse::<ColumnName>().ok()?))
            });
            parts.map(|(table, column)| Domain::Table { table, column }).ok_or_else(|| {
                format!("domain `{text}` is not `codes`, `bounds` or a reference column such as `ref.icb.code`")
            })
        }
    }
}
