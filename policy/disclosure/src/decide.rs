//! One cell under a profile with noise: look up, threshold, clip, noise, rounding, remember.
//!
//! Every step that decides by the data is an oracle at its edge. So the look-up comes first: a set that was
//! answered, or one that differs from it in fewer than k persons, receives the whole earlier outcome, shown
//! or not (I4). What is drawn is drawn from the secret and the people in the cell, never from the text, the
//! analyst or the order of questions (I3). Whether a set is large enough is a question about its people, the
//! same for every measure; only that nothing is drawn of fewer than T persons is looked at for each.

#[cfg(test)]
mod tests;

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use crate::index::{Index, Kind, Near, Outcome, Remembered, Sought};
use crate::noise::{Noise, Row};
use crate::raw::{Heavy, MOST_DECIMALS, mean_square};
use crate::rules::{Step, fits};
use crate::sabotage::{Control, another, is_off};
use crate::{Measure, NoiseRule, Profile, RawCell, RowsOf, Secret, Sketch};

/// How far beyond k sets may be taken for others grows by one person for so many in both together: what is
/// copied stays near the truth. Never less than the threshold varies, so that there is no exact edge.
const JITTER_PART: u64 = 10;

/// Sets that differ in fewer persons are close, and up to so many more by a keyed draw: among these copied outcomes are
/// copied again.
const CLOSE: usize = 2;
const CLOSE_JITTER: u64 = 4;

/// Weights are whole numbers up to this, see [`crate::HashedPerson::weight`].
const WEIGHT_UNIT: i128 = i16::MAX as i128;

/// Most steps of noise to either side that a table is computed for.
const WIDEST: f64 = 500.0;

/// Tables of noise hold nothing of anybody: computed once for all.
static NOISE: LazyLock<Noise> = LazyLock::new(Noise::default);

/// What decides the cells of one table.
pub(crate) struct Decision<'a> {
    profile: &'a Profile,
    rule: &'a NoiseRule,
    secret: &'a Secret,
    index: &'a mut Index,
    /// By how much noise has grown, see [`NoiseRule::growth`].
    growth: f64,
    /// The people asked about last, how many they are and what became of them: most measures of one group are about
    /// the same.
    last: Option<(u64, Sketch, Told)>,
    /// The base rows asked about last, whose they are and what became of them: a whole group's are often a measure as
    /// well.
    last_rows: Option<(u64, Sketch, Outcome)>,
    /// Whose number was drawn for this table, by number in the index and in that order: their other measures are
    /// decided with it.
    drawn: Vec<u32>,
    /// The remembered sets of people that sets of this table are near to, without being the same.
    neighbours: BTreeSet<u32>,
    /// Noise by the number of persons it is for, as bits: many cells have as many.
    rows: HashMap<u64, (Arc<Row>, u32)>,
}

/// What is told of a set of people.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    /// Whether the set is large enough, and its released number.
    pub(crate) outcome: Outcome,
    /// Whether that number was drawn for this table.
    drawn: bool,
}

/// People with what they contribute: what a figure is drawn from.
#[derive(Clone, Copy)]
struct Counted<'a> {
    persons: u64,
    people: &'a Sketch,
    sketch: &'a Sketch,
    /// See [`RawCell::flattened`], [`RawCell::weighted`] and [`RawCell::squares`].
    flattened: i128,
    weighted: i128,
    squares: u128,
}

impl<'a> Counted<'a> {
    /// People who contribute 1 each, with the sum of their weights.
    fn people(persons: u64, weight: i64, people: &'a Sketch) -> Self {
        let (flattened, weighted, squares) = (persons.into(), weight.into(), persons.into());
        Self { persons, people, sketch: people, flattened, weighted, squares }
    }
}

impl<'a> From<&'a RawCell> for Counted<'a> {
    fn from(cell: &'a RawCell) -> Self {
        let RawCell { persons, people, sketch, flattened, weighted, squares, .. } = cell;
        let (flattened, weighted, squares) = (*flattened, *weighted, *squares);
        Self { persons: *persons, people, sketch, flattened, weighted, squares }
    }
}

