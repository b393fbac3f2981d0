//! No link of the documentation leads nowhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{read, root};

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    for file in documents()? {
        for link in links(&read(&file)?) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().context("a folder")?.join(path),
            };
            let place = file.display();
            assert!(root().join(&target).exists(), "{place} links to {link}, which is not there");
            if !anchor.is_empty() {
                let there = anchors(&read(&target)?);
                assert!(there.contains(anchor), "{place} links to {link}: no such heading");
            }
        }
    }
    Ok(())
}

#[test]
fn every_page_can_be_reached_from_the_readme() -> Result<()> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![PathBuf::from("README.md")];
    while let Some(file) = pending.pop() {
        let file = tidied(&file);
        if !reached.insert(file.clone()) || file.extension().is_none_or(|end| end != "md") {
            continue;
        }
        for link in links(&read(&file)?).iter().filter(|link| !link.contains("://")) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() {
                pending.push(file.parent().context("a folder")?.join(path));
            }
        }
    }
    for file in documents()?.iter().filter(|file| file.starts_with("docs")) {
        assert!(reached.contains(file), "{} is linked from nowhere", file.display());
    }
    Ok(())
}

/// The pages of the project, relative to the root.
fn documents() -> Result<Vec<PathBuf>> {
    let mut found =
        vec!["README.md".into(), "CHANGELOG.md".into(), "datasets/catalogue/README.md".into()];
    let mut pending = vec![PathBuf::from("docs")];
    while let Some(folder) = pending.pop() {
        for entry in root().join(&folder).read_dir()? {
            let path = folder.join(entry?.file_name());
            if root().join(&path).is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once("](") {
            let Some((target, after)) = behind.split_once(')') else { break };
            found.push(target.to_owned());
            rest = after;
        }
    }
    found
}

/// Headings as links write them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
            kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
        })
        .collect()
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Without `.` and `..`.
fn tidied(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                tidy.pop();
            }
            std::path::Component::CurDir => {}
            other => tidy.push(other),
        }
    }
    tidy
}
