//! One cell under a profile with noise: look up, threshold, clip, noise, rounding, remember.
//!
//! Every step that decides by the data is an oracle at its edge. So the look-up comes first: a set that was
//! answered, or one that differs from it in fewer than k persons, receives the whole earlier outcome, shown
//! or not (I4). What is drawn is drawn from the secret and the people in the cell, never from the text, the
//! analyst or the order of questions (I3). Whether a set is large enough is a question about its people, the
//! same for every measure; only that nothing is drawn of fewer than T persons is looked at for each.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use crate::index::{Index, Kind, Outcome, Remembered};
use crate::noise::{Noise, Row};
use crate::rules::{Step, fits};
use crate::{Measure, NoiseRule, Profile, RawCell, Secret, Sketch};

/// Sets may be taken for others by one more person beyond k for so many persons in both together: what is
/// copied stays near the truth.
const JITTER_PART: u64 = 10;

/// Weights are whole numbers up to this, see [`crate::HashedPerson::weight`].
const WEIGHT_UNIT: i128 = i16::MAX as i128;

/// How far the clip may be lowered before it is taken up to a power of two: by 2^-0.25, a sixth.
const SCALE_JITTER: f64 = 0.25;

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
    /// The people asked about last with their outcome: most measures of one group are about the same.
    last: Option<(u64, Sketch, Outcome)>,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(
        profile: &'a Profile,
        rule: &'a NoiseRule,
        secret: &'a Secret,
        index: &'a mut Index,
        growth: f64,
    ) -> Self {
        Self { profile, rule, secret, index, growth, last: None }
    }

    /// Whether a set of people is large enough, and its released number.
    pub(crate) fn people(&mut self, cell: &RawCell) -> Outcome {
        if let Some((persons, sketch, outcome)) = &self.last
            && (*persons, sketch) == (cell.persons, &cell.people)
        {
            return *outcome;
        }
        let people = cell.of_people();
        let outcome = self.cell(Kind::PERSONS, &people, |decision| {
            let jitter =
                decision.jitter("threshold", &people.people, decision.rule.threshold_jitter);
            let least = decision.profile.threshold.saturating_add(jitter);
            // Sets of fewer than k persons are near the empty set, of which nothing is shown.
            let separated = decision.rule.separation as u64;
            (people.persons >= least.max(separated)).then(|| decision.count(&people, None))
        });
        self.last = Some((cell.persons, cell.people, outcome));
        outcome
    }

    /// The outcome of one figure, given the outcome of the people behind it.
    pub(crate) fn figure(&mut self, measure: Measure, cell: &RawCell, people: Outcome) -> Outcome {
        let kind = Kind::of(measure);
        if kind == Kind::PERSONS {
            return people;
        }
        self.cell(kind, cell, |decision| {
            let persons = u64::try_from(people.figure?).ok()?;
            // Their number may be that of a near set: what is drawn rests on T of their own (I2).
            if cell.persons < decision.profile.threshold {
                return None;
            }
            Some(match measure {
                Measure::Persons | Measure::Rows => decision.count(cell, Some(persons)),
                Measure::Total { decimals } => decision.total(cell, persons, decimals)?,
            })
        })
    }

    /// Looks up, else draws; remembers either way. Nobody: nothing to remember, nothing to show.
    fn cell(
        &mut self,
        kind: Kind,
        cell: &RawCell,
        draw: impl FnOnce(&mut Self) -> Option<Outcome>,
    ) -> Outcome {
        if cell.persons == 0 {
            return Outcome::SUPPRESSED;
        }
        let near = self.rule.separation;
        let more = self.jitter("separation", &cell.sketch, self.rule.separation_jitter as u64);
        let far = near + usize::try_from(more).unwrap_or(0);
        // Small sets may be taken for others only as far as that changes them by little.
        let reach = |other: u64| {
            let together = cell.persons.saturating_add(other) / JITTER_PART;
            far.min(near.saturating_add(usize::try_from(together).unwrap_or(usize::MAX)))
        };
        let found = self.index.nearest(kind, cell.persons, &cell.sketch, reach);
        let outcome = match found {
            Some(found) if found.differing == 0 => return found.outcome,
            Some(found) if found.outcome.figure.is_none() || self.may_copy(cell) => found.outcome,
            Some(_) => Outcome::SUPPRESSED,
            None => draw(self).unwrap_or(Outcome::SUPPRESSED),
        };
        // A copy is remembered for this very set, so that it stays, and for no other: a chain of near sets would
        // carry one figure to a set of a single person, and end there, an exact edge.
        let copied = found.is_some_and(|found| found.outcome == outcome);
        let persons = u32::try_from(cell.persons).unwrap_or(u32::MAX);
        let sketch = cell.sketch;
        self.index.remember(Remembered { kind, persons, sketch, outcome, copied });
        outcome
    }

    /// Whether a set is large enough to receive the figure of a near one: about half of k persons or more,
    /// by a keyed draw, so that nobody can tell nobody from one.
    fn may_copy(&self, cell: &RawCell) -> bool {
        let half = self.rule.separation as u64 / 2;
        cell.persons > half + self.jitter("copy", &cell.people, half / 2)
    }

    /// Base rows, given the released number of persons behind them, or those persons: the plain base.
    fn count(&mut self, cell: &RawCell, behind: Option<u64>) -> Outcome {
        let noise = self.cell_noise(cell, behind.unwrap_or(cell.persons));
        let figure = cell.flattened + self.weights(cell.weighted) + i128::from(noise);
        let base = i128::from(self.profile.rounding);
        // A figure that is shown is about somebody.
        let figure = Step::plain(self.profile.rounding).nearest(figure).map(|f| f.max(base));
        let shown = figure.unwrap_or(base);
        let persons = behind.unwrap_or(u64::try_from(shown).unwrap_or_default());
        Outcome { figure, spread: self.spread(shown, persons, 1.0) }
    }

    /// A total: noise and rounding scale with the clip (I8).
    fn total(&mut self, cell: &RawCell, persons: u64, decimals: u8) -> Option<Outcome> {
        let noise = self.cell_noise(cell, persons);
        let softened = self.softened(cell);
        let scale = Step::scaled(1, softened, decimals)?;
        let figure = cell
            .clipped
            .checked_add(self.weights(cell.weighted))?
            .checked_add(scale.times(noise)?)?;
        let figure = Step::scaled(self.profile.rounding, softened, decimals)?.nearest(figure);
        let figure = figure.filter(|figure| fits(Measure::Total { decimals }, *figure));
        let spread = self.spread(figure.unwrap_or_default(), persons, scale.size());
        Some(Outcome { figure, spread })
    }

    /// Noise of a cell in units of its scale.
    fn cell_noise(&self, cell: &RawCell, persons: u64) -> i64 {
        let (row, grain) = self.row(persons);
        let draw = row.draw(self.secret.uniform("noise", &[&cell.sketch.key()]));
        draw.saturating_mul(i64::from(grain))
    }

    /// What noise there may be on a cell, in grains of so many units of its scale.
    fn row(&self, persons: u64) -> (Arc<Row>, u32) {
        let variance = on_grid(self.rule.cell_variance(float(persons))) * self.growth * self.growth;
        let spread = (variance / self.rule.variance).sqrt();
        let bound = f64::from(self.rule.bound) * spread;
        // Wide noise is drawn on a coarser grid.
        let grain = (bound / WIDEST).ceil().max(1.0);
        let bound = whole((bound / grain).ceil());
        (NOISE.symmetric(variance / (grain * grain), bound), whole(grain))
    }

    /// What the persons' weights add, in the figure's unit: each person counts as 1 + e, e uniform with
    /// variance v, in whatever cell it is.
    fn weights(&self, weighted: i128) -> i128 {
        const FINE: i128 = 1 << 20;
        let reach = (3.0 * self.rule.weights).sqrt() * FINE as f64;
        let reach = i128::from(whole(reach));
        let unit = WEIGHT_UNIT * FINE;
        // To the nearest whole unit.
        weighted.saturating_mul(reach).saturating_add(unit / 2 * weighted.signum()) / unit
    }

    /// One standard deviation of what was done to a figure, from what is released of it: the exact figure
    /// could be read off an error that was computed from it.
    fn spread(&self, figure: i128, persons: u64, scale: f64) -> f32 {
        let rounding = {
            let base = self.profile.rounding as f64;
            base * base / 12.0
        };
        let (row, grain) = self.row(persons);
        let variance = row.variance() * f64::from(grain).powi(2);
        // Each person's part is taken as the mean: exact for persons, near for the others.
        let each = figure as f64 / float(persons).max(1.0);
        let weights = self.rule.weights * float(persons) * each * each;
        (weights + scale * scale * (variance + rounding)).sqrt() as f32
    }

    /// The clip, lowered by a keyed draw of at most a sixth before it is taken up to a power of two, so that
    /// the scale has no exact edge. Powers of two themselves keep their scale.
    fn softened(&self, cell: &RawCell) -> u128 {
        let draw = self.secret.uniform("scale", &[&cell.sketch.key()]);
        let part = libm::exp2(-SCALE_JITTER * (draw >> 11) as f64 / (1u64 << 53) as f64);
        const FINE: u128 = 1 << 16;
        let part = u128::from(whole(part * FINE as f64));
        cell.clip.checked_mul(part).map_or(cell.clip, |c| c.div_ceil(FINE))
    }

    /// A keyed draw from 0..=most, by a set of people.
    fn jitter(&self, purpose: &str, sketch: &Sketch, most: u64) -> u64 {
        let draw = self.secret.uniform(purpose, &[&sketch.key()]);
        u64::try_from((u128::from(draw) * u128::from(most + 1)) >> 64).unwrap_or(most)
    }
}

impl Kind {
    /// One kind for each measure; totals by their digits.
    pub(crate) fn of(measure: Measure) -> Self {
        match measure {
            Measure::Persons => Self::PERSONS,
            Measure::Rows => Self(1),
            Measure::Total { decimals } => Self(decimals.saturating_add(2)),
        }
    }

    pub(crate) const PERSONS: Self = Self(0);
}

impl Outcome {
    pub(crate) const SUPPRESSED: Self = Self { figure: None, spread: 0.0 };
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
