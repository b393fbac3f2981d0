//! Writes the population to Parquet files: the truth to compare answers with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use cordon_catalogue::{Catalogue, TableName};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::error::SyntheticError;
use crate::population::Population;

/// Rows of one row group: what bounds the memory of the writer.
const ROWS_PER_GROUP: usize = 65_536;

/// Writes one file for each table about people, `hes.apc.parquet` and so on, with `pseudo_hesid`. Tells
/// `progress` how many blocks are done, and how many there are over all tables. Returns the files.
pub fn write_parquet(
    population: &Population,
    catalogue: &Catalogue,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<PathBuf>, SyntheticError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SyntheticError::Io { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let all = population.blocks() * Population::tables().len() as u64;
    let mut done = 0;
    let mut paths = Vec::new();
    for name in Population::tables() {
        let undescribed = || SyntheticError::Undescribed((*name).to_owned());
        let table: TableName = name.parse().map_err(|_| undescribed())?;
        let description = catalogue.table(&table).ok_or_else(undescribed)?;
        let path = dir.join(format!("{name}.parquet"));
        let file = File::create(&path).map_err(failed(&path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .build();
        #[expect(clippy::disallowed_methods, reason = "made-up people, nobody's rows")]
        let mut writer = ArrowWriter::try_new(file, description.schema(), Some(properties))?;
        for block in 0..population.blocks() {
            writer.write(&population.block(catalogue, &table, block)?)?;
            done += 1;
            progress(done, all);
        }
        writer.close()?;
        paths.push(path);
    }
    Ok(paths)
}
