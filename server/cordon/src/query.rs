//! `cordon query`: one statement, one table. Data on standard output, all else on standard error.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_flight::FlightInfo;
use arrow_schema::{DataType, Field, Schema};
use cordon_disclosure::{Code, Refusal};
use serde::Deserialize;

use crate::client::{self, Client, Connect, Table};
use crate::console::Bar;
use crate::exit::{Exit, ended, usage};
use crate::format::{self, Format, Width};
use crate::problem::{self, Problem, printable};
use crate::signals;

/// Ask one statement and show the table that comes out
///
/// Suppressed figures stand as [c] in text. What was done to the figures is said on standard error.
#[derive(clap::Args, Debug)]
#[command(after_help = concat!("Examples:
  cordon query --as researcher -e \"SELECT sex, count(*) AS episodes FROM hes.apc GROUP BY sex\"
  cordon query --as researcher -f question.sql --output answer.parquet
  echo \"SELECT count(*) AS n FROM hes.apc WHERE fyear = ?\" | cordon query --as researcher - --param 2223

Exit codes: 0 released, 2 usage, 3 agreement, 4 disclosure control, 5 SQL, 6 not signed in,
7 cancelled or timed out, 8 unavailable."))]
pub(crate) struct Args {
    #[command(flatten)]
    text: Text,
    /// How to write the answer [default: by the name of --output; else table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write the answer to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Add a column <name>_status beside every figure: released, suppressed or derived
    #[arg(long)]
    status: bool,
    /// Add a column <name>_se beside every figure: its standard error
    #[arg(long)]
    errors: bool,
    /// Write query id and notes to a file, as JSON
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
    /// Value of the next parameter (`?` or `$1`, `$2`, …); once for each
    #[arg(long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    parameters: Vec<String>,
    #[command(flatten)]
    connect: Connect,
}

/// Where the statement comes from.
#[derive(clap::Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Text {
    /// The statement
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    execute: Option<String>,
    /// File that holds the statement
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// `-`: read the statement from standard input
    #[arg(value_name = "-", value_parser = ["-"])]
    input: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let text = args.text.read()?;
    let table = stoppable(args.answer(text)).await?;
    let told = Told::of(&table);
    if let Some(path) = &args.notes {
        let json = format!("{:#}\n", told.json());
        fs::write(path, json).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    match &args.output {
        Some(path) => format::write_file(path, format, &table)?,
        None => show(&table, format)?,
    }
    told.print();
    Ok(Exit::Done)
}

/// Runs until the answer is there or somebody presses Ctrl-C; the server stops the work when we go.
pub(crate) async fn stoppable<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        result = work => result,
        () = signals::stop() => Err(ended(Exit::Stopped, "cancelled; nothing was fetched")),
    }
}

/// Writes a table to standard output.
pub(crate) fn show(table: &Table, format: Format) -> anyhow::Result<()> {
    let width = if io::stdout().is_terminal() { Width::Terminal } else { Width::Free };
    let mut out = io::BufWriter::new(io::stdout());
    format::write(&mut out, format, table, width)?;
    Ok(out.flush()?)
}

/// The format for standard output when nobody chose one.
pub(crate) fn usual() -> Format {
    if io::stdout().is_terminal() { Format::Table } else { Format::Csv }
}

impl Args {
    fn format(&self) -> anyhow::Result<Format> {
        let named = self.format.or_else(|| self.output.as_deref().and_then(Format::of_file));
        match (named, &self.output) {
            (None, Some(path)) => {
                Err(usage(format!("`{}` does not tell its format; add --format", path.display())))
            }
            (Some(format), None) if format.is_binary() && io::stdout().is_terminal() => Err(usage(
                "this format is not for a terminal; add --output FILE, or send it into a pipe",
            )),
            (named, _) => Ok(named.unwrap_or_else(usual)),
        }
    }

