//! `cordon audit`: the journal of a data folder, for whoever answers for it.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use clap::Subcommand;
use cordon_state::{AuditRow, SqliteState, StateError};

use crate::client::Table;
use crate::console;
use crate::exit::{Exit, ended};
use crate::folder::{DataDir, Folder};
use crate::format::Format;
use crate::own_views::{outcome, rows, table, times};
use crate::query::{show, usual};

/// Read and verify the audit journal
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    Tail(Tail),
    Verify(Verify),
}

/// Show the latest queries, oldest first
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon audit tail -n 50 --sql --data-dir /srv/cordon")]
struct Tail {
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: u32,
    /// Show the statements too
    #[arg(long)]
    sql: bool,
    /// How to write the list [default: table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    folder: DataDir,
}

/// Verify that no entry was altered, removed or slipped in
///
/// Entries cut off at the end are found only by comparing with a hash that was noted elsewhere.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon audit verify --data-dir /srv/cordon

Exit codes: 0 whole, 1 broken, 2 no such folder, 8 unreadable.")]
struct Verify {
    #[command(flatten)]
    folder: DataDir,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Tail(tail) => {
            let mut latest = open(&tail.folder)?.audit_tail(tail.lines)?;
            latest.reverse();
            let format = tail.format.unwrap_or_else(usual);
            show(&listed(&latest, tail.sql), format)?;
        }
        Action::Verify(verify) => match open(&verify.folder)?.verify() {
            Ok(entries) => console::say(&format!("the journal is whole: {entries} entries"))?,
            Err(broken @ StateError::Broken { .. }) => {
                return Err(ended(Exit::Incomplete, broken.to_string()));
            }
            Err(error) => return Err(error.into()),
        },
    }
    Ok(Exit::Done)
}

/// A ledger that is not there is not made: an empty journal would verify.
fn open(folder: &DataDir) -> anyhow::Result<Arc<SqliteState>> {
    let folder = Folder::new(&folder.data_dir);
    folder.must_hold(&folder.state())?;
    Ok(SqliteState::open(folder.state())?)
}

fn listed(entries: &[AuditRow], with_sql: bool) -> Table {
    let text = |of: &dyn Fn(&AuditRow) -> String| -> ArrayRef {
        Arc::new(entries.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&AuditRow) -> Option<i64>| -> ArrayRef {
        Arc::new(entries.iter().map(of).collect::<Int64Array>())
    };
    let columns = [
        ("position", number(&|row| i64::try_from(row.position.0).ok())),
        ("time", times(entries.iter().map(|row| row.at.0))),
        ("query_id", text(&|row| row.event.query_id.clone())),
        ("analyst", text(&|row| row.event.analyst.clone())),
        ("agreement", text(&|row| row.event.agreement.clone())),
        ("door", text(&|row| row.event.door.clone())),
        ("outcome", text(&|row| outcome(&row.event.outcome).to_owned())),
        ("rows", number(&|row| rows(&row.event.outcome))),
        ("sql", text(&|row| row.event.sql.clone())),
    ];
    let shown = if with_sql { columns.len() } else { columns.len() - 1 };
    Table::from(table(columns).and_then(|all| all.project(&(0..shown).collect::<Vec<_>>()).ok()))
}
