//! One access token: its three parts, read as strictly as the standard allows (RFC 7515, 8725, 9068).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{LEEWAY_S, LONGEST_LIFE, strict_json};

/// Longer tokens are not looked at.
const LONGEST: usize = 16 * 1024;

/// Longest subject, token id, key id or role.
const LONGEST_NAME: usize = 256;

/// Why a token is not good. For the operator's log: no variant holds anything from the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// No token, or not one in a form we know.
    #[error("no bearer or basic credentials")]
    Missing,
    /// Longer than any token of ours.
    #[error("too long")]
    TooLong,
    /// Not three parts of base64url.
    #[error("not a signed token in compact form")]
    Form,
    /// The header is not one of an access token, or asks for more than a key by its id.
    #[error("header not accepted")]
    Header,
    /// No trusted key has this id.
    #[error("unknown key")]
    UnknownKey,
    /// The key is used with another algorithm.
    #[error("algorithm is not the key's")]
    Algorithm,
    /// The signature is not the key's.
    #[error("signature does not fit")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("claims not accepted")]
    Claims,
    /// Signed by one issuer in the name of another.
    #[error("issuer is not the key's")]
    Issuer,
    /// For another service.
    #[error("audience is another")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not valid yet")]
    NotYet,
    /// Valid for longer than any token may be.
    #[error("lives too long")]
    Lifetime,
    /// Withdrawn before its end.
    #[error("withdrawn")]
    Withdrawn,
    /// Whether it was withdrawn cannot be told.
    #[error("withdrawn tokens cannot be read")]
    WithdrawnUnknown,
}

/// The parts of a token in compact form.
pub(crate) struct Parts<'a> {
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

/// What a header may say.
pub(crate) struct Header {
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
}

/// What a token says, not yet checked.
pub(crate) struct Claims {
    issuer: String,
    audience: String,
    pub(crate) subject: String,
    pub(crate) token_id: String,
    pub(crate) role: String,
    pub(crate) expires_s: i64,
    not_before_s: i64,
    issued_s: i64,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Form)?;
        let parts = [header, claims, signature];
        if parts.iter().any(|part| part.is_empty() || part.contains('.')) {
            return Err(TokenFault::Form);
        }
        Ok(Self { signed, header, claims, signature })
    }

    /// `alg`, `typ` and `kid`, and nothing else: `jku`, `jwk`, `x5u` and `x5c` bring a key along, `crit`,
    /// `b64` and `zip` change what is signed.
    pub(crate) fn header(&self) -> Result<Header, TokenFault> {
        let mut header = object(self.header, TokenFault::Form, TokenFault::Header)?;
        let typ = text(&mut header, "typ").ok_or(TokenFault::Header)?;
        let algorithm = text(&mut header, "alg").ok_or(TokenFault::Header)?;
        let key_id = text(&mut header, "kid").ok_or(TokenFault::Header)?;
        // Access tokens only: an ID token is made for somebody else's eyes.
        if typ != "at+jwt" || !header.is_empty() {
            return Err(TokenFault::Header);
        }
        Ok(Header { algorithm, key_id })
    }

    pub(crate) fn check_signature(
        &self,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<(), TokenFault> {
        decoded(self.signature).ok_or(TokenFault::Form)?;
        let signed = self.signed.as_bytes();
        match jsonwebtoken::crypto::verify(self.signature, signed, key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(TokenFault::Signature),
        }
    }

    pub(crate) fn claims(&self) -> Result<Claims, TokenFault> {
        let mut claims = object(self.claims, TokenFault::Form, TokenFault::Claims)?;
        let role = match claims.remove("role") {
            None => String::new(),
            Some(Value::String(role)) if role.len() <= LONGEST_NAME => role,
            Some(_) => return Err(TokenFault::Claims),
        };
        let mut name = |claim| text(&mut claims, claim).ok_or(TokenFault::Claims);
        let (issuer, audience) = (name("iss")?, name("aud")?);
        let (subject, token_id) = (name("sub")?, name("jti")?);
        let mut time = |claim| seconds(&mut claims, claim).ok_or(TokenFault::Claims);
        Ok(Claims {
            issuer,
            audience,
            subject,
            token_id,
            role,
            expires_s: time("exp")?,
            not_before_s: time("nbf")?,
            issued_s: time("iat")?,
        })
    }
}

impl Claims {
    pub(crate) fn check(&self, issuer: &str, audience: &str, now_s: i64) -> Result<(), TokenFault> {
        if self.issuer != issuer {
            return Err(TokenFault::Issuer);
        }
        if self.audience != audience {
            return Err(TokenFault::Audience);
        }
        let life = self.expires_s.saturating_sub(self.issued_s);
        if life < 0 || life.unsigned_abs() > LONGEST_LIFE.as_secs() {
            return Err(TokenFault::Lifetime);
        }
        let soon = now_s.saturating_add(LEEWAY_S);
        if self.not_before_s > soon || self.issued_s > soon {
            return Err(TokenFault::NotYet);
        }
        if self.expires_s.saturating_add(LEEWAY_S) <= now_s {
            return Err(TokenFault::Expired);
        }
        Ok(())
    }
}

/// The name that headers give the algorithm of a key.
pub(crate) fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "EdDSA",
        Algorithm::ES256 => "ES256",
        _ => "none of ours",
    }
}

fn object(
    part: &str,
    form: TokenFault,
    content: TokenFault,
) -> Result<Map<String, Value>, TokenFault> {
    strict_json::object(&decoded(part).ok_or(form)?).ok_or(content)
}

/// base64url without padding, in its one canonical spelling.
fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.remove(key)? {
        Value::String(text)
            if (1..=LONGEST_NAME).contains(&text.len()) && !text.contains(char::is_control) =>
        {
            Some(text)
        }
        _ => None,
    }
}

/// Whole seconds from 1970 on. Texts, fractions and lists are no times, and not "no time" either.
fn seconds(object: &mut Map<String, Value>, key: &str) -> Option<i64> {
    object.remove(key)?.as_i64().filter(|seconds| *seconds >= 0)
}
