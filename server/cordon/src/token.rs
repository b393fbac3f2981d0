//! `cordon token`: access tokens of the house's own people, for whoever can read its key.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use cordon_disclosure::Timestamp;
use cordon_state::SqliteState;
use cordon_wire::{Identity, LocalIssuer};

use crate::console;
use crate::exit::{Exit, usage};
use crate::folder::{DataDir, Folder, write_private};
use crate::{client, house};

/// Issue and withdraw access tokens of this house
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    Issue(Issue),
    Withdraw(Withdraw),
}

/// Write a new token for a person into a file
///
/// The person is named in agreements as `SUBJECT`. Whoever has the token is that person until it ends.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon token issue --data-dir /srv/cordon --subject alice --days 7 --out alice.token")]
struct Issue {
    /// The person, as agreements name them
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// The person's role
    #[arg(long, value_name = "ROLE", default_value = "researcher")]
    role: String,
    /// How many days the token is good
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=90))]
    days: u64,
    /// File for the token, readable by its owner only
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    folder: DataDir,
}

/// Withdraw a token of this house: it is refused from the next call on
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon token withdraw --data-dir /srv/cordon --token-file alice.token")]
struct Withdraw {
    /// File that holds the token
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    #[command(flatten)]
    folder: DataDir,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    match args.action {
        Action::Issue(issue) => {
            let folder = Folder::new(issue.folder.data_dir);
            folder.must_hold(&folder.state())?;
            let life = Duration::from_secs(issue.days * 24 * 3600);
            let token =
                LocalIssuer::open(&folder.keys())?.issue(&issue.subject, &issue.role, life)?;
            write_private(&issue.out, &format!("{token}\n"))?;
            console::say(&format!(
                "token for `{}`, good for {} days: {}",
                issue.subject,
                issue.days,
                issue.out.display()
            ))?;
        }
        Action::Withdraw(withdraw) => {
            let folder = Folder::new(withdraw.folder.data_dir);
            folder.must_hold(&folder.state())?;
            let token = client::token_of_file(&withdraw.token_file)?;
            let identity = Identity::new(vec![LocalIssuer::open(&folder.keys())?.trusted()?])?;
            let now = house::now();
            let known = identity
                .verify(&token, now.0 / 1000)
                .map_err(|fault| usage(format!("the token is not good here anyway: {fault}")))?;
            let until = Timestamp(known.expires_s.saturating_add(60).saturating_mul(1000));
            SqliteState::open(folder.state())?.revoke(
                &known.issuer,
                &known.token_id,
                until,
                now,
            )?;
            console::say(&format!("withdrawn: a token of `{}`", known.user))?;
        }
    }
    Ok(Exit::Done)
}
