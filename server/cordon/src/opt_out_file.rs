//! The file of pseudonyms of everybody who opted out, read again while the house serves.
//!
//! One pseudonym a line; blank lines and lines that begin with `#` say nothing. A house without the file
//! does not start: that nobody opted out is for somebody to say, by an empty file. When the file cannot be
//! read later, the list read last stays in force.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cordon_engine::OptOuts;

use crate::exit::usage;

/// How long a change may go unnoticed.
const INTERVAL: Duration = Duration::from_secs(2);

/// What the demo begins with.
pub(crate) const NOBODY: &str = "# Pseudonyms of everybody who opted out, one a line.\n";

/// Reads the file once.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        usage(format!(
            "the list of opt-outs `{shown}` cannot be read: {error}; write one pseudonym a line, and an \
             empty file if nobody opted out"
        ))
    })?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    Ok(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
}

/// Keeps `opt_outs` as the file says, until the process ends.
pub(crate) async fn follow(path: PathBuf, opt_outs: Arc<OptOuts>) {
    // The list has millions of lines: it is read when its time or length changed, not every time.
    let mut known = seen(&path);
    let mut failed = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let found = seen(&path);
        if found == known && !failed {
            continue;
        }
        let read = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || read(&path)).await
        };
        match read {
            Ok(Ok(pseudonyms)) => {
                tracing::info!(pseudonyms = pseudonyms.len(), "opt-outs read");
                opt_outs.replace(pseudonyms);
                failed = false;
            }
            Ok(Err(error)) => {
                if !failed {
                    tracing::error!(%error, "opt-outs cannot be read; the list read last stays in force");
                }
                failed = true;
            }
            Err(_) => return,
        }
        known = found;
    }
}

fn seen(path: &Path) -> Option<(SystemTime, u64)> {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}
