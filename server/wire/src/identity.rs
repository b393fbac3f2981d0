//! Who is calling: access tokens of this house and of issuers that the operator trusts.
//!
//! Decided here: whether a token is good, now, for this server. Not decided here: what its bearer may
//! do; that is the agreement's business. Keys are looked up in memory only, whatever a token says.

mod local;
mod strict_json;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use cordon_agreements::UserId;
use jsonwebtoken::{Algorithm, DecodingKey};

pub use local::{LocalIssuer, LocalIssuerError};
pub use token::TokenFault;

/// What every token must be addressed to.
pub const AUDIENCE: &str = "cordon";

/// Longest life of a token, from issue to expiry.
pub const LONGEST_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far two clocks may be apart.
const LEEWAY_S: i64 = 30;

/// A caller whose token was good when the call came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Issuer and subject together: a subject alone is nobody.
    pub user: UserId,
    /// What the issuer calls the person's role; empty when it says nothing.
    pub role: String,
    /// The issuer.
    pub issuer: String,
    /// The token's own id, by which it can be withdrawn.
    pub token_id: String,
    /// When the token ends, seconds since 1970.
    pub expires_s: i64,
}

/// An issuer whose tokens are accepted, with its public keys.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    name: String,
    audience: String,
    keys: Vec<(String, Key)>,
}

/// A public key and the one algorithm it is used with: the key decides, never the token.
#[derive(Clone, Debug)]
struct Key {
    algorithm: Algorithm,
    public: DecodingKey,
}

/// A key or issuer that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Neither an Ed25519 nor a P-256 public key.
    #[error("key `{key_id}` of issuer `{issuer}` is no Ed25519 or P-256 public key in PEM form")]
    Key {
        /// The issuer.
        issuer: String,
        /// The key's id.
        key_id: String,
    },
    /// One key id would stand for two keys.
    #[error("key id `{0}` is used twice")]
    DoubleKey(String),
}

/// Says whether a token (issuer and token id) was withdrawn.
pub type Withdrawn = dyn Fn(&str, &str) -> Result<bool, WithdrawnUnknown> + Send + Sync;

/// The list of withdrawn tokens cannot be read: then no token is good.
#[derive(Debug, thiserror::Error)]
#[error("the list of withdrawn tokens cannot be read")]
pub struct WithdrawnUnknown(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Everything by which tokens are judged.
pub struct Identity {
    issuers: Vec<TrustedIssuer>,
    /// Key id to issuer and key. Ids are unique over all issuers, so a key names its issuer.
    keys: HashMap<String, (usize, Key)>,
    withdrawn: Option<Arc<Withdrawn>>,
}

impl TrustedIssuer {
    /// An issuer without keys: its tokens are refused until a key is added.
    pub fn new(name: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { name: name.into(), audience: audience.into(), keys: Vec::new() }
    }

    /// With a public key in PEM form: Ed25519 (used with EdDSA) or P-256 (used with ES256). Several keys
    /// are good at once, so that an issuer can change its key.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn with_key(mut self, key_id: &str, pem: &str) -> Result<Self, IdentityError> {
        let unusable =
            || IdentityError::Key { issuer: self.name.clone(), key_id: key_id.to_owned() };
        let (algorithm, public) = match DecodingKey::from_ed_pem(pem.as_bytes()) {
            Ok(public) if public_bytes(&public) == Some(32) => (Algorithm::EdDSA, public),
            _ => match DecodingKey::from_ec_pem(pem.as_bytes()) {
                // An uncompressed point of P-256; other curves are longer.
                Ok(public) if public_bytes(&public) == Some(65) => (Algorithm::ES256, public),
                _ => return Err(unusable()),
            },
        };
        self.keys.push((key_id.to_owned(), Key { algorithm, public }));
        Ok(self)
    }
}

fn public_bytes(key: &DecodingKey) -> Option<usize> {
    match key.kind() {
        jsonwebtoken::DecodingKeyKind::SecretOrDer(bytes) => Some(bytes.len()),
        jsonwebtoken::DecodingKeyKind::RsaModulusExponent { .. } => None,
    }
}

impl Identity {
    /// Accepts the tokens of these issuers.
    ///
    /// # Errors
    /// When two keys have one id.
    pub fn new(issuers: Vec<TrustedIssuer>) -> Result<Self, IdentityError> {
        install_crypto();
        let mut keys = HashMap::new();
        for (at, issuer) in issuers.iter().enumerate() {
            for (id, key) in &issuer.keys {
                if keys.insert(id.clone(), (at, key.clone())).is_some() {
                    return Err(IdentityError::DoubleKey(id.clone()));
                }
            }
        }
        Ok(Self { issuers, keys, withdrawn: None })
    }

    /// With a list of withdrawn tokens, asked at every call.
    #[must_use]
    pub fn with_withdrawn(mut self, withdrawn: Arc<Withdrawn>) -> Self {
        self.withdrawn = Some(withdrawn);
        self
    }

    /// Judges a token at `now_s`, seconds since 1970.
    ///
    /// # Errors
    /// When the token is not good. The caller of the server is not told why, but that it expired.
    pub fn verify(&self, token: &str, now_s: i64) -> Result<SignedIn, TokenFault> {
        let parts = token::Parts::of(token)?;
        let header = parts.header()?;
        let (issuer, key) = self.keys.get(&header.key_id).ok_or(TokenFault::UnknownKey)?;
        let issuer = self.issuers.get(*issuer).ok_or(TokenFault::UnknownKey)?;
        if header.algorithm != token::name_of(key.algorithm) {
            return Err(TokenFault::Algorithm);
        }
        parts.check_signature(&key.public, key.algorithm)?;
        // Only now is what the token says anything but noise.
        let claims = parts.claims()?;
        claims.check(&issuer.name, &issuer.audience, now_s)?;
        if let Some(withdrawn) = &self.withdrawn {
            match withdrawn(&issuer.name, &claims.token_id) {
                Ok(false) => {}
                Ok(true) => return Err(TokenFault::Withdrawn),
                Err(error) => {
                    tracing::error!(error = %error.0, "withdrawn tokens cannot be read");
                    return Err(TokenFault::WithdrawnUnknown);
                }
            }
        }
        Ok(SignedIn {
            user: UserId::new(&issuer.name, &claims.subject),
            role: claims.role,
            issuer: issuer.name.clone(),
            token_id: claims.token_id,
            expires_s: claims.expires_s,
        })
    }
}

/// Chooses the one cryptographic library for tokens and for TLS. Without it, the first token would end
/// the process when another crate in the program brings a second library along.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Either call fails only when the choice was made before, which is as good.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        f.debug_struct("Identity").field("issuers", &names).finish_non_exhaustive()
    }
}
