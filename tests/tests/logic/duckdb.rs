//! DuckDB, in a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};
use cordon_tests::World;
use datafusion::dataframe::DataFrameWriteOptions;
use serde::Deserialize;
use serde_json::Value;

use super::rows::{Cell, Rows};

/// A process that answers statements.
pub(super) struct DuckDb {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    _files: tempfile::TempDir,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answered {
    Rows { rows: Vec<Vec<Value>> },
    Problem { problem: String },
}

impl DuckDb {
    /// Over the same people as a house; none where there is no Python for it.
    pub(super) async fn over(world: &World) -> Result<Option<Self>> {
        let Some(python) = std::env::var_os("CORDON_PYTHON") else { return Ok(None) };
        let files = tempfile::tempdir()?;
        let mut tables = BTreeMap::new();
        for table in world.engine.catalogue().tables() {
            let name = table.name.as_str();
            let Ok(rows) = world.truth.table(name).await else { continue };
            let file = files.path().join(format!("{name}.parquet"));
            let path = file.to_str().context("a path")?.to_owned();
            rows.write_parquet(&path, DataFrameWriteOptions::new(), None).await?;
            tables.insert(name.to_owned(), path);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/duckdb_rows.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the Python that CORDON_PYTHON names")?;
        let mut to = process.stdin.take().context("its input")?;
        let from = BufReader::new(process.stdout.take().context("its output")?);
        writeln!(to, "{}", serde_json::to_string(&tables)?)?;
        Ok(Some(Self { process, to, from, _files: files }))
    }

    /// What it answers; none where it refuses.
    pub(super) fn rows(&mut self, sql: &str) -> Result<Option<Rows>> {
        // Whole numbers divided by whole ones are whole numbers in DataFusion.
        let sql = sql.replace(" / 50", " // 50");
        writeln!(self.to, "{}", serde_json::to_string(&sql)?)?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        match serde_json::from_str(&line).context("an answer of DuckDB")? {
            Answered::Rows { rows } => {
                let row = |row: Vec<Value>| row.into_iter().map(cell).collect();
                Ok(Some(rows.into_iter().map(row).collect()))
            }
            Answered::Problem { problem } => {
                eprintln!("DuckDB: {problem}: {sql}");
                Ok(None)
            }
        }
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Number(number) => number.as_f64().map_or(Cell::Null, Cell::Number),
        Value::String(text) => Cell::Text(text),
        other => Cell::Text(other.to_string()),
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
