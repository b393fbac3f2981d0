//! The synthetic country and its people: same bytes from the same seed, coherent lives, plausible rates, codes
//! that the catalogue knows.

mod codes;
mod coherence;
mod rates;
mod world;

use anyhow::{Context, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type};
use arrow_array::{Array, RecordBatch};
use cordon_catalogue::{Catalogue, TableName};

use crate::Population;
use crate::calendar::{NO_DATE, civil, day};

/// One block, by column name.
struct Table(RecordBatch);

impl Table {
    fn block(population: &Population, name: &str, block: u64) -> Result<Self> {
        let name: TableName = name.parse()?;
        Ok(Self(population.block(&Catalogue::built_in()?, &name, block)?))
    }

    fn all(population: &Population, name: &str) -> Result<Vec<Self>> {
        (0..population.blocks()).map(|b| Self::block(population, name, b)).collect()
    }

    fn rows(&self) -> std::ops::Range<usize> {
        0..self.0.num_rows()
    }

    fn column(&self, name: &str) -> &dyn Array {
        self.0.column_by_name(name).unwrap_or_else(|| panic!("no column `{name}`")).as_ref()
    }

    fn text(&self, name: &str, row: usize) -> Option<&str> {
        let column = self.column(name).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row))
    }

    fn int(&self, name: &str, row: usize) -> Option<i32> {
        let column = self.column(name).as_primitive::<Int32Type>();
        column.is_valid(row).then(|| column.value(row))
    }

    fn float(&self, name: &str, row: usize) -> Option<f64> {
        let column = self.column(name).as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    }

    /// A date, unless it is null or stands for none.
    fn date(&self, name: &str, row: usize) -> Option<i32> {
        let column = self.column(name).as_primitive::<Date32Type>();
        column.is_valid(row).then(|| column.value(row)).filter(|&d| d != NO_DATE)
    }
}

/// FNV-1a over all values of a batch, in a form that does not depend on how Arrow lays them out.
fn fingerprint(batch: &RecordBatch) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let schema = batch.schema();
    let mut columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
    // Neither the order of the columns nor those that are not made count: they are the catalogue's.
    columns.retain(|(_, column)| column.null_count() < column.len());
    columns.sort_by_key(|(field, _)| field.name());
    for (field, column) in columns {
        eat(field.name().as_bytes());
        for row in 0..column.len() {
            eat(&[u8::from(column.is_null(row))]);
        }
        if let Some(text) = column.as_string_opt::<i32>() {
            text.iter().flatten().for_each(|value| {
                eat(value.as_bytes());
                eat(&[0]);
            });
        } else if let Some(numbers) = column.as_primitive_opt::<Int32Type>() {
            numbers.iter().flatten().for_each(|value| eat(&value.to_le_bytes()));
        } else if let Some(dates) = column.as_primitive_opt::<Date32Type>() {
            dates.iter().flatten().for_each(|value| eat(&value.to_le_bytes()));
        } else if let Some(decimals) = column.as_primitive_opt::<Float64Type>() {
            decimals.iter().flatten().for_each(|value| eat(&value.to_bits().to_le_bytes()));
        }
    }
    hash
}

/// The figures change whenever what is generated changes: say so in the change log, for demos and published
/// examples change with them.
#[test]
fn a_seed_makes_the_same_bytes_everywhere() -> Result<()> {
    let population = Population::new(500, 7);
    let apc = Table::block(&population, "hes.apc", 0)?.0;
    let op = Table::block(&population, "hes.op", 0)?.0;
    let ae = Table::block(&population, "hes.ae", 0)?.0;
    assert_eq!(
        (apc.num_rows(), fingerprint(&apc), op.num_rows(), fingerprint(&op)),
        (1_251, 2_210_105_406_653_301_474, 4_003, 12_607_874_979_720_874_116)
    );
    assert_eq!((ae.num_rows(), fingerprint(&ae)), (1_194, 10_052_656_812_588_953_850));
    Ok(())
}

#[test]
fn another_seed_makes_other_people() -> Result<()> {
    let ours = Table::block(&Population::new(200, 7), "hes.apc", 0)?;
    let theirs = Table::block(&Population::new(200, 8), "hes.apc", 0)?;
    assert_ne!(fingerprint(&ours.0), fingerprint(&theirs.0));
    assert_ne!(ours.text("pseudo_hesid", 0), theirs.text("pseudo_hesid", 0));
    Ok(())
}

#[test]
fn a_person_does_not_depend_on_how_many_there_are() -> Result<()> {
    let few = Table::block(&Population::new(4_096, 7), "hes.op", 0)?;
    let many = Table::block(&Population::new(50_000, 7), "hes.op", 0)?;
    assert_eq!(fingerprint(&few.0), fingerprint(&many.0));
    Ok(())
}

#[test]
fn blocks_hold_everybody_once_and_stay_small() -> Result<()> {
    let population = Population::new(10_000, 3);
    assert_eq!(population.blocks(), 3);
    for name in Population::tables() {
        let mut seen = std::collections::BTreeSet::new();
        for block in 0..population.blocks() {
            let table = Table::block(&population, name, block)?;
            assert!(table.0.get_array_memory_size() < 64 << 20, "{name} block {block}");
            let people: std::collections::BTreeSet<String> = table
                .rows()
                .filter_map(|row| table.text("pseudo_hesid", row).map(str::to_owned))
                .collect();
            assert!(people.len() > 500);
            let before = seen.len();
            seen.extend(people.iter().cloned());
            assert_eq!(seen.len(), before + people.len(), "a person stands in two blocks");
        }
        assert_eq!(Table::block(&population, name, 3)?.0.num_rows(), 0);
    }
    Ok(())
}

#[test]
fn batches_have_the_described_schema() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    for name in Population::tables() {
        let table: TableName = name.parse()?;
        let described = catalogue.table(&table).context("described")?.schema();
        assert_eq!(Population::new(50, 1).block(&catalogue, &table, 0)?.schema(), described);
    }
    let unknown = Population::new(50, 1).block(&catalogue, &"hes.nothing".parse()?, 0);
    assert!(unknown.is_err());
    Ok(())
}

#[test]
fn parquet_files_hold_the_same_rows() -> Result<()> {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let dir = tempfile::tempdir()?;
    let population = Population::new(300, 5);
    let mut last = (0, 0);
    let paths = crate::write_parquet(
        &population,
        &Catalogue::built_in()?,
        dir.path(),
        &mut |done, all| {
            last = (done, all);
        },
    )?;
    assert_eq!(last, (3, 3));
    for (name, path) in Population::tables().iter().zip(paths) {
        assert_eq!(path.file_name(), Some(format!("{name}.parquet").as_ref()));
        let file = std::fs::File::open(path)?;
        let mut reader =
            ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(1 << 20).build()?;
        let read = reader.next().context("a batch")??;
        assert_eq!(fingerprint(&read), fingerprint(&Table::block(&population, name, 0)?.0));
    }
    Ok(())
}

#[test]
fn dates_go_there_and_back() {
    assert_eq!(day(1970, 1, 1), 0);
    assert_eq!(day(2000, 3, 1), 11_017);
    assert_eq!(NO_DATE, -62_091);
    for number in -63_000..30_000 {
        let (year, month, date) = civil(number);
        assert_eq!(day(year, month, date), number);
    }
}
