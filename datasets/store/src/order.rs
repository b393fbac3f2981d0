//! Rows in storage order: by person, then by date with unknown dates last, then as they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch, UInt32Array};
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take;

use crate::StoreError;

/// Rows of a batch that is written or merged.
const OUT_ROWS: usize = 8 * 1024;

/// Which row comes first.
type Key = (i64, i64);

fn date_key(dates: &PrimitiveArray<Date32Type>, row: usize) -> i64 {
    if dates.is_null(row) { i64::MAX } else { i64::from(dates.value(row)) }
}

/// The order in which these rows are stored.
pub(crate) fn storage_order(persons: &[i64], dates: &dyn Array) -> UInt32Array {
    let dates = dates.as_primitive::<Date32Type>();
    let mut rows: Vec<(i64, i64, u32)> = (0u32..)
        .zip(persons)
        .map(|(row, person)| (*person, date_key(dates, row as usize), row))
        .collect();
    rows.sort_unstable();
    rows.into_iter().map(|(_, _, row)| row).collect::<Vec<_>>().into()
}

/// Columns in another order of rows.
pub(crate) fn reorder(
    columns: &[ArrayRef],
    order: &UInt32Array,
) -> Result<Vec<ArrayRef>, StoreError> {
    let taken = columns.iter().map(|column| take(column, order, None)).collect::<Result<_, _>>();
    taken.map_err(|_| StoreError::Internal("sorting rows"))
}

/// Batches of one sorted run.
pub(crate) type Run = Box<dyn Iterator<Item = Result<RecordBatch, StoreError>>>;

/// Merges sorted runs; `date` is the position of the date column, the person is the first column.
/// Equal rows keep the order of the runs.
pub(crate) fn merge(
    runs: Vec<Run>,
    date: usize,
    mut write: impl FnMut(RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut heads = Vec::with_capacity(runs.len());
    let mut queue = BinaryHeap::with_capacity(runs.len());
    for run in runs {
        if let Some(head) = Head::open(run, date)? {
            queue.push(Reverse((head.key(), heads.len())));
            heads.push(head);
        }
    }
    let mut pending: Vec<(usize, usize)> = Vec::with_capacity(OUT_ROWS);
    while let Some(Reverse((_, at))) = queue.pop() {
        let next = queue.peek().map(|Reverse(next)| *next);
        // As long as this run comes first there is nothing to compare but the runner-up.
        loop {
            pending.push((at, heads[at].row));
            heads[at].row += 1;
            let spent = heads[at].row == heads[at].batch.num_rows();
            if spent || pending.len() == OUT_ROWS {
                emit(&heads, &mut pending, &mut write)?;
            }
            if spent && !heads[at].next_batch()? {
                break;
            }
            let now = (heads[at].key(), at);
            if next.is_some_and(|next| next < now) {
                queue.push(Reverse(now));
                break;
            }
        }
    }
    emit(&heads, &mut pending, &mut write)
}

fn emit(
    heads: &[Head],
    pending: &mut Vec<(usize, usize)>,
    write: &mut impl FnMut(RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if pending.is_empty() {
        return Ok(());
    }
    let batches: Vec<&RecordBatch> = heads.iter().map(|head| &head.batch).collect();
    let merged = interleave_record_batch(&batches, pending);
    pending.clear();
    write(merged.map_err(|_| StoreError::Internal("merging runs"))?)
}

struct Head {
    rest: Run,
    date: usize,
    batch: RecordBatch,
    persons: Int64Array,
    dates: PrimitiveArray<Date32Type>,
    row: usize,
}

impl Head {
    fn open(mut rest: Run, date: usize) -> Result<Option<Self>, StoreError> {
        let Some(batch) = next_filled(&mut rest)? else { return Ok(None) };
        let (persons, dates) = keys(&batch, date);
        Ok(Some(Self { rest, date, batch, persons, dates, row: 0 }))
    }

    fn next_batch(&mut self) -> Result<bool, StoreError> {
        let Some(batch) = next_filled(&mut self.rest)? else { return Ok(false) };
        (self.persons, self.dates) = keys(&batch, self.date);
        self.batch = batch;
        self.row = 0;
        Ok(true)
    }

    fn key(&self) -> Key {
        (self.persons.value(self.row), date_key(&self.dates, self.row))
    }
}

fn next_filled(run: &mut Run) -> Result<Option<RecordBatch>, StoreError> {
    run.find(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0)).transpose()
}

fn keys(batch: &RecordBatch, date: usize) -> (Int64Array, PrimitiveArray<Date32Type>) {
    (
        batch.column(0).as_primitive::<Int64Type>().clone(),
        batch.column(date).as_primitive::<Date32Type>().clone(),
    )
}
