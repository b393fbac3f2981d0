//! Batches cut so that no person is in two of them.

use std::collections::VecDeque;

use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, cast::AsArray as _};
use arrow_select::concat::concat_batches;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;

/// Rows of whole persons, in the order of persons.
pub(super) struct Chunk {
    pub(super) batch: RecordBatch,
    /// Of each row: the person, and for a row without one the last person before it.
    pub(super) persons: Vec<i64>,
}

/// Cuts a stream whose rows are in the order of persons. A column that holds null for some persons orders the others.
pub(super) struct Chunks {
    rows: SendableRecordBatchStream,
    person: usize,
    last: i64,
    /// Rows of the last person so far.
    open: Vec<RecordBatch>,
    ready: VecDeque<Chunk>,
    done: bool,
}

impl Chunks {
    pub(super) fn new(rows: SendableRecordBatchStream, person: usize) -> Self {
        let (open, ready) = (Vec::new(), VecDeque::new());
        Self { rows, person, last: i64::MIN, open, ready, done: false }
    }

    /// The next rows; none at their end.
    ///
    /// # Errors
    /// That of the stream, or when persons are not in order.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            if self.done {
                return Ok(None);
            }
            match self.rows.next().await {
                Some(batch) => self.cut(&batch?)?,
                None => {
                    self.done = true;
                    self.close()?;
                }
            }
        }
    }

    fn persons(&mut self, batch: &RecordBatch) -> Result<Vec<i64>> {
        let column = batch.columns().get(self.person);
        let Some(column) = column.and_then(|c| c.as_primitive_opt::<Int64Type>()) else {
            return internal_err!("a person is an Int64");
        };
        floors(column, &mut self.last)
    }

    fn cut(&mut self, batch: &RecordBatch) -> Result<()> {
        let before = self.last;
        let persons = self.persons(batch)?;
        let Some(last) = persons.last() else { return Ok(()) };
        // The last person may have more rows, and the one before this batch may have some here.
        let open_from = persons.partition_point(|person| person < last);
        let rest_from = match self.open.is_empty() {
            true => 0,
            false => persons.partition_point(|person| *person <= before),
        };
        if rest_from > 0 {
            self.open.push(batch.slice(0, rest_from));
        }
        if rest_from == persons.len() {
            return Ok(());
        }
        self.close()?;
        if rest_from < open_from {
            let batch = batch.slice(rest_from, open_from - rest_from);
            let persons = persons.get(rest_from..open_from).unwrap_or_default().to_vec();
            self.ready.push_back(Chunk { batch, persons });
        }
        let open_from = open_from.max(rest_from);
        self.open.push(batch.slice(open_from, persons.len() - open_from));
        Ok(())
    }

    /// The last person is complete.
    fn close(&mut self) -> Result<()> {
        let open = std::mem::take(&mut self.open);
        let batch = match open.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            [first, ..] => concat_batches(&first.schema(), &open)?,
        };
        let mut last = i64::MIN;
        let column = batch.columns().get(self.person);
        let Some(column) = column.and_then(|c| c.as_primitive_opt::<Int64Type>()) else {
            return internal_err!("a person is an Int64");
        };
        let persons = floors(column, &mut last)?;
        self.ready.push_back(Chunk { batch, persons });
        Ok(())
    }
}

/// For each row the greatest person up to it, which is its own where it has one.
fn floors(column: &Int64Array, last: &mut i64) -> Result<Vec<i64>> {
    let mut persons = Vec::with_capacity(column.len());
    for (row, person) in column.values().iter().enumerate() {
        if column.is_valid(row) {
            if *person < *last {
                return internal_err!("persons out of order");
            }
            *last = *person;
        }
        persons.push(*last);
    }
    Ok(persons)
}
