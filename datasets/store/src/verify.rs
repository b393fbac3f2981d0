//! Every file is compared with its digest once per process, before anything is decoded: Parquet and Arrow
//! may panic on bad bytes, and a bit that flipped in a figure would go unnoticed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::StoreError;
use crate::log::DataFile;

const PIECE_BYTES: u64 = 4 << 20;

/// Remembers which files were compared.
#[derive(Debug)]
pub(crate) struct Verifier {
    objects: Arc<dyn ObjectStore>,
    seen: Mutex<HashMap<ObjectPath, Arc<OnceCell<()>>>>,
}

impl Verifier {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, seen: Mutex::default() }
    }

    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Compares the file unless that was done before.
    pub(crate) async fn verify(
        &self,
        location: &ObjectPath,
        file: &DataFile,
    ) -> Result<(), StoreError> {
        let cell = Arc::clone(self.seen.lock().entry(location.clone()).or_default());
        cell.get_or_try_init(|| self.compare(location, file)).await.copied()
    }

    async fn compare(&self, location: &ObjectPath, file: &DataFile) -> Result<(), StoreError> {
        let damaged = |problem| StoreError::Damaged { file: location.to_string(), problem };
        let found = self.objects.head(location).await.map_err(|_| damaged("it cannot be found"))?;
        if found.size != file.bytes {
            return Err(damaged("its size is not what was written"));
        }
        let mut hash = Sha256::new();
        let mut from = 0;
        while from < file.bytes {
            let to = (from + PIECE_BYTES).min(file.bytes);
            let piece = self.objects.get_range(location, from..to).await;
            hash.update(&piece.map_err(|_| damaged("it cannot be read"))?);
            from = to;
        }
        match hex::encode(hash.finalize()) == file.sha256 {
            true => Ok(()),
            false => Err(damaged("its content is not what was written")),
        }
    }
}

/// The same for a file about to be read by a thread of ours.
pub(crate) fn verify_now(folder: &Path, file: &DataFile) -> Result<PathBuf, StoreError> {
    let path = folder.join(&file.path);
    match sha256_of(&path)? == file.sha256 {
        true => Ok(path),
        false => {
            let problem = "its content is not what was written";
            Err(StoreError::Damaged { file: path.display().to_string(), problem })
        }
    }
}

/// The digest of a whole file.
pub(crate) fn sha256_of(path: &Path) -> Result<String, StoreError> {
    let mut file = File::open(path).map_err(StoreError::disk("open", path))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(StoreError::disk("read", path))?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}
