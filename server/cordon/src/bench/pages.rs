//! What all comparisons tell alike: the machine, the versions, tables, files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::crew::Worker;

/// The processor, how many of it, and the memory.
pub(super) fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "processor".to_owned());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or_else(String::new, |kilobytes| format!(", {} GiB", kilobytes.div_ceil(1 << 20)));
    format!("{processors} × {model}{memory}")
}

pub(super) fn versions(workers: &[Worker]) -> String {
    let mut versions: Vec<&str> = workers.iter().map(|worker| worker.version.as_str()).collect();
    versions.dedup();
    versions.join(", ")
}

/// Two digits where small, as many as there are where large.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 0.1 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// Adds a row of a Markdown table.
pub(super) fn row<T: AsRef<str>>(text: &mut String, cells: impl IntoIterator<Item = T>) {
    text.push('|');
    for cell in cells {
        // Writing to a text cannot fail.
        let _ = write!(text, " {} |", cell.as_ref().replace('|', "\\|").replace('\n', " "));
    }
    text.push('\n');
}

/// Adds the head of a Markdown table: the first column is a text, others are numbers.
pub(super) fn head<T: AsRef<str>>(text: &mut String, cells: &[T]) {
    row(text, cells);
    text.push_str("|---|");
    text.push_str(&"---:|".repeat(cells.len().saturating_sub(1)));
    text.push('\n');
}

/// `--json`.
pub(super) fn write_json(path: Option<&Path>, figures: &[Value]) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let figures = Value::Array(figures.to_vec());
    std::fs::write(path, format!("{figures:#}\n"))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// `--docs`: files by name.
pub(super) fn write_docs(folder: Option<&Path>, files: &[(&str, String)]) -> anyhow::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