impl<'a> Decision<'a> {
    pub(crate) fn new(
        profile: &'a Profile,
        rule: &'a NoiseRule,
        secret: &'a Secret,
        index: &'a mut Index,
        growth: f64,
    ) -> Self {
        let (drawn, neighbours, rows) = (Vec::new(), BTreeSet::new(), HashMap::new());
        let (last, last_rows) = (None, None);
        Self { profile, rule, secret, index, growth, last, last_rows, drawn, neighbours, rows }
    }

    /// A whole group: whether it is large enough, and with it, where its rows are base rows, how many there
    /// are. Decided together, so that neither is a new measure over a near set of the other.
    pub(crate) fn group(&mut self, cell: &RawCell, rows_of: RowsOf) -> Outcome {
        let people = self.people(cell);
        if rows_of == RowsOf::Base && people.drawn {
            self.figure(Measure::Rows, cell, people);
        }
        people.outcome
    }

    /// Which remembered sets were near, by number in the index; nobody's answer depends on it.
    pub(crate) fn neighbours(self) -> BTreeSet<u32> {
        self.neighbours
    }

    /// Whether a set of people is large enough, and its released number.
    pub(crate) fn people(&mut self, cell: &RawCell) -> Told {
        self.people_of(cell.persons, cell.weight, &cell.people)
    }

    fn people_of(&mut self, persons: u64, weight: i64, people: &Sketch) -> Told {
        if let Some((as_many, same, told)) = &self.last
            && (*as_many, same) == (persons, people)
        {
            return *told;
        }
        let counted = Counted::people(persons, weight, people);
        let mut drawn = false;
        let (outcome, set) = self.cell(Kind::PERSONS, persons, counted, |decision| {
            // Sets of fewer than k persons are near the empty set, of which nothing is shown.
            let separated = decision.rule.separation as u64;
            let (least, most) = (decision.profile.threshold, decision.rule.threshold_jitter);
            drawn = is_off(Control::Threshold)
                || persons >= separated
                    && decision.reaches(persons, least, "threshold", people, most);
            drawn.then(|| decision.count(counted, None))
        });
        if drawn {
            self.drawn.extend(set);
        } else {
            drawn = set.is_some_and(|set| self.drawn.binary_search(&set).is_ok());
        }
        let told = Told { outcome, drawn };
        self.last = Some((persons, *people, told));
        told
    }

    /// The outcome of one figure, given the outcome of the people behind it.
    pub(crate) fn figure(&mut self, measure: Measure, cell: &RawCell, people: Told) -> Outcome {
        let Told { outcome: people, drawn } = people;
        let persons = people.figure.and_then(|persons| u64::try_from(persons).ok());
        // Their number may be that of a near set: what is drawn rests on T of their own (I2). Where that could
        // fail, nothing was drawn of the near set either.
        let clear = self.stands_clear(people) && cell.persons >= self.profile.threshold;
        match measure {
            Measure::Persons => people,
            Measure::Rows => {
                let drawn = drawn && cell.persons >= self.profile.threshold;
                let open = persons.filter(|_| drawn || clear);
                let counted = Counted::from(cell);
                let draw = |decision: &mut Self| {
                    open.map(|persons| decision.count(counted, Some(persons)))
                };
                // What was decided a moment ago is remembered, and would be found as the same set.
                if let Some((persons, sketch, outcome)) = &self.last_rows
                    && (*persons, sketch) == (cell.persons, &cell.sketch)
                {
                    return *outcome;
                }
                let (outcome, _) = self.cell(Kind::ROWS, cell.persons, counted, draw);
                self.last_rows = Some((cell.persons, cell.sketch, outcome));
                outcome
            }
            Measure::Total { decimals } => {
                let open = persons.filter(|_| clear);
                let outcome = if self.many_enough(cell) {
                    let draw = |decision: &mut Self| decision.total(cell, open?, decimals);
                    self.cell(Kind::TOTAL, cell.contributors, cell.into(), draw).0
                } else {
                    open.map_or(Outcome::SUPPRESSED, |_| self.nothing())
                };
                outcome.in_digits(decimals)
            }
        }
    }

    /// Whether as many contribute something to a total that it could be more than nothing: about half of k
    /// persons, by a keyed draw.
    fn many_enough(&self, cell: &RawCell) -> bool {
        self.is_half(cell.contributors, "few", &cell.sketch)
    }

