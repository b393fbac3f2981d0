//! Every method of the service, and some that are none: without a token, with a wrong one, with a good one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::AUTHORIZATION;
use tonic::body::Body;
use tower::{Service as _, ServiceExt as _};

use super::*;
use crate::testing::{self, start};

const SERVICE: &str = "/arrow.flight.protocol.FlightService";

const METHODS: [&str; 10] = [
    "Handshake",
    "ListFlights",
    "GetFlightInfo",
    "PollFlightInfo",
    "GetSchema",
    "DoGet",
    "DoPut",
    "DoExchange",
    "DoAction",
    "ListActions",
];

const UNAUTHENTICATED: &str = "16";

/// The compiler sees to it that our service has every method of the protocol; this sees to it that the
/// tests below know every method of our service.
#[test]
fn no_method_is_forgotten() {
    let source = include_str!("../../flight.rs");
    let methods = source.split_once("impl FlightService for FlightDoor").unwrap().1;
    let methods = methods.split("\n}\n").next().unwrap();
    let names: Vec<String> = methods
        .split("async fn ")
        .skip(1)
        .map(|rest| {
            let words = rest.split_once('(').unwrap().0.split('_');
            words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
        })
        .collect();
    assert_eq!(names, METHODS);
}

/// The gRPC status of an empty call, if it stands in the headers: none of ours waits for the end.
async fn status(running: &Running, path: &str, credentials: Option<&str>) -> Option<String> {
    let mut request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(credentials) = credentials {
        request = request.header(AUTHORIZATION, credentials);
    }
    let request = request.body(Body::empty()).unwrap();
    let mut channel = running.channel().await;
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let status = response.headers().get("grpc-status")?;
    if status == UNAUTHENTICATED {
        let message = response.headers().get("grpc-message").unwrap().to_str().unwrap();
        assert!(message.contains("CORDON-A201"), "{message}");
        assert_eq!(response.headers().get("cordon-code").unwrap(), "CORDON-A201");
    }
    Some(status.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_method_asks_for_a_token() {
    let running = start().await;
    let good = running.token("researcher");
    let stranger = testing::start().await.token("researcher");
    let paths = METHODS.map(|method| format!("{SERVICE}/{method}"));
    let others = [
        format!("{SERVICE}/Nothing"),
        format!("{SERVICE}/"),
        "/grpc.health.v1.Health/Check".to_owned(),
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned(),
        "/".to_owned(),
        "/metrics".to_owned(),
    ];
    for path in paths.iter().chain(&others) {
        let refused = [
            None,
            Some("Bearer ".to_owned()),
            Some("Bearer nonsense".to_owned()),
            Some(format!("Bearer {stranger}")),
            Some(format!("Bearer {good}x")),
            Some(format!("Token {good}")),
            Some(good.clone()),
            Some(format!("Basic {}", STANDARD.encode("user:password"))),
            Some(format!("Basic {}", STANDARD.encode(format!("user:{stranger}")))),
        ];
        for credentials in refused {
            let told = status(&running, path, credentials.as_deref()).await;
            assert_eq!(told.as_deref(), Some(UNAUTHENTICATED), "{path} {credentials:?}");
        }
        for credentials in [
            format!("Bearer {good}"),
            format!("Basic {}", STANDARD.encode(format!("user:{good}"))),
            format!("Basic {}", STANDARD_NO_PAD.encode(format!("us:{good}"))),
        ] {
            let told = status(&running, path, Some(&credentials)).await;
            assert_ne!(told.as_deref(), Some(UNAUTHENTICATED), "{path}");
        }
    }
}

#[tokio::test]
async fn the_handshake_gives_the_bearer_in_the_header() {
    let running = start().await;
    let token = running.token("researcher");
    let mut client = FlightSqlServiceClient::new(running.channel().await);
    let payload = client.handshake("anybody", &token).await.unwrap();
    assert_eq!(payload, token.as_bytes());
    assert_eq!(client.token(), Some(&token));
    assert!(client.execute(SQL.to_owned(), None).await.is_ok());

    let mut wrong = FlightSqlServiceClient::new(running.channel().await);
    let error = status_of(wrong.handshake("researcher", "guess").await.unwrap_err());
    assert!(error.contains("CORDON-A201") && error.contains("send a token"), "{error}");
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let running = start().await;
    let hour_ago = chrono::Utc::now().timestamp().unsigned_abs() - 3600;
    let life = std::time::Duration::from_secs(60);
    let token = running.issuer.issue_at("researcher", "researcher", life, hour_ago).unwrap();
    let told = running.flight().await.get_flight_info(call(&token, &[], statement(SQL))).await;
    let told = told.unwrap_err();
    assert_eq!((told.code(), code_of(&told)), (tonic::Code::Unauthenticated, "CORDON-A202"));
}
