use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use cordon_agreements::UserId;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_795_000_000;
const OTHER: &str = "https://id.example.nhs.uk";

struct Bench {
    local: LocalIssuer,
    other: EcdsaKeyPair,
    identity: Identity,
    _folder: tempfile::TempDir,
}

/// This house, and another issuer with a P-256 key.
fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalIssuer::open(folder.path()).unwrap();
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let issuers = vec![
        local.trusted().unwrap(),
        TrustedIssuer::new(OTHER, "cordon-test").with_key("other-1", &p256_pem(&other)).unwrap(),
    ];
    Bench { identity: Identity::new(issuers).unwrap(), local, other, _folder: folder }
}

fn p256_pem(key: &EcdsaKeyPair) -> String {
    let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let spki = [hex::decode(head).unwrap(), key.public_key().as_ref().to_vec()].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
}

impl Bench {
    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.local.key_id()})
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.local.sign(&header.to_string(), &claims.to_string())
    }

    fn fault(&self, token: &str) -> TokenFault {
        self.identity.verify(token, NOW).expect_err(token.get(..80).unwrap_or(token))
    }

    fn by_other(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.other.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encoded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn claims() -> Value {
    json!({
        "iss": "cordon-local", "aud": "cordon", "sub": "researcher", "role": "researcher",
        "jti": "t-1", "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key);
    object
}

#[test]
fn good_tokens_say_who_calls() {
    let bench = bench();
    let token = bench.local.issue_at("anna", "researcher", Duration::from_secs(60), NOW as u64);
    let signed_in = bench.identity.verify(&token.unwrap(), NOW).unwrap();
    assert_eq!(signed_in.user, UserId::new("cordon-local", "anna"));
    assert_eq!((signed_in.role.as_str(), signed_in.expires_s), ("researcher", NOW + 60));

    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "other-1"});
    let theirs = with(with(claims(), "iss", json!(OTHER)), "aud", json!("cordon-test"));
    let theirs = with(without(theirs, "role"), "scope", json!({"unknown": [1, 2.5, null]}));
    let signed_in = bench.identity.verify(&bench.by_other(&header, &theirs), NOW).unwrap();
    // The same subject of another issuer is another person.
    assert_eq!(signed_in.user, UserId::new(OTHER, "researcher"));
    assert_eq!(signed_in.role, "");
}

#[test]
fn clocks_may_be_half_a_minute_apart() {
    let bench = bench();
    let token = bench.signed(&bench.header(), &claims());
    for (now, good) in [
        (NOW - 31, false),
        (NOW - 30, true),
        (NOW + 3600, true),
        (NOW + 3629, true),
        (NOW + 3630, false),
        (i64::MAX, false),
        (0, false),
    ] {
        assert_eq!(bench.identity.verify(&token, now).is_ok(), good, "{}", now - NOW);
    }
    assert_eq!(bench.identity.verify(&token, NOW + 3630), Err(TokenFault::Expired));
}

#[test]
fn headers_that_ask_for_more_or_other_are_refused() {
    let bench = bench();
    let good = bench.header();
    let cases = [
        with(good.clone(), "alg", json!("none")),
        with(good.clone(), "alg", json!("None")),
        with(good.clone(), "alg", json!("nOnE")),
        with(good.clone(), "alg", json!("")),
        with(good.clone(), "alg", json!("HS256")),
        with(good.clone(), "alg", json!("RS256")),
        with(good.clone(), "alg", json!("ES256")),
        with(good.clone(), "alg", json!("Ed25519")),
        with(good.clone(), "alg", json!("eddsa")),
        with(good.clone(), "alg", json!(["EdDSA"])),
        with(good.clone(), "alg", json!(null)),
        without(good.clone(), "alg"),
        with(good.clone(), "typ", json!("JWT")),
        with(good.clone(), "typ", json!("ID")),
        with(good.clone(), "typ", json!("at+JWT ")),
        with(good.clone(), "typ", json!(["at+jwt"])),
        without(good.clone(), "typ"),
        with(good.clone(), "kid", json!("../../dev/null")),
        with(good.clone(), "kid", json!("' OR 1=1--")),
        with(good.clone(), "kid", json!("k".repeat(8000))),
        with(good.clone(), "kid", json!("\u{0}")),
        with(good.clone(), "kid", json!(format!("{}\u{0}", bench.local.key_id()))),
        with(good.clone(), "kid", json!("other-1")),
        with(good.clone(), "kid", json!("")),
        with(good.clone(), "kid", json!(0)),
        without(good.clone(), "kid"),
        with(good.clone(), "jku", json!("https://attacker.example/keys")),
        with(good.clone(), "x5u", json!("https://attacker.example/cert")),
        with(good.clone(), "x5c", json!(["MIIB"])),
        with(good.clone(), "jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"})),
        with(good.clone(), "crit", json!(["exp"])),
        with(good.clone(), "crit", json!([])),
        with(good.clone(), "b64", json!(false)),
        with(good.clone(), "zip", json!("DEF")),
        with(good.clone(), "enc", json!("A256GCM")),
        with(good.clone(), "cty", json!("JWT")),
        json!([]),
        json!("at+jwt"),
    ];
    for header in cases {
        let fault = bench.fault(&bench.signed(&header, &claims()));
        let expected = [TokenFault::Header, TokenFault::UnknownKey, TokenFault::Algorithm];
        assert!(expected.contains(&fault), "{header}: {fault}");
    }
}

