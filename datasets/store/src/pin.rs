//! Pinned versions: what one question, or one release of data, sees of all tables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cordon_catalogue::TableName;
use datafusion::catalog::TableProvider;
use futures::future::join_all;

use crate::StoreError;
use crate::layout::Layout;
use crate::log::Version;
use crate::person::PERSON;
use crate::provider::Provider;
use crate::scan::{ScanFile, Split};
use crate::store::{Store, StoredTable};
use crate::verify::Verifier;

/// Which versions are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// The newest of every table.
    #[default]
    Latest,
    /// These versions; the newest of tables that are not named.
    Versions(BTreeMap<TableName, u64>),
}

/// All tables, each at one version that never changes.
pub struct Pinned {
    tables: BTreeMap<TableName, Result<Arc<PinnedTable>, StoreError>>,
    /// Rows per bucket over all protected tables: partitions of all tables are split alike, so that a
    /// person's rows of any two tables meet in the same partition.
    rows: Vec<u64>,
    verifier: Arc<Verifier>,
}

/// One table at one version.
pub(crate) struct PinnedTable {
    layout: Layout,
    version: Arc<Version>,
    files: Arc<Vec<ScanFile>>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({})", self.fingerprint())
    }
}

impl Store {
    /// Pins a version of every table. A table that cannot be read is left out, see [`Pinned::problem`]; a
    /// version that does not exist is an error.
    pub async fn pin(&self, as_of: &AsOf) -> Result<Pinned, StoreError> {
        let wanted = match as_of {
            AsOf::Latest => &BTreeMap::new(),
            AsOf::Versions(versions) => versions,
        };
        for name in wanted.keys() {
            self.table(name)?;
        }
        let mut tables = BTreeMap::new();
        let mut rows = vec![0; self.buckets() as usize];
        // All at once: each looks on the disk for a newer version.
        let pins = self
            .tables()
            .map(async |(name, stored)| (name, pin_table(name, stored, wanted.get(name)).await));
        for (name, pinned) in join_all(pins).await {
            let pinned = match pinned {
                Err(missing @ StoreError::NoSuchVersion { .. }) => return Err(missing),
                pinned => pinned,
            };
            match &pinned {
                Ok(table) if table.layout.clustered.is_some() => {
                    for file in &table.version.files {
                        if let Some(rows) = rows.get_mut(file.bucket as usize) {
                            *rows += file.rows;
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::error!(table = %name, %error, "table left out"),
            }
            tables.insert(name.clone(), pinned);
        }
        Ok(Pinned { tables, rows, verifier: Arc::clone(&self.verifier) })
    }
}

async fn pin_table(
    name: &TableName,
    stored: &StoredTable,
    wanted: Option<&u64>,
) -> Result<Arc<PinnedTable>, StoreError> {
    let last = stored.pinned.lock().clone();
    // A version never changes.
    if let Some((last, number)) = last.as_ref().zip(wanted)
        && last.version.number == *number
    {
        return Ok(Arc::clone(last));
    }
    let version = match wanted {
        None => stored.log.latest().await?,
        Some(number) => {
            let missing = StoreError::NoSuchVersion { table: name.clone(), version: *number };
            stored.log.at(*number).await?.ok_or(missing)?
        }
    };
    if let Some(last) = last.filter(|last| Arc::ptr_eq(&last.version, &version)) {
        return Ok(last);
    }
    stored.layout.widens(&version)?;
    let mut files = version.files.clone();
    // Names of one bucket begin alike and go on with the time of the load: older runs come first.
    files.sort_by(|a, b| (a.bucket, &a.path).cmp(&(b.bucket, &b.path)));
    let files = files
        .into_iter()
        .map(|file| ScanFile::new(stored.log.folder(), file))
        .collect::<Result<Vec<_>, _>>()?;
    let layout = stored.layout.clone();
    let pinned = Arc::new(PinnedTable { layout, version, files: Arc::new(files) });
    *stored.pinned.lock() = Some(Arc::clone(&pinned));
    Ok(pinned)
}

impl Pinned {
    /// Scans a table in at most so many partitions. `None` for tables that are not described or not readable.
    pub fn provider(&self, table: &TableName, partitions: usize) -> Option<Arc<dyn TableProvider>> {
        let pinned = self.readable(table)?;
        let split = match pinned.layout.clustered {
            Some(_) => Split::balanced(&self.rows, partitions),
            None => Split::balanced(&[], 1),
        };
        let (layout, files) = (pinned.layout.clone(), Arc::clone(&pinned.files));
        Some(Arc::new(Provider::new(layout, files, split, Arc::clone(&self.verifier))))
    }

    /// The version of a table.
    pub fn version(&self, table: &TableName) -> Option<u64> {
        self.readable(table).map(|pinned| pinned.version.number)
    }

    /// When that version was committed.
    pub fn committed_at(&self, table: &TableName) -> Option<DateTime<Utc>> {
        self.readable(table).map(|pinned| pinned.version.committed_at)
    }

    /// How many rows a table has. For operators: this is a figure about protected rows.
    pub fn rows(&self, table: &TableName) -> Option<u64> {
        self.readable(table).map(|pinned| pinned.version.rows())
    }

    /// The Parquet files of a table in the order in which they are read: for operators who open them with
    /// something else. Those of a protected table hold [`crate::PERSON`] in place of the pseudonym.
    pub fn files(&self, table: &TableName) -> Option<Vec<PathBuf>> {
        self.readable(table).map(|pinned| pinned.files.iter().map(ScanFile::path).collect())
    }

    /// Compares every file of a table with its digest and reads its footer, which else the first question does.
    ///
    /// # Errors
    /// When a file is damaged.
    pub async fn look_over(&self, table: &TableName) -> Result<(), StoreError> {
        let files = self.readable(table).map(|pinned| Arc::clone(&pinned.files));
        for file in files.iter().flat_map(|files| files.iter()) {
            file.footer(&self.verifier).await?;
        }
        Ok(())
    }

    /// All tables that can be read, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.tables.iter().filter(|(_, pinned)| pinned.is_ok()).map(|(name, _)| name)
    }

    /// Why a described table cannot be read.
    pub fn problem(&self, table: &TableName) -> Option<&StoreError> {
        self.tables.get(table)?.as_ref().err()
    }

    /// All tables with their versions as a text that is the same whenever they are.
    pub fn fingerprint(&self) -> String {
        let name =
            |(name, pinned): (&TableName, &Result<Arc<PinnedTable>, StoreError>)| match pinned {
                Ok(pinned) => format!("{name}@{}", pinned.version.number),
                Err(_) => format!("{name}@unreadable"),
            };
        self.tables.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    fn readable(&self, table: &TableName) -> Option<&PinnedTable> {
        self.tables.get(table)?.as_deref().ok()
    }

    /// Whether a table is clustered by person.
    pub fn is_clustered(&self, table: &TableName) -> bool {
        self.readable(table).is_some_and(|pinned| pinned.layout.stored.index_of(PERSON).is_ok())
    }
}
