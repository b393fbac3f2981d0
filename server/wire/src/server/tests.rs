use std::time::Duration;

use arrow_flight::sql::client::FlightSqlServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Certificate as Root, Channel, ClientTlsConfig};

use super::*;
use crate::identity::LocalIssuer;
use crate::testing::{StandIn, agreements, start};

fn door(folder: &std::path::Path) -> (FlightDoor, Identity, LocalIssuer) {
    let state = cordon_state::SqliteState::open(folder.join("state.sqlite")).unwrap();
    let agreements = AgreementsInForce::new(agreements());
    let door = FlightDoor::new(Arc::new(StandIn::default()), agreements, state, None).unwrap();
    let issuer = LocalIssuer::open(folder).unwrap();
    (door, Identity::new(vec![issuer.trusted().unwrap()]).unwrap(), issuer)
}

async fn serve_at(address: &str, tls: Option<Tls>) -> Result<Serving, ServeError> {
    let folder = tempfile::tempdir().unwrap();
    let (door, identity, _) = door(folder.path());
    let settings = FlightSettings { address: address.parse().unwrap(), tls };
    serve_door(door, identity, settings, CancellationToken::new()).await
}

#[tokio::test]
async fn clear_text_is_for_this_machine_only() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let served = serve_at(address, None).await;
        assert!(matches!(served, Err(ServeError::ClearText(_))), "{address}");
    }
    for address in ["127.0.0.1:0", "127.0.0.9:0"] {
        assert_ne!(serve_at(address, None).await.unwrap().address().port(), 0);
    }
}

#[tokio::test]
async fn a_port_in_use_and_a_wrong_certificate_are_told() {
    let running = start().await;
    let taken = serve_at(&running.serving.address().to_string(), None).await;
    assert!(matches!(taken, Err(ServeError::Listen { .. })));
    let wrong = Tls { certificate_pem: b"no".to_vec(), key_pem: b"no".to_vec() };
    assert!(!format!("{wrong:?}").contains("110"));
    let served = serve_at("127.0.0.1:0", Some(wrong)).await;
    assert!(matches!(served, Err(ServeError::Tls(_))), "{served:?}");
}

#[tokio::test]
async fn with_a_certificate_calls_are_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let (door, identity, issuer) = door(folder.path());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls {
        certificate_pem: made.cert.pem().into_bytes(),
        key_pem: made.signing_key.serialize_pem().into_bytes(),
    };
    let settings = FlightSettings { address: "127.0.0.1:0".parse().unwrap(), tls: Some(tls) };
    let serving = serve_door(door, identity, settings, CancellationToken::new()).await.unwrap();
    let port = serving.address().port();

    let trust = ClientTlsConfig::new().ca_certificate(Root::from_pem(made.cert.pem()));
    let channel = Channel::from_shared(format!("https://localhost:{port}")).unwrap();
    let channel = channel.tls_config(trust).unwrap().connect().await.unwrap();
    let mut client = FlightSqlServiceClient::new(channel);
    let token = issuer.issue("researcher", "researcher", Duration::from_secs(60)).unwrap();
    client.handshake("researcher", &token).await.unwrap();
    client.execute("SELECT 1".to_owned(), None).await.unwrap();

    let clear = Channel::from_shared(format!("http://localhost:{port}")).unwrap().connect().await;
    let refused = match clear {
        Ok(channel) => {
            let mut client = FlightSqlServiceClient::new(channel);
            client.handshake("researcher", &token).await.is_err()
        }
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn messages_and_headers_have_a_limit() {
    let running = start().await;
    let mut client = running.client("researcher").await;
    let large = "x".repeat(LARGEST_MESSAGE + 1000);
    assert!(client.execute(large, None).await.is_err());
    assert!(client.execute("SELECT 1".to_owned(), None).await.is_ok());

    let mut client = FlightSqlServiceClient::new(running.channel().await);
    client.set_token("x".repeat(64 << 10));
    assert!(client.execute("SELECT 1".to_owned(), None).await.is_err());
    let mut client = running.client("researcher").await;
    assert!(client.execute("SELECT 1".to_owned(), None).await.is_ok());
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let running = start().await;
    for said in [&b""[..], b"PRI"] {
        let mut silent = TcpStream::connect(running.serving.address()).await.unwrap();
        silent.write_all(said).await.unwrap();
        let mut end = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut end));
        // Closed or reset, but not kept.
        let _ = closed.await.expect("the connection is still open");
    }
}

#[tokio::test]
async fn other_protocols_are_let_go() {
    let running = start().await;
    let mut http1 = TcpStream::connect(running.serving.address()).await.unwrap();
    http1.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), http1.read_to_end(&mut answer));
    let _ = closed.await.expect("the connection is still open");
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn told_to_stop_it_stops() {
    let running = start().await;
    let address = running.serving.address();
    let mut client = running.client("researcher").await;
    client.execute("SELECT 1".to_owned(), None).await.unwrap();
    running.shutdown.cancel();
    let finished = tokio::time::timeout(Duration::from_secs(20), running.serving.finished());
    finished.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
