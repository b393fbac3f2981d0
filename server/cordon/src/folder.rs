//! The data folder: everything of one house that lives on one disk.
//!
//! ```text
//! store/         tables clustered by person, see cordon-store
//! agreements/    one TOML file per agreement; read again when a file changes
//! opt-outs.txt   pseudonyms of everybody who opted out; read again when it changes
//! state.sqlite   ledger and audit journal
//! keys/          the key of the house's own tokens, the secret of disclosure control
//! spill/         what queries put aside while they run; emptied at start
//! demo/          tokens of the demo's people
//! serving        locked by the process that serves this folder
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::usage;

/// `--data-dir`.
#[derive(clap::Args, Debug)]
pub(crate) struct DataDir {
    /// Folder that holds the house's tables, agreements and ledger
    #[arg(long, value_name = "DIR", default_value = "cordon-data")]
    pub(crate) data_dir: PathBuf,
}

/// A data folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// Held while a folder is served.
pub(crate) struct Serving {
    _lock: File,
}

impl Folder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    pub(crate) fn agreements(&self) -> PathBuf {
        self.0.join("agreements")
    }

    pub(crate) fn opt_outs(&self) -> PathBuf {
        self.0.join("opt-outs.txt")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state.sqlite")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn disclosure_key(&self) -> PathBuf {
        self.keys().join("disclosure.key")
    }

    pub(crate) fn spill(&self) -> PathBuf {
        self.0.join("spill")
    }

    pub(crate) fn demo_tokens(&self) -> PathBuf {
        self.0.join("demo").join("tokens.json")
    }

    /// Makes the folder, for its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.with_context(|| format!("cannot make `{}`", self.0.display()))
    }

    /// Refuses a folder in which nothing of ours stands: most often a `--data-dir` that was forgotten.
    pub(crate) fn must_hold(&self, what: &Path) -> anyhow::Result<()> {
        if what.exists() {
            return Ok(());
        }
        let (folder, what) = (self.0.display(), what.display());
        Err(usage(format!(
            "`{folder}` is not a data folder of Cordon: `{what}` is missing; name the folder with --data-dir"
        )))
    }

    /// The right to serve this folder, for as long as the answer lives.
    pub(crate) fn serve(&self) -> anyhow::Result<Serving> {
        let path = self.0.join("serving");
        let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let lock = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Serving { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(usage(format!(
                "another cordon serves `{}` already; stop it, or use another --data-dir",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock `{}`", path.display()))
            }
        }
    }
}

/// Writes a whole file or none, readable by its owner only.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let beside = path.with_extension("new");
        // A file that is there already keeps the mode it has: it may be anybody's.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}
