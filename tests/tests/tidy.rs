//! Facts about the workspace that no compiler checks: who depends on whom, which versions, which doors.
//! Facts only, never taste.

mod direction;
mod doors;
mod versions;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One crate of the workspace.
struct Member {
    name: String,
    /// Relative to the root: `policy/disclosure`.
    folder: String,
    manifest: Table,
}

/// A dependency as a crate's manifest writes it.
struct Dependency<'a> {
    name: &'a str,
    written: &'a Value,
    /// Of tests only.
    dev: bool,
}

impl Member {
    /// All dependencies, those under `[target]` included.
    fn dependencies(&self) -> Vec<Dependency<'_>> {
        let mut found = Vec::new();
        let targets = self.manifest.get("target").and_then(Value::as_table);
        let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for table in tables.chain([&self.manifest]) {
            for (section, dev) in
                [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
            {
                let written = table.get(section).and_then(Value::as_table);
                found.extend(written.into_iter().flatten().map(|(name, written)| Dependency {
                    name,
                    written,
                    dev,
                }));
            }
        }
        found
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}

fn table(path: &str) -> Result<Table> {
    toml::from_str(&read(path)?).with_context(|| format!("parsing {path}"))
}

/// The crates of the workspace by name.
fn members() -> Result<BTreeMap<String, Member>> {
    let workspace = table("Cargo.toml")?;
    let folders = workspace["workspace"]["members"].as_array().context("members are a list")?;
    folders
        .iter()
        .map(|folder| {
            let folder = folder.as_str().context("a member is a folder")?.to_owned();
            let manifest = table(&format!("{folder}/Cargo.toml"))?;
            let name = manifest["package"]["name"].as_str().context("a name")?.to_owned();
            Ok((name.clone(), Member { name, folder, manifest }))
        })
        .collect()
}

/// Whether `name` is `family` or one of its parts: `datafusion-expr` is of `datafusion`.
fn of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
