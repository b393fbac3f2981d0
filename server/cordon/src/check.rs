//! `cordon check`: would this be answered, and what would come? Plans, never runs.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_schema::Schema;

use crate::client::{Client, Connect, Table};
use crate::exit::Exit;
use crate::format::Format;
use crate::own_views::table;
use crate::problem;
use crate::query::{Text, show, stoppable, usual};

/// Check a statement without running it: the columns that would come, or the refusal
///
/// Nothing is read from the tables and nothing is charged.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon check --as researcher -e \"SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex\"

Exit codes are those of `cordon query`; 0 means that the statement would be answered.")]
pub(crate) struct Args {
    #[command(flatten)]
    text: Text,
    /// How to write the columns [default: table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let text = args.text.read()?;
    let (columns, charged) = stoppable(async {
        let mut client = args.connect.open().await?;
        columns(&mut client, text).await
    })
    .await?;
    show(&columns, args.format.unwrap_or_else(usual))?;
    if let Some(most) = charged {
        eprintln!(
            "note: at most {most} answers are charged for it; nothing if it was answered before"
        );
    }
    Ok(Exit::Done)
}

/// The columns, and how much may be charged where the agreement has a meter.
async fn columns(client: &mut Client, text: String) -> anyhow::Result<(Table, Option<String>)> {
    let statement = client.prepare(text, None).await.map_err(problem::of)?;
    let schema = statement.dataset_schema().map_err(problem::of)?.clone();
    // Closed or not, the server forgets it in an hour: a failure to close is no failure to check.
    let _ = statement.close().await;
    let charged = schema.metadata().get("cordon.most_charged").cloned();
    Ok((described(&schema), charged))
}

/// One row for each column of the answer.
fn described(schema: &Schema) -> Table {
    let names: StringArray = schema.fields().iter().map(|field| Some(field.name())).collect();
    let kinds: StringArray =
        schema.fields().iter().map(|field| Some(field.data_type().to_string())).collect();
    let treatments: StringArray =
        schema.fields().iter().map(|field| field.metadata().get("cordon.treatment")).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("column", Arc::new(names)), ("type", Arc::new(kinds)), ("figure", Arc::new(treatments))];
    Table::from(table(columns))
}
