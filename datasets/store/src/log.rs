//! The seam to Delta: which files make up which version of a table.
//!
//! Only the log is Delta's: atomic commits, versions, the list of files. We write and read the Parquet
//! ourselves. A table that uses a feature under which "read these files" is not the whole truth (deletion
//! vectors, column mapping, anything beyond reader version 1) is refused. No checkpoints are written: loads
//! are rare, so logs stay short, and a killed checkpoint has made tables unreadable before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use chrono::{DateTime, Utc};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{
    Action, Add, MetadataExt as _, Remove, StructField, StructType, Transaction,
};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, logstore_with};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTableError, ObjectStore};
use parking_lot::Mutex;
use url::Url;

use crate::StoreError;

/// The log of one table.
pub(crate) struct TableLog {
    name: String,
    folder: PathBuf,
    store: LogStoreRef,
    latest: Mutex<Option<Arc<Version>>>,
}

/// One version of a table: what a pinned reader needs.
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) committed_at: DateTime<Utc>,
    pub(crate) files: Vec<DataFile>,
    state: DeltaTableState,
}

/// One Parquet file of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Relative to the folder of the table.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) bucket: u32,
    /// Of the whole file, in hexadecimal.
    pub(crate) sha256: String,
    /// Delta's statistics as JSON.
    pub(crate) statistics: String,
}

/// What one commit changes.
pub(crate) struct Change {
    pub(crate) adds: Vec<DataFile>,
    pub(crate) removes: Vec<DataFile>,
    /// Whether rows come or go; compaction only moves them.
    pub(crate) rows_change: bool,
    /// Marks that stay with the table for ever, such as digests of loaded files.
    pub(crate) marks: Vec<(String, i64)>,
    /// The columns from now on, where there are more than before.
    pub(crate) columns: Option<SchemaRef>,
    /// Notes for whoever reads the log.
    pub(crate) notes: Vec<(String, serde_json::Value)>,
}

const TAG_BUCKET: &str = "cordon.bucket";
const TAG_SHA256: &str = "cordon.sha256";
const TAG_ROWS: &str = "cordon.rows";

