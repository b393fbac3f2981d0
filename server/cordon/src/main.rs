//! The `cordon` command: reads what was asked, starts the log and one runtime, and ends with an exit code
//! that a script can rely on. What each sub-command does stands in its own module.

mod agreement;
mod agreement_files;
mod audit;
mod bench;
mod catalogue;
mod check;
mod cli;
mod client;
mod compact;
mod console;
mod demo;
mod exit;
mod folder;
mod format;
mod house;
mod load;
mod logging;
mod opt_out_file;
mod own_views;
mod problem;
mod query;
mod serve;
mod settings;
mod signals;
mod synth;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::exit::Exit;

/// Planning a query makes and drops some hundred thousand small values, on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything that could open a connection or look at a token: one provider for the whole process.
    cordon_wire::install_crypto();
    let cli = Cli::parse();
    logging::start();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return console::complain(&error.into()).into(),
    };
    let ended = runtime.block_on(cli.run());
    // A thread that still waits for standard input must not hold the process.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| console::complain(&error)).into()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.number())
    }
}
