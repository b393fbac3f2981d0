//! Doors that only a few places may use, and what must be nowhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use toml::Value;

use super::{members, read, root, table};

/// Who may build raw aggregates, or write batches as bytes or text. Beside each stands its reason.
const WRITERS: &[&str] = &[
    // RawAggregates::new
    "server/engine/src/execute.rs",
    // what the ledger keeps of a released table
    "policy/disclosure/src/stored.rs",
    // answers
    "server/wire/src/encode.rs",
    "server/cordon/src/format.rs",
    // rows at rest, inside the store
    "datasets/store/src/public.rs",
    "datasets/store/src/run.rs",
    "datasets/store/src/scatter.rs",
    // made-up rows
    "datasets/synthetic/src/export.rs",
];

#[test]
fn figures_and_rows_are_written_in_known_places_only() -> Result<()> {
    for file in files()?.iter().filter(|file| file.ends_with(".rs")) {
        // What tests and benchmarks write leaves no process.
        let aside = ["/tests/", "/benches/"].iter().any(|folder| file.contains(folder));
        if aside || file.ends_with("tests.rs") || file.starts_with("tests/") {
            continue;
        }
        let text = read(file)?;
        let excused = text.lines().any(|line| {
            line.contains("clippy::disallowed_methods")
                && !line.contains("tests build what only one place may build")
        });
        assert!(
            !excused || WRITERS.contains(&file.as_str()),
            "{file} writes figures or rows; is it a door?"
        );
    }
    Ok(())
}

#[test]
fn the_binary_has_no_switch_that_weakens_a_control() -> Result<()> {
    let sabotage = |value: &Value| format!("{value:?}").contains("\"sabotage\"");
    let workspace = table("Cargo.toml")?;
    assert!(!sabotage(&workspace["workspace"]["dependencies"]), "the workspace switches it on");
    let members = members()?;
    let binary = members.get("cordon").context("a binary")?;
    if let Some(features) = binary.manifest.get("features") {
        let own = features.as_table().context("features are a table")?;
        assert!(!own.contains_key("sabotage"), "the binary has it");
    }
    for member in members.values() {
        // A default feature would reach the binary as well.
        let default = member.manifest.get("features").and_then(|features| features.get("default"));
        assert!(!default.is_some_and(sabotage), "{} has it by default", member.name);
        for dependency in member.dependencies().iter().filter(|dependency| !dependency.dev) {
            let reaches = member.name != "cordon-tests" && sabotage(dependency.written);
            assert!(!reaches, "{} switches it on in {}", member.name, dependency.name);
        }
    }
    Ok(())
}

#[test]
fn main_is_short() -> Result<()> {
    let lines = read("server/cordon/src/main.rs")?.lines().count();
    assert!(lines < 80, "main.rs has {lines} lines");
    Ok(())
}

#[test]
fn integration_tests_are_one_binary() -> Result<()> {
    // Each binary that links the engine is hundreds of megabytes.
    for member in members()?.values() {
        let package = member.manifest["package"].as_table().context("a package")?;
        let discovered = package.get("autotests").and_then(Value::as_bool) != Some(false);
        let listed = member.manifest.get("test").and_then(Value::as_array).map_or(0, Vec::len);
        let folder = root().join(&member.folder).join("tests");
        if member.name == "cordon-tests" {
            assert!(!discovered && listed == 1, "the whole-system tests are not one binary");
        } else {
            assert!(listed == 0 && !folder.exists(), "{} has integration tests", member.name);
        }
    }
    Ok(())
}

#[test]
fn no_file_names_the_machine_it_was_written_on() -> Result<()> {
    // Put together here, so that this file does not hold them.
    let words =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"]].map(|word| word.concat());
    for file in files()? {
        let Ok(text) = read(&file) else { continue };
        for word in &words {
            let line = text.lines().position(|line| line.contains(word.as_str()));
            assert!(line.is_none(), "{file}:{} holds {word}", line.unwrap_or_default() + 1);
        }
    }
    Ok(())
}

/// All files that git has or would take, relative to the root; without git, all files but what is built.
fn files() -> Result<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    if let Ok(listed) = listed
        && listed.status.success()
    {
        let names = String::from_utf8(listed.stdout)?;
        let there = names.split('\0').filter(|name| root().join(name).is_file());
        return Ok(there.map(str::to_owned).collect());
    }
    let mut pending = vec![PathBuf::new()];
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in root().join(&folder).read_dir()? {
            let name = entry?.file_name();
            let path = folder.join(&name);
            if root().join(&path).is_file() {
                files.push(path.to_string_lossy().into_owned());
            } else if name != "target" && name != ".git" && !is_generated(&path) {
                pending.push(path);
            }
        }
    }
    Ok(files)
}

fn is_generated(path: &Path) -> bool {
    path.ends_with("cordon-data") || path.ends_with(".venv") || path.ends_with("__pycache__")
}
