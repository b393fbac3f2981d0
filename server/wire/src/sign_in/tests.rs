use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderValue;

use super::*;

fn read(values: &[&str]) -> Result<String, TokenFault> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    credentials(&headers)
}

#[test]
fn the_token_is_found_in_every_form_that_clients_send() {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let unpadded = |pair: &str| format!("Basic {}", STANDARD_NO_PAD.encode(pair));
    let cases = [
        ("Bearer a.b.c".to_owned(), "a.b.c"),
        ("bearer a.b.c".to_owned(), "a.b.c"),
        ("BEARER   a.b.c ".to_owned(), "a.b.c"),
        (basic("user:a.b.c"), "a.b.c"),
        (basic("u:a.b.c"), "a.b.c"),
        (basic("us:a.b.c"), "a.b.c"),
        (unpadded("user:a.b.c"), "a.b.c"),
        (unpadded("u:a.b.c"), "a.b.c"),
        (unpadded("us:a.b.c"), "a.b.c"),
        (basic(":a.b.c"), "a.b.c"),
        (basic("token:a.b.c"), "a.b.c"),
        (basic("a.b.c:"), "a.b.c"),
        (basic("user:pass:word"), "pass:word"),
        (basic("ü@nhs.net:a.b.c"), "a.b.c"),
        (basic("user:a.b.c").replace("Basic", "basic"), "a.b.c"),
    ];
    for (value, token) in cases {
        assert_eq!(read(&[&value]).as_deref(), Ok(token), "{value}");
    }
}

#[test]
fn other_credentials_are_none() {
    let binary = format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe]));
    let cases: [&[&str]; 12] = [
        &[],
        &[""],
        &["Bearer"],
        &["a.b.c"],
        &["Digest a.b.c"],
        &["Basic"],
        &["Basic ***"],
        &["Basic dXNlcg=="],
        &["Basic dXNlcjph=LmI"],
        &[binary.as_str()],
        &["Bearer a.b.c", "Bearer d.e.f"],
        &["Bearer a.b.c", "Basic dXNlcjph"],
    ];
    for values in cases {
        assert_eq!(read(values), Err(TokenFault::Missing), "{values:?}");
    }
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
    assert_eq!(credentials(&headers), Err(TokenFault::Missing));
}

#[test]
fn only_expiry_is_told_apart() {
    let told_of = |fault| told(fault).line();
    assert!(told_of(TokenFault::Expired).contains("CORDON-A202"));
    let same = told_of(TokenFault::Signature);
    for fault in
        [TokenFault::UnknownKey, TokenFault::Claims, TokenFault::Withdrawn, TokenFault::Form]
    {
        assert_eq!(told_of(fault), same);
    }
}