impl TableLog {
    /// Opens the log of a table, writing its first version if there is none.
    pub(crate) async fn open(
        name: &str,
        folder: &Path,
        objects: Arc<dyn ObjectStore>,
        schema: &SchemaRef,
    ) -> Result<Self, StoreError> {
        let url = Url::from_directory_path(folder)
            .map_err(|()| StoreError::Internal("naming a table folder"))?;
        let store = logstore_with(objects, &url, StorageConfig::default())
            .map_err(StoreError::log("read", name))?;
        let log = Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            store,
            latest: Mutex::new(None),
        };
        let exists = log.store.is_delta_table_location().await;
        if !exists.map_err(StoreError::log("read", name))? {
            log.create(schema).await?;
        }
        Ok(log)
    }

    async fn create(&self, schema: &SchemaRef) -> Result<(), StoreError> {
        let fields: Vec<StructField> = delta_schema(schema)?.fields().cloned().collect();
        let properties = CommitProperties::default()
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let created = CreateBuilder::new()
            .with_log_store(Arc::clone(&self.store))
            .with_table_name(&self.name)
            .with_columns(fields)
            .with_commit_properties(properties)
            .with_save_mode(SaveMode::Ignore)
            .await;
        created.map(|_| ()).map_err(StoreError::log("written", &self.name))
    }

    /// The folder that paths of files are relative to.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest version, read again only if there is a newer one.
    pub(crate) async fn latest(&self) -> Result<Arc<Version>, StoreError> {
        let cached = self.latest.lock().clone();
        if let Some(cached) = cached {
            // Commits are numbered without gaps: the newest is the one without a successor. One look-up,
            // where a listing of every table would cost more than a small question.
            let next =
                self.folder().join("_delta_log").join(format!("{:020}.json", cached.number + 1));
            if matches!(tokio::fs::try_exists(next).await, Ok(false)) {
                return Ok(cached);
            }
        }
        let version = Arc::new(self.read(None).await?);
        *self.latest.lock() = Some(Arc::clone(&version));
        Ok(version)
    }

    /// A version by number, if there is one.
    pub(crate) async fn at(&self, number: u64) -> Result<Option<Arc<Version>>, StoreError> {
        let latest = self.latest().await?;
        match number.cmp(&latest.number) {
            std::cmp::Ordering::Equal => Ok(Some(latest)),
            std::cmp::Ordering::Greater => Ok(None),
            std::cmp::Ordering::Less => self.read(Some(number)).await.map(|v| Some(Arc::new(v))),
        }
    }

    async fn read(&self, number: Option<u64>) -> Result<Version, StoreError> {
        let state = DeltaTableState::try_new(self.store.as_ref(), number)
            .await
            .map_err(StoreError::log("read", &self.name))?;
        self.refuse_foreign_features(&state)?;
        let committed_at = self.committed_at(state.version()).await?;
        let files = state.snapshot().try_log_data().map_err(StoreError::log("read", &self.name))?;
        let files = files
            .iter()
            .map(|view| {
                #[expect(deprecated, reason = "the only public way to the tags of an Add")]
                let add = view.add_action();
                self.data_file(add)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Version { number: state.version(), committed_at, files, state })
    }

    fn refuse_foreign_features(&self, state: &DeltaTableState) -> Result<(), StoreError> {
        let foreign = |feature: String| StoreError::Foreign { table: self.name.clone(), feature };
        let facts = |value: Result<serde_json::Value, _>| {
            value.map_err(|_| StoreError::Internal("reading the protocol of a table"))
        };
        let protocol = facts(serde_json::to_value(state.protocol()))?;
        // An allow-list: our own tables need reader version 1 and have no features at all.
        if protocol["minReaderVersion"] != 1 || protocol["minWriterVersion"].as_i64() > Some(2) {
            let features = protocol["readerFeatures"].as_array().map(|names| {
                names.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            });
            let version = || format!("reader version {}", protocol["minReaderVersion"]);
            return Err(foreign(
                features.filter(|names| !names.is_empty()).unwrap_or_else(version),
            ));
        }
        let metadata = facts(serde_json::to_value(state.metadata()))?;
        match metadata["configuration"].get("delta.columnMapping.mode").and_then(|m| m.as_str()) {
            None | Some("none") => Ok(()),
            Some(_) => Err(foreign("columnMapping".to_owned())),
        }
    }

    fn data_file(&self, add: Add) -> Result<DataFile, StoreError> {
        if add.deletion_vector.is_some() {
            let feature = "deletionVectors".to_owned();
            return Err(StoreError::Foreign { table: self.name.clone(), feature });
        }
        let mut tags = add.tags.unwrap_or_default();
        let mut tag = |name: &str| tags.remove(name).flatten();
        let known = (tag(TAG_BUCKET), tag(TAG_ROWS), tag(TAG_SHA256), u64::try_from(add.size));
        if let (Some(bucket), Some(rows), Some(sha256), Ok(bytes)) = known
            && let (Ok(bucket), Ok(rows)) = (bucket.parse(), rows.parse())
        {
            let statistics = add.stats.unwrap_or_default();
            return Ok(DataFile { path: add.path, bytes, rows, bucket, sha256, statistics });
        }
        let feature = "files written by something else".to_owned();
        Err(StoreError::Foreign { table: self.name.clone(), feature })
    }

    /// When a version was committed, from the commit itself: file times change with every copy.
    async fn committed_at(&self, number: u64) -> Result<DateTime<Utc>, StoreError> {
        let commit = self.store.read_commit_entry(number).await;
        let commit = commit.map_err(StoreError::log("read", &self.name))?.unwrap_or_default();
        commit
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
            .find_map(|action| action["commitInfo"]["timestamp"].as_i64())
            .and_then(DateTime::from_timestamp_millis)
            .ok_or_else(|| StoreError::Damaged {
                file: format!("{}/_delta_log/{number:020}.json", self.name),
                problem: "it does not say when it was committed",
            })
    }

    /// What the newest commit that left this mark said.
    pub(crate) async fn mark(
        &self,
        version: &Version,
        mark: &str,
    ) -> Result<Option<i64>, StoreError> {
        let found = version.state.transaction_version(self.store.as_ref(), mark).await;
        found.map_err(StoreError::log("read", &self.name))
    }

    /// Commits a change on top of exactly the version that it was worked out from.
    pub(crate) async fn commit(
        &self,
        base: &Version,
        change: Change,
    ) -> Result<Arc<Version>, StoreError> {
        let witness = change.adds.first().map(|file| file.path.clone());
        match self.try_commit(base, change).await {
            Ok(()) => self.latest().await,
            // An error does not mean that nothing was committed: only the log knows.
            Err(error) => match self.latest().await {
                Ok(now) if witness.is_some_and(|path| now.has(&path)) => Ok(now),
                _ => Err(StoreError::log("written", &self.name)(error)),
            },
        }
    }

    async fn try_commit(&self, base: &Version, change: Change) -> Result<(), DeltaTableError> {
        let now = Utc::now().timestamp_millis();
        let rows_change = change.rows_change;
        let replaces = !change.removes.is_empty() && rows_change;
        let removes =
            change.removes.into_iter().map(|file| Action::Remove(remove(file, now, rows_change)));
        let adds = change.adds.into_iter().map(|file| Action::Add(add(file, now, rows_change)));
        let metadata = change.columns.map(|schema| {
            let schema = delta_schema(&schema).map_err(|_| DeltaTableError::NoSchema)?;
            let wider = base.state.metadata().clone().with_schema(&schema)?;
            Ok::<_, DeltaTableError>(Action::Metadata(wider))
        });
        let actions = metadata.transpose()?.into_iter().chain(removes).chain(adds).collect();
        let operation = match (rows_change, replaces) {
            (false, _) => DeltaOperation::Optimize { predicate: None, target_size: 0 },
            (true, replaces) => DeltaOperation::Write {
                mode: if replaces { SaveMode::Overwrite } else { SaveMode::Append },
                partition_by: None,
                predicate: None,
            },
        };
        let marks =
            change.marks.into_iter().map(|(mark, says)| Transaction::new(mark, says)).collect();
        let properties = CommitProperties::default()
            .with_metadata(change.notes)
            .with_application_transactions(marks)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false))
            // No retry: a change was worked out from `base`, and no other version will do.
            .with_max_retries(0);
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(&base.state), Arc::clone(&self.store), operation)
            .await
            .map(|_| ())
    }
}

impl Version {
    fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// All rows of this version.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The columns as Delta knows them: name, type and whether they may be null, in order.
    pub(crate) fn columns(&self) -> Vec<StructField> {
        self.state.schema().fields().cloned().collect()
    }
}

/// An Arrow schema as Delta writes it down.
pub(crate) fn delta_schema(schema: &SchemaRef) -> Result<StructType, StoreError> {
    schema
        .as_ref()
        .try_into_kernel()
        .map_err(|_| StoreError::Internal("describing a table to Delta"))
}

fn add(file: DataFile, now: i64, data_change: bool) -> Add {
    Add {
        path: file.path,
        size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        modification_time: now,
        data_change,
        stats: Some(file.statistics),
        tags: Some(HashMap::from([
            (TAG_BUCKET.to_owned(), Some(file.bucket.to_string())),
            (TAG_ROWS.to_owned(), Some(file.rows.to_string())),
            (TAG_SHA256.to_owned(), Some(file.sha256)),
        ])),
        ..Default::default()
    }
}

fn remove(file: DataFile, now: i64, data_change: bool) -> Remove {
    Remove {
        path: file.path,
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: i64::try_from(file.bytes).ok(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
