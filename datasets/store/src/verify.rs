//! Every file is compared with its digest once per process, before anything is decoded: Parquet and Arrow
//! may panic on bad bytes, and a bit that flipped in a figure would go unnoticed. What its footer says is kept: it is
//! long where a table has some hundred columns, and short questions read little else.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_schema::Schema;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    DefaultParquetFileReaderFactory, ParquetFileReaderFactory as _,
};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::StoreError;
use crate::log::DataFile;
use crate::scan::coded_field;

const PIECE_BYTES: u64 = 4 << 20;

/// Remembers which files were compared.
#[derive(Debug)]
pub(crate) struct Verifier {
    objects: Arc<dyn ObjectStore>,
    seen: Mutex<HashMap<ObjectPath, Arc<OnceCell<Arc<Footer>>>>>,
}

/// What the footer of a file says of its columns.
#[derive(Debug)]
pub(crate) struct Footer {
    plain: ArrowReaderMetadata,
    /// The same with texts of few values as codes.
    coded: OnceLock<ArrowReaderMetadata>,
}

impl Footer {
    pub(crate) fn plain(&self) -> &ArrowReaderMetadata {
        &self.plain
    }

    /// With texts as codes where `has_few` says so, which it says of the same columns every time.
    pub(crate) fn with_codes(
        &self,
        has_few: &dyn Fn(&str) -> bool,
    ) -> Result<&ArrowReaderMetadata, ParquetError> {
        if let Some(coded) = self.coded.get() {
            return Ok(coded);
        }
        let fields = self.plain.schema().fields().iter().map(|field| match has_few(field.name()) {
            true => coded_field(field),
            false => Arc::clone(field),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let coded = ArrowReaderMetadata::try_new(Arc::clone(self.plain.metadata()), options)?;
        Ok(self.coded.get_or_init(|| coded))
    }
}

impl Verifier {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, seen: Mutex::default() }
    }

    /// The footer of a file, which is compared with its digest unless that was done before.
    pub(crate) async fn footer(
        &self,
        location: &ObjectPath,
        file: &DataFile,
    ) -> Result<Arc<Footer>, StoreError> {
        let cell = Arc::clone(self.seen.lock().entry(location.clone()).or_default());
        let read = async || {
            self.compare(location, file).await?;
            let problem = "it is not a Parquet file";
            let damaged = || StoreError::Damaged { file: location.to_string(), problem };
            let mut reader = self.reader(location, file).map_err(|_| damaged())?;
            let footer =
                ParquetMetaDataReader::new().with_metadata_options(Some(without_statistics()));
            let footer = footer.load_and_finish(&mut reader, file.bytes).await;
            let footer = Arc::new(footer.map_err(|_| damaged())?);
            let plain = ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new());
            let plain = plain.map_err(|_| damaged())?;
            Ok(Arc::new(Footer { plain, coded: OnceLock::new() }))
        };
        cell.get_or_try_init(read).await.cloned()
    }

    /// Reads pages of a file.
    pub(crate) fn reader(
        &self,
        location: &ObjectPath,
        file: &DataFile,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader>> {
        let named = PartitionedFile::new(location.clone(), file.bytes);
        let metrics = ExecutionPlanMetricsSet::new();
        let objects = Arc::clone(&self.objects);
        let readers = DefaultParquetFileReaderFactory::new(objects);
        Ok(readers.create_reader(0, named, None, &metrics)?)
    }

    async fn compare(&self, location: &ObjectPath, file: &DataFile) -> Result<(), StoreError> {
        let damaged = |problem| StoreError::Damaged { file: location.to_string(), problem };
        let found = self.objects.head(location).await.map_err(|_| damaged("it cannot be found"))?;
        if found.size != file.bytes {
            return Err(damaged("its size is not what was written"));
        }
        let mut hash = Sha256::new();
        let mut from = 0;
        while from < file.bytes {
            let to = (from + PIECE_BYTES).min(file.bytes);
            let piece = self.objects.get_range(location, from..to).await;
            hash.update(&piece.map_err(|_| damaged("it cannot be read"))?);
            from = to;
        }
        match hex::encode(hash.finalize()) == file.sha256 {
            true => Ok(()),
            false => Err(damaged("its content is not what was written")),
        }
    }
}

/// Nothing is left out by what statistics say, since how long a question takes would tell of rows. Of tables with a hundred
/// columns they are most of a footer.
fn without_statistics() -> ParquetMetaDataOptions {
    ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
}

/// The same for a file about to be read by a thread of ours.
pub(crate) fn verify_now(folder: &Path, file: &DataFile) -> Result<PathBuf, StoreError> {
    let path = folder.join(&file.path);
    match sha256_of(&path)? == file.sha256 {
        true => Ok(path),
        false => {
            let problem = "its content is not what was written";
            Err(StoreError::Damaged { file: path.display().to_string(), problem })
        }
    }
}

/// The digest of a whole file.
pub(crate) fn sha256_of(path: &Path) -> Result<String, StoreError> {
    let mut file = File::open(path).map_err(StoreError::disk("open", path))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(StoreError::disk("read", path))?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}
