//! The command line: which sub-commands there are, and which module does each.

use clap::{Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::{
    agreement, audit, bench, catalogue, check, compact, demo, load, query, serve, synth, token,
};

/// Secure remote analysis: record-level NHS data stay inside, safe tables come out
#[derive(Parser, Debug)]
#[command(name = "cordon", version, after_help = exit::HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Query(query::Args),
    Check(check::Args),
    Catalogue(catalogue::Args),
    Agreement(agreement::Args),
    Load(load::Args),
    Compact(compact::Args),
    Synth(synth::Args),
    Token(token::Args),
    Audit(audit::Args),
    Bench(bench::Args),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Query(args) => query::run(args).await,
            Command::Check(args) => check::run(args).await,
            Command::Catalogue(args) => catalogue::run(args).await,
            Command::Agreement(args) => agreement::run(args).await,
            Command::Load(args) => load::run(args).await,
            Command::Compact(args) => compact::run(args).await,
            Command::Synth(args) => synth::run(&args),
            Command::Token(args) => token::run(args),
            Command::Audit(args) => audit::run(&args),
            Command::Bench(args) => bench::run(args).await,
        }
    }
}
