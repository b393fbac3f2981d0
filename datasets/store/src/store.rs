//! The store: a folder with one Delta table per described table, the person index and its secret.
//!
//! ```text
//! store.json   format and number of buckets, written last when a store is made
//! person.key   the secret behind person numbers and weights, readable by its owner only
//! lock         held by whoever writes
//! persons/     the person index, a Delta table
//! tables/      hes/apc/_delta_log, hes/apc/b0003-….parquet
//! rejects/     why rows were left out, one file per load
//! scratch/     gone when nobody writes
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_catalogue::{Catalogue, TableName};
use object_store::ObjectStore;
use parking_lot::Mutex;

use crate::StoreError;
use crate::disk::{SyncedStore, make_folder};
use crate::index::{self, BucketIndex};
use crate::layout::Layout;
use crate::log::TableLog;
use crate::person::{Keys, bucket_of_digest};
use crate::pin::PinnedTable;
use crate::settings::{Settings, WriterLock, make_keys, read_keys};
use crate::verify::Verifier;

/// Into how many buckets persons fall unless something else is asked for.
pub const DEFAULT_BUCKETS: u32 = 16;
const MOST_BUCKETS: u32 = 1 << 16;

/// Tables on disk, clustered by person.
pub struct Store {
    root: PathBuf,
    settings: Settings,
    pub(crate) keys: Keys,
    pub(crate) persons: TableLog,
    tables: BTreeMap<TableName, StoredTable>,
    pub(crate) verifier: Arc<Verifier>,
    writing: tokio::sync::Mutex<()>,
}

/// A described table and its log.
pub(crate) struct StoredTable {
    pub(crate) layout: Layout,
    pub(crate) log: TableLog,
    /// The version that was pinned last: nearly always the next one too.
    pub(crate) pinned: Mutex<Option<Arc<PinnedTable>>>,
}

/// What only whoever holds the right to write may touch.
pub(crate) struct Writing<'a> {
    _here: tokio::sync::MutexGuard<'a, ()>,
    _everywhere: WriterLock,
    /// An empty folder for whatever is in the making.
    pub(crate) scratch: PathBuf,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next writer.
        let _ = fs::remove_dir_all(&self.scratch);
        let _ = self.scratch.parent().map(fs::remove_dir);
    }
}

impl Store {
    /// Opens the store of a folder and creates what is missing: the store itself, tables that were described
    /// since, and the rows that the catalogue states itself.
    pub async fn open(root: &Path, catalogue: Arc<Catalogue>) -> Result<Self, StoreError> {
        Self::open_with(root, catalogue, DEFAULT_BUCKETS).await
    }

    /// The same with a number of buckets of one's own, should the store be new.
    pub async fn open_with(
        root: &Path,
        catalogue: Arc<Catalogue>,
        buckets: u32,
    ) -> Result<Self, StoreError> {
        make_folder(root)?;
        let root = root.canonicalize().map_err(StoreError::disk("open", root))?;
        let settings = match Settings::read(&root)? {
            Some(settings) => settings,
            None => create(&root, buckets).await?,
        };
        let objects: Arc<dyn ObjectStore> = Arc::new(SyncedStore::new());
        let mut tables = BTreeMap::new();
        for table in catalogue.tables() {
            let layout = Layout::new(table)?;
            let folder = table_folder(&root, &table.name);
            make_folder(&folder)?;
            let name = table.name.as_str();
            let log = TableLog::open(name, &folder, Arc::clone(&objects), &layout.stored).await?;
            refuse_foreign(&log).await?;
            tables
                .insert(table.name.clone(), StoredTable { layout, log, pinned: Mutex::default() });
        }
        let store = Self {
            settings,
            keys: read_keys(&root)?,
            persons: open_persons(&root, Arc::clone(&objects)).await?,
            tables,
            verifier: Arc::new(Verifier::new(objects)),
            writing: tokio::sync::Mutex::new(()),
            root,
        };
        store.write_stated_rows(&catalogue).await?;
        Ok(store)
    }

    /// The folder of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Into how many buckets persons fall here.
    pub fn buckets(&self) -> u32 {
        self.settings.buckets
    }

    /// The version of the person index: another one when a load brought new persons.
    pub async fn persons_version(&self) -> Result<u64, StoreError> {
        Ok(self.persons.latest().await?.number)
    }

