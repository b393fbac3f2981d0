//! One cell under a profile with noise: look up, threshold, clip, noise, rounding, remember.
//!
//! Every step that decides by the data is an oracle at its edge. So the look-up comes first: a set that was
//! answered, or one that differs from it in fewer than k persons, receives the whole earlier outcome, shown
//! or not (I4). What is drawn is drawn from the secret and the people in the cell, never from the text, the
//! analyst or the order of questions (I3). Whether a set is large enough is a question about its people, the
//! same for every measure: a new measure over a near set must not ask it again.

use std::sync::{Arc, LazyLock};

use crate::index::{Index, Kind, Outcome, Remembered};
use crate::noise::{Noise, Row};
use crate::rules::{Step, fits};
use crate::{Measure, NoiseRule, Profile, RawCell, Secret, Sketch};

/// From how many times k persons together on two sets may be taken for one beyond k. Smaller ones would
/// come out too far from the truth; their edge at k is blurred by people who share a bucket.
const JITTER_FROM: u64 = 20;

/// Weights are whole numbers up to this, see [`crate::HashedPerson::weight`].
const WEIGHT_UNIT: i128 = i16::MAX as i128;

/// Half of the width of the band in which the scale of a total is a keyed draw, as a power of two.
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
            (people.persons >= least.max(separated))
                .then(|| decision.count(&people, people.persons))
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
            Some(match measure {
                Measure::Persons | Measure::Rows => decision.count(cell, persons),
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
        let (near, far) = (self.rule.separation, self.rule.separation_jitter as u64);
        let reach_far = near + self.jitter("separation", &cell.sketch, far) as usize;
        let many = JITTER_FROM * near as u64;
        let reach = |other: u64| if cell.persons + other >= many { reach_far } else { near };
        let found = self.index.nearest(kind, cell.persons, &cell.sketch, reach);
        let outcome = match found {
            Some(found) if found.differing == 0 => return found.outcome,
            Some(found) => found.outcome,
            None => draw(self).unwrap_or(Outcome::SUPPRESSED),
        };
        let persons = u32::try_from(cell.persons).unwrap_or(u32::MAX);
        self.index.remember(Remembered { kind, persons, sketch: cell.sketch, outcome });
        outcome
    }

    /// Persons or base rows: the plain base. `persons` is the released or own number behind it.
    fn count(&mut self, cell: &RawCell, persons: u64) -> Outcome {
        let (noise, variance) = self.cell_noise(cell, persons);
        let figure = cell.flattened + self.weights(cell.weighted) + i128::from(noise);
        let base = i128::from(self.profile.rounding);
        // A figure that is shown is about somebody.
        let figure = Step::plain(self.profile.rounding).nearest(figure).map(|f| f.max(base));
        Outcome { figure, spread: self.spread(cell.flattened, persons, variance, 1.0) }
    }

    /// A total: noise and rounding scale with the clip (I8).
    fn total(&mut self, cell: &RawCell, persons: u64, decimals: u8) -> Option<Outcome> {
        let (noise, variance) = self.cell_noise(cell, persons);
        let softened = self.softened(cell);
        let scale = Step::scaled(1, softened, decimals)?;
        let figure = cell
            .clipped
            .checked_add(self.weights(cell.weighted))?
            .checked_add(scale.times(noise)?)?;
        let figure = Step::scaled(self.profile.rounding, softened, decimals)?.nearest(figure);
        let figure = figure.filter(|figure| fits(Measure::Total { decimals }, *figure));
        Some(Outcome { figure, spread: self.spread(cell.clipped, persons, variance, scale.size()) })
    }

    /// Noise of a cell in units of its scale, and its variance.
    fn cell_noise(&mut self, cell: &RawCell, persons: u64) -> (i64, f64) {
        let variance = on_grid(self.rule.cell_variance(float(persons))) * self.growth * self.growth;
        let spread = (variance / self.rule.variance).sqrt();
        let bound = f64::from(self.rule.bound) * spread;
        // Wide noise is drawn on a coarser grid.
        let grain = (bound / WIDEST).ceil().max(1.0);
        let bound = whole((bound / grain).ceil());
        let row: Arc<Row> = NOISE.symmetric(variance / (grain * grain), bound);
        let draw = row.draw(self.secret.uniform("noise", &[&cell.sketch.key()]));
        (draw.saturating_mul(i64::from(whole(grain))), row.variance() * grain * grain)
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

    /// One standard deviation of what was done to a figure, from what is released of it.
    fn spread(&self, figure: i128, persons: u64, variance: f64, scale: f64) -> f32 {
        let rounding = {
            let base = self.profile.rounding as f64;
            base * base / 12.0
        };
        // Each person's part is taken as the mean: exact for persons, near for the others.
        let each = figure as f64 / float(persons).max(1.0);
        let weights = self.rule.weights * float(persons) * each * each;
        (weights + scale * scale * (variance + rounding)).sqrt() as f32
    }

    /// The clip, lowered by a keyed draw of at most a fifth before it is taken up to a power of two, so that
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
