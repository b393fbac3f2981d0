//! Names of tables and columns: lower case, as the NHS data dictionary spells them.

use std::fmt;

/// A table as analysts write it: a group and a name, `hes.apc`, `ref.icd10`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    full: String,
    dot: usize,
}

/// A column as analysts write it: `startage`, `diag_4_01`. Never begins with `_`: those are ours.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnName(String);

/// A name that cannot be one of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a name: lower case letters, digits and `_`, a letter first{1}")]
pub struct NameError(String, &'static str);

fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl TableName {
    /// The group before the dot, which SQL calls the schema: `hes`, `ref`.
    pub fn group(&self) -> &str {
        &self.full[..self.dot]
    }

    /// The name behind the dot: `apc`.
    pub fn name(&self) -> &str {
        &self.full[self.dot + 1..]
    }

    /// Both, as written: `hes.apc`.
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl ColumnName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TableName {
    type Error = NameError;

    fn try_from(full: String) -> Result<Self, NameError> {
        match full.find('.') {
            Some(dot) if is_word(&full[..dot]) && is_word(&full[dot + 1..]) => {
                Ok(Self { full, dot })
            }
            _ => Err(NameError(full, ", as `group.table`")),
        }
    }
}

impl TryFrom<String> for ColumnName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        if is_word(&name) { Ok(Self(name)) } else { Err(NameError(name, "")) }
    }
}

impl std::str::FromStr for TableName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl std::str::FromStr for ColumnName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.full
    }
}

impl From<ColumnName> for String {
    fn from(name: ColumnName) -> Self {
        name.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
