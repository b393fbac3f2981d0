//! The quick start is two commands, and both are there.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result};

use super::{read, root};

#[test]
fn the_quick_start_is_two_commands_that_exist() -> Result<()> {
    let readme = read("README.md")?;
    let (_, start) = readme.split_once("## Quick start").context("a quick start")?;
    let start = start.split("\n## ").next().unwrap_or_default();
    let commands: Vec<&str> = start
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines)
        .collect();
    assert_eq!(commands, ["cargo run --release -- demo", "tests/run"]);
    for script in ["tests/run", ".ci/run"] {
        let mode = root().join(script).metadata()?.permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} cannot be run");
    }
    let workspace: toml::Table = toml::from_str(&read("Cargo.toml")?)?;
    let default = workspace["workspace"]["default-members"].as_array().context("one")?;
    assert_eq!(default.len(), 1, "`cargo run` needs one binary");
    assert_eq!(default[0].as_str(), Some("server/cordon"));
    Ok(())
}

#[test]
fn there_is_one_door_for_checks() -> Result<()> {
    assert!(read(".ci/run")?.contains("/../tests/run\""), ".ci/run does not call tests/run");
    Ok(())
}
