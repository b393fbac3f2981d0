//! Writing one Parquet file of ours: how columns are encoded, the digest, Delta's statistics.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use cordon_catalogue::Class;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::layout::Layout;
use crate::log::DataFile;
use crate::person::{PERSON, WEIGHT};

/// Rows of a row group. Fewer take less memory while they are written; each is described for every column in a footer that
/// stays in memory, and has dictionaries of its own.
const ROW_GROUP_ROWS: usize = 512 * 1024;
/// Delta indexes this many columns; more would only make the log longer.
const COUNTED_COLUMNS: usize = 32;

/// A Parquet file while it is being written.
pub(crate) struct RunWriter {
    path: PathBuf,
    writer: ArrowWriter<HashingFile>,
    rows: u64,
    persons: Option<(i64, i64)>,
    nulls: Vec<u64>,
}

impl RunWriter {
    pub(crate) fn create(
        path: &Path,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, StoreError> {
        let file = File::create_new(path).map_err(StoreError::disk("write", path))?;
        let file = HashingFile {
            file: BufWriter::with_capacity(1 << 20, file),
            hash: Sha256::new(),
            bytes: 0,
        };
        #[expect(clippy::disallowed_methods, reason = "files of the store, never an answer")]
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
            .map_err(StoreError::parquet("written", path))?;
        let nulls = vec![0; schema.fields().len().min(COUNTED_COLUMNS)];
        Ok(Self { path: path.to_owned(), writer, rows: 0, persons: None, nulls })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        self.rows += batch.num_rows() as u64;
        for (count, column) in self.nulls.iter_mut().zip(batch.columns()) {
            *count += column.null_count() as u64;
        }
        if let Some(persons) = batch.column_by_name(PERSON) {
            for person in persons.as_primitive::<Int64Type>().values() {
                let (low, high) = self.persons.get_or_insert((*person, *person));
                *low = (*low).min(*person);
                *high = (*high).max(*person);
            }
        }
        self.writer.write(batch).map_err(StoreError::parquet("written", &self.path))
    }

    /// Makes the file durable, still under its first name.
    pub(crate) fn finish(self, schema: &SchemaRef, bucket: u32) -> Result<Written, StoreError> {
        let statistics = self.statistics(schema);
        let Self { path, writer, rows, .. } = self;
        let file = writer.into_inner().map_err(StoreError::parquet("written", &path))?;
        let HashingFile { file, hash, bytes } = file;
        let synced =
            file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|f| f.sync_all());
        synced.map_err(StoreError::disk("write", &path))?;
        let sha256 = hex::encode(hash.finalize());
        Ok(Written {
            file: DataFile { path: String::new(), bytes, rows, bucket, sha256, statistics },
            path,
        })
    }

    fn statistics(&self, schema: &SchemaRef) -> String {
        let names = schema.fields().iter().map(|field| field.name().clone());
        let nulls: serde_json::Map<_, _> =
            names.zip(self.nulls.iter().map(|n| (*n).into())).collect();
        let bound = |value: Option<i64>| {
            value
                .map_or_else(|| serde_json::json!({}), |value| serde_json::json!({ PERSON: value }))
        };
        serde_json::json!({
            "numRecords": self.rows,
            "minValues": bound(self.persons.map(|(low, _)| low)),
            "maxValues": bound(self.persons.map(|(_, high)| high)),
            "nullCount": nulls,
        })
        .to_string()
    }
}

/// A file that is durable but not yet under its final name.
pub(crate) struct Written {
    path: PathBuf,
    file: DataFile,
}

impl Written {
    /// Gives the file its final name in the folder of its table.
    pub(crate) fn publish(mut self, folder: &Path, name: String) -> Result<DataFile, StoreError> {
        crate::disk::publish(&self.path, &folder.join(&name))?;
        self.file.path = name;
        Ok(self.file)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.file.rows
    }
}

/// How the columns of a table are encoded. Codes repeat, so dictionaries; person numbers grow, so deltas;
/// keys do neither.
pub(crate) fn properties(layout: &Layout) -> Result<WriterProperties, StoreError> {
    let level =
        ZstdLevel::try_new(1).map_err(|_| StoreError::Internal("choosing a compression"))?;
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("cordon".to_owned());
    for column in &layout.table.columns {
        let path = ColumnPath::from(column.name.as_str());
        let unique = column.class == Class::RecordKey;
        builder = match column.data_type {
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 => {
                builder.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
            }
            _ => builder,
        };
        builder = builder.set_column_dictionary_enabled(path, !unique);
    }
    let Some(clustered) = &layout.clustered else { return Ok(builder.build()) };
    let person = ColumnPath::from(PERSON);
    let date = ColumnPath::from(layout.stored.field(clustered.date).name().as_str());
    let place = |column: usize| i32::try_from(column).unwrap_or(i32::MAX);
    let sorted = |column, nulls_first| SortingColumn {
        column_idx: place(column),
        descending: false,
        nulls_first,
    };
    Ok(builder
        .set_column_dictionary_enabled(person.clone(), false)
        .set_column_encoding(person.clone(), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(ColumnPath::from(WEIGHT), true)
        .set_column_statistics_enabled(person, EnabledStatistics::Page)
        .set_column_statistics_enabled(date, EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![sorted(0, false), sorted(clustered.date, false)]))
        .build())
}

/// Hashes what it writes.
struct HashingFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for HashingFile {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let written = self.file.write(content)?;
        self.hash.update(&content[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
