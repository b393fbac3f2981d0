//! The Flight SQL port: who may connect, how many, and how slowly.

mod accept;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use cordon_disclosure::Ledger;
use cordon_engine::Engine;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;
use tonic::transport::{Identity as Certificate, Server, ServerTlsConfig};
use tower::layer::util::{Identity as NoLayer, Stack};

use crate::agreements::AgreementsInForce;
use crate::flight::{FlightDoor, KeepNotes};
use crate::identity::{Identity, install_crypto};
use crate::questions::Questions;
use crate::sign_in::SignIn;

/// Largest message from outside.
const LARGEST_MESSAGE: usize = 4 << 20;

/// Calls at once on one connection.
const STREAMS: u32 = 64;

/// All headers of one call; a token has at most 16 KiB.
const HEADERS: u32 = 32 << 10;

/// Calls that were reset before they were answered, on one connection.
const RESETS: usize = 20;

/// After this time a connection is asked to end, and calls under way have the second time to finish.
const CONNECTION_AGE: Duration = Duration::from_secs(15 * 60);
const CONNECTION_GRACE: Duration = Duration::from_secs(30 * 60);

/// How often a silent peer is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);

/// How long a peer may take over a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long calls may take to finish after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct FlightSettings {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key. Without them only this machine is served.
    pub tls: Option<Tls>,
}

/// A certificate chain and its key, in PEM form.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, then those above it.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
}

/// What stands behind the port.
pub struct Doors {
    /// Answers questions.
    pub engine: Arc<Engine>,
    /// Who may ask what; replaced when the files change.
    pub agreements: AgreementsInForce,
    /// Whose tokens are good.
    pub identity: Identity,
    /// Where refusals at the door are recorded.
    pub ledger: Arc<dyn Ledger>,
    /// Where notes on answers are kept; without it they travel with the answers only.
    pub keep_notes: Option<Arc<KeepNotes>>,
}

/// A port that is being served.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    task: JoinHandle<Result<(), ServeError>>,
}

/// The port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Tokens and answers would cross a network in clear.
    #[error(
        "`{0}` can be reached from other machines; give a certificate and a key, or listen on 127.0.0.1"
    )]
    ClearText(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Certificate and key are not what they should be.
    #[error("the certificate and key cannot be used")]
    Tls(#[source] tonic::transport::Error),
    /// The server's description of itself could not be made.
    #[error("the Flight SQL service cannot be made")]
    Service(#[source] arrow_flight::error::FlightError),
    /// The port stopped serving.
    #[error("the Flight SQL port stopped")]
    Stopped(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Serves Flight SQL until `shutdown` is cancelled. The port is open when this returns.
///
/// # Errors
/// When the address cannot be had, or would be served in clear to other machines.
pub async fn serve(
    doors: Doors,
    settings: FlightSettings,
    shutdown: CancellationToken,
) -> Result<Serving, ServeError> {
    let questions: Arc<dyn Questions> = doors.engine;
    let door = FlightDoor::new(questions, doors.agreements, doors.ledger, doors.keep_notes)
        .map_err(ServeError::Service)?;
    serve_door(door, doors.identity, settings, shutdown).await
}

pub(crate) async fn serve_door(
    door: FlightDoor,
    identity: Identity,
    settings: FlightSettings,
    shutdown: CancellationToken,
) -> Result<Serving, ServeError> {
    install_crypto();
    let FlightSettings { address, tls } = settings;
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(ServeError::ClearText(address));
    }
    let service = FlightServiceServer::new(door).max_decoding_message_size(LARGEST_MESSAGE);
    let router = server(identity, tls)?.add_service(service);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    tracing::info!(%address, "Flight SQL is served");
    let task = tokio::spawn(run(router, listener, shutdown));
    Ok(Serving { address, task })
}

fn server(
    identity: Identity,
    tls: Option<Tls>,
) -> Result<Server<Stack<SignIn, NoLayer>>, ServeError> {
    let mut server = Server::builder()
        .max_concurrent_streams(STREAMS)
        .concurrency_limit_per_connection(STREAMS as usize)
        .http2_max_header_list_size(HEADERS)
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .max_connection_age(CONNECTION_AGE)
        .max_connection_age_grace(CONNECTION_GRACE);
    if let Some(Tls { certificate_pem, key_pem }) = tls {
        let certificate = Certificate::from_pem(certificate_pem, key_pem);
        let config = ServerTlsConfig::new().identity(certificate).timeout(HANDSHAKE);
        server = server.tls_config(config).map_err(ServeError::Tls)?;
    }
    Ok(server.layer(SignIn::new(Arc::new(identity))))
}

async fn run(
    router: Router<Stack<SignIn, NoLayer>>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let stop = shutdown.clone();
    let incoming = accept::connections(listener);
    let served =
        router.serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await });
    let drained = async move {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served => served.map_err(|error| ServeError::Stopped(Box::new(error))),
        // What is not finished by now is dropped, and so cancelled.
        () = drained => Ok(()),
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// When it stopped by itself.
    pub async fn finished(self) -> Result<(), ServeError> {
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(ServeError::Stopped(Box::new(error))),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(certificate and key)")
    }
}

impl std::fmt::Debug for Doors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doors").field("identity", &self.identity).finish_non_exhaustive()
    }
}
