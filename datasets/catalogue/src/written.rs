//! Catalogue files as people write them. Nothing here is checked beyond its shape: see `convert` and `check`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{CatalogueError, Class, TableName};

/// One file: any mix of tables, code lists and stated rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogueFile {
    #[serde(default, rename = "table")]
    pub(crate) tables: Vec<TableFile>,
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, Vec<(String, String)>>,
    #[serde(default)]
    pub(crate) rows: Vec<RowsFile>,
}

/// `[[table]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableFile {
    pub(crate) name: TableName,
    pub(crate) title: String,
    pub(crate) row: String,
    pub(crate) protected: Option<ProtectedFile>,
    pub(crate) public: Option<PublicFile>,
    /// The code list whose codes and meanings are this table's rows.
    pub(crate) rows_from: Option<String>,
    pub(crate) columns: Vec<ColumnFile>,
}

/// `protected = { .. }`: the columns with a part to play.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProtectedFile {
    pub(crate) person: String,
    pub(crate) record: String,
    pub(crate) year: String,
    pub(crate) date: String,
    #[serde(default)]
    pub(crate) one_row_per_person: bool,
}

/// `public = { .. }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicFile {
    pub(crate) key: Vec<String>,
}

/// `[[table.columns]]`: one column, or several that share everything but the name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFile {
    pub(crate) name: Option<String>,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) repeat: Option<[u32; 2]>,
    pub(crate) as_in: Option<TableName>,
    #[serde(rename = "type")]
    pub(crate) data_type: Option<String>,
    pub(crate) class: Option<Class>,
    pub(crate) meaning: Option<String>,
    pub(crate) groupable: Option<bool>,
    pub(crate) codes: Option<CodesFile>,
    pub(crate) domain: Option<String>,
    pub(crate) bounds: Option<[f64; 2]>,
    pub(crate) list: Option<String>,
}

/// `codes = "sex"` or `codes = [["Y", "Yes"], ["N", "No"]]`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`codes` is the name of a list, or pairs: [[\"Y\", \"Yes\"], [\"N\", \"No\"]]"
)]
pub(crate) enum CodesFile {
    Named(String),
    Stated(Vec<(String, String)>),
}

/// `[[rows]]`: rows of a reference table that share the values of `same`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsFile {
    pub(crate) table: TableName,
    #[serde(default)]
    pub(crate) same: BTreeMap<String, String>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The file as written, or the line that cannot be read.
pub(crate) fn parse(file: &str, text: &str) -> Result<CatalogueFile, CatalogueError> {
    toml::from_str(text).map_err(|error| {
        let place = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or_else(String::new, |before| {
                format!("line {}: ", before.matches('\n').count() + 1)
            });
        CatalogueError { file: file.to_owned(), problem: format!("{place}{}", error.message()) }
    })
}
