//! Opening the file, and noticing when it is no longer there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{SqliteState, StateError, schema};

/// The first release without the write-ahead-log reset fault (3.7.0 to 3.51.2).
const SAFE_LIBRARY: i32 = 3_051_003;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Which files were opened. A file that is unlinked while it is open takes every later entry with it
/// when the process ends, and SQLite does not notice.
pub(crate) struct OpenedFile {
    main: (PathBuf, Identity),
    log: (PathBuf, Identity),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl OpenedFile {
    fn of(path: &Path) -> Result<Self, StateError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let known = |path: &Path| identity(path).map_err(|source| unopened(path, source));
        Ok(Self { main: (path.to_owned(), known(path)?), log: (log.clone(), known(&log)?) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.main.0
    }

    /// Both files still stand where they were opened.
    pub(crate) fn still_there(&self) -> Result<(), StateError> {
        for (path, opened) in [&self.main, &self.log] {
            if !identity(path).is_ok_and(|found| found == *opened) {
                return Err(StateError::Replaced { path: path.clone() });
            }
        }
        Ok(())
    }
}

pub(crate) fn open(path: &Path) -> Result<SqliteState, StateError> {
    if rusqlite::version_number() < SAFE_LIBRARY {
        return Err(StateError::Library { found: rusqlite::version().to_owned() });
    }
    let created = create(path).map_err(|source| unopened(path, source))?;
    let mut writer = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    writer.busy_timeout(BUSY)?;
    schema::belongs_here(&writer, path)?;
    writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // FULL: the log is synced at every commit. NORMAL would lose the last entries with the power.
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "foreign_keys", true)?;
    schema::bring_up_to_date(&mut writer, path)?;
    writable_now(&mut writer)?;
    if created {
        sync_folder(path).map_err(|source| unopened(path, source))?;
    }

    let reader = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    reader.busy_timeout(BUSY)?;
    let file = OpenedFile::of(path)?;
    Ok(SqliteState {
        writer: Mutex::new(writer),
        reader: Mutex::new(reader),
        indexes: Mutex::default(),
        file,
    })
}

fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
}

/// Creates the file for its owner only (SQLite gives its log the same mode), or checks that it can be
/// written and closes it to others.
fn create(path: &Path) -> io::Result<bool> {
    let new = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    match new {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let mode = file.metadata()?.permissions().mode();
            if mode & 0o077 != 0 {
                file.set_permissions(PermissionsExt::from_mode(mode & 0o7700))?;
            }
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A file that can be opened can still refuse to be written (a full or read-only disk): better known
/// at the start than at the first query. It also makes the log file exist.
fn writable_now(writer: &mut Connection) -> Result<(), StateError> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("UPDATE about SET opened = opened + 1", [])?;
    Ok(transaction.commit()?)
}

/// A new file's name is durable only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    Ok(Identity { device: found.dev(), inode: found.ino() })
}

fn unopened(path: &Path, source: io::Error) -> StateError {
    StateError::File { path: path.to_owned(), source }
}
