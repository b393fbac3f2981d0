//! `cordon agreement`: an analyst's own agreements from a server, or all of a data folder.

use anyhow::Context as _;
use chrono::Utc;
use clap::Subcommand;
use cordon_catalogue::Catalogue;

use crate::agreement_files;
use crate::client::{self, Connect, Table};
use crate::exit::{Exit, usage};
use crate::folder::Folder;
use crate::format::Format;
use crate::own_views::agreements_table;
use crate::query::{show, stoppable, usual};

/// Look at agreements
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    List(List),
}

/// List your agreements, or without a token all those of a data folder
///
/// With a token (--token, --token-file, --as, CORDON_TOKEN) the server lists the agreements that name you.
/// Without one, the agreement files of --data-dir are read: that is for whoever runs the house.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon agreement list --as researcher
  cordon agreement list --data-dir /srv/cordon")]
struct List {
    /// How to write the list [default: table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let Action::List(list) = args.action;
    let (table, exit) = match list.connect.token()? {
        Some(_) => {
            let own = stoppable(async {
                let mut client = list.connect.open().await?;
                client::ask(&mut client, "SELECT * FROM my.agreements ORDER BY reference").await
            });
            (own.await?, Exit::Done)
        }
        None => of_folder(&Folder::new(&list.connect.folder.data_dir))?,
    };
    show(&table, list.format.unwrap_or_else(usual))?;
    Ok(exit)
}

/// All agreements of a folder; those that cannot be used are told on standard error.
fn of_folder(folder: &Folder) -> anyhow::Result<(Table, Exit)> {
    let path = folder.agreements();
    if !path.is_dir() {
        return Err(usage(format!(
            "no token was given and `{}` holds no agreements; add --as, --token-file or --data-dir",
            folder.path().display()
        )));
    }
    let catalogue = Catalogue::built_in().context("the built-in catalogue")?;
    let read = agreement_files::read(&path, &catalogue)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    for problem in &read.problems {
        eprintln!("left out: {problem}");
    }
    let all: Vec<_> = read.agreements.all().collect();
    let exit = if read.problems.is_empty() { Exit::Done } else { Exit::Incomplete };
    Ok((Table::from(agreements_table(&all, Utc::now().date_naive(), &|_| None)), exit))
}