#[test]
fn claims_that_are_missing_of_another_type_or_for_others_are_refused() {
    let bench = bench();
    let mut cases = vec![
        ("exp", json!(NOW - 3600), TokenFault::Lifetime),
        ("exp", json!(NOW.to_string()), TokenFault::Claims),
        ("exp", json!(NOW as f64 + 60.0), TokenFault::Claims),
        ("exp", json!(-1), TokenFault::Claims),
        ("exp", json!(9_223_372_036_854_775_808_u64), TokenFault::Claims),
        ("exp", json!([NOW + 60]), TokenFault::Claims),
        ("exp", json!({"value": NOW + 60}), TokenFault::Claims),
        ("exp", json!(null), TokenFault::Claims),
        ("exp", json!(true), TokenFault::Claims),
        ("exp", json!(i64::MAX), TokenFault::Lifetime),
        ("exp", json!(NOW + 91 * 86_400), TokenFault::Lifetime),
        ("nbf", json!(NOW + 31), TokenFault::NotYet),
        ("nbf", json!(NOW.to_string()), TokenFault::Claims),
        ("nbf", json!(1.5e9), TokenFault::Claims),
        ("nbf", json!(-5), TokenFault::Claims),
        ("nbf", json!([]), TokenFault::Claims),
        ("iat", json!(NOW + 31), TokenFault::NotYet),
        ("iat", json!("now"), TokenFault::Claims),
        ("iat", json!(0), TokenFault::Lifetime),
        ("aud", json!("other"), TokenFault::Audience),
        ("aud", json!("cordon "), TokenFault::Audience),
        ("aud", json!("Cordon"), TokenFault::Audience),
        ("aud", json!(["cordon"]), TokenFault::Claims),
        ("aud", json!(["other", "cordon"]), TokenFault::Claims),
        ("aud", json!(null), TokenFault::Claims),
        ("iss", json!("other"), TokenFault::Issuer),
        ("iss", json!("cordon-local/"), TokenFault::Issuer),
        ("iss", json!("Cordon-Local"), TokenFault::Issuer),
        ("iss", json!(OTHER), TokenFault::Issuer),
        ("iss", json!(["cordon-local"]), TokenFault::Claims),
        ("sub", json!(""), TokenFault::Claims),
        ("sub", json!(7), TokenFault::Claims),
        ("sub", json!(["researcher"]), TokenFault::Claims),
        ("sub", json!("a\nb"), TokenFault::Claims),
        ("sub", json!("s".repeat(300)), TokenFault::Claims),
        ("jti", json!(""), TokenFault::Claims),
        ("jti", json!(1), TokenFault::Claims),
        ("role", json!(["researcher"]), TokenFault::Claims),
        ("role", json!("r".repeat(300)), TokenFault::Claims),
    ];
    for claim in ["exp", "nbf", "iat", "iss", "aud", "sub", "jti"] {
        let token = bench.signed(&bench.header(), &without(claims(), claim));
        assert_eq!(bench.fault(&token), TokenFault::Claims, "without {claim}");
    }
    for (claim, value, expected) in cases.drain(..) {
        let token = bench.signed(&bench.header(), &with(claims(), claim, value.clone()));
        assert_eq!(bench.fault(&token), expected, "{claim}: {value}");
    }
    let past = with(with(claims(), "iat", json!(NOW - 7200)), "exp", json!(NOW - 3600));
    let past = with(past, "nbf", json!(NOW - 7200));
    assert_eq!(bench.fault(&bench.signed(&bench.header(), &past)), TokenFault::Expired);
}

