//! Loading: files or batches become one sorted run per bucket, visible all at once or not at all.
//!
//! In this order: rows are staged and put in their buckets; each bucket numbers its persons and writes its
//! run under a scratch name; files move to their places; the person index is committed; the table is
//! committed. Killed anywhere before the last step, a load has left nothing that anybody can see.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use cordon_catalogue::TableName;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::bucket::{BucketRun, Job};
use crate::input::Reading;
use crate::log::{Change, DataFile, Version};
use crate::public::PublicRows;
use crate::rejects::RejectFile;
use crate::scatter::{Part, Scatter};
use crate::stage::{Fields, Staged, match_fields, stage_batch};
use crate::store::{Store, StoredTable, Writing, run_blocking};
use crate::{Progress, StoreError};

/// How a load treats what it finds.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Load content that was loaded into this table before.
    pub again: bool,
    /// Put these rows in the place of all that the table holds. Reference tables are always replaced.
    pub replace: bool,
    /// Take described columns that a file does not have as null. Keys, year and pseudonym must be there.
    pub missing_as_null: bool,
    /// About how many bytes of rows are held before they go to disk.
    pub memory: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { again: false, replace: false, missing_as_null: false, memory: 256 << 20 }
    }
}

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// Names this load, also in the names of its files.
    pub load: String,
    /// Rows found.
    pub read: u64,
    /// Rows that are in the table now.
    pub loaded: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Why they were left out, if any were.
    pub rejects: Option<PathBuf>,
    /// Persons that no table of this store knew before.
    pub new_persons: u64,
    /// Rows without a pseudonym, each a person of its own.
    pub anonymous: u64,
    /// The version of the table that holds these rows.
    pub version: u64,
    /// How long it took.
    pub took: Duration,
}

/// What the blocking half of a load reports while it works.
enum Event {
    Rows(u64),
    Stage(&'static str),
}

/// Where staged rows go.
enum Intake {
    Clustered(Scatter),
    Public(PublicRows),
}

struct Collected {
    intake: Intake,
    rejects: RejectFile,
    read: u64,
    marks: Vec<(String, i64)>,
    sources: Vec<(PathBuf, String)>,
}

impl Store {
    /// Loads files (CSV, gzipped CSV, Parquet) into a table.
    pub async fn load(
        &self,
        table: &TableName,
        files: &[PathBuf],
        options: &LoadOptions,
        progress: &dyn Progress,
    ) -> Result<LoadReport, StoreError> {
        let started = Instant::now();
        let stored = self.table(table)?;
        let writing = self.begin_writing().await?;
        let load = new_load_id();
        let (events, reports) = mpsc::unbounded_channel();
        let collected = self.empty(stored, &writing, &load, options)?;
        let (layout, keys) = (stored.layout.clone(), self.keys.clone());
        let (files, missing_as_null) = (files.to_vec(), options.missing_as_null);
        let work = run_blocking("reading files", move || {
            let reading =
                Reading { layout: &layout, keys: &keys, missing_as_null, workers: workers() };
            let _ = events.send(Event::Stage("reading"));
            files.iter().try_fold(collected, |collected, file| {
                read_file(&reading, file, collected, &events)
            })
        });
        let collected = watch(work, reports, progress).await?;
        let base = stored.log.latest().await?;
        if !options.again {
            for (file, digest) in &collected.sources {
                if stored.log.mark(&base, &file_mark(digest)).await?.is_some() {
                    let (file, table) = (file.clone(), table.clone());
                    return Err(StoreError::AlreadyLoaded { file, table });
                }
            }
        }
        let put =
            Put { stored, base, load, replace: options.replace, memory: options.memory, started };
        self.put(put, writing, collected, progress).await
    }

    /// Adds rows that are described already, such as made-up ones, to a protected table.
    pub async fn append(
        &self,
        table: &TableName,
        batches: impl Iterator<Item = RecordBatch> + Send,
        progress: &dyn Progress,
    ) -> Result<LoadReport, StoreError> {
        let stored = self.table(table)?;
        if stored.layout.clustered.is_none() {
            let problem = "is a reference table: those are replaced as a whole, never added to";
            return Err(StoreError::Kind { table: table.clone(), problem });
        }
        self.put_batches(stored, batches, false, Vec::new(), progress).await
    }

    /// Puts rows in the place of all that a table holds, as a new version of it.
    pub async fn replace(
        &self,
        table: &TableName,
        batches: impl Iterator<Item = RecordBatch> + Send,
        progress: &dyn Progress,
    ) -> Result<LoadReport, StoreError> {
        self.put_batches(self.table(table)?, batches, true, Vec::new(), progress).await
    }

