//! What comes out of the engine: exact figures with the evidence that the rules read. Never leaves the process.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use arrow_array::RecordBatch;

use crate::groups::Groups;
use crate::{Fingerprint, PeopleKey, Profile, Scope, Sketch};

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
    /// How even the contributions are: each clipped one as a part of the clip, in units of 2^-20
    /// ([`RawCell::part`]), squared, added up. From 2^40 for each person (all alike) down to T times that.
    pub squares: i128,
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
    /// The limit, in the figure's fixed point ([`limit_of`]).
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
    /// As [`RawCell::squares`], of the limited parts in terms of the limit.
    pub squares: i128,
}

impl Heavy {
    /// The number of these people, as a cell of its own.
    pub(crate) fn of_people(&self) -> RawCell {
        let Self { persons, weight, people, .. } = *self;
        RawCell { persons, weight, people, ..RawCell::default() }.of_people()
    }
}

/// One person's whole contribution to a cell, in the figure's fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The person.
    pub person: i64,
    /// What it contributes.
    pub contribution: i128,
}

impl RawCell {
    /// The evidence of one cell from each person's part of it; `decimals` are those of a total, none for a count.
    /// No order of the parts changes a bit. `threshold` is T of the profile.
    pub fn of_parts(parts: &[Part], threshold: u64, decimals: Option<u8>, key: &PeopleKey) -> Self {
        let figure = parts.iter().fold(0i128, |sum, p| sum.saturating_add(p.contribution));
        let mut sizes: Vec<u128> = parts.iter().map(|p| p.contribution.unsigned_abs()).collect();
        let rank = usize::try_from(threshold).unwrap_or(usize::MAX);
        let mut nth = |n: usize| {
            let place = n.checked_sub(1).filter(|place| *place < sizes.len())?;
            let (_, value, _) = sizes.select_nth_unstable_by(place, |a, b| b.cmp(a));
            Some(*value)
        };
        let (largest, second) = (nth(1).unwrap_or(0), nth(2).unwrap_or(0));
        let clip = nth(rank).unwrap_or(0);
        let share = figure.saturating_abs() / i128::from(threshold).max(1);
        let most = i128::try_from(clip).unwrap_or(i128::MAX).max(share);
        let mut cell =
            Self { figure, persons: parts.len() as u64, largest, second, clip, ..Self::default() };
        let mut weights = Vec::with_capacity(if decimals.is_some() { parts.len() } else { 0 });
        let mut all = Heavy::default();
        for part in parts {
            let person = key.person(part.person);
            let weight = i64::from(person.weight);
            let clipped = limited(part.contribution, clip);
            cell.clipped = cell.clipped.saturating_add(clipped);
            cell.flattened = cell.flattened.saturating_add(part.contribution.clamp(-most, most));
            cell.squares = cell.squares.saturating_add(Self::part(clipped, clip));
            cell.weight = cell.weight.saturating_add(weight);
            cell.weighted = cell.weighted.saturating_add(clipped.saturating_mul(weight.into()));
            cell.people.add(key, &person, 1);
            if decimals.is_some() {
                weights.push(person.weight);
            }
            if part.contribution != 0 || decimals.is_none() {
                let contribution = part.contribution.saturating_mul(common(decimals));
                cell.sketch.add(key, &person, contribution);
                cell.contributors += 1;
                all.persons += 1;
                all.weight = all.weight.saturating_add(weight);
                all.people.add(key, &person, 1);
            }
        }
        if let Some(decimals) = decimals {
            cell.heavy = heavy(parts, &weights, decimals, all, key);
        }
        cell
    }

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
            squares: persons.saturating_mul(Self::part(1, 1)),
            sketch: self.people,
            contributors: self.persons,
            heavy: Vec::new(),
            ..*self
        }
    }

    /// What one clipped contribution adds to [`RawCell::squares`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a part is at most 1, and 2^20 of it are as exact as a spread needs to be"
    )]
    pub fn part(contribution: i128, clip: u128) -> i128 {
        if clip == 0 {
            return 0;
        }
        let part = (contribution.unsigned_abs().min(clip) as f64 / clip as f64 * ONE_PART).round();
        (part as i128).saturating_mul(part as i128)
    }

    /// The mean square of the clipped contributions of these persons.
    pub(crate) fn mean_square(&self) -> f64 {
        mean_square(self.squares, self.clip, self.persons)
    }
}

