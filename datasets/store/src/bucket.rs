//! One bucket of one load: persons get their numbers, rows are sorted, one run is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int16Array, Int64Array, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;

use crate::StoreError;
use crate::index::BucketIndex;
use crate::layout::{Clustered, Layout};
use crate::log::DataFile;
use crate::order::{self, Run};
use crate::person::Keys;
use crate::run::{RunWriter, Written, properties};
use crate::scatter::{Part, read_spill, write_spill};
use crate::verify::verify_now;

/// What one bucket of a load became. Nothing of it is visible before it is committed.
pub(crate) struct BucketRun {
    pub(crate) run: Option<Written>,
    pub(crate) index: Option<Written>,
    pub(crate) new_persons: u64,
    pub(crate) new_anonymous: u64,
    /// Rows left out because their person has a row already.
    pub(crate) second_rows: u64,
}

/// What is the same for all buckets of a load.
pub(crate) struct Job {
    pub(crate) layout: Layout,
    pub(crate) keys: Keys,
    pub(crate) scratch: PathBuf,
    pub(crate) index_folder: PathBuf,
    pub(crate) index_files: Vec<DataFile>,
    /// Files that stay, of a table with one row per person; empty for all others.
    pub(crate) table_folder: PathBuf,
    pub(crate) standing: Vec<DataFile>,
    /// Bytes of rows to sort at once.
    pub(crate) sort_memory: usize,
}

impl Job {
    /// Writes the run of one bucket.
    pub(crate) fn run(&self, bucket: u32, part: Part) -> Result<BucketRun, StoreError> {
        let clustered = self.clustered()?;
        let mut index = BucketIndex::read(bucket, &self.index_folder, &self.index_files)?;
        let mut chunks: Vec<PathBuf> = Vec::new();
        let mut held: Vec<RecordBatch> = Vec::new();
        let mut bytes = 0;
        for batch in part.into_batches()? {
            let batch = batch?;
            bytes += batch.get_array_memory_size();
            held.push(batch);
            if bytes >= self.sort_memory {
                let sorted = self.sort(clustered, &mut index, &std::mem::take(&mut held))?;
                let path = self.scratch.join(format!("sorted-{bucket}-{}.arrow", chunks.len()));
                let slices = slices(sorted).map(Ok);
                write_spill(&path, &self.layout.stored, slices)?;
                chunks.push(path);
                bytes = 0;
            }
        }
        let mut runs = Vec::new();
        for path in &chunks {
            runs.push(Box::new(read_spill(path)?) as Run);
        }
        if !held.is_empty() {
            let sorted = self.sort(clustered, &mut index, &std::mem::take(&mut held))?;
            runs.push(Box::new(slices(sorted).map(Ok)) as Run);
        }
        let (run, second_rows) = self.write(bucket, clustered, runs)?;
        let (new_persons, new_anonymous) = (index.fresh_persons(), index.fresh_anonymous());
        let path = self.scratch.join(format!("index-{bucket}.parquet"));
        Ok(BucketRun { run, index: index.write(&path)?, new_persons, new_anonymous, second_rows })
    }

    fn clustered(&self) -> Result<&Clustered, StoreError> {
        self.layout.clustered.as_ref().ok_or(StoreError::Internal("clustering a public table"))
    }

