//! `cordon serve`: a house as its settings file says.

use std::path::PathBuf;

use crate::console;
use crate::exit::Exit;
use crate::house::House;
use crate::settings::Settings;

/// Serve a data folder as a settings file says
///
/// Agreement files are read again when they change: a revoked agreement stops within a second. SIGINT or
/// SIGTERM stops the server; calls under way may finish.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon serve --config /etc/cordon/cordon.toml

deploy/cordon.toml explains every setting. CORDON_LOG=info says more on standard error,
CORDON_LOG_FORM=json as one JSON object per line.")]
pub(crate) struct Args {
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let settings = Settings::read(&args.config)?;
    settings.folder.create()?;
    let _serving = settings.folder.serve()?;
    let tls = settings.flight.tls.is_some();
    let served = House::open(settings).await?.serve().await?;
    let scheme = if tls { "grpc+tls" } else { "grpc" };
    console::say(&format!("cordon is ready\n  Flight SQL  {scheme}://{}", served.address()))?;
    served.until_stopped().await?;
    Ok(Exit::Done)
}
