//! One copy of what must be one, and a reason for everything that is there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use toml::Value;

use super::{members, of_family, read, table};

/// Two versions of these, or of any of their parts, are different types with the same names.
const FAMILIES: &[&str] = &["arrow", "parquet", "datafusion"];

/// The same for these crates alone.
const CRATES: &[&str] =
    &["object_store", "sqlparser", "deltalake-core", "tonic", "prost", "rustls"];

#[test]
fn there_is_one_version_of_what_batches_are_made_of() -> Result<()> {
    let lock = table("Cargo.lock")?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().context("packages")? {
        let name = package["name"].as_str().context("a name")?;
        let family = FAMILIES.iter().find(|family| of_family(name, family));
        if let Some(known) = family.or_else(|| CRATES.iter().find(|known| **known == name)) {
            let version = package["version"].as_str().context("a version")?;
            versions.entry(known).or_default().insert(version);
        }
    }
    assert_eq!(versions.len(), FAMILIES.len() + CRATES.len(), "{versions:?}");
    for (known, versions) in versions {
        assert_eq!(versions.len(), 1, "{known} stands in Cargo.lock as {versions:?}");
    }
    Ok(())
}

#[test]
fn everything_comes_from_the_public_registry() -> Result<()> {
    let lock = table("Cargo.lock")?;
    for package in lock["package"].as_array().context("packages")? {
        let source = package.get("source").and_then(Value::as_str);
        let expected = "registry+https://github.com/rust-lang/crates.io-index";
        assert!(source.is_none_or(|source| source == expected), "{:?}", package["name"]);
    }
    Ok(())
}

#[test]
fn every_dependency_is_named_once_with_its_reason() -> Result<()> {
    let manifest = read("Cargo.toml")?;
    let (_, rest) =
        manifest.split_once("[workspace.dependencies]").context("a list of dependencies")?;
    let listed = rest.split("\n[").next().unwrap_or_default();
    for line in listed.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let reason = line.rsplit_once("# ").map(|(_, reason)| reason.trim().len());
        let ours = line.contains("path = \"");
        assert!(ours || reason.is_some_and(|length| length > 4), "no reason beside: {line}");
    }
    for member in members()?.values() {
        for dependency in member.dependencies() {
            let shared = dependency.written.get("workspace").and_then(Value::as_bool);
            let what = format!("{} of {}", dependency.name, member.name);
            assert_eq!(shared, Some(true), "{what} is not taken from the workspace");
        }
    }
    Ok(())
}

#[test]
fn every_crate_follows_the_workspace() -> Result<()> {
    for member in members()?.values() {
        let inherits =
            |table: &Value| table.get("workspace").and_then(Value::as_bool) == Some(true);
        let lints = member.manifest.get("lints");
        assert!(lints.is_some_and(inherits), "{} has lints of its own", member.name);
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let written = member.manifest["package"].get(key);
            assert!(written.is_some_and(inherits), "{} has its own {key}", member.name);
        }
    }
    Ok(())
}