    pub(crate) async fn put_batches(
        &self,
        stored: &StoredTable,
        batches: impl Iterator<Item = RecordBatch> + Send,
        replace: bool,
        marks: Vec<(String, i64)>,
        progress: &dyn Progress,
    ) -> Result<LoadReport, StoreError> {
        let started = Instant::now();
        let writing = self.begin_writing().await?;
        let (load, options) = (new_load_id(), LoadOptions { replace, ..LoadOptions::default() });
        let mut collected = self.empty(stored, &writing, &load, &options)?;
        collected.marks = marks;
        let (layout, keys) = (stored.layout.clone(), self.keys.clone());
        let (feed, mut fed) = mpsc::channel::<RecordBatch>(4);
        let work = tokio::task::spawn_blocking(move || {
            while let Some(batch) = fed.blocking_recv() {
                let names: Vec<&str> =
                    batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
                let fields: Fields = match_fields(&layout, &names, false).map_err(|problem| {
                    StoreError::Rows { table: layout.table.name.clone(), problem }
                })?;
                let staged = stage_batch(&layout, &keys, &fields, &batch, collected.read + 1)?;
                collected.take("", staged)?;
            }
            Ok(collected)
        });
        progress.stage("reading");
        let mut rows = 0;
        for batch in batches {
            rows += batch.num_rows() as u64;
            // A closed channel means that the other half has failed and will say why.
            if feed.send(batch).await.is_err() {
                break;
            }
            progress.rows(rows, None);
        }
        drop(feed);
        let collected = work.await.map_err(|_| StoreError::Internal("taking in batches"))??;
        let base = stored.log.latest().await?;
        let put = Put { stored, base, load, replace, memory: options.memory, started };
        self.put(put, writing, collected, progress).await
    }

    fn empty(
        &self,
        stored: &StoredTable,
        writing: &Writing<'_>,
        load: &str,
        options: &LoadOptions,
    ) -> Result<Collected, StoreError> {
        let intake = match &stored.layout.clustered {
            Some(clustered) => {
                let memory = options.memory / 2;
                let scatter =
                    Scatter::new(&clustered.staged, &writing.scratch, self.buckets(), memory);
                Intake::Clustered(scatter)
            }
            None => Intake::Public(PublicRows::new(&stored.layout)?),
        };
        let rejects = RejectFile::new(self.rejects(load)?);
        Ok(Collected { intake, rejects, read: 0, marks: Vec::new(), sources: Vec::new() })
    }

    /// Writes and commits what was collected.
    async fn put(
        &self,
        put: Put<'_>,
        writing: Writing<'_>,
        collected: Collected,
        progress: &dyn Progress,
    ) -> Result<LoadReport, StoreError> {
        let layout = &put.stored.layout;
        let columns = layout.widens(&put.base)?.then(|| Arc::clone(&layout.stored));
        let Collected { intake, mut rejects, read, mut marks, sources } = collected;
        progress.stage("writing");
        let made = match intake {
            Intake::Clustered(scatter) => {
                self.write_buckets(&put, &writing, scatter.finish(), progress).await?
            }
            Intake::Public(rows) => {
                let (layout, folder) =
                    (put.stored.layout.clone(), put.stored.log.folder().to_owned());
                let (scratch, name) = (writing.scratch.clone(), format!("{}.parquet", put.load));
                let work = move || rows.write(&layout, &scratch, &folder, name);
                let file = run_blocking("writing a reference table", work).await?;
                Made { adds: file.into_iter().collect(), ..Made::default() }
            }
        };
        rejects.note_rows(made.second_rows, "the person has a row already")?;
        let (rejected, rejects) = rejects.finish()?;
        let loaded: u64 = made.adds.iter().map(|file| file.rows).sum();
        let removes = match put.replace || put.stored.layout.clustered.is_none() {
            true => put.base.files.clone(),
            false => Vec::new(),
        };
        if loaded == 0 && rejected > 0 && !removes.is_empty() {
            let problem = "would be left empty, since every row was rejected; nothing was loaded";
            return Err(StoreError::Kind { table: layout.table.name.clone(), problem });
        }
        let mut report = LoadReport {
            load: put.load.clone(),
            read,
            loaded,
            rejected,
            rejects,
            new_persons: made.new_persons,
            anonymous: made.anonymous,
            version: put.base.number,
            took: Duration::ZERO,
        };
        if !(made.adds.is_empty() && removes.is_empty()) {
            progress.stage("committing");
            marks.extend(sources.iter().map(|(_, digest)| (file_mark(digest), 1)));
            let change = Change {
                adds: made.adds,
                removes,
                rows_change: true,
                columns,
                marks,
                notes: notes(&report, &sources),
            };
            report.version = put.stored.log.commit(&put.base, change).await?.number;
        }
        report.took = put.started.elapsed();
        tracing::info!(
            table = %put.stored.layout.table.name,
            load = report.load,
            loaded = report.loaded,
            rejected = report.rejected,
            version = report.version,
            "rows loaded"
        );
        Ok(report)
    }