    /// Whether so many persons are more than about half of k, by a keyed draw.
    fn is_half(&self, persons: u64, purpose: &str, sketch: &Sketch) -> bool {
        let half = self.rule.separation as u64 / 2;
        self.reaches(persons, half + 1, purpose, sketch, half / 2)
    }

    /// Whether so many persons are `least` or more, and by a keyed draw up to `most` more. Nothing is drawn where that
    /// changes nothing.
    fn reaches(&self, persons: u64, least: u64, purpose: &str, by: &Sketch, most: u64) -> bool {
        let beyond = |more: u64| persons >= least.saturating_add(more);
        beyond(most) || (beyond(0) && beyond(self.jitter(purpose, by, most)))
    }
    /// A total to which too few contribute: shown as 0, so that nobody can tell nobody from a few.
    fn nothing(&self) -> Outcome {
        let base = self.profile.rounding as f64;
        let spread = (self.rule.variance + base * base / 12.0).sqrt() as f32;
        Outcome { figure: Some(0), spread }
    }

    /// Whether a new measure may be drawn of people whose number was told before: only where that number, by
    /// two standard errors, is T + k or more. It may be the number of a near set, and then all sets near to it
    /// get the same "yes" or "no", and a "yes" is about T persons of their own. Totals are shown by this alone,
    /// also where the number is told in the same table: else they would tell that it was copied.
    fn stands_clear(&self, people: Outcome) -> bool {
        let least = self.profile.threshold as f64 + self.rule.separation as f64;
        #[expect(clippy::cast_precision_loss, reason = "numbers of persons are far below 2^52")]
        let told = people.figure.map_or(0.0, |figure| figure as f64);
        told - 2.0 * f64::from(people.spread) >= least
    }

    /// Looks up, else draws; remembers either way. Nobody: nothing to remember, nothing to show. Gives as well under
    /// which number the index holds this very set.
    fn cell(
        &mut self,
        kind: Kind,
        persons: u64,
        cell: Counted<'_>,
        draw: impl FnOnce(&mut Self) -> Option<Outcome>,
    ) -> (Outcome, Option<u32>) {
        if persons == 0 {
            return (Outcome::SUPPRESSED, None);
        }
        let sought = self.index.sought(kind, cell.sketch);
        let found = self.look_up(&sought, persons, cell.sketch);
        let apart = is_off(Control::Near)
            || (kind == Kind::PERSONS && is_off(Control::NearPersons))
            || (kind == Kind::ROWS && is_off(Control::NearRows))
            || (kind == Kind::TOTAL && is_off(Control::NearTotals));
        let found = found.filter(|found| found.differing == 0 || !apart);
        self.neighbours
            .extend(found.filter(|f| kind == Kind::PERSONS && f.differing > 0).map(|f| f.set));
        let outcome = match found {
            Some(found) if found.differing == 0 => return (found.outcome, Some(found.set)),
            Some(found) if found.outcome.figure.is_none() || self.may_copy(kind, cell) => {
                found.outcome
            }
            Some(_) => Outcome::SUPPRESSED,
            None => draw(self).unwrap_or(Outcome::SUPPRESSED),
        };
        // A copy is remembered for this set and close ones, so that it stays, and for no other: a chain of near sets
        // would carry one figure to people it is not about.
        let copied = found.is_some_and(|found| found.outcome == outcome);
        let persons = u32::try_from(persons).unwrap_or(u32::MAX);
        let sketch = *cell.sketch;
        let set = Remembered { kind, persons, sketch, outcome, copied };
        let set = self.index.remember_sought(set, &sought);
        (outcome, set)
    }

    /// The earliest answered set near to this one.
    fn look_up(&self, sought: &Sought, persons: u64, sketch: &Sketch) -> Option<Near> {
        if is_off(Control::LookUp) {
            return None;
        }
        let near = self.rule.separation;
        let most = self.rule.separation_jitter as u64;
        let least = self.rule.threshold_jitter.min(most);
        // Drawn for the few sets that something depends on: most have no candidate that comes near.
        let keyed = LazyCell::new(|| self.secret.uniform("separation", &[&sketch.key()]));
        let reach = |other: u64| {
            let more = (persons.saturating_add(other) / JITTER_PART).clamp(least, most);
            near + usize::try_from(scaled(*keyed, more)).unwrap_or(0)
        };
        let jitter = LazyCell::new(|| self.jitter("close", sketch, CLOSE_JITTER));
        let close = || CLOSE + usize::try_from(*jitter).unwrap_or(0);
        self.index.earliest(
            sought,
            persons,
            sketch,
            close,
            (near + self.rule.separation_jitter, reach),
        )
    }

