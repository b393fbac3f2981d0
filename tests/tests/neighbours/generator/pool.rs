//! Numbers that follow from a seed, and what statements are made of: columns and their values.

use anyhow::{Context as _, Result};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use cordon_catalogue::Class;
use cordon_tests::World;
use datafusion::datasource::MemTable;
use futures::executor::block_on;

/// Numbers that follow from a seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// In so many of a hundred cases.
    pub(crate) fn once_in(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// A column with values that occur in it; those of the people in whom the houses differ come first.
pub(super) struct Column {
    pub(super) name: String,
    values: Vec<String>,
    targets: usize,
}

/// The columns of a table by what can be done with them.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Its record key.
    pub(super) record: &'static str,
    pub(super) codes: Vec<Column>,
    pub(super) numbers: Vec<Column>,
    pub(super) dates: Vec<Column>,
}

/// What statements are made of.
pub(crate) struct Pool(pub(super) Vec<Table>);

/// Of each column at most so many values.
const VALUES: usize = 12;

impl Pool {
    pub(crate) fn of(world: &World, targets: &[String]) -> Result<Self> {
        let mut tables = Vec::new();
        for (name, record) in [("hes.apc", "epikey"), ("hes.op", "attendkey"), ("hes.ae", "aekey")]
        {
            let described = world.engine.catalogue().table(&name.parse()?).context("a table")?;
            let provider = block_on(world.truth.table_provider(name))?;
            let rows = provider.downcast_ref::<MemTable>().context("rows in memory")?;
            let mut batches = Vec::new();
            for part in &rows.batches {
                batches.extend(block_on(part.read()).iter().cloned());
            }
            let mut table = Table { name, record, codes: vec![], numbers: vec![], dates: vec![] };
            for column in &described.columns {
                let values = values(&batches, column.name.as_str(), targets)?;
                if values.values.is_empty() {
                    continue;
                }
                let text = matches!(column.data_type, DataType::Utf8);
                match (&column.data_type, column.class) {
                    (_, Class::Pseudonym | Class::RecordKey | Class::DirectIdentifier) => {}
                    (DataType::Date32, _) => table.dates.push(values),
                    _ if text && column.groupable => table.codes.push(values),
                    _ if !text && column.bounds.is_some() => table.numbers.push(values),
                    _ => {}
                }
            }
            tables.push(table);
        }
        Ok(Self(tables))
    }
}

fn values(batches: &[RecordBatch], name: &str, targets: &[String]) -> Result<Column> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for batch in batches {
        let Some(column) = batch.column_by_name(name) else { continue };
        let people = batch.column_by_name("pseudo_hesid").context("people")?;
        let options = FormatOptions::default();
        let (values, people) = (
            ArrayFormatter::try_new(column, &options)?,
            ArrayFormatter::try_new(people, &options)?,
        );
        for row in (0..batch.num_rows()).filter(|row| column.is_valid(*row)) {
            let value = values.value(row).to_string();
            let list = if targets.contains(&people.value(row).to_string()) {
                &mut own
            } else {
                &mut others
            };
            if list.len() < VALUES && !list.contains(&value) {
                list.push(value);
            }
        }
    }
    let targets = own.len();
    own.append(&mut others);
    Ok(Column { name: name.to_owned(), values: own, targets })
}

/// A column of the row called `alias`, and one of its values.
pub(super) struct Picked<'a> {
    pub(super) column: &'a Column,
    pub(super) alias: &'a str,
}

impl Picked<'_> {
    pub(super) fn text(&self) -> String {
        format!("{}.{}", self.alias, self.column.name)
    }

    /// A value, mostly of the people in whom the houses differ.
    pub(super) fn value(&self, draw: &mut Draw) -> (String, bool) {
        let targets = self.column.targets;
        let own = targets > 0 && draw.once_in(60);
        let place = if own { draw.below(targets) } else { draw.below(self.column.values.len()) };
        (self.column.values[place].replace('\'', "''"), own)
    }
}
