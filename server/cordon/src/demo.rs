//! `cordon demo`: a house with made-up people, ready to be asked.
//!
//! What is missing is made, what is there stays. The store is made under another name and renamed when it
//! is whole, with a note of how it was made inside: half a store is never served, and never kept.

pub(crate) mod population;
#[cfg(test)]
mod tests;

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_wire::LocalIssuer;

use crate::console;
use crate::exit::Exit;
use crate::folder::{DataDir, Folder, write_private};
use crate::house::{self, House};
use crate::opt_out_file;

/// The agreements of the demo, copied into the data folder for the operator to change.
const AGREEMENTS: [(&str, &str); 3] = [
    (
        "DARS-NIC-000001-DEMO1.toml",
        include_str!("../../../deploy/agreements/DARS-NIC-000001-DEMO1.toml"),
    ),
    (
        "DARS-NIC-000002-DEMO2.toml",
        include_str!("../../../deploy/agreements/DARS-NIC-000002-DEMO2.toml"),
    ),
    (
        "DARS-NIC-000003-DEMO3.toml",
        include_str!("../../../deploy/agreements/DARS-NIC-000003-DEMO3.toml"),
    ),
];

/// One person for each role, in the order in which the token file has them.
const ROLES: [&str; 5] =
    ["researcher", "commissioner", "output-checker", "data-manager", "governance"];

/// How long the demo's tokens are good.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Make a house with made-up people and serve it on this machine
///
/// What is missing under the data folder is made on the first start: reference tables, HES admitted patient
/// care, outpatients and A&E of seeded made-up people, three agreements, keys, and one token for each role.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon demo --people 2000 --data-dir /tmp/demo
  cordon query --as researcher --data-dir /tmp/demo \\
      -e \"SELECT fyear, count(*) AS episodes FROM hes.apc GROUP BY fyear ORDER BY fyear\"

The same --people makes the same people on every machine (as `cordon synth --seed 42`).")]
pub(crate) struct Args {
    #[command(flatten)]
    folder: DataDir,
    /// How many people to make [default: 100000, or as many as the folder has]
    #[arg(long, value_name = "N")]
    people: Option<NonZeroU64>,
    /// Port of Flight SQL on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 50051)]
    flight_port: u16,
    /// Kept for the HTTP API, which this version does not have: nothing listens there yet
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    http_port: u16,
    /// Stop a query after this many seconds [default: 120]
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<NonZeroU64>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let folder = Folder::new(args.folder.data_dir);
    folder.create()?;
    let _serving = folder.serve()?;
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    population::ensure(&folder, &catalogue, args.people).await?;
    ensure_agreements(&folder)?;
    ensure_opt_outs(&folder)?;
    let tokens = write_tokens(&folder)?;
    let settings = house::local(folder, args.flight_port, house::limits(args.deadline));
    let served = House::open(settings).await?.serve().await?;
    console::say(&welcome(&served.address().to_string(), &tokens))?;
    served.until_stopped().await?;
    Ok(Exit::Done)
}

/// Copies the demo's agreements on the first start; afterwards they are the operator's.
fn ensure_agreements(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.agreements();
    if path.exists() {
        return Ok(());
    }
    let copy = || -> std::io::Result<()> {
        let making = folder.path().join("agreements.making");
        fs::create_dir_all(&making)?;
        for (name, text) in AGREEMENTS {
            fs::write(making.join(name), text)?;
        }
        fs::rename(&making, &path)
    };
    copy().with_context(|| format!("cannot write the agreements into `{}`", path.display()))
}

/// A list with nobody on it on the first start; afterwards it is the operator's.
fn ensure_opt_outs(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.opt_outs();
    if path.exists() { Ok(()) } else { write_private(&path, opt_out_file::NOBODY) }
}

/// Writes new tokens of all roles; the full path of the file.
fn write_tokens(folder: &Folder) -> anyhow::Result<String> {
    let issuer = LocalIssuer::open(&folder.keys())?;
    let mut tokens = serde_json::Map::new();
    for role in ROLES {
        tokens.insert(role.to_owned(), issuer.issue(role, role, TOKEN_LIFE)?.into());
    }
    let path = folder.demo_tokens();
    write_private(&path, &format!("{:#}\n", serde_json::Value::Object(tokens)))?;
    Ok(full(&path))
}

fn full(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn welcome(address: &str, tokens: &str) -> String {
    // As a Python string, whatever the folder is called.
    let quoted = serde_json::Value::from(tokens).to_string();
    format!(
        r#"cordon is ready
  Flight SQL  grpc://{address}
  tokens      {tokens}
  stop        Ctrl-C

Ask from Python (pip install adbc-driver-flightsql pyarrow):

import json
import adbc_driver_flightsql.dbapi as flightsql

token = json.load(open({quoted}))["researcher"]
options = {{"adbc.flight.sql.authorization_header": "Bearer " + token}}
with flightsql.connect("grpc://{address}", db_kwargs=options, autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT fyear, sex, count(*) AS episodes, count(DISTINCT pseudo_hesid) AS patients
            FROM hes.apc GROUP BY fyear, sex ORDER BY fyear, sex""")
        print(cursor.fetch_arrow_table())
"#
    )
}
