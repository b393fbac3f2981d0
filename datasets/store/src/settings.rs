//! What a store is made with and never changes: its format, the number of buckets, its secret.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use rand::TryRngCore as _;

use crate::StoreError;
use crate::disk::create_file;
use crate::person::Keys;

const FORMAT: u32 = 1;
const SETTINGS: &str = "store.json";
const SECRET: &str = "person.key";
const LOCK: &str = "lock";
const SECRET_BYTES: usize = 32;

/// Written last when a store is created: where it is, the store is whole.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    format: u32,
    /// How many buckets persons fall into.
    pub(crate) buckets: u32,
}

impl Settings {
    pub(crate) fn new(buckets: u32) -> Self {
        Self { format: FORMAT, buckets }
    }

    /// The settings of a store that was created before.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, StoreError> {
        let path = root.join(SETTINGS);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::disk("read", &path)(error)),
        };
        let wrong = |problem: String| StoreError::Settings { path: path.clone(), problem };
        let settings: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if settings.format != FORMAT {
            return Err(wrong(format!("format {} is not format {FORMAT}", settings.format)));
        }
        Ok(Some(settings))
    }

    pub(crate) fn write(self, root: &Path) -> Result<(), StoreError> {
        let path = root.join(SETTINGS);
        let text =
            serde_json::to_vec(&self).map_err(|_| StoreError::Internal("writing settings"))?;
        create_file(&path, &text, false).map_err(StoreError::disk("write", &path))
    }
}

/// Reads the secret of a store. Without it persons could never be found again, so it is made only once.
pub(crate) fn read_keys(root: &Path) -> Result<Keys, StoreError> {
    let path = root.join(SECRET);
    let secret = fs::read(&path).map_err(StoreError::disk("read", &path))?;
    match secret.len() {
        SECRET_BYTES => Ok(Keys::new(&secret)),
        _ => Err(StoreError::Settings { path, problem: "it does not hold 32 bytes".to_owned() }),
    }
}

/// Makes the secret of a new store, readable by its owner only.
pub(crate) fn make_keys(root: &Path) -> Result<(), StoreError> {
    let path = root.join(SECRET);
    if path.exists() {
        return Ok(());
    }
    let mut secret = [0u8; SECRET_BYTES];
    rand::rngs::OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|_| StoreError::Internal("drawing random bytes"))?;
    create_file(&path, &secret, true).map_err(StoreError::disk("write", &path))
}

/// Held by whoever writes to the store; given back when dropped, also by a killed process.
pub(crate) struct WriterLock {
    _file: File,
}

impl WriterLock {
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        let path = root.join(LOCK);
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(StoreError::disk("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(StoreError::disk("lock", &path)(error)),
        }
    }
}
