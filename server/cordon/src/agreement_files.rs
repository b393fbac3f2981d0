//! The folder of agreement files, read again while the house serves.
//!
//! A file that cannot be read takes its own agreement out of force and no other: what it says is unknown,
//! and an unknown agreement grants nothing. So a revoked agreement stops within a second, and a slip in
//! one file stops nobody else.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cordon_agreements::{Agreement, AgreementError, AgreementId, Agreements};
use cordon_catalogue::Catalogue;
use cordon_disclosure::Profile;
use cordon_wire::AgreementsInForce;

/// How long a change may go unnoticed.
const INTERVAL: Duration = Duration::from_millis(500);

/// The agreement files of a folder, by name; none where one cannot be read as text.
type Texts = BTreeMap<String, Option<String>>;

/// What a folder holds: the agreements that can be used, and why others cannot.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) agreements: Agreements,
    pub(crate) problems: Vec<AgreementError>,
}

/// Reads a folder once.
pub(crate) fn read(folder: &Path, catalogue: &Catalogue) -> io::Result<Assembled> {
    Ok(assemble(&texts(folder)?, catalogue))
}

/// Keeps `in_force` as the folder says, until the process ends.
pub(crate) async fn follow(
    folder: PathBuf,
    catalogue: Arc<Catalogue>,
    in_force: AgreementsInForce,
) {
    // The contents are compared, not the times: they are small, and an editor can keep a file's time.
    let mut known = None;
    loop {
        let read = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || texts(&folder)).await
        };
        let found = match read {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(folder = %folder.display(), %error, "agreements cannot be read; none is in force");
                Texts::new()
            }
            Err(_) => return,
        };
        if known.as_ref() != Some(&found) {
            let Assembled { agreements, problems } = assemble(&found, &catalogue);
            for problem in &problems {
                tracing::error!(
                    file = problem.file,
                    problem = problem.problem,
                    "agreement left out"
                );
            }
            tracing::info!(agreements = agreements.all().count(), "agreements read");
            in_force.replace(agreements);
            known = Some(found);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn texts(folder: &Path) -> io::Result<Texts> {
    let mut texts = Texts::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Editors keep drafts beside a file: `.#x.toml`, `x.toml~`.
        if name.ends_with(".toml") && !name.starts_with('.') {
            texts.insert(name, std::fs::read_to_string(entry.path()).ok());
        }
    }
    Ok(texts)
}

fn assemble(texts: &Texts, catalogue: &Catalogue) -> Assembled {
    let mut problems = Vec::new();
    let mut good: BTreeMap<AgreementId, Vec<(&String, &String)>> = BTreeMap::new();
    let mut all: Vec<(&String, Agreement)> = Vec::new();
    for (file, text) in texts {
        let Some(text) = text else {
            let problem = "cannot be read as UTF-8 text".to_owned();
            problems.push(AgreementError { file: file.clone(), problem });
            continue;
        };
        match parse([(file, text)], catalogue) {
            Ok(one) => {
                for agreement in one.all() {
                    all.push((file, agreement.clone()));
                    good.entry(agreement.id().clone()).or_default().push((file, text));
                }
            }
            Err(error) => problems.push(error),
        }
    }
    // Two files of one reference contradict each other: neither is in force.
    let (good, double): (Vec<_>, Vec<_>) =
        good.into_iter().partition(|(_, files)| files.len() == 1);
    for (id, files) in double {
        for (file, _) in files {
            let problem = format!("`reference` {id} stands in several files; keep one of them");
            problems.push(AgreementError { file: file.clone(), problem });
        }
    }
    // Exact figures beside noisy ones of the same rows: the exact agreement is not in force.
    let contradicted: BTreeMap<&AgreementId, String> = all
        .iter()
        .filter_map(|(_, exact)| {
            let problem = all.iter().find_map(|(_, noisy)| exact.contradicts(noisy))?;
            Some((exact.id(), problem))
        })
        .collect();
    let (good, exact): (Vec<_>, Vec<_>) =
        good.into_iter().partition(|(id, _)| !contradicted.contains_key(id));
    for (id, files) in exact {
        for (file, _) in files {
            let problem = contradicted.get(&id).cloned().unwrap_or_default();
            problems.push(AgreementError { file: file.clone(), problem });
        }
    }
    let good = good.into_iter().flat_map(|(_, files)| files);
    let agreements = parse(good, catalogue).unwrap_or_else(|error| {
        problems.push(error);
        Agreements::default()
    });
    Assembled { agreements, problems }
}

fn parse<'a>(
    files: impl IntoIterator<Item = (&'a String, &'a String)>,
    catalogue: &Catalogue,
) -> Result<Agreements, AgreementError> {
    let files = files.into_iter().map(|(name, text)| (name.clone(), text.clone()));
    Agreements::from_files(files, catalogue, &Profile::built_in)
}
