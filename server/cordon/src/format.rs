//! Tables as people and programs want them. What is written here was released by a server; nothing else
//! comes this way.
//!
//! A suppressed figure is null. Where text is written, it stands as `[c]`, so that nobody takes it for
//! zero or for missing.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use arrow_array::Array;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_json::writer::{JsonArray, WriterBuilder};
use arrow_schema::{DataType, Field};
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use parquet::arrow::ArrowWriter;

use crate::client::Table;
use crate::problem::printable;

/// Field metadata that figures carry.
const TREATMENT: &str = "cordon.treatment";

/// How a suppressed figure looks in text.
const SUPPRESSED: &str = "[c]";

/// Narrower terminals get lines that run over, rather than words cut into letters.
const NARROWEST: u16 = 40;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// Comma separated, with a header
    Csv,
    /// An array of objects
    Json,
    /// Arrow IPC file
    Arrow,
    /// Parquet file
    Parquet,
}

impl Format {
    /// The format that a file's name promises.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            "parquet" => Some(Self::Parquet),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }

    /// Not to be written to a terminal.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

/// Writes a table; `width` is the terminal's, where there is one.
pub(crate) fn write(
    out: &mut (dyn Write + Send),
    format: Format,
    table: &Table,
    width: Width,
) -> anyhow::Result<()> {
    match format {
        Format::Table => write_text(out, table, width),
        Format::Csv => write_csv(out, table),
        Format::Json => write_json(out, table),
        Format::Arrow => write_arrow(out, table),
        Format::Parquet => write_parquet(out, table),
    }
}

/// How wide a table may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// As the terminal is.
    Terminal,
    /// As wide as its contents.
    Free,
}

fn write_text(out: &mut dyn Write, table: &Table, width: Width) -> anyhow::Result<()> {
    let mut drawn = comfy_table::Table::new();
    drawn.load_preset(presets::UTF8_FULL_CONDENSED);
    // A terminal that does not know its width says 0.
    let fits = drawn.width().is_some_and(|columns| columns >= NARROWEST);
    drawn.set_content_arrangement(match width {
        Width::Terminal if fits => ContentArrangement::Dynamic,
        Width::Terminal | Width::Free => ContentArrangement::Disabled,
    });
    drawn.set_header(table.schema.fields().iter().map(|field| printable(field.name())));
    rows(table, &mut |cells| {
        drawn.add_row(cells.iter().map(|cell| printable(cell)));
        Ok(())
    })?;
    for (field, column) in table.schema.fields().iter().zip(drawn.column_iter_mut()) {
        if field.data_type().is_numeric() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out, "{drawn}")?;
    Ok(())
}

fn write_csv(out: &mut dyn Write, table: &Table) -> anyhow::Result<()> {
    let header: Vec<String> =
        table.schema.fields().iter().map(|field| guarded(field.name())).collect();
    csv_line(out, &header)?;
    let is_text: Vec<bool> =
        table.schema.fields().iter().map(|field| !is_plain(field.data_type())).collect();
    rows(table, &mut |mut cells| {
        for (cell, is_text) in cells.iter_mut().zip(&is_text) {
            if *is_text {
                *cell = guarded(cell);
            }
        }
        csv_line(out, &cells)
    })
}

/// Numbers and dates: their sign is a sign, and no spreadsheet takes them for a formula.
fn is_plain(kind: &DataType) -> bool {
    kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Boolean | DataType::Null)
}

/// Text that a spreadsheet would run is made text again (OWASP: CSV injection).
fn guarded(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

/// RFC 4180, with plain line ends.
fn csv_line(out: &mut dyn Write, cells: &[String]) -> anyhow::Result<()> {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    // A line of one empty cell would be no line to many readers.
    if matches!(cells, [cell] if cell.is_empty()) {
        out.write_all(b"\"\"")?;
    }
    out.write_all(b"\n")?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line writes what a server released, here and nowhere else"
)]
fn write_json(out: &mut (dyn Write + Send), table: &Table) -> anyhow::Result<()> {
    let mut lines = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut *out);
    for batch in &table.batches {
        lines.write(batch)?;
    }
    lines.finish()?;
    drop(lines);
    writeln!(out)?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line writes what a server released, here and nowhere else"
)]
fn write_arrow(out: &mut (dyn Write + Send), table: &Table) -> anyhow::Result<()> {
    let mut file = arrow_ipc::writer::FileWriter::try_new(out, &table.schema)?;
    for batch in &table.batches {
        file.write(batch)?;
    }
    Ok(file.finish()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line writes what a server released, here and nowhere else"
)]
fn write_parquet(out: &mut (dyn Write + Send), table: &Table) -> anyhow::Result<()> {
    let mut file = ArrowWriter::try_new(out, table.schema.clone(), None)?;
    for batch in &table.batches {
        file.write(batch)?;
    }
    file.close()?;
    Ok(())
}

/// Hands on the cells of every row as text, suppressed figures marked.
fn rows(
    table: &Table,
    each: &mut dyn FnMut(Vec<String>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let options = FormatOptions::default();
    for batch in &table.batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()
            .context("the answer holds a type that cannot be shown")?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().zip(batch.columns()).zip(table.schema.fields());
            let cells = cells.map(|((shown, column), field)| match column.is_null(row) {
                true => Ok(missing(field).to_owned()),
                false => shown.value(row).try_to_string(),
            });
            each(cells.collect::<Result<_, _>>()?)?;
        }
    }
    Ok(())
}

/// What stands where there is no value: only a figure was suppressed, a group's name never is.
fn missing(field: &Field) -> &'static str {
    if field.metadata().contains_key(TREATMENT) { SUPPRESSED } else { "" }
}

/// Writes a whole file or none.
pub(crate) fn write_file(path: &Path, format: Format, table: &Table) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let written =
        write_beside(beside, format, table).and_then(|()| Ok(std::fs::rename(beside, path)?));
    if written.is_err() {
        // What is left of it is nobody's; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(beside);
    }
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

fn write_beside(path: &Path, format: Format, table: &Table) -> anyhow::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    write(&mut file, format, table, Width::Free)?;
    Ok(file.flush()?)
}
