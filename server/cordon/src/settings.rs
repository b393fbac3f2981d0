//! Settings: the file of `cordon serve`, and the few things that are read from the environment. Nothing
//! else reads either.
//!
//! The file is read into `…File` types that know every key, then converted once into settings that can be
//! served: whatever is wrong is said at the start, with file, key and what to write.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use cordon_catalogue::TableName;
use cordon_engine::EngineSettings;
use cordon_store::AsOf;
use cordon_wire::{AUDIENCE, FlightSettings, Tls, TrustedIssuer};
use serde::Deserialize;

use crate::exit::usage;
use crate::folder::Folder;

/// What `cordon serve` runs with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) folder: Folder,
    pub(crate) agreements: PathBuf,
    pub(crate) opt_outs: PathBuf,
    pub(crate) disclosure_key: PathBuf,
    pub(crate) flight: FlightSettings,
    pub(crate) sign_in: SignIn,
    pub(crate) limits: LimitsFile,
    pub(crate) as_of: AsOf,
}

/// Whose tokens are good.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// Tokens that this house issued itself.
    pub(crate) local: bool,
    pub(crate) issuers: Vec<TrustedIssuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    data_dir: PathBuf,
    agreements: Option<PathBuf>,
    opt_outs: Option<PathBuf>,
    disclosure_key: Option<PathBuf>,
    #[serde(default)]
    flight: FlightFile,
    sign_in: SignInFile,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    as_of: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FlightFile {
    address: SocketAddr,
    tls: Option<TlsFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInFile {
    local: bool,
    #[serde(default)]
    issuers: Vec<IssuerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerFile {
    name: String,
    audience: Option<String>,
    keys: Vec<KeyFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    id: String,
    file: PathBuf,
}

/// Limits of one server; what is not written stays as the engine has it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) memory_mib: Option<NonZeroUsize>,
    pub(crate) spill_mib: Option<NonZeroU64>,
    pub(crate) deadline_seconds: Option<NonZeroU64>,
    pub(crate) queries_at_once: Option<NonZeroUsize>,
}

impl Default for FlightFile {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 50051)), tls: None }
    }
}

impl Settings {
    /// Reads and checks a settings file. Paths in it are relative to the file's own folder.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| usage(format!("`{shown}` cannot be read: {error}")))?;
        let file: SettingsFile = toml::from_str(&text)
            .map_err(|error| usage(format!("`{shown}`: {}", error.to_string().trim_end())))?;
        let base = path.parent().unwrap_or(Path::new(""));
        convert(file, base).map_err(|error| usage(format!("`{shown}`: {error:#}")))
    }
}

fn convert(file: SettingsFile, base: &Path) -> anyhow::Result<Settings> {
    let folder = Folder::new(base.join(file.data_dir));
    let agreements = file.agreements.map_or_else(|| folder.agreements(), |path| base.join(path));
    let opt_outs = file.opt_outs.map_or_else(|| folder.opt_outs(), |path| base.join(path));
    let disclosure_key =
        file.disclosure_key.map_or_else(|| folder.disclosure_key(), |path| base.join(path));
    let address = file.flight.address;
    let tls = file.flight.tls.map(|tls| read_tls(&tls, base)).transpose()?;
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        anyhow::bail!(
            "`flight.address` {address} can be reached from other machines: write `[flight.tls]` with \
             `certificate` and `key`, or listen on 127.0.0.1"
        );
    }
    let issuers: Vec<_> = file
        .sign_in
        .issuers
        .iter()
        .map(|issuer| read_issuer(issuer, base))
        .collect::<Result<_, _>>()?;
    if !file.sign_in.local && issuers.is_empty() {
        anyhow::bail!(
            "`sign_in` trusts nobody: write `local = true`, or at least one `[[sign_in.issuers]]`"
        );
    }
    let sign_in = SignIn { local: file.sign_in.local, issuers };
    let flight = FlightSettings { address, tls };
    Ok(Settings {
        folder,
        agreements,
        opt_outs,
        disclosure_key,
        flight,
        sign_in,
        limits: file.limits,
        as_of: read_as_of(&file.as_of)?,
    })
}

/// Tables that are served at an older version than their newest.
fn read_as_of(file: &BTreeMap<String, u64>) -> anyhow::Result<AsOf> {
    if file.is_empty() {
        return Ok(AsOf::Latest);
    }
    let table = |(name, version): (&String, &u64)| {
        let name = name.parse::<TableName>().with_context(|| format!("`as_of`: `{name}`"))?;
        Ok((name, *version))
    };
    Ok(AsOf::Versions(file.iter().map(table).collect::<anyhow::Result<_>>()?))
}

fn read_tls(file: &TlsFile, base: &Path) -> anyhow::Result<Tls> {
    Ok(Tls {
        certificate_pem: read_bytes("flight.tls.certificate", &base.join(&file.certificate))?,
        key_pem: read_bytes("flight.tls.key", &base.join(&file.key))?,
    })
}

fn read_issuer(file: &IssuerFile, base: &Path) -> anyhow::Result<TrustedIssuer> {
    if file.name.trim().is_empty() || file.keys.is_empty() {
        anyhow::bail!("`sign_in.issuers` needs a `name` and at least one key in `keys`");
    }
    let audience = file.audience.as_deref().unwrap_or(AUDIENCE);
    let issuer = TrustedIssuer::new(&file.name, audience);
    file.keys.iter().try_fold(issuer, |issuer, key| {
        let pem = read_bytes("sign_in.issuers.keys.file", &base.join(&key.file))?;
        Ok(issuer.with_key(&key.id, &String::from_utf8_lossy(&pem))?)
    })
}

fn read_bytes(key: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("`{key}`: `{}` cannot be read", path.display()))
}

impl LimitsFile {
    /// These limits over the engine's own, with spills in the data folder: two servers of one machine must
    /// not empty each other's.
    pub(crate) fn over(self, folder: &Folder) -> EngineSettings {
        let own = EngineSettings::default();
        let threads = self.threads.map_or(own.threads, usize::from);
        EngineSettings {
            threads,
            memory_bytes: self.memory_mib.map_or(own.memory_bytes, |m| usize::from(m) << 20),
            spill_bytes: self.spill_mib.map_or(own.spill_bytes, |m| u64::from(m) << 20),
            spill_dir: folder.spill(),
            deadline: self.deadline_seconds.map_or(own.deadline, |s| Duration::from_secs(s.into())),
            concurrency: self.queries_at_once.map_or(threads * 2, usize::from),
            ..own
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogForm {
    Text,
    Json,
}

/// `CORDON_LOG` and `CORDON_LOG_FORM`.
pub(crate) fn log() -> (String, LogForm) {
    let form = match std::env::var("CORDON_LOG_FORM").as_deref() {
        Ok("json") => LogForm::Json,
        _ => LogForm::Text,
    };
    (std::env::var("CORDON_LOG").unwrap_or_else(|_| "warn".to_owned()), form)
}

/// Whether colours are welcome (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `CORDON_TOKEN`.
pub(crate) fn token() -> Option<String> {
    std::env::var("CORDON_TOKEN").ok().filter(|token| !token.trim().is_empty())
}
