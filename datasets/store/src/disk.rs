//! Files that are there after a power cut.
//!
//! A file appears under its final name only when its content is on the disk, and its name is on the disk
//! before anybody relies on it. `object_store` 0.13 does neither, so the log of a local store is written
//! through [`SyncedStore`]. Object storage gives both by itself.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
};

use crate::StoreError;

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder and all above it, durably.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::disk("create", folder)(error));
        }
        _ => {}
    }
    match folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        Some(above) => sync_folder(above).map_err(StoreError::disk("sync", above)),
        None => Ok(()),
    }
}

/// Moves a finished file to where it belongs. Its content must have been synced.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::disk("write", to))?;
    match to.parent() {
        Some(folder) => sync_folder(folder).map_err(StoreError::disk("sync", folder)),
        None => Ok(()),
    }
}

/// Writes a small file so that it is either whole or not there; an existing one is left alone.
pub(crate) fn create_file(path: &Path, content: &[u8], private: bool) -> io::Result<()> {
    let staged = staged_name(path);
    let written =
        write_synced(&staged, content, private).and_then(|()| fs::hard_link(&staged, path));
    let removed = fs::remove_file(&staged);
    written?;
    removed?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn staged_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!("#{}", uuid::Uuid::new_v4().simple()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, content: &[u8], private: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A local file system whose `put` is durable when it returns.
#[derive(Debug)]
pub(crate) struct SyncedStore {
    inner: Arc<LocalFileSystem>,
}

impl SyncedStore {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()) }
    }
}

impl fmt::Display for SyncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncedStore({})", self.inner)
    }
}

fn failed(path: &Path, source: io::Error) -> object_store::Error {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path, source: Box::new(source) }
        }
        _ => object_store::Error::Generic { store: "SyncedStore", source: Box::new(source) },
    }
}

fn put_synced(path: &Path, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
    let content: Vec<u8> = payload.iter().flat_map(|part| part.iter().copied()).collect();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    match mode {
        PutMode::Create => create_file(path, &content, false),
        PutMode::Overwrite => {
            let staged = staged_name(path);
            write_synced(&staged, &content, false)?;
            fs::rename(&staged, path)?;
            path.parent().map_or(Ok(()), sync_folder)
        }
        PutMode::Update(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[async_trait]
impl ObjectStore for SyncedStore {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let path = self.inner.path_to_filesystem(location)?;
        tokio::task::spawn_blocking(move || {
            put_synced(&path, &payload, &options.mode).map_err(|error| failed(&path, error))
        })
        .await
        .map_err(|source| object_store::Error::JoinError { source })??;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &ObjectPath,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        self.inner.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&ObjectPath>,
        offset: &ObjectPath,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: RenameOptions,
    ) -> object_store::Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
