//! The issuer of this house: an Ed25519 key in a file of the data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cordon_agreements::LOCAL_ISSUER;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{AUDIENCE, IdentityError, LONGEST_LIFE, TrustedIssuer, install_crypto};

/// The key's file.
const FILE: &str = "sign-in.key.pem";

/// What an Ed25519 public key begins with in SubjectPublicKeyInfo form (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs tokens for the people of this house.
pub struct LocalIssuer {
    key: Ed25519KeyPair,
    key_id: String,
}

/// The issuer's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalIssuerError {
    /// The file cannot be made or read.
    #[error("the sign-in key `{}` cannot be made or read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Others can read the file: whoever did can sign in as anybody.
    #[error("the sign-in key `{}` can be read by others; remove it, so that a new one is made", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Not an Ed25519 key in PKCS #8 PEM form.
    #[error("the sign-in key `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The library could not make a key.
    #[error("no sign-in key could be made")]
    NoKey,
    /// Tokens end.
    #[error("a token may live at most {} days", LONGEST_LIFE.as_secs() / 86_400)]
    Lifetime,
    /// Subjects and roles are words.
    #[error("a subject or role is empty, too long or not printable")]
    Name,
    /// The clock stands before 1970.
    #[error("the clock is wrong")]
    Clock,
}

impl LocalIssuer {
    /// Reads the key of this folder; makes folder and key on first use, for their owner only.
    ///
    /// # Errors
    /// When the key cannot be made or read, or others can read it.
    pub fn open(folder: &Path) -> Result<Self, LocalIssuerError> {
        install_crypto();
        let path = folder.join(FILE);
        if !path.exists() {
            make(folder, &path)?;
        }
        read(&path)
    }

    /// A token for `subject`, valid from now.
    ///
    /// # Errors
    /// When it would live too long, or subject or role are no words.
    pub fn issue(
        &self,
        subject: &str,
        role: &str,
        lifetime: Duration,
    ) -> Result<String, LocalIssuerError> {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| LocalIssuerError::Clock)?;
        self.issue_at(subject, role, lifetime, now.as_secs())
    }

    pub(crate) fn issue_at(
        &self,
        subject: &str,
        role: &str,
        lifetime: Duration,
        now_s: u64,
    ) -> Result<String, LocalIssuerError> {
        if lifetime > LONGEST_LIFE {
            return Err(LocalIssuerError::Lifetime);
        }
        let word = |text: &str| (1..=200).contains(&text.len()) && !text.contains(char::is_control);
        if !(word(subject) && word(role)) {
            return Err(LocalIssuerError::Name);
        }
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key_id});
        let claims = json!({
            "iss": LOCAL_ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s.saturating_add(lifetime.as_secs()),
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        Ok(self.sign(&header.to_string(), &claims.to_string()))
    }

    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// By what tokens name the key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key in PEM form, for others who want to check these tokens.
    pub fn public_pem(&self) -> String {
        let spki = [&SPKI, self.key.public_key().as_ref()].concat();
        pem("PUBLIC KEY", &spki)
    }

    /// This issuer as one whose tokens are accepted.
    ///
    /// # Errors
    /// Never with a key that was opened.
    pub fn trusted(&self) -> Result<TrustedIssuer, IdentityError> {
        TrustedIssuer::new(LOCAL_ISSUER, AUDIENCE).with_key(&self.key_id, &self.public_pem())
    }
}

/// Writes the key beside its place and links it there: neither half a file nor two keys, whoever else
/// starts at the same moment.
fn make(folder: &Path, path: &Path) -> Result<(), LocalIssuerError> {
    let failed = |source| LocalIssuerError::File { path: path.to_owned(), source };
    let key = Ed25519KeyPair::generate().map_err(|_| LocalIssuerError::NoKey)?;
    let document = key.to_pkcs8v1().map_err(|_| LocalIssuerError::NoKey)?;
    let text = pem("PRIVATE KEY", document.as_ref());

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let beside = folder.join(format!(".{FILE}.{}", uuid::Uuid::new_v4()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&beside);
    written.and(removed).and_then(|()| File::open(folder)?.sync_all()).map_err(failed)
}

fn read(path: &Path) -> Result<LocalIssuer, LocalIssuerError> {
    let failed = |source| LocalIssuerError::File { path: path.to_owned(), source };
    let damaged = || LocalIssuerError::Damaged { path: path.to_owned() };
    if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(LocalIssuerError::Exposed { path: path.to_owned() });
    }
    let text = fs::read(path).map_err(failed)?;
    let document = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| damaged())?;
    let key = Ed25519KeyPair::from_pkcs8(document.secret_pkcs8_der()).map_err(|_| damaged())?;
    let digest = hex::encode(Sha256::digest(key.public_key().as_ref()));
    let key_id = digest.get(..16).unwrap_or(&digest).to_owned();
    Ok(LocalIssuer { key, key_id })
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalIssuer({})", self.key_id)
    }
}