    async fn write_buckets(
        &self,
        put: &Put<'_>,
        writing: &Writing<'_>,
        parts: Vec<(u32, Part)>,
        progress: &dyn Progress,
    ) -> Result<Made, StoreError> {
        let persons = self.persons.latest().await?;
        let single = put.stored.layout.clustered.as_ref().is_some_and(|c| c.one_row_per_person);
        let standing = if single && !put.replace { put.base.files.clone() } else { Vec::new() };
        let job = Arc::new(Job {
            layout: put.stored.layout.clone(),
            keys: self.keys.clone(),
            scratch: writing.scratch.clone(),
            index_folder: self.persons.folder().to_owned(),
            index_files: persons.files.clone(),
            table_folder: put.stored.log.folder().to_owned(),
            standing,
            sort_memory: put.memory / 2 / workers().max(1),
        });
        let rows: u64 = parts.iter().map(|(_, part)| part.rows).sum();
        let mut written = stream::iter(parts)
            .map(|(bucket, part)| {
                let (job, rows) = (Arc::clone(&job), part.rows);
                let work = move || job.run(bucket, part).map(|run| (bucket, rows, run));
                run_blocking("writing a bucket", work)
            })
            .buffer_unordered(workers());
        let mut runs = Vec::new();
        let mut done = 0;
        while let Some((bucket, bucket_rows, run)) = written.try_next().await? {
            done += bucket_rows;
            progress.rows(done, Some(rows));
            runs.push((bucket, run));
        }
        drop(written);
        runs.sort_unstable_by_key(|(bucket, _)| *bucket);
        self.publish(put, &persons, runs).await
    }

    /// Files go to their places and the index is committed. The rows are still invisible.
    async fn publish(
        &self,
        put: &Put<'_>,
        persons: &Version,
        runs: Vec<(u32, BucketRun)>,
    ) -> Result<Made, StoreError> {
        let mut made = Made::default();
        let mut entries = Vec::new();
        for (bucket, run) in runs {
            let name = format!("b{bucket:04}-{}.parquet", put.load);
            made.new_persons += run.new_persons;
            made.anonymous += run.new_anonymous;
            made.second_rows += run.second_rows;
            if let Some(index) = run.index {
                entries.push(index.publish(self.persons.folder(), name.clone())?);
            }
            if let Some(run) = run.run {
                made.adds.push(run.publish(put.stored.log.folder(), name)?);
            }
        }
        if !entries.is_empty() {
            let (marks, notes) = (Vec::new(), vec![("load".to_owned(), put.load.clone().into())]);
            let change = Change {
                adds: entries,
                removes: Vec::new(),
                rows_change: true,
                columns: None,
                marks,
                notes,
            };
            self.persons.commit(persons, change).await?;
        }
        Ok(made)
    }
}

/// One load on its way.
struct Put<'a> {
    stored: &'a StoredTable,
    base: Arc<Version>,
    load: String,
    replace: bool,
    memory: usize,
    started: Instant,
}

/// What a load has written.
#[derive(Default)]
struct Made {
    adds: Vec<DataFile>,
    new_persons: u64,
    anonymous: u64,
    second_rows: u64,
}

impl Collected {
    fn take(&mut self, file: &str, staged: Staged) -> Result<(), StoreError> {
        self.rejects.note(file, &staged.rejects)?;
        match &mut self.intake {
            Intake::Clustered(scatter) => scatter.add(&staged.rows)?,
            Intake::Public(rows) => rows.add(&staged.rows)?,
        }
        self.read += staged.read;
        Ok(())
    }
}

fn read_file(
    reading: &Reading<'_>,
    file: &Path,
    mut collected: Collected,
    events: &UnboundedSender<Event>,
) -> Result<Collected, StoreError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digest = reading.read(file, &mut |staged| {
        collected.take(&name, staged)?;
        let _ = events.send(Event::Rows(collected.read));
        Ok(())
    })?;
    if collected.sources.iter().any(|(_, known)| *known == digest) {
        return Err(StoreError::input(file, "another file of this load has the same content"));
    }
    collected.sources.push((file.to_owned(), digest));
    Ok(collected)
}

/// Passes on what a blocking task reports until it is done.
async fn watch<T>(
    work: impl Future<Output = Result<T, StoreError>>,
    mut events: mpsc::UnboundedReceiver<Event>,
    progress: &dyn Progress,
) -> Result<T, StoreError> {
    let report = async {
        while let Some(event) = events.recv().await {
            match event {
                Event::Rows(done) => progress.rows(done, None),
                Event::Stage(name) => progress.stage(name),
            }
        }
    };
    futures::join!(work, report).0
}

/// Time-ordered, so that files of one bucket sort by age.
pub(crate) fn new_load_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn file_mark(digest: &str) -> String {
    format!("cordon.file.{digest}")
}

fn notes(report: &LoadReport, sources: &[(PathBuf, String)]) -> Vec<(String, serde_json::Value)> {
    let file = |(path, digest): &(PathBuf, String)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        serde_json::json!({ "name": name, "sha256": digest })
    };
    let sources: Vec<_> = sources.iter().map(file).collect();
    vec![
        ("cordon.load".to_owned(), report.load.clone().into()),
        ("cordon.read".to_owned(), report.read.into()),
        ("cordon.loaded".to_owned(), report.loaded.into()),
        ("cordon.rejected".to_owned(), report.rejected.into()),
        ("cordon.files".to_owned(), sources.into()),
    ]
}

pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