/// The mean square over so many persons, from squared parts of a limit.
#[expect(clippy::cast_precision_loss, reason = "a spread needs few digits")]
pub(crate) fn mean_square(squares: i128, limit: u128, persons: u64) -> f64 {
    if persons == 0 {
        return 0.0;
    }
    let limit = limit as f64;
    let part = (squares as f64 / (ONE_PART * ONE_PART) / persons as f64).clamp(0.0, 1.0);
    limit * limit * part
}

fn limited(contribution: i128, limit: u128) -> i128 {
    let limit = i128::try_from(limit).unwrap_or(i128::MAX);
    contribution.clamp(-limit, limit)
}

/// What makes contributions of any number of decimals comparable: the same amount is the same contribution,
/// whatever type of number it came in.
fn common(decimals: Option<u8>) -> i128 {
    let missing = decimals.map_or(0, |own| MOST_DECIMALS.saturating_sub(own));
    10_i128.saturating_pow(missing.into())
}

/// Below the largest limit that more people than this reach none is looked at: so many are enough.
const MANY: usize = 100;

/// The limits to choose from, the smallest first, which most people reach. The first that too few reach is asked too:
/// that they were not enough is then remembered, and holds for the set with one person more.
fn heavy(parts: &[Part], weights: &[i16], decimals: u8, all: Heavy, key: &PeopleKey) -> Vec<Heavy> {
    let mut reached: BTreeMap<u128, usize> = BTreeMap::new();
    for size in parts.iter().map(|p| p.contribution.unsigned_abs()).filter(|size| *size > 0) {
        *reached.entry(limit_of(size, decimals)).or_default() += 1;
    }
    let mut people = 0;
    let mut limits = Vec::new();
    for (limit, more) in reached.iter().rev() {
        limits.push(*limit);
        people += more;
        if people > MANY {
            break;
        }
    }
    limits.reverse();
    let least = reached.keys().next().copied();
    let made = limits.into_iter().map(|limit| {
        let whole = Some(limit) == least;
        let mut heavy = if whole { all.clone() } else { Heavy::default() };
        heavy.limit = limit;
        for (part, weight) in parts.iter().zip(weights) {
            let contribution = limited(part.contribution, limit);
            heavy.limited = heavy.limited.saturating_add(contribution);
            heavy.squares = heavy.squares.saturating_add(RawCell::part(contribution, limit));
            let weighted = contribution.saturating_mul(i128::from(*weight));
            heavy.weighted = heavy.weighted.saturating_add(weighted);
            let size = part.contribution.unsigned_abs();
            if !whole && size > 0 && limit_of(size, decimals) >= limit {
                heavy.persons += 1;
                heavy.weight = heavy.weight.saturating_add(i64::from(*weight));
                heavy.people.add(key, &key.person(part.person), 1);
            }
        }
        heavy
    });
    made.collect()
}

/// The least power of two, in whole units, that a contribution does not exceed; both in fixed point (the part
/// of a last digit is left out). 40 days: 64; a fraction of 0.3: 0.5.
pub fn limit_of(contribution: u128, decimals: u8) -> u128 {
    let Some(unit) = 10_u128.checked_pow(decimals.into()) else { return contribution };
    let mut limit = unit;
    while limit < contribution {
        let Some(double) = limit.checked_mul(2) else { return contribution };
        limit = double;
    }
    let mut halves = 0_u32;
    while unit >> (halves + 1) >= contribution.max(1) && halves < 100 {
        halves += 1;
    }
    if halves > 0 { unit >> halves } else { limit }
}

/// One clip in units of [`RawCell::part`].
const ONE_PART: f64 = 1_048_576.0;

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
    /// One per group, in the order of the keys.
    pub cells: Vec<RawCell>,
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
    pub(crate) people: Vec<RawCell>,
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
        (people, rows_of): (Vec<RawCell>, RowsOf),
        measures: Vec<RawMeasure>,
        domain: Option<RecordBatch>,
    ) -> Result<Self, RawError> {
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
            for (cell, people) in measure.cells.iter().zip(&people) {
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
