//! The way to a server: address, token, agreement.
//!
//! A token goes over TLS, or stays on this machine: there is no way to send one in clear across a network.

#[cfg(test)]
mod tests;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arrow_array::RecordBatch;
use arrow_flight::FlightInfo;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_schema::{Schema, SchemaRef};
use cordon_disclosure::{Code, Refusal};
use futures::TryStreamExt as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Uri};

use crate::exit::{Exit, ended, usage};
use crate::folder::{DataDir, Folder};
use crate::problem::{self, Problem};
use crate::settings;

/// How long a server may take to be reached.
const REACH: Duration = Duration::from_secs(5);

/// Largest message taken; servers of ours send 2 MiB.
const LARGEST_MESSAGE: usize = 64 << 20;

pub(crate) type Client = FlightSqlServiceClient<Channel>;

/// Where to ask, and as whom.
#[derive(clap::Args, Debug)]
pub(crate) struct Connect {
    /// The server's address; https:// for TLS
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    pub(crate) server: String,
    /// Access token; better in a file or in CORDON_TOKEN, as others can see command lines
    #[arg(long, value_name = "TOKEN", group = "who")]
    pub(crate) token: Option<String>,
    /// File that holds the access token
    #[arg(long, value_name = "FILE", group = "who")]
    pub(crate) token_file: Option<PathBuf>,
    /// Ask as somebody of the demo whose folder is --data-dir: researcher, commissioner, …
    #[arg(long = "as", value_name = "ROLE", group = "who")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) folder: DataDir,
    /// The agreement to ask under; needed when several name you
    #[arg(long, value_name = "ID")]
    pub(crate) agreement: Option<String>,
    /// Certificate (PEM) of who vouches for the server, for https://
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
}

/// A table that a server released.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Connect {
    /// Connects and signs in.
    pub(crate) async fn open(&self) -> anyhow::Result<Client> {
        let token = self.token()?.ok_or_else(not_signed_in)?;
        let channel = self.channel().await?;
        let inner = FlightServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let mut client = Client::new_from_inner(inner);
        client.set_token(token);
        if let Some(agreement) = &self.agreement {
            client.set_header("x-cordon-agreement", agreement.trim());
        }
        Ok(client)
    }

    /// The token: what the command line names, else `CORDON_TOKEN`.
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        let named = match (&self.token, &self.token_file, &self.role) {
            (Some(token), _, _) => Some(checked(token, "--token")?),
            (_, Some(file), _) => Some(token_of_file(file)?),
            (_, _, Some(role)) => Some(token_of_role(&Folder::new(&self.folder.data_dir), role)?),
            _ => None,
        };
        match (named, settings::token()) {
            (Some(token), _) => Ok(Some(token)),
            (None, Some(token)) => Ok(Some(checked(&token, "CORDON_TOKEN")?)),
            (None, None) => Ok(None),
        }
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        let uri = address(&self.server)?;
        let unusable = |error: tonic::transport::Error| {
            usage(format!("`{}` cannot be used: {error}", self.server))
        };
        let mut endpoint = Endpoint::from(uri.clone()).connect_timeout(REACH);
        if uri.scheme_str() == Some("https") {
            let ca = self.ca_cert.as_ref().ok_or_else(|| {
                usage(
                    "https:// needs --ca-cert FILE, the certificate of who vouches for the server",
                )
            })?;
            let pem = fs::read(ca)
                .map_err(|error| usage(format!("`{}` cannot be read: {error}", ca.display())))?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(unusable)?;
        }
        endpoint.connect().await.map_err(|error| {
            let why = root(&error);
            ended(
                Exit::Unavailable,
                format!(
                    "no server at {}: {why}; `cordon demo` starts one on this machine",
                    self.server
                ),
            )
        })
    }
}

impl From<Option<RecordBatch>> for Table {
    fn from(batch: Option<RecordBatch>) -> Self {
        let schema = batch.as_ref().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        Self { schema, batches: batch.into_iter().collect() }
    }
}

/// Fetches what a server keeps for us.
pub(crate) async fn fetch(client: &mut Client, info: FlightInfo) -> anyhow::Result<Table> {
    let endpoints = info.endpoint.clone();
    let announced = info.try_decode_schema().context("the server's answer has no columns")?;
    let mut table = Table { schema: Arc::new(announced), batches: Vec::new() };
    for endpoint in endpoints {
        let Some(ticket) = endpoint.ticket else { continue };
        let stream = client.do_get(ticket).await.map_err(problem::of)?;
        table.batches.extend(stream.try_collect::<Vec<_>>().await.map_err(problem::of)?);
    }
    Ok(table)
}

/// Asks one statement of our own.
pub(crate) async fn ask(client: &mut Client, sql: &str) -> anyhow::Result<Table> {
    let info = client.execute(sql.to_owned(), None).await.map_err(problem::of)?;
    fetch(client, info).await
}

/// The server's address, if a token may go there.
fn address(server: &str) -> anyhow::Result<Uri> {
    let plain = server
        .strip_prefix("grpc+tls://")
        .map(|rest| format!("https://{rest}"))
        .or_else(|| server.strip_prefix("grpc://").map(|rest| format!("http://{rest}")))
        .unwrap_or_else(|| server.to_owned());
    let uri: Uri = plain.parse().map_err(|_| {
        usage(format!("--server `{server}` is no address; write http://127.0.0.1:50051"))
    })?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        Some("http") => Err(usage(format!(
            "`{server}` would carry your token in clear; write https:// for servers that are not on this machine"
        ))),
        _ => Err(usage(format!("--server `{server}` is no address; write http://127.0.0.1:50051"))),
    }
}

pub(crate) fn token_of_file(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| usage(format!("the token file `{shown}` cannot be read: {error}")))?;
    checked(&text, &format!("the token file `{shown}`"))
}

fn token_of_role(folder: &Folder, role: &str) -> anyhow::Result<String> {
    let path = folder.demo_tokens();
    let shown = path.display();
    let text = fs::read_to_string(&path).map_err(|error| {
        usage(format!("`{shown}` cannot be read: {error}; start `cordon demo`, or name its folder with --data-dir"))
    })?;
    let tokens: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)
        .map_err(|_| usage(format!("`{shown}` holds no tokens; restart `cordon demo`")))?;
    let token = tokens.get(role).and_then(|token| token.as_str()).ok_or_else(|| {
        let roles: Vec<&str> = tokens.keys().map(String::as_str).collect();
        usage(format!("`{shown}` has no `{role}`; it has {}", roles.join(", ")))
    })?;
    checked(token, &format!("`{shown}`"))
}

/// A token fit for a header; what is not is never repeated.
fn checked(text: &str, from: &str) -> anyhow::Result<String> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(usage(format!("{from} does not hold one access token and nothing else")));
    }
    Ok(token.to_owned())
}

fn not_signed_in() -> anyhow::Error {
    let refusal = Refusal::new(Code::NotSignedIn, "no access token was given")
        .instead("give --token-file FILE or CORDON_TOKEN; with the demo, --as researcher");
    Problem::refused(&refusal).into()
}

fn root(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => root(source),
        None => error.to_string(),
    }
}
