//! `cordon catalogue`: what there is to ask about, as the agreement shows it.

use cordon_catalogue::TableName;
use cordon_disclosure::{Code, Refusal};

use crate::client::{self, Connect};
use crate::exit::Exit;
use crate::format::Format;
use crate::problem::Problem;
use crate::query::{show, stoppable, usual};

/// List the tables that your agreement shows, or the columns of one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon catalogue --as researcher
  cordon catalogue --as researcher hes.apc")]
pub(crate) struct Args {
    /// A table, as in `hes.apc`; without it all tables are listed
    #[arg(value_name = "TABLE")]
    table: Option<TableName>,
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
    let found = stoppable(async {
        let mut client = args.connect.open().await?;
        client::ask(&mut client, &sql).await
    })
    .await?;
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
