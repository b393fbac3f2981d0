//! What comes out of the engine: exact figures with the evidence that the rules read. Never leaves the process.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::groups::Groups;
use crate::{Fingerprint, Profile, Scope, Sketch};

/// Who asked what, as the ledger records it. The rules travel with the figures: they came with the
/// permit, so nobody can pair one agreement's figures with another agreement's rules.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query that this table is a part of.
    pub query_id: String,
    /// The signed-in analyst.
    pub analyst: String,
    /// The agreement the question was asked under.
    pub agreement: String,
    /// Under what it is charged: the agreements that follow one another have one meter.
    pub meter: String,
    /// Data lineage, opt-out rule and noise family: sets of people are remembered per scope.
    pub scope: Scope,
    /// Digest of the inner plan, the permit and the pinned versions: the same question again.
    pub fingerprint: Fingerprint,
    /// Figure columns times grouping sets: what the text can be charged for at most.
    pub tables: u64,
}

/// What a figure measures: one of the few canonical measures; all others are derived from released ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Distinct persons.
    Persons,
    /// Base rows: each person contributes its number of rows, no row is repeated by a join.
    Rows,
    /// A sum. Also counts of rows that a join may repeat, whose uncertainty must scale (I8).
    Total {
        /// Digits behind the point of the fixed-point figures: figure = value x 10^decimals.
        decimals: u8,
    },
}

/// One figure of one group with its evidence. All in fixed point, so that neither row order nor
/// partitions change a bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawCell {
    /// The exact figure (persons, rows, or the total in fixed point).
    pub figure: i128,
    /// Distinct persons who contribute to it.
    pub persons: u64,
    /// Largest absolute contribution of one person.
    pub largest: u128,
    /// Second largest; 0 when there is none.
    pub second: u128,
    /// T-th largest, T being the profile's threshold; 0 when fewer persons contribute.
    pub clip: u128,
    /// The figure with every person's contribution clipped to `clip` in absolute value.
    pub clipped: i128,
    /// The figure with every contribution limited to the larger of `clip` and the T-th part of the figure:
    /// only who makes up more than that of a cell is flattened. What counts of rows are read from.
    pub flattened: i128,
    /// The weights of these persons added up, see [`crate::HashedPerson::weight`].
    pub weight: i64,
    /// The clipped contributions, each times its person's weight, added up.
    pub weighted: i128,
    /// How even the contributions are: the squares of the clipped ones added up.
    pub squares: u128,
    /// Who contributes: each person once, with a contribution of 1.
    pub people: Sketch,
    /// Who contributes how much, before the clip. Whoever contributes 0 to a total is not in it: pads of zeros
    /// would make another set of the same people.
    pub sketch: Sketch,
    /// How many people are in `sketch`.
    pub contributors: u64,
    /// What a total may be limited to, the smallest first; empty for counts.
    pub heavy: Vec<Heavy>,
}

/// A power of two to which everybody's part of a total may be limited, and the people whose part is more than
/// half of it. Whether these are enough is decided as for any set of people, so that the limit tells of them
/// no more than their number would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heavy {
    /// The limit, in the figure's fixed point.
    pub limit: u128,
    /// How many people contribute more than half of it.
    pub persons: u64,
    /// Their weights added up.
    pub weight: i64,
    /// Who they are.
    pub people: Sketch,
    /// The figure with everybody's part limited.
    pub limited: i128,
    /// The limited parts, each times its person's weight, added up.
    pub weighted: i128,
    /// The squares of the limited parts added up.
    pub squares: u128,
}

impl RawCell {
    /// The count of these persons, as a cell of its own.
    pub fn of_people(&self) -> Self {
        let persons = i128::from(self.persons);
        let one = u128::from(self.persons > 0);
        Self {
            figure: persons,
            largest: one,
            second: u128::from(self.persons > 1),
            clip: one,
            clipped: persons,
            flattened: persons,
            weighted: i128::from(self.weight),
            squares: u128::from(self.persons),
            sketch: self.people,
            contributors: self.persons,
            heavy: Vec::new(),
            ..*self
        }
    }
}

/// The mean square over so many persons.
#[expect(clippy::cast_precision_loss, reason = "a spread needs few digits")]
pub(crate) fn mean_square(squares: u128, persons: u64) -> f64 {
    if persons == 0 { 0.0 } else { squares as f64 / persons as f64 }
}

/// Whose rows the groups of a table count, see [`RawAggregates::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// Each row is a base row, none is repeated: their number is the measure `rows`.
    Base,
    /// A join or union may repeat them: their number is a magnitude.
    Joined,
}

/// One measure over all groups of a table.
#[derive(Clone)]
pub struct RawMeasure {
    /// Column name in the released table.
    pub name: String,
    /// What it measures.
    pub measure: Measure,
    /// The most that one row can contribute to a total, in its fixed point, where that is public.
    pub most: Option<u128>,
    /// One per group, in the order of the keys. Measures of the same contributions share them.
    pub cells: Arc<Vec<RawCell>>,
}

