//! Reading descriptions from TOML: parsed into `…File` types first, then converted once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::convert::{self, Lists, Tables};
use crate::written::{self, CatalogueFile, RowsFile, TableFile};
use crate::{Code, TableDescription, TableName, built_in, check, rows};

/// All tables that this house knows.
#[derive(Clone, Debug)]
pub struct Catalogue {
    tables: Tables,
    lists: Lists,
    stated: BTreeMap<TableName, RecordBatch>,
}

/// A description that cannot be right: which file, which column, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct CatalogueError {
    /// The file.
    pub file: String,
    /// What is wrong and where.
    pub problem: String,
}

impl Catalogue {
    /// The descriptions that ship with Cordon (embedded in the binary).
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::from_toml(
            built_in::FILES.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())),
        )
    }

    /// The tables, code lists and rows of these files (name and text of each), whatever their order.
    pub fn from_toml(
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CatalogueError> {
        Self { tables: Tables::new(), lists: Lists::new(), stated: BTreeMap::new() }.with(files)
    }

    /// This catalogue and what further files (name and text of each) describe: how a new registry is
    /// onboarded, by description alone. They may use what is known already, but never replace it.
    pub fn with(
        mut self,
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CatalogueError> {
        let mut tables: Vec<(String, TableFile)> = Vec::new();
        let mut blocks: BTreeMap<TableName, (String, Vec<RowsFile>)> = BTreeMap::new();
        for (file, text) in files {
            let CatalogueFile { tables: in_file, lists, rows } = written::parse(&file, &text)?;
            for (list, pairs) in lists {
                self.add_list(list, pairs).map_err(|problem| fault(&file, problem))?;
            }
            for block in rows {
                blocks
                    .entry(block.table.clone())
                    .or_insert_with(|| (file.clone(), Vec::new()))
                    .1
                    .push(block);
            }
            tables.extend(in_file.into_iter().map(|table| (file.clone(), table)));
        }

        let added = self.add_tables(tables)?;
        // Domains may name tables of any file, so checks come when all are there.
        for (file, name) in &added {
            if let Some(table) = self.tables.get(name) {
                check::table(table, &self.tables).map_err(|problem| fault(file, problem))?;
            }
        }
        for (name, (file, blocks)) in blocks {
            let table =
                added.iter().find(|(_, new)| *new == name).and_then(|_| self.tables.get(&name));
            let Some(table) = table.filter(|_| !self.stated.contains_key(&name)) else {
                return Err(fault(
                    &file,
                    format!(
                        "rows of `{name}`: describe the table along with its rows, and state rows in one way only"
                    ),
                ));
            };
            let batch =
                rows::from_blocks(table, blocks).map_err(|problem| fault(&file, problem))?;
            self.stated.insert(name, batch);
        }
        Ok(self)
    }

    /// The table of that name.
    pub fn table(&self, name: &TableName) -> Option<&Arc<TableDescription>> {
        self.tables.get(name)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDescription>> {
        self.tables.values()
    }

    /// The codes of a list, by the name under which files state it: `sex`, `admimeth`.
    pub fn code_list(&self, name: &str) -> Option<&[Code]> {
        self.lists.get(name).map(AsRef::as_ref)
    }

    /// The rows of a reference table whose rows the catalogue states itself. `None` for tables that are
    /// loaded, places and organisations among them.
    pub fn reference_rows(&self, table: &TableName) -> Option<RecordBatch> {
        self.stated.get(table).cloned()
    }

    fn add_list(&mut self, name: String, pairs: Vec<(String, String)>) -> Result<(), String> {
        let codes = convert::codes(pairs).map_err(|problem| format!("list `{name}`: {problem}"))?;
        if codes.is_empty() {
            return Err(format!("list `{name}`: it has no codes; state at least one"));
        }
        if self.lists.contains_key(&name) {
            return Err(format!(
                "list `{name}` is stated already; use that one or choose another name"
            ));
        }
        self.lists.insert(name, codes.into());
        Ok(())
    }

    /// Converts the tables: those that stand on their own first, so that the others can borrow columns.
    fn add_tables(
        &mut self,
        tables: Vec<(String, TableFile)>,
    ) -> Result<Vec<(String, TableName)>, CatalogueError> {
        let (borrowing, plain): (Vec<_>, Vec<_>) = tables
            .into_iter()
            .partition(|(_, table)| table.columns.iter().any(|column| column.as_in.is_some()));
        let mut added = Vec::new();
        for (file, written) in plain.into_iter().chain(borrowing) {
            if self.tables.contains_key(&written.name) {
                return Err(fault(
                    &file,
                    format!("table `{}` is described already; choose another name", written.name),
                ));
            }
            let rows_from = written.rows_from.clone();
            let table = convert::table(written, &self.lists, &self.tables)
                .map_err(|problem| fault(&file, problem))?;
            if let Some(list) = rows_from {
                let codes = self.lists.get(&list).ok_or_else(|| {
                    fault(
                        &file,
                        format!(
                            "table `{}`: no code list is called `{list}`; state it under `[lists]`",
                            table.name
                        ),
                    )
                })?;
                let batch =
                    rows::from_list(&table, codes).map_err(|problem| fault(&file, problem))?;
                self.stated.insert(table.name.clone(), batch);
            }
            added.push((file, table.name.clone()));
            self.tables.insert(table.name.clone(), Arc::new(table));
        }
        Ok(added)
    }
}

fn fault(file: &str, problem: String) -> CatalogueError {
    CatalogueError { file: file.to_owned(), problem }
}
