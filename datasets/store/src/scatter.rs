//! Rows go to their buckets; what does not fit into memory goes to one spill file per bucket.
//!
//! Spill files lie inside the store, hold digests and no pseudonyms, and are gone when the load is. They are compressed:
//! 100 million episodes are more than 60 GB otherwise.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch, UInt32Array};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use crate::StoreError;
use crate::person::{Digest, bucket_of_digest};

/// Takes staged rows of a protected table and keeps them by bucket.
pub(crate) struct Scatter {
    schema: SchemaRef,
    folder: PathBuf,
    parts: Vec<Part>,
    held: usize,
    memory: usize,
    anonymous: u32,
}

/// The rows of one bucket.
#[derive(Default)]
pub(crate) struct Part {
    spill: Option<(PathBuf, StreamWriter<BufWriter<File>>)>,
    held: Vec<RecordBatch>,
    pub(crate) rows: u64,
}

impl Scatter {
    pub(crate) fn new(schema: &SchemaRef, folder: &Path, buckets: u32, memory: usize) -> Self {
        Self {
            schema: SchemaRef::clone(schema),
            folder: folder.to_owned(),
            parts: (0..buckets).map(|_| Part::default()).collect(),
            held: 0,
            memory,
            anonymous: 0,
        }
    }

    pub(crate) fn add(&mut self, staged: &RecordBatch) -> Result<(), StoreError> {
        let buckets = self.parts.len() as u32;
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.parts.len()];
        let digests = staged.column(0).as_fixed_size_binary();
        for row in 0..staged.num_rows() {
            let digest = digests.is_valid(row).then(|| Digest::try_from(digests.value(row)));
            let bucket = match digest {
                Some(Ok(digest)) => bucket_of_digest(&digest, buckets),
                // Records without a pseudonym are dealt out in turn.
                _ => {
                    self.anonymous = (self.anonymous + 1) % buckets;
                    self.anonymous
                }
            };
            rows[bucket as usize].push(row as u32);
        }
        for (part, rows) in self.parts.iter_mut().zip(rows) {
            if !rows.is_empty() {
                part.rows += rows.len() as u64;
                let taken =
                    take_record_batch(staged, &UInt32Array::from(rows)).map_err(gone_wrong)?;
                self.held += taken.get_array_memory_size();
                part.held.push(taken);
            }
        }
        if self.held > self.memory { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        for (bucket, part) in
            self.parts.iter_mut().enumerate().filter(|(_, part)| !part.held.is_empty())
        {
            let rows = concat_batches(&self.schema, &part.held).map_err(gone_wrong)?;
            part.held.clear();
            if part.spill.is_none() {
                let path = self.folder.join(format!("bucket-{bucket}.arrow"));
                let writer = create_spill(&path, &self.schema)?;
                part.spill = Some((path, writer));
            }
            if let Some((path, writer)) = &mut part.spill {
                writer.write(&rows).map_err(|error| spilling(path, error))?;
            }
        }
        self.held = 0;
        Ok(())
    }

    /// The buckets that have rows.
    pub(crate) fn finish(self) -> Vec<(u32, Part)> {
        (0..).zip(self.parts).filter(|(_, part)| part.rows > 0).collect()
    }
}

impl Part {
    /// All rows in the order in which they came.
    pub(crate) fn into_batches(
        self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>>, StoreError> {
        let spilled = match self.spill {
            Some((path, mut writer)) => {
                writer.finish().map_err(|error| spilling(&path, error))?;
                drop(writer);
                Some(read_spill(&path)?)
            }
            None => None,
        };
        Ok(spilled.into_iter().flatten().chain(self.held.into_iter().map(Ok)))
    }
}

fn create_spill(
    path: &Path,
    schema: &SchemaRef,
) -> Result<StreamWriter<BufWriter<File>>, StoreError> {
    let file = File::create_new(path).map_err(StoreError::disk("write", path))?;
    #[expect(clippy::disallowed_methods, reason = "files of the store, never an answer")]
    let writer =
        IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).and_then(
            |options| StreamWriter::try_new_with_options(BufWriter::new(file), schema, options),
        );
    writer.map_err(|error| spilling(path, error))
}

/// Writes batches to a spill file.
pub(crate) fn write_spill(
    path: &Path,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, StoreError>>,
) -> Result<(), StoreError> {
    let mut writer = create_spill(path, schema)?;
    for batch in batches {
        writer.write(&batch?).map_err(|error| spilling(path, error))?;
    }
    writer.finish().map_err(|error| spilling(path, error))
}

/// Reads a spill file; it is removed at once, so that nothing is left behind.
pub(crate) fn read_spill(
    path: &Path,
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<>, StoreError> {
    let file = File::open(path).map_err(StoreError::disk("open", path))?;
    std::fs::remove_file(path).map_err(StoreError::disk("remove", path))?;
    let reader =
        StreamReader::try_new(BufReader::new(file), None).map_err(|e| spilling(path, e))?;
    let path = path.to_owned();
    Ok(reader.map(move |batch| batch.map_err(|error| spilling(&path, error))))
}

fn spilling(path: &Path, error: ArrowError) -> StoreError {
    let source = match error {
        ArrowError::IoError(_, source) => source,
        _ => std::io::Error::other("the spill file cannot be used"),
    };
    StoreError::Disk { action: "spill to", path: path.to_owned(), source }
}

fn gone_wrong(_: ArrowError) -> StoreError {
    StoreError::Internal("putting rows in their buckets")
}