    /// The person numbers of pseudonyms, `None` for those who are in no table: for opt-outs.
    pub async fn persons(&self, pseudonyms: &[String]) -> Result<Vec<Option<i64>>, StoreError> {
        let files = self.persons.latest().await?.files.clone();
        let (keys, folder) = (self.keys.clone(), self.persons.folder().to_owned());
        let buckets = self.buckets();
        let wanted: Vec<_> = pseudonyms.iter().map(|name| keys.digest(name.trim())).collect();
        let find = move || {
            let mut found = vec![None; wanted.len()];
            for bucket in 0..buckets {
                let here = |place: &usize| bucket_of_digest(&wanted[*place], buckets) == bucket;
                let places: Vec<usize> = (0..wanted.len()).filter(here).collect();
                if !places.is_empty() {
                    let index = BucketIndex::read(bucket, &folder, &files)?;
                    places.iter().for_each(|place| found[*place] = index.find(&wanted[*place]));
                }
            }
            Ok(found)
        };
        run_blocking("looking up persons", find).await
    }

    pub(crate) fn table(&self, name: &TableName) -> Result<&StoredTable, StoreError> {
        self.tables.get(name).ok_or_else(|| StoreError::NoSuchTable(name.clone()))
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (&TableName, &StoredTable)> {
        self.tables.iter()
    }

    /// Waits for other writers of this process; another process's is an error.
    pub(crate) async fn begin_writing(&self) -> Result<Writing<'_>, StoreError> {
        let here = self.writing.lock().await;
        let everywhere = WriterLock::take(&self.root)?;
        let all = self.root.join("scratch");
        // What a killed writer left is worthless: it was never committed.
        match fs::remove_dir_all(&all) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::disk("empty", &all)(error));
            }
            _ => {}
        }
        // A name of its own: threads of a load that was given up may still be writing to theirs.
        let scratch = all.join(uuid::Uuid::now_v7().simple().to_string());
        make_folder(&scratch)?;
        Ok(Writing { _here: here, _everywhere: everywhere, scratch })
    }

    pub(crate) fn rejects(&self, load: &str) -> Result<PathBuf, StoreError> {
        let folder = self.root.join("rejects");
        make_folder(&folder)?;
        Ok(folder.join(format!("{load}.csv")))
    }
}

async fn create(root: &Path, buckets: u32) -> Result<Settings, StoreError> {
    if !(1..=MOST_BUCKETS).contains(&buckets) {
        let problem = format!("{buckets} buckets, but 1 to {MOST_BUCKETS} are possible");
        return Err(StoreError::Settings { path: root.to_owned(), problem });
    }
    let _lock = WriterLock::take(root)?;
    make_keys(root)?;
    let folder = persons_folder(root);
    make_folder(&folder)?;
    TableLog::open("persons", &folder, Arc::new(SyncedStore::new()), &index::schema()).await?;
    let settings = Settings::new(buckets);
    settings.write(root)?;
    Ok(settings)
}

/// An index that has gone missing must not be made anew: everybody would get a second number.
async fn open_persons(root: &Path, objects: Arc<dyn ObjectStore>) -> Result<TableLog, StoreError> {
    let folder = persons_folder(root);
    if !folder.join("_delta_log").is_dir() {
        let problem = "the person index is gone: restore it from a backup".to_owned();
        return Err(StoreError::Settings { path: folder, problem });
    }
    let log = TableLog::open("persons", &folder, objects, &index::schema()).await?;
    log.latest().await?;
    Ok(log)
}

/// A log that is damaged makes its own table unusable, see [`crate::Pinned::problem`]; one that we would
/// read wrongly is nobody's to use.
async fn refuse_foreign(log: &TableLog) -> Result<(), StoreError> {
    match log.latest().await {
        Err(foreign @ StoreError::Foreign { .. }) => Err(foreign),
        _ => Ok(()),
    }
}

fn persons_folder(root: &Path) -> PathBuf {
    root.join("persons")
}

fn table_folder(root: &Path, name: &TableName) -> PathBuf {
    root.join("tables").join(name.group()).join(name.name())
}

/// Runs work that blocks where it may; a panic in there is an error of ours.
pub(crate) async fn run_blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Internal(doing))?
}
