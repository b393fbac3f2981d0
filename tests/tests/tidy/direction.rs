//! Arrows never turn back: what decides knows no engine, what describes knows no users.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use super::{members, of_family, root, table};

/// Which crates of the workspace a crate may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cordon-catalogue", &[]),
    ("cordon-disclosure", &[]),
    ("cordon-agreements", &["cordon-catalogue", "cordon-disclosure"]),
    ("cordon-synthetic", &["cordon-catalogue"]),
    ("cordon-store", &["cordon-catalogue"]),
    (
        "cordon-engine",
        &["cordon-agreements", "cordon-catalogue", "cordon-disclosure", "cordon-store"],
    ),
    ("cordon-state", &["cordon-disclosure"]),
    ("cordon-plot", &[]),
    ("cordon-redteam", &["cordon-disclosure", "cordon-plot"]),
    (
        "cordon-wire",
        &["cordon-agreements", "cordon-catalogue", "cordon-disclosure", "cordon-engine"],
    ),
    (
        "cordon",
        &[
            "cordon-agreements",
            "cordon-catalogue",
            "cordon-disclosure",
            "cordon-engine",
            "cordon-plot",
            "cordon-state",
            "cordon-store",
            "cordon-synthetic",
            "cordon-wire",
        ],
    ),
];

/// What decides, and what describes: they build and test in a minute.
const LIGHT: &[&str] =
    &["cordon-agreements", "cordon-catalogue", "cordon-disclosure", "cordon-synthetic"];

/// What light crates never use, nor any crate of the workspace that they use, not even in their tests.
const HEAVY: &[&str] = &[
    "datafusion",
    "deltalake",
    "sqlparser",
    "arrow-flight",
    "object_store",
    "tokio",
    "axum",
    "tonic",
    "rusqlite",
];

#[test]
fn crates_use_each_other_in_one_direction() -> Result<()> {
    let members = members()?;
    for member in members.values().filter(|member| member.name != "cordon-tests") {
        let (_, may) = MAY_USE
            .iter()
            .find(|(name, _)| *name == member.name)
            .with_context(|| format!("{} is not in the list of directions", member.name))?;
        for dependency in member.dependencies() {
            let ours = members.contains_key(dependency.name);
            assert!(
                !ours || dependency.dev || may.contains(&dependency.name),
                "{} may not use {}",
                member.name,
                dependency.name
            );
        }
    }
    Ok(())
}

#[test]
fn what_decides_and_what_describes_knows_no_engine_and_no_network() -> Result<()> {
    let members = members()?;
    for light in LIGHT {
        let mut pending = vec![*light];
        let mut seen = BTreeSet::new();
        while let Some(name) = pending.pop() {
            let Some(member) = members.get(name).filter(|_| seen.insert(name.to_owned())) else {
                continue;
            };
            for dependency in member.dependencies() {
                let heavy = HEAVY.iter().find(|heavy| of_family(dependency.name, heavy));
                assert!(heavy.is_none(), "{light} has {} through {name}", dependency.name);
                pending.push(dependency.name);
            }
        }
    }
    Ok(())
}

#[test]
fn what_decides_has_no_engine_in_all_that_it_pulls_in() -> Result<()> {
    let lock = table("Cargo.lock")?;
    let packages = lock["package"].as_array().context("packages")?;
    for decides in ["cordon-disclosure", "cordon-agreements", "cordon-catalogue"] {
        let mut pending = vec![decides.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = pending.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            for engine in ["datafusion", "deltalake", "tokio", "axum", "tonic"] {
                assert!(!of_family(&name, engine), "{decides} pulls in {name}");
            }
            // Without the version behind the name: rather too many crates than too few.
            let named = |package: &&toml::Value| package["name"].as_str() == Some(&name);
            for package in packages.iter().filter(named) {
                let uses = package.get("dependencies").and_then(toml::Value::as_array);
                let words = uses.into_iter().flatten().filter_map(toml::Value::as_str);
                pending.extend(words.filter_map(|word| word.split(' ').next()).map(str::to_owned));
            }
        }
    }
    Ok(())
}

/// Controls that can be switched off are for tests of the referees: the program never has the feature.
#[test]
fn no_control_of_the_program_can_be_switched_off() -> Result<()> {
    let tree = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "cordon",
            "--edges",
            "features,normal,build",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()?;
    let tree = String::from_utf8(tree.stdout)?;
    ensure!(tree.contains("cordon-disclosure"), "the tree of crates cannot be read");
    ensure!(!tree.contains("sabotage"), "the program is built with `sabotage`");
    Ok(())
}
