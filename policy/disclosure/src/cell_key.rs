//! The cell-key method of the ONS, as its package `cell-key-perturbation` 3.1.0 does it: decides by which
//! amount a count is changed, from the count and the keys of the records behind it.
//!
//! Every record has a fixed key; the key of a cell is the sum of them, modulo the number of cell keys. Here
//! that sum comes in. The threshold, which this method applies after the change, is the caller's.

#[cfg(test)]
mod tests;

/// A table has rows for the counts 1 to this. Larger counts use the last [`REUSED_ROWS`] in turn.
const ROWS: u64 = 750;
const REUSED_ROWS: u64 = 250;

/// A perturbation table: by row (`pcv`) and cell key, what is added to a count (`pvalue`).
#[derive(Debug)]
pub(crate) struct PerturbationTable {
    /// The row of count 1 first. The last row stands for all later ones. Runs are in order of their keys
    /// and leave no gap.
    rows: Vec<Vec<Run>>,
    cell_keys: u64,
}

/// Neighbouring cell keys with the same change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// The row, from 1.
    pub(crate) pcv: u64,
    /// First and last cell key.
    pub(crate) keys: (u64, u64),
    /// What is added to the count, in units of the count.
    pub(crate) pvalue: i64,
}

/// Why runs are no table. The package reads a gap as no change; here it is an error, since a count would
/// pass as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    #[error("a perturbation table has no rows")]
    Empty,
    #[error("row {0} is none of a perturbation table, whose rows are 1 to {ROWS}")]
    Row(u64),
    #[error("in row {0} the cell keys do not follow each other from 0 to the last")]
    Keys(u64),
}

impl PerturbationTable {
    /// The shipped rule "10-5": nothing below 10, else the nearest multiple of 5, whatever the cell key.
    /// This is rounding, not noise.
    pub(crate) fn ten_five() -> Self {
        let rows = (1..).zip(1..=ROWS).map(|(count, pcv)| {
            let pvalue = match (count, count % 5) {
                (..10, _) => -count,
                (_, rest @ ..3) => -rest,
                (_, rest) => 5 - rest,
            };
            vec![Run { pcv, keys: (0, 255), pvalue }]
        });
        Self { rows: rows.collect(), cell_keys: 256 }
    }

    /// A table from runs in any order. Rows after the last that is given are as that one.
    ///
    /// # Errors
    /// When a row before the last is missing, or the keys of a row overlap or leave out some.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tables of the goldens; the profile uses the shipped one")
    )]
    pub(crate) fn from_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self, TableError> {
        let mut runs: Vec<Run> = runs.into_iter().collect();
        runs.sort_by_key(|run| (run.pcv, run.keys));
        let last_key = runs.iter().map(|run| run.keys.1).max().ok_or(TableError::Empty)?;
        let cell_keys = last_key.checked_add(1).ok_or(TableError::Keys(0))?;
        let mut rows: Vec<Vec<Run>> = Vec::new();
        for (pcv, row) in (1..).zip(runs.chunk_by(|one, other| one.pcv == other.pcv)) {
            let found = row.first().map_or(pcv, |run| run.pcv);
            if found != pcv || pcv > ROWS {
                return Err(TableError::Row(found));
            }
            let mut next = 0;
            for &Run { keys: (first, last), .. } in row {
                if first != next || last < first {
                    return Err(TableError::Keys(pcv));
                }
                next = last + 1;
            }
            if next != cell_keys {
                return Err(TableError::Keys(pcv));
            }
            rows.push(row.to_vec());
        }
        Ok(Self { rows, cell_keys })
    }

    /// How many cell keys there are: 256 in the shipped table. Record keys are below this.
    pub(crate) fn cell_keys(&self) -> u64 {
        self.cell_keys
    }

    /// The count as changed. `key` is the sum of the keys of the cell's records, or that modulo the number
    /// of cell keys. Nobody stays nobody.
    pub(crate) fn perturb(&self, count: u64, key: u64) -> i64 {
        let key = key % self.cell_keys;
        let row = row_of(count).and_then(|row| self.rows.get(row).or(self.rows.last()));
        let run = row.and_then(|row| row.iter().find(|run| key <= run.keys.1));
        let pvalue = run.map_or(0, |run| run.pvalue);
        i64::try_from(count).unwrap_or(i64::MAX).saturating_add(pvalue)
    }
}

/// The place in the table (`pcv` - 1) of a count; none of zero.
fn row_of(count: u64) -> Option<usize> {
    let before = count.checked_sub(1)?;
    let place = if count <= ROWS { before } else { before % REUSED_ROWS + ROWS - REUSED_ROWS };
    usize::try_from(place).ok()
}
