//! `cordon catalogue`: what there is to ask about, as the agreement shows it.

use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use cordon_catalogue::{Catalogue, TableName};
use cordon_disclosure::{Code, Refusal};

use crate::client::{self, Connect, Table};
use crate::exit::Exit;
use crate::format::Format;
use crate::problem::Problem;
use crate::query::{show, stoppable, usual};

/// List the tables that your agreement shows, or the columns of one
///
/// Data managers who have no agreement see every table that can be loaded with --all: it asks no server.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon catalogue --as researcher
  cordon catalogue --as researcher hes.apc
  cordon catalogue --all hes.apc")]
pub(crate) struct Args {
    /// A table, as in `hes.apc`; without it all tables are listed
    #[arg(value_name = "TABLE")]
    table: Option<TableName>,
    /// Every table and column that this program describes, whoever may ask about them
    #[arg(long)]
    all: bool,
    /// How to write the list [default: table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    // A table name is letters, digits and `_`: it can stand in a text.
    let sql = match &args.table {
        None => "SELECT table_schema || '.' || table_name AS name, title \
                 FROM information_schema.tables ORDER BY table_schema, table_name"
            .to_owned(),
        Some(table) => format!(
            "SELECT column_name AS name, data_type AS type, class, meaning \
             FROM information_schema.columns \
             WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
            table.group(),
            table.name()
        ),
    };
    let found = if args.all {
        described(args.table.as_ref())?
    } else {
        let answer = async {
            let mut client = args.connect.open().await?;
            client::ask(&mut client, &sql).await
        };
        stoppable(answer).await?
    };
    if let Some(table) = &args.table
        && found.batches.iter().all(|batch| batch.num_rows() == 0)
    {
        let refusal = Refusal::new(Code::UnknownTable, format!("there is no table `{table}`"))
            .instead("list the tables with `cordon catalogue`");
        return Err(Problem::refused(&refusal).into());
    }
    show(&found, args.format.unwrap_or_else(usual))?;
    Ok(Exit::Done)
}

/// The same lists of everything that is described.
fn described(table: Option<&TableName>) -> anyhow::Result<Table> {
    let catalogue = Catalogue::built_in().context("the built-in catalogue")?;
    let Some(table) = table else {
        let mut tables: Vec<_> = catalogue.tables().collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        return listed([
            ("name", tables.iter().map(|t| t.name.to_string()).collect()),
            ("title", tables.iter().map(|t| t.title.clone()).collect()),
        ]);
    };
    let columns = catalogue.table(table).map(|t| t.columns.as_slice()).unwrap_or_default();
    listed([
        ("name", columns.iter().map(|c| c.name.to_string()).collect()),
        ("type", columns.iter().map(|c| c.data_type.to_string()).collect()),
        ("class", columns.iter().map(|c| c.class.as_str().to_owned()).collect()),
        ("meaning", columns.iter().map(|c| c.meaning.clone()).collect()),
    ])
}

fn listed<const N: usize>(columns: [(&str, Vec<String>); N]) -> anyhow::Result<Table> {
    let columns =
        columns.map(|(name, values)| (name, Arc::new(StringArray::from(values)) as ArrayRef));
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(Table { schema: batch.schema(), batches: vec![batch] })
}
