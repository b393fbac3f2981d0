//! The person index: which number each pseudonym has. The only place where the two meet.
//!
//! It is a Delta table of its own, committed *before* the rows that use its numbers: numbers given out and
//! never used do no harm, while a pseudonym with two numbers would count as two people. A bucket's entries
//! lie in one file per load that met new persons. An entry without a digest says how many numbers were given
//! to records that have no pseudonym.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::StoreError;
use crate::log::DataFile;
use crate::person::{ANONYMOUS, Digest, PERSON, number};
use crate::run::{RunWriter, Written};
use crate::verify::verify_now;

const DIGEST: &str = "digest";
const BATCH_ROWS: usize = 64 * 1024;

/// The columns of the index.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(DIGEST, DataType::Binary, true),
        Field::new(PERSON, DataType::Int64, false),
    ]))
}

/// The persons of one bucket.
pub(crate) struct BucketIndex {
    bucket: u32,
    known: HashMap<u128, i64, BuildHasherDefault<FirstBytes>>,
    next: i64,
    next_anonymous: i64,
    fresh: Vec<(u128, i64)>,
    fresh_anonymous: i64,
}

impl BucketIndex {
    /// Reads what earlier loads gave out.
    pub(crate) fn read(bucket: u32, folder: &Path, files: &[DataFile]) -> Result<Self, StoreError> {
        let mut index = Self {
            bucket,
            known: HashMap::default(),
            next: 0,
            next_anonymous: 0,
            fresh: Vec::new(),
            fresh_anonymous: 0,
        };
        for file in files.iter().filter(|file| file.bucket == bucket) {
            let path = verify_now(folder, file)?;
            index.read_file(&path).map_err(StoreError::parquet("read", &path))?;
        }
        Ok(index)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), parquet::errors::ParquetError> {
        let file = File::open(path)?;
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS).build()?;
        for batch in reader {
            let batch = batch?;
            let digests = batch.column(0).as_binary::<i32>();
            let persons = batch.column(1).as_primitive::<Int64Type>();
            for (digest, person) in digests.iter().zip(persons.values()) {
                let sequence = person & (ANONYMOUS - 1);
                match digest.and_then(|bytes| Digest::try_from(bytes).ok()) {
                    Some(digest) => {
                        self.known.insert(u128::from_le_bytes(digest), *person);
                        self.next = self.next.max(sequence + 1);
                    }
                    None => self.next_anonymous = self.next_anonymous.max(sequence + 1),
                }
            }
        }
        Ok(())
    }

    /// The number of a known person, if it has one.
    pub(crate) fn find(&self, digest: &Digest) -> Option<i64> {
        self.known.get(&u128::from_le_bytes(*digest)).copied()
    }

    /// The number of a person, a new one if it has none yet.
    pub(crate) fn person(&mut self, digest: Option<&[u8]>) -> Result<i64, StoreError> {
        let Some(bytes) = digest else {
            let person = number(self.bucket, self.next_anonymous, true)?;
            self.next_anonymous += 1;
            self.fresh_anonymous += 1;
            return Ok(person);
        };
        let digest =
            Digest::try_from(bytes).map_err(|_| StoreError::Internal("reading a digest"))?;
        let digest = u128::from_le_bytes(digest);
        if let Some(person) = self.known.get(&digest) {
            return Ok(*person);
        }
        let person = number(self.bucket, self.next, false)?;
        self.next += 1;
        self.known.insert(digest, person);
        self.fresh.push((digest, person));
        Ok(person)
    }

    pub(crate) fn fresh_persons(&self) -> u64 {
        self.fresh.len() as u64
    }

    pub(crate) fn fresh_anonymous(&self) -> u64 {
        u64::try_from(self.fresh_anonymous).unwrap_or(0)
    }

    /// Writes down the numbers given out since it was read.
    pub(crate) fn write(mut self, path: &Path) -> Result<Option<Written>, StoreError> {
        if self.fresh.is_empty() && self.fresh_anonymous == 0 {
            return Ok(None);
        }
        self.fresh.sort_unstable();
        let mut writer = RunWriter::create(path, &schema(), properties())?;
        for entries in self.fresh.chunks(BATCH_ROWS) {
            let digests: BinaryArray =
                entries.iter().map(|(digest, _)| Some(digest.to_le_bytes())).collect();
            writer.write(&batch(digests, entries.iter().map(|(_, person)| *person).collect())?)?;
        }
        if self.fresh_anonymous > 0 {
            let last = number(self.bucket, self.next_anonymous - 1, true)?;
            writer.write(&batch(BinaryArray::from_opt_vec(vec![None]), vec![last])?)?;
        }
        writer.finish(&schema(), self.bucket).map(Some)
    }
}

fn batch(digests: BinaryArray, persons: Vec<i64>) -> Result<RecordBatch, StoreError> {
    let columns: Vec<ArrayRef> = vec![Arc::new(digests), Arc::new(Int64Array::from(persons))];
    RecordBatch::try_new(schema(), columns)
        .map_err(|_| StoreError::Internal("writing the person index"))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_column_encoding(ColumnPath::from(PERSON), Encoding::DELTA_BINARY_PACKED)
        // Statistics of digests say nothing.
        .set_statistics_enabled(EnabledStatistics::None)
        .build()
}

/// Digests are as even as a hash already: their first bytes will do.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut first = [0; 8];
        let length = bytes.len().min(8);
        first[..length].copy_from_slice(&bytes[..length]);
        self.0 = u64::from_le_bytes(first);
    }

    fn write_u128(&mut self, digest: u128) {
        // The low bytes chose the bucket, so they are alike here.
        self.0 = (digest >> 64) as u64;
    }
}