    /// Whether a set is large enough to receive the figure of a near one: about half of k persons or more,
    /// by a keyed draw, so that nobody can tell nobody from one.
    fn may_copy(&self, kind: Kind, cell: Counted<'_>) -> bool {
        // Of totals see `many_enough`.
        kind == Kind::TOTAL || self.is_half(cell.persons, "copy", cell.people)
    }

    /// Base rows, given the released number of persons behind them, or those persons: the plain base.
    fn count(&mut self, cell: Counted<'_>, behind: Option<u64>) -> Outcome {
        let (row, grain) = self.row(float(behind.unwrap_or(cell.persons)));
        let noise = self.cell_noise(cell.sketch, &row, grain);
        let figure = cell.flattened + self.weights(cell.weighted) + i128::from(noise);
        let base = i128::from(self.profile.rounding);
        // A figure that is shown is about somebody.
        let figure = Step::plain(self.profile.rounding).nearest(figure).map(|f| f.max(base));
        let shown = figure.unwrap_or(base);
        let persons = float(behind.unwrap_or(u64::try_from(shown).unwrap_or_default()));
        let (row, grain) = self.row(persons);
        let parts = persons * self.evenness(cell.sketch, mean_square(cell.squares, cell.persons));
        Outcome { figure, spread: self.spread(parts, &row, grain, 1.0) }
    }

    /// A total: everybody's part is limited to a power of two that enough people reach by more than half, and
    /// enough reach each smaller one. Noise and rounding scale with that limit (I8), and what each person adds to
    /// the noise with what each contributes. In the digits of all totals, its error in whole units.
    fn total(&mut self, cell: &RawCell, persons: u64, decimals: u8) -> Option<Outcome> {
        // From the most people to the fewest: few who are asked about first would hide the many around them.
        let Some(heavy) = cell.heavy.iter().take_while(|heavy| self.enough(heavy)).last() else {
            return Some(self.nothing());
        };
        let unit = libm::exp10(f64::from(decimals));
        let scale = Step::scaled(1, heavy.limit, decimals)?;
        let size = scale.size() / unit;
        let square = mean_square(heavy.squares, cell.persons) / (unit * unit);
        let parts = float(persons) * self.evenness(&cell.sketch, square);
        let (row, grain) = self.row(parts / (size * size));
        let noise = self.cell_noise(&cell.sketch, &row, grain);
        let figure = heavy
            .limited
            .checked_add(self.weights(heavy.weighted))?
            .checked_add(scale.times(noise)?)?;
        let figure = Step::scaled(self.profile.rounding, heavy.limit, decimals)?.nearest(figure);
        let figure = figure.filter(|figure| fits(Measure::Total { decimals }, *figure));
        let common = 10_i128.pow(u32::from(MOST_DECIMALS.saturating_sub(decimals)));
        let figure = figure.and_then(|figure| figure.checked_mul(common));
        Some(Outcome { figure, spread: self.spread(parts, &row, grain, size) })
    }

    /// Whether so many people have a large part of a total: asked as their number is.
    fn enough(&mut self, heavy: &Heavy) -> bool {
        self.people_of(heavy.persons, heavy.weight, &heavy.people).outcome.figure.is_some()
    }

    /// Noise of a cell in units of its scale.
    fn cell_noise(&self, sketch: &Sketch, row: &Row, grain: u32) -> i64 {
        let keyed = self.secret.uniform("noise", &[&sketch.key()]);
        let draw = row.draw(keyed);
        draw.saturating_mul(i64::from(grain))
    }

    /// A mean square of what each person contributes, to the nearest half power of two by a keyed draw: it
    /// goes into what is told of a figure, so it must have no exact edge.
    fn evenness(&self, sketch: &Sketch, exact: f64) -> f64 {
        if exact <= 0.0 {
            return 0.0;
        }
        // All contribute 1, as in every count of people: whatever is drawn gives that.
        #[expect(clippy::float_cmp, reason = "nothing but 1 itself")]
        if exact == 1.0 {
            return 1.0;
        }
        let draw = self.secret.uniform("evenness", &[&sketch.key()]);
        let part = (draw >> 11) as f64 / (1u64 << 53) as f64;
        libm::exp2((2.0 * libm::log2(exact) + part).floor() / 2.0)
    }

