//! What is written for people is true where a machine can tell: every code has its page, the commands of
//! the README exist, no link leads nowhere. `UPDATE_GOLDEN=1` rewrites what is generated.

mod links;
mod readme;
mod refusals;
mod sql;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tidy::root;

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(root().join(path)).with_context(|| format!("reading {}", path.display()))
}

/// Fails when the file differs from what is generated; with `UPDATE_GOLDEN=1` rewrites it instead.
fn same_or_rewritten(path: &str, generated: &str) -> Result<()> {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(root().join(path), generated)?;
        return Ok(());
    }
    let found = read(path).unwrap_or_default();
    let differs = found.lines().zip(generated.lines()).position(|(found, wanted)| found != wanted);
    let line = differs.unwrap_or(found.lines().count().min(generated.lines().count())) + 1;
    assert!(
        found == generated,
        "{path} differs from line {line}; UPDATE_GOLDEN=1 rewrites it, read the diff like code"
    );
    Ok(())
}