/// Exact aggregates with evidence. Not `Clone`, not `Serialize`; `Debug` prints the shape only.
///
/// ```compile_fail,E0277
/// fn copied<T: Clone>() {}
/// copied::<cordon_disclosure::RawAggregates>();
/// ```
/// ```compile_fail,E0277
/// fn written<T: serde::Serialize>() {}
/// written::<cordon_disclosure::RawAggregates>();
/// ```
/// ```compile_fail,E0616
/// fn looked_into(raw: cordon_disclosure::RawAggregates) {
///     let _ = raw.measures;
/// }
/// ```
/// The same lines about a type that may be copied and written compile, so it is the type that forbids it:
/// ```
/// fn copied<T: Clone>() {}
/// copied::<cordon_disclosure::RawMeasure>();
/// fn written<T: serde::Serialize>() {}
/// written::<cordon_disclosure::ReleasedMeasure>();
/// ```
pub struct RawAggregates {
    pub(crate) question: Question,
    pub(crate) profile: Profile,
    pub(crate) groups: Groups,
    /// Each whole group: what its people contribute is their rows.
    pub(crate) people: Arc<Vec<RawCell>>,
    pub(crate) rows_of: RowsOf,
    pub(crate) measures: Vec<RawMeasure>,
}

/// The parts do not make one table: an internal error, never an answer.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// Two groups have the same key.
    #[error("a group key stands twice")]
    DuplicateKey,
    /// Columns of different lengths, or a domain of other columns than the keys.
    #[error("the parts of a table do not fit together: {0}")]
    Shape(&'static str),
    /// The evidence of a cell contradicts itself, so that no rule could rely on it.
    #[error("the evidence of a cell contradicts itself: {0}")]
    Evidence(&'static str),
}

/// Most decimals of a total. All totals are compared, and remembered, with so many.
pub(crate) const MOST_DECIMALS: u8 = 6;

impl RawAggregates {
    /// Puts figures and evidence together.
    ///
    /// `keys` holds one row per group (no columns for an aggregate without GROUP BY, then one row);
    /// `people` the evidence of each whole group, each row contributing 1, and `rows_of` what such a row is;
    /// `domain`, when every key has a public domain, the complete list of possible keys in the same schema as
    /// `keys`.
    ///
    /// # Errors
    /// When a key stands twice, lengths or schemas differ, or evidence contradicts itself.
    pub fn new(
        question: Question,
        profile: Profile,
        keys: RecordBatch,
        (people, rows_of): (impl Into<Arc<Vec<RawCell>>>, RowsOf),
        measures: Vec<RawMeasure>,
        domain: Option<RecordBatch>,
    ) -> Result<Self, RawError> {
        let people = people.into();
        if people.len() != keys.num_rows() {
            return Err(RawError::Shape("one number of people for each group"));
        }
        for measure in &measures {
            if measure.cells.len() != keys.num_rows() {
                return Err(RawError::Shape("one cell of each measure for each group"));
            }
            if matches!(measure.measure, Measure::Total { decimals } if decimals > MOST_DECIMALS) {
                return Err(RawError::Shape("a total has at most 6 decimals"));
            }
            for (cell, people) in measure.cells.iter().zip(people.iter()) {
                check_evidence(measure.measure, cell, people.persons)?;
            }
        }
        let groups = Groups::new(keys, domain)?;
        Ok(Self { question, profile, groups, people, rows_of, measures })
    }
}

/// Rules trust the evidence blindly, so what cannot be true is stopped here: a fault of the engine then
/// costs an answer, not a patient's confidence.
fn check_evidence(measure: Measure, cell: &RawCell, people: u64) -> Result<(), RawError> {
    if cell.persons > people {
        return Err(RawError::Evidence("more persons in a cell than in its whole group"));
    }
    let persons = i128::from(cell.persons);
    match measure {
        Measure::Persons if cell.figure != persons => {
            Err(RawError::Evidence("a count of persons that differs from its persons"))
        }
        Measure::Rows if cell.figure < persons => {
            Err(RawError::Evidence("fewer rows than persons who have them"))
        }
        Measure::Rows if cell.persons == 0 && cell.figure != 0 => {
            Err(RawError::Evidence("rows of nobody"))
        }
        Measure::Total { .. } => check_total(cell),
        Measure::Persons | Measure::Rows => Ok(()),
    }
}

fn check_total(cell: &RawCell) -> Result<(), RawError> {
    if cell.second > cell.largest || cell.clip > cell.second {
        return Err(RawError::Evidence("largest contributions out of order"));
    }
    let within = |figure: i128, contribution: u128| {
        // A product beyond 128 bits bounds every figure.
        u128::from(cell.persons)
            .checked_mul(contribution)
            .is_none_or(|most| figure.unsigned_abs() <= most)
    };
    if !within(cell.figure, cell.largest) || !within(cell.clipped, cell.clip) {
        return Err(RawError::Evidence("a total larger than its contributions together"));
    }
    for heavy in &cell.heavy {
        if heavy.persons > cell.contributors || cell.contributors > cell.persons {
            return Err(RawError::Evidence("more large contributors than contributors"));
        }
        if !within(heavy.limited, heavy.limit) {
            return Err(RawError::Evidence("a total larger than its contributions together"));
        }
    }
    Ok(())
}

impl fmt::Debug for RawAggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = (self.people.len(), self.measures.len());
        write!(f, "RawAggregates({rows} rows x {columns} columns)")
    }
}