    /// Numbers the persons of some rows and sorts them.
    fn sort(
        &self,
        clustered: &Clustered,
        index: &mut BucketIndex,
        staged: &[RecordBatch],
    ) -> Result<RecordBatch, StoreError> {
        let staged = concat_batches(&clustered.staged, staged).map_err(went_wrong)?;
        let digests = staged.column(0).as_fixed_size_binary();
        let persons =
            digests.iter().map(|digest| index.person(digest)).collect::<Result<Vec<_>, _>>()?;
        // Stored rows have two hidden columns in front, staged rows one.
        let order = order::storage_order(&persons, staged.column(clustered.date - 1));
        let persons: Int64Array = order.values().iter().map(|row| persons[*row as usize]).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.weights(&persons))];
        columns.insert(0, Arc::new(persons));
        columns.extend(order::reorder(&staged.columns()[1..], &order)?);
        RecordBatch::try_new(Arc::clone(&self.layout.stored), columns).map_err(went_wrong)
    }

    fn weights(&self, sorted: &Int64Array) -> Int16Array {
        let mut last = None;
        let weigh = |person: &i64| match last {
            Some((known, weight)) if known == *person => weight,
            _ => {
                let weight = self.keys.weight(*person);
                last = Some((*person, weight));
                weight
            }
        };
        sorted.values().iter().map(weigh).collect::<Vec<i16>>().into()
    }

    fn write(
        &self,
        bucket: u32,
        clustered: &Clustered,
        runs: Vec<Run>,
    ) -> Result<(Option<Written>, u64), StoreError> {
        let path = self.scratch.join(format!("run-{bucket}.parquet"));
        let mut writer = RunWriter::create(&path, &self.layout.stored, properties(&self.layout)?)?;
        let mut single = match clustered.one_row_per_person {
            true => Some(Single { taken: self.standing_persons(bucket)?, last: None, left_out: 0 }),
            false => None,
        };
        order::merge(runs, clustered.date, |batch| match &mut single {
            Some(single) => writer.write(&single.keep(&batch)?),
            None => writer.write(&batch),
        })?;
        let written = writer.finish(&self.layout.stored, bucket)?;
        let left_out = single.map_or(0, |single| single.left_out);
        Ok(((written.rows() > 0).then_some(written), left_out))
    }

    fn standing_persons(&self, bucket: u32) -> Result<Vec<i64>, StoreError> {
        let mut taken = Vec::new();
        for file in self.standing.iter().filter(|file| file.bucket == bucket) {
            let path = verify_now(&self.table_folder, file)?;
            for batch in read_columns(&path, Some(&[0]))? {
                taken.extend_from_slice(batch?.column(0).as_primitive::<Int64Type>().values());
            }
        }
        taken.sort_unstable();
        Ok(taken)
    }
}

/// Lets one row per person through. A join with such a table is trusted not to repeat rows.
struct Single {
    taken: Vec<i64>,
    last: Option<i64>,
    left_out: u64,
}

impl Single {
    fn keep(&mut self, batch: &RecordBatch) -> Result<RecordBatch, StoreError> {
        let persons = batch.column(0).as_primitive::<Int64Type>();
        let first = |person: &i64| {
            let repeats = self.last.replace(*person) == Some(*person);
            !repeats && self.taken.binary_search(person).is_err()
        };
        let keep: BooleanArray = persons.values().iter().map(first).collect::<Vec<bool>>().into();
        self.left_out += keep.false_count() as u64;
        filter_record_batch(batch, &keep).map_err(went_wrong)
    }
}

/// Batches of a Parquet file of ours, all columns or some.
pub(crate) fn read_columns(path: &Path, columns: Option<&[usize]>) -> Result<Run, StoreError> {
    use parquet::arrow::ProjectionMask;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let unreadable = || StoreError::parquet("read", path);
    let file = std::fs::File::open(path).map_err(StoreError::disk("open", path))?;
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable())?;
    if let Some(columns) = columns {
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    let reader = builder.with_batch_size(8 * 1024).build().map_err(unreadable())?;
    let path = path.to_owned();
    Ok(Box::new(
        reader.map(move |batch| {
            batch.map_err(|error| StoreError::parquet("read", &path)(error.into()))
        }),
    ))
}

/// All rows of a file of ours; columns that were described later are null.
pub(crate) fn read_widened(path: &Path, schema: &SchemaRef) -> Result<Run, StoreError> {
    let schema = SchemaRef::clone(schema);
    let widen = move |batch: RecordBatch| {
        let columns =
            schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
                Some(column) => Arc::clone(column),
                None => new_null_array(field.data_type(), batch.num_rows()),
            });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect()).map_err(went_wrong)
    };
    Ok(Box::new(read_columns(path, None)?.map(move |batch| batch.and_then(&widen))))
}

fn slices(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> {
    const ROWS: usize = 8 * 1024;
    (0..batch.num_rows())
        .step_by(ROWS)
        .map(move |from| batch.slice(from, ROWS.min(batch.num_rows() - from)))
}

fn went_wrong(_: ArrowError) -> StoreError {
    StoreError::Internal("sorting a bucket")
}
