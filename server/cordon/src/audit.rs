//! `cordon audit`: the journal of a data folder, for whoever answers for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use clap::Subcommand;
use cordon_disclosure::Timestamp;
use cordon_state::{AuditRow, Circle, SqliteState, StateError};

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
    Circling(Circling),
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

/// Show who asks again and again around the same few people
///
/// Each line is one set of people that was answered, with the questions about nearly the same people. An attack on
/// one patient looks like this; so may a cohort that is mended step by step: read the statements
/// (`cordon audit tail --sql`) and ask. No line says who the people are or how many. Analysts never see this,
/// and no answer depends on it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon audit circling --least 10 --days 30 --data-dir /srv/cordon

Column `fewest_sets`: to how many sets the question with the fewest came near. 1 is somebody who asks about
one group; hundreds are rather a whole table that is made again each week.")]
struct Circling {
    /// Only sets that at least this many questions came near
    #[arg(long, value_name = "N", default_value_t = 5)]
    least: u64,
    /// Only questions of the last N days
    #[arg(long, value_name = "N", default_value_t = 90)]
    days: u32,
    /// How many lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: usize,
    /// How to write the list [default: table on a terminal, csv in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
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
        Action::Circling(args) => circling(args)?,
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

/// The last query ids of a circle that are shown.
const SHOWN: usize = 5;

fn circling(args: &Circling) -> anyhow::Result<()> {
    let day = 86_400_000;
    let since = chrono::Utc::now().timestamp_millis() - i64::from(args.days) * day;
    let mut circles = open(&args.folder)?.circles(args.least, Timestamp(since))?;
    circles.truncate(args.lines);
    let number = |of: &dyn Fn(&Circle) -> usize| -> ArrayRef {
        Arc::new(circles.iter().map(|c| i64::try_from(of(c)).ok()).collect::<Int64Array>())
    };
    let text = |of: &dyn Fn(&Circle) -> String| -> ArrayRef {
        Arc::new(circles.iter().map(|c| Some(of(c))).collect::<StringArray>())
    };
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
    let last = |c: &Circle| c.queries[c.queries.len().saturating_sub(SHOWN)..].join(" ");
    let columns = [
        ("questions", number(&|c| c.queries.len())),
        ("fewest_sets", number(&|c| usize::try_from(c.fewest_sets).unwrap_or(usize::MAX))),
        ("analysts", text(&|c| listed(&c.analysts))),
        ("agreements", text(&|c| listed(&c.agreements))),
        ("first", times(circles.iter().map(|c| c.first.0))),
        ("last", times(circles.iter().map(|c| c.last.0))),
        ("last_query_ids", text(&last)),
    ];
    show(&Table::from(table(columns)), args.format.unwrap_or_else(usual))
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