    /// What noise there may be on a cell of so many persons, in grains of so many units of its scale.
    fn row(&mut self, persons: f64) -> (Arc<Row>, u32) {
        if let Some((row, grain)) = self.rows.get(&persons.to_bits()) {
            return (Arc::clone(row), *grain);
        }
        let variance = on_grid(self.rule.cell_variance(persons)) * self.growth * self.growth;
        let spread = (variance / self.rule.variance).sqrt();
        let bound = f64::from(self.rule.bound) * spread;
        // Wide noise is drawn on a coarser grid.
        let grain = (bound / WIDEST).ceil().max(1.0);
        let bound = whole((bound / grain).ceil());
        let row = (NOISE.symmetric(variance / (grain * grain), bound), whole(grain));
        self.rows.insert(persons.to_bits(), (Arc::clone(&row.0), row.1));
        row
    }

    /// What the persons' weights add, in the figure's unit: each person counts as 1 + e, e uniform with
    /// variance v, in whatever cell it is.
    fn weights(&self, weighted: i128) -> i128 {
        if is_off(Control::Weights) {
            return i128::from(another() >> 61);
        }
        const FINE: i128 = 1 << 20;
        let reach = (3.0 * self.rule.weights).sqrt() * FINE as f64;
        let reach = i128::from(whole(reach));
        let unit = WEIGHT_UNIT * FINE;
        // To the nearest whole unit.
        weighted.saturating_mul(reach).saturating_add(unit / 2 * weighted.signum()) / unit
    }

    /// One standard deviation of what was done to a figure, from what is released of it and the told mean
    /// square: the exact figure could be read off an error that was computed from it. `parts` is the sum of
    /// the squares of what each person contributes.
    fn spread(&self, parts: f64, row: &Row, grain: u32, scale: f64) -> f32 {
        let rounding = {
            let base = self.profile.rounding as f64;
            base * base / 12.0
        };
        let variance = row.variance() * f64::from(grain).powi(2);
        (self.rule.weights * parts + scale * scale * (variance + rounding)).sqrt() as f32
    }

    /// A keyed draw from 0..=most, by a set of people.
    fn jitter(&self, purpose: &str, sketch: &Sketch, most: u64) -> u64 {
        scaled(self.secret.uniform(purpose, &[&sketch.key()]), most)
    }
}

/// A uniform draw as one from 0..=most.
fn scaled(draw: u64, most: u64) -> u64 {
    u64::try_from((u128::from(draw) * u128::from(most + 1)) >> 64).unwrap_or(most)
}

impl Kind {
    /// One kind for each measure; all totals are one.
    pub(crate) fn of(measure: Measure) -> Self {
        match measure {
            Measure::Persons => Self::PERSONS,
            Measure::Rows => Self::ROWS,
            Measure::Total { .. } => Self::TOTAL,
        }
    }

    pub(crate) const PERSONS: Self = Self(0);
    const ROWS: Self = Self(1);
    const TOTAL: Self = Self(2);
}

impl Outcome {
    pub(crate) const SUPPRESSED: Self = Self { figure: None, spread: 0.0 };

    /// A total in the digits that were asked for.
    fn in_digits(self, decimals: u8) -> Self {
        let common = 10_i128.pow(u32::from(MOST_DECIMALS.saturating_sub(decimals)));
        let half = common / 2;
        Self {
            figure: self.figure.map(|f| (f.saturating_add(half * f.signum())) / common),
            spread: self.spread * libm::exp10f(f32::from(decimals)),
        }
    }
}

/// Variances on a grid of sixteen steps to a doubling, so that few tables are ever computed.
fn on_grid(variance: f64) -> f64 {
    libm::exp2((libm::log2(variance) * 16.0).round() / 16.0)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of persons are far below 2^52")]
fn float(persons: u64) -> f64 {
    persons as f64
}

/// A positive number of ordinary size.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating by definition, and bounded by the profile's validator"
)]
fn whole(value: f64) -> u32 {
    value as u32
}