    async fn answer(&self, text: String) -> anyhow::Result<Table> {
        let mut client = self.connect.open().await?;
        if self.status {
            client.set_header("x-cordon-status-columns", "true");
        }
        if self.errors {
            client.set_header("x-cordon-error-columns", "true");
        }
        let bar = Bar::quiet("asking");
        let info = match self.parameters.as_slice() {
            [] => client.execute(text, None).await.map_err(problem::of)?,
            values => execute_with(&mut client, text, values).await?,
        };
        let table = client::fetch(&mut client, info).await;
        drop(bar);
        table
    }
}

async fn execute_with(
    client: &mut Client,
    text: String,
    values: &[String],
) -> anyhow::Result<FlightInfo> {
    let mut statement = client.prepare(text, None).await.map_err(problem::of)?;
    let wanted = statement.parameter_schema().map_err(problem::of)?.clone();
    statement.set_parameters(bound(values, &wanted)?).map_err(problem::of)?;
    statement.execute().await.map_err(problem::of)
}

/// One row of values, in the types that the statement wants where it says so.
fn bound(values: &[String], wanted: &Schema) -> anyhow::Result<RecordBatch> {
    let columns = values.iter().enumerate().map(|(place, value)| {
        let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_str()]));
        let kind = match wanted.fields().get(place).map(|field| field.data_type()) {
            None | Some(DataType::Null) => return Ok(text),
            Some(kind) => kind,
        };
        let array = cast(&text, kind).ok().filter(|array| array.null_count() == 0);
        array.ok_or_else(|| {
            usage(format!(
                "value {} of --param does not fit its place, which takes {kind}",
                place + 1
            ))
        })
    });
    let columns: Vec<ArrayRef> = columns.collect::<anyhow::Result<_>>()?;
    let field = |(place, column): (usize, &ArrayRef)| {
        Field::new(place.to_string(), column.data_type().clone(), true)
    };
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

impl Text {
    pub(crate) fn read(&self) -> anyhow::Result<String> {
        let bytes = match (&self.execute, &self.file, &self.input) {
            (Some(text), _, _) => return Ok(text.clone()),
            (_, Some(path), _) => fs::read(path)
                .map_err(|error| usage(format!("`{}` cannot be read: {error}", path.display())))?,
            (_, _, None) if io::stdin().is_terminal() => {
                return Err(usage(
                    "no statement; give -e \"SELECT …\", -f FILE, or - for standard input",
                ));
            }
            _ => {
                let mut bytes = Vec::new();
                io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .context("standard input cannot be read")?;
                bytes
            }
        };
        String::from_utf8(bytes).map_err(|_| {
            Problem::refused(&Refusal::new(Code::NotUtf8, "the statement is not UTF-8 text")).into()
        })
    }
}

/// What a server says about an answer beside its figures.
#[derive(Debug, Default)]
struct Told {
    query_id: String,
    profile: String,
    notes: Vec<Note>,
}

#[derive(Debug, Deserialize)]
struct Note {
    column: Option<String>,
    text: String,
}

impl Told {
    fn of(table: &Table) -> Self {
        let value = |key| table.schema.metadata().get(key).cloned().unwrap_or_default();
        let notes = serde_json::from_str(&value("cordon.notes")).unwrap_or_default();
        Self { query_id: value("cordon.query_id"), profile: value("cordon.policy_version"), notes }
    }

    fn json(&self) -> serde_json::Value {
        let note = |note: &Note| serde_json::json!({"column": note.column, "text": note.text});
        serde_json::json!({
            "query_id": self.query_id,
            "policy_version": self.profile,
            "notes": self.notes.iter().map(note).collect::<Vec<_>>(),
        })
    }

    fn print(&self) {
        for Note { column, text } in &self.notes {
            match column {
                Some(column) => eprintln!("note: {}: {}", printable(column), printable(text)),
                None => eprintln!("note: {}", printable(text)),
            }
        }
    }
}
