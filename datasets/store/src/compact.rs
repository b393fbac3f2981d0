//! Compaction: the runs of each bucket become one. Older versions keep their files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_catalogue::TableName;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::bucket::read_widened;
use crate::layout::Layout;
use crate::load::{new_load_id, workers};
use crate::log::{Change, DataFile};
use crate::order::{self, Run};
use crate::run::{RunWriter, Written, properties};
use crate::store::{Store, run_blocking};
use crate::verify::verify_now;
use crate::{Progress, StoreError};

/// What compaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactReport {
    /// Buckets that had several runs.
    pub buckets: u64,
    /// Runs that were merged.
    pub runs: u64,
    /// Rows in them.
    pub rows: u64,
    /// The version of the table now.
    pub version: u64,
    /// How long it took.
    pub took: Duration,
}

impl Store {
    /// Merges the runs of every bucket of a table that has several.
    pub async fn compact(
        &self,
        table: &TableName,
        progress: &dyn Progress,
    ) -> Result<CompactReport, StoreError> {
        let started = Instant::now();
        let stored = self.table(table)?;
        let writing = self.begin_writing().await?;
        let base = stored.log.latest().await?;
        let columns = stored.layout.widens(&base)?.then(|| Arc::clone(&stored.layout.stored));
        let mut buckets: BTreeMap<u32, Vec<DataFile>> = BTreeMap::new();
        for file in &base.files {
            buckets.entry(file.bucket).or_default().push(file.clone());
        }
        buckets.retain(|_, files| files.len() > 1);
        let removes: Vec<DataFile> = buckets.values().flatten().cloned().collect();
        let mut report = CompactReport {
            buckets: buckets.len() as u64,
            runs: removes.len() as u64,
            rows: removes.iter().map(|file| file.rows).sum(),
            version: base.number,
            took: Duration::ZERO,
        };
        if buckets.is_empty() {
            return Ok(report);
        }
        progress.stage("merging");
        let (layout, load) = (Arc::new(stored.layout.clone()), new_load_id());
        let (folder, scratch) = (stored.log.folder().to_owned(), writing.scratch.clone());
        let mut merged = stream::iter(buckets)
            .map(|(bucket, files)| {
                let (layout, folder, scratch) =
                    (Arc::clone(&layout), folder.clone(), scratch.clone());
                let work = move || merge_bucket(&layout, &folder, &scratch, bucket, files);
                run_blocking("merging a bucket", work)
            })
            .buffer_unordered(workers());
        let mut adds = Vec::new();
        let mut done = 0;
        while let Some((bucket, run)) = merged.try_next().await? {
            done += run.rows();
            progress.rows(done, Some(report.rows));
            adds.push(run.publish(&folder, format!("b{bucket:04}-{load}.parquet"))?);
        }
        drop(merged);
        progress.stage("committing");
        let notes = vec![("cordon.compaction".to_owned(), load.into())];
        let change =
            Change { adds, removes, rows_change: false, columns, marks: Vec::new(), notes };
        report.version = stored.log.commit(&base, change).await?.number;
        report.took = started.elapsed();
        Ok(report)
    }
}

fn merge_bucket(
    layout: &Layout,
    folder: &Path,
    scratch: &Path,
    bucket: u32,
    mut files: Vec<DataFile>,
) -> Result<(u32, Written), StoreError> {
    let Some(clustered) = &layout.clustered else {
        return Err(StoreError::Internal("merging a reference table"));
    };
    // The order in which a scan merges them, so that it gives the same rows before and after.
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let expected: u64 = files.iter().map(|file| file.rows).sum();
    let runs: Vec<Run> = files
        .iter()
        .map(|file| read_widened(&verify_now(folder, file)?, &layout.stored))
        .collect::<Result<_, StoreError>>()?;
    let path = scratch.join(format!("merged-{bucket}.parquet"));
    let mut writer = RunWriter::create(&path, &layout.stored, properties(layout)?)?;
    order::merge(runs, clustered.date, |batch| writer.write(&batch))?;
    let written = writer.finish(&layout.stored, bucket)?;
    match written.rows() == expected {
        true => Ok((bucket, written)),
        false => Err(StoreError::Internal("merging runs: rows were lost")),
    }
}