#[test]
fn keys_that_stand_twice_are_refused_at_any_depth() {
    let bench = bench();
    let (header, body) = (bench.header().to_string(), claims().to_string());
    let open = |text: &str| text.trim_end_matches('}').to_owned();
    let claims_twice = [
        format!(r#"{},"sub":"governance"}}"#, open(&body)),
        format!(r#"{},"sub":"researcher"}}"#, open(&body)),
        format!(r#"{},"s\u0075b":"governance"}}"#, open(&body)),
        format!(r#"{},"x":1,"x":1}}"#, open(&body)),
        format!(r#"{},"x":[{{"y":1,"y":2}}]}}"#, open(&body)),
    ];
    for claims in claims_twice {
        assert_eq!(
            bench.fault(&bench.local.sign(&header, &claims)),
            TokenFault::Claims,
            "{claims}"
        );
    }
    let alg_twice = format!(r#"{},"alg":"none"}}"#, open(&header));
    assert_eq!(bench.fault(&bench.local.sign(&alg_twice, &body)), TokenFault::Header);
    for broken in [
        format!("{body} "),
        format!("{body}{body}"),
        format!("{}{body}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!(r#"{},"x":{}{}}}"#, open(&body), "[".repeat(5_000), "]".repeat(5_000)),
        "not json".to_owned(),
        "\u{feff}{}".to_owned(),
    ] {
        let token = bench.local.sign(&header, &broken);
        // Blanks behind the object are JSON; everything else is not.
        let good = broken.ends_with(' ');
        assert_eq!(
            bench.identity.verify(&token, NOW).is_ok(),
            good,
            "{}",
            &broken[..20.min(broken.len())]
        );
    }
}

#[test]
fn texts_that_are_no_token_are_refused() {
    let bench = bench();
    let good = bench.signed(&bench.header(), &claims());
    assert!(bench.identity.verify(&good, NOW).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let padded = |part: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    // The last letter of 64 bytes carries four unused bits: the next letter decodes to the same.
    let last = signature.chars().last().unwrap();
    let next = char::from(u8::try_from(last).unwrap() + 1);
    let loose = format!("{}{next}", &signature[..signature.len() - 1]);
    let cases = [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!("{header}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{header}.{body}.{signature}.{body}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace(signature, &padded(signature)),
        good.replace(signature, &loose),
        format!("{header}=.{body}.{signature}"),
        format!("{}.{body}.{signature}", header.replace('e', "+")),
        format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode([0_u8; 64])),
        format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode([0_u8; 63])),
        format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode([0_u8; 65])),
        format!("{header}.{}.{signature}", encoded(&with(claims(), "sub", json!("governance")))),
        "a".repeat(1 << 20),
        format!("{header}.{}.{signature}", "a".repeat(20_000)),
        "\u{1f600}.\u{1f600}.\u{1f600}".into(),
    ];
    for token in cases {
        let fault = bench.fault(&token);
        let expected = [TokenFault::Form, TokenFault::Signature, TokenFault::TooLong];
        let header_changed = [TokenFault::Header, TokenFault::UnknownKey];
        assert!(expected.contains(&fault) || header_changed.contains(&fault), "{fault}");
    }
}

#[test]
fn one_key_has_one_algorithm() {
    let bench = bench();
    let theirs = with(with(claims(), "iss", json!(OTHER)), "aud", json!("cordon-test"));
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "other-1"});
    let good = bench.by_other(&header, &theirs);
    assert!(bench.identity.verify(&good, NOW).is_ok());

    for alg in ["EdDSA", "HS256", "ES384", "RS256", "none"] {
        let header = with(header.clone(), "alg", json!(alg));
        assert_eq!(bench.fault(&bench.by_other(&header, &theirs)), TokenFault::Algorithm, "{alg}");
    }
    // The public key as the secret of an HMAC, in every spelling an attacker could have of it.
    let pem = p256_pem(&bench.other);
    let secrets = [pem.as_bytes(), pem.trim_end().as_bytes(), bench.other.public_key().as_ref()];
    for secret in secrets {
        let hs256 = with(header.clone(), "alg", json!("HS256"));
        let signed = format!("{}.{}", encoded(&hs256), encoded(&theirs));
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        assert_eq!(bench.fault(&format!("{signed}.{mac}")), TokenFault::Algorithm);
    }
    let signed = good.rsplit_once('.').unwrap().0;
    let der = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let p384 = der.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    for signature in [vec![0; 64], vec![0xff; 64], p384.as_ref().to_vec(), vec![1]] {
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(bench.fault(&forged), TokenFault::Signature);
    }
    // One issuer's key does not speak for the other issuer.
    assert_eq!(bench.fault(&bench.by_other(&header, &claims())), TokenFault::Issuer);
    let own = bench.signed(&with(bench.header(), "kid", json!("other-1")), &theirs);
    assert_eq!(bench.fault(&own), TokenFault::Algorithm);
    let own = bench.signed(&header, &theirs);
    assert_eq!(bench.fault(&own), TokenFault::Signature);
}

#[test]
fn only_public_keys_of_two_kinds_are_taken() {
    let bench = bench();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let head = "3076301006072a8648ce3d020106052b81040022036200";
    let spki = [hex::decode(head).unwrap(), p384.public_key().as_ref().to_vec()].concat();
    let p384 = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(spki)
    );
    for pem in
        ["", "hello", p384.as_str(), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
    {
        let key = TrustedIssuer::new(OTHER, "cordon").with_key("k", pem);
        assert!(matches!(key, Err(IdentityError::Key { .. })), "{key:?}");
    }
    let twice =
        TrustedIssuer::new(OTHER, "x").with_key(bench.local.key_id(), &bench.local.public_pem());
    let both = Identity::new(vec![bench.local.trusted().unwrap(), twice.unwrap()]);
    assert!(matches!(both, Err(IdentityError::DoubleKey(_))));
}

#[test]
fn an_issuer_changes_its_key_with_an_overlap() {
    let (old, new) = (bench(), bench());
    let trusted = |benches: &[&Bench]| {
        let issuer = TrustedIssuer::new("cordon-local", AUDIENCE);
        let with_keys = benches.iter().fold(issuer, |issuer, bench| {
            issuer.with_key(bench.local.key_id(), &bench.local.public_pem()).unwrap()
        });
        Identity::new(vec![with_keys]).unwrap()
    };
    let tokens = [&old, &new].map(|bench| bench.signed(&bench.header(), &claims()));
    for (identity, good) in [
        (trusted(&[&old]), [true, false]),
        (trusted(&[&old, &new]), [true, true]),
        (trusted(&[&new]), [false, true]),
    ] {
        assert_eq!(tokens.each_ref().map(|token| identity.verify(token, NOW).is_ok()), good);
    }
}

#[test]
fn a_withdrawn_token_is_refused_and_so_is_any_when_the_list_is_gone() {
    let bench = bench();
    let gone = Arc::new(AtomicBool::new(false));
    let list_gone = Arc::clone(&gone);
    let identity = bench.identity.with_withdrawn(Arc::new(move |issuer, token_id| {
        if list_gone.load(Ordering::Relaxed) {
            return Err(WithdrawnUnknown("disk".into()));
        }
        Ok(issuer == "cordon-local" && token_id == "t-1")
    }));
    let signed = |id: &str| {
        let claims = with(claims(), "jti", json!(id)).to_string();
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": bench.local.key_id()});
        bench.local.sign(&header.to_string(), &claims)
    };
    assert_eq!(identity.verify(&signed("t-1"), NOW), Err(TokenFault::Withdrawn));
    assert!(identity.verify(&signed("t-2"), NOW).is_ok());
    gone.store(true, Ordering::Relaxed);
    assert_eq!(identity.verify(&signed("t-2"), NOW), Err(TokenFault::WithdrawnUnknown));
}

#[test]
fn a_token_with_one_changed_byte_is_refused() {
    let bench = bench();
    let good = bench.signed(&bench.header(), &claims());
    for at in 0..good.len() {
        for other in [b'A', b'_', b'.', b'='] {
            let mut changed = good.clone().into_bytes();
            if changed[at] == other {
                continue;
            }
            changed[at] = other;
            let changed = String::from_utf8(changed).unwrap();
            assert!(bench.identity.verify(&changed, NOW).is_err(), "byte {at}");
        }
    }
}

#[test]
fn the_key_file_is_made_once_and_for_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("keys");
    let first = LocalIssuer::open(&inner).unwrap();
    let file = inner.join("sign-in.key.pem");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);
    // Tokens outlive a restart.
    assert_eq!(LocalIssuer::open(&inner).unwrap().key_id(), first.key_id());

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(LocalIssuer::open(&inner), Err(LocalIssuerError::Exposed { .. })));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "half a k").unwrap();
    assert!(matches!(LocalIssuer::open(&inner), Err(LocalIssuerError::Damaged { .. })));
    std::fs::remove_file(&file).unwrap();

    let ids: Vec<String> = std::thread::scope(|threads| {
        let open = || LocalIssuer::open(&inner).unwrap().key_id().to_owned();
        let started: Vec<_> = (0..8).map(|_| threads.spawn(open)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn tokens_are_not_issued_for_ever_or_for_nobody() {
    let bench = bench();
    let issue = |subject, role, life| bench.local.issue(subject, role, life);
    assert!(issue("a", "researcher", LONGEST_LIFE).is_ok());
    let longer = LONGEST_LIFE + Duration::from_secs(1);
    assert!(matches!(issue("a", "researcher", longer), Err(LocalIssuerError::Lifetime)));
    assert!(matches!(issue("", "researcher", LONGEST_LIFE), Err(LocalIssuerError::Name)));
    assert!(matches!(issue("a\n", "researcher", LONGEST_LIFE), Err(LocalIssuerError::Name)));
}
