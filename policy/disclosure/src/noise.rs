//! Maximum-entropy noise: decides with which probability a count is changed by how much.
//!
//! The construction of the perturbation tables of Destatis (`ptable`) and the ABS (Giessing 2016; Fraser
//! and Wooton): of all noise that is bounded, unbiased and of a given variance, the one that says least
//! beyond that, `p_v ∝ exp(a·v + b·v²)` on the allowed changes. It holds no secret and draws nothing by
//! itself: the caller brings 64 keyed bits per draw.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};

/// As many rows are remembered at once: an endless stream of variances must not fill the memory.
const REMEMBERED: usize = 1_024;
/// With this b any two changes that differ in weight at all do so by e^60: the least variance of a row.
const STEEPEST: f64 = -60.0;
/// Of the mean and the variance, relative to the range of the row and to the variance.
const TOLERANCE: f64 = 1e-13;
const MOST_STEPS: usize = 400;

/// Parameters of a maximum-entropy perturbation table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// D: the largest change, in persons. At least `smallest` + 1, or some rows cannot be unbiased.
    pub(crate) max: u32,
    /// V: the variance of the change, in persons squared. A row that cannot reach it, or only by making
    /// large changes likelier than small ones, has the nearest it can have.
    pub(crate) variance: f64,
    /// js: 1..=js are never shown.
    pub(crate) smallest: u32,
    /// pstay: the probability of no change, where it is not left to entropy. Rows 1..=js cannot stay.
    pub(crate) stay: Option<f64>,
}

/// The possible changes of one count, in ascending order, and their probabilities.
#[derive(Debug)]
pub(crate) struct Row {
    steps: Vec<Step>,
    variance: f64,
}

#[derive(Debug)]
struct Step {
    change: i64,
    #[cfg_attr(not(test), expect(dead_code, reason = "what tests add up"))]
    probability: f64,
    /// The change is drawn by bits below this and not below that of the step before; at most 2^64.
    below: u128,
}

/// Symmetrical noise of many variances. Rows are solved once and kept.
#[derive(Debug, Default)]
pub(crate) struct Noise(Mutex<HashMap<(u64, u32), Arc<Row>>>);

impl Table {
    /// The row of a true count. Where even the largest change down shows no small count, all rows are the
    /// same: from `max` on, or from `max` + `smallest` + 1 where there is a `smallest`.
    pub(crate) fn row(&self, count: u64) -> Row {
        // Zero stays zero, or combinations that cannot be would come to be.
        if count == 0 {
            return Row::always(0);
        }
        let (empty, block) = self.allowed(count);
        let may_stay = block.contains(&0);
        let stay = self.stay.filter(|stay| may_stay && stay.is_finite());
        let stay = stay.map(|stay| stay.clamp(0.0, 1.0));
        let support = Support::new(empty, block.filter(|change| stay.is_none() || *change != 0));
        if !support.has_both_signs() {
            // Nothing here is unbiased but no change at all; else the nearest to it. A table so narrow that
            // no change is allowed shows nobody: a small count must not stand.
            let nearest = if may_stay { Some(0) } else { support.nearest_to_zero() };
            return Row::always(nearest.unwrap_or_else(|| i64::try_from(count).map_or(0, |n| -n)));
        }
        let rest = 1.0 - stay.unwrap_or(0.0);
        // A variance that is not a number must not become no noise.
        let variance = if self.variance.is_nan() { f64::INFINITY } else { self.variance };
        let mut row = support.solve(variance / rest);
        row.iter_mut().for_each(|(_, probability)| *probability *= rest);
        if let Some(stay) = stay {
            let place = row.partition_point(|(change, _)| *change < 0);
            row.insert(place, (0, stay));
        }
        Row::new(row)
    }

    /// The change to zero, where it is within bounds and stands apart from the others; and the
    /// unbroken range of the others.
    fn allowed(&self, count: u64) -> (Option<i64>, RangeInclusive<i64>) {
        let (max, smallest) = (i64::from(self.max), i64::from(self.smallest));
        // Further up than this all rows are the same.
        let count = i64::try_from(count).unwrap_or(i64::MAX).min(max + smallest + 1);
        let first_shown = if smallest == 0 { 0 } else { smallest + 1 };
        let block = (first_shown - count).max(-max)..=max;
        let empty = (smallest > 0 && count <= max).then_some(-count);
        (empty, block)
    }
}

impl Row {
    fn always(change: i64) -> Self {
        Self::new(vec![(change, 1.0)])
    }

    /// Takes probabilities that sum to 1 but for rounding.
    fn new(probabilities: Vec<(i64, f64)>) -> Self {
        let mean = |of: fn(f64) -> f64| -> f64 {
            probabilities.iter().map(|(change, p)| p * of(*change as f64)).sum()
        };
        let variance = mean(|v| v * v) - mean(|v| v).powi(2);
        let mut sum = 0.0;
        let steps = probabilities.into_iter().map(|(change, probability)| {
            sum += probability;
            // Casts of floating point saturate, and 2^64 is exact.
            Step { change, probability, below: (sum * 2_f64.powi(64)) as u128 }
        });
        Self { steps: steps.collect(), variance }
    }

    /// The change that 64 uniform bits stand for: the inverse of the distribution function, so that
    /// larger bits never give a smaller change.
    pub(crate) fn draw(&self, uniform: u64) -> i64 {
        let place = self.steps.partition_point(|step| step.below <= u128::from(uniform));
        // The last step takes what rounding left over.
        self.steps.get(place).or(self.steps.last()).map_or(0, |step| step.change)
    }

    /// Every possible change with its probability, in ascending order.
    #[cfg(test)]
    pub(crate) fn probabilities(&self) -> impl Iterator<Item = (i64, f64)> {
        self.steps.iter().map(|step| (step.change, step.probability))
    }

    /// The variance of the change, in persons squared: what an analyst is told as standard error.
    pub(crate) fn variance(&self) -> f64 {
        self.variance
    }
}

impl Noise {
    /// Noise of this variance on -bound..=bound, in units of the caller's choice: the row of large counts.
    /// The caller quantises the variance and lets the bound grow with the standard deviation; no variance
    /// above bound·(bound+1)/3, that of uniform noise, is reached. Time and memory grow with the bound: 0.2 ms
    /// and 37 KB for 578, that of the variance 40,000.
    pub(crate) fn symmetric(&self, variance: f64, bound: u32) -> Arc<Row> {
        let key = (variance.to_bits(), bound);
        // INVARIANT: rows are whole before they are inserted, so a poisoned lock guards nothing broken.
        let rows = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows().get(&key) {
            return Arc::clone(row);
        }
        // Solved without the lock: twice at worst, and the same both times.
        let table = Table { max: bound, variance, smallest: 0, stay: None };
        let row = Arc::new(table.row(bound.into()));
        let mut rows = rows();
        if rows.len() >= REMEMBERED {
            rows.clear();
        }
        rows.insert(key, Arc::clone(&row));
        row
    }
}

/// The allowed changes of a row, ascending.
///
/// As in `ptable`, the variance is an upper limit (`b <= 0`), so that a small change is never less likely
/// than a large one for the variance's sake; and up to no change, within the unbroken range, probabilities
/// must not fall. Where the free solution would, the falling tail is tied: tied changes share the averages
/// of their statistics, which is where the entropy is largest under that constraint.
struct Support {
    changes: Vec<i64>,
    /// Places of the unbroken range up to no change, where probabilities must not fall.
    rising: Range<usize>,
}

/// The distribution of one a and b, with the moments that the search needs.
struct Fit {
    probabilities: Vec<f64>,
    mean: f64,
    /// Mean of v².
    second: f64,
    /// d mean / da.
    mean_slope: f64,
    /// d second / db with a following so that the mean stays.
    second_slope: f64,
}

impl Support {
    /// `empty` is a change that stands alone below the unbroken `block`.
    fn new(empty: Option<i64>, block: impl Iterator<Item = i64>) -> Self {
        let changes: Vec<i64> = empty.into_iter().chain(block).collect();
        let first = usize::from(empty.is_some());
        let last = changes.partition_point(|change| *change <= 0);
        Self { changes, rising: first..last.max(first) }
    }

    /// No row is unbiased without.
    fn has_both_signs(&self) -> bool {
        self.changes.first().is_some_and(|first| *first < 0)
            && self.changes.last().is_some_and(|last| *last > 0)
    }

    fn nearest_to_zero(&self) -> Option<i64> {
        self.changes.iter().copied().min_by_key(|change| change.unsigned_abs())
    }

    /// Needs both signs. Two nested searches for a root of a rising function, so it always ends.
    fn solve(&self, variance: f64) -> Vec<(i64, f64)> {
        let widest = self.unbiased(0.0, 0.0).1;
        let fit = if widest.second <= variance { widest } else { self.narrowed(variance) };
        self.changes.iter().copied().zip(fit.probabilities).collect()
    }

    fn narrowed(&self, variance: f64) -> Fit {
        let (_, mut fit) = self.unbiased(STEEPEST, 0.0);
        if fit.second >= variance {
            return fit;
        }
        let mut a = 0.0;
        // That of a normal distribution: exact but for the grid and the bounds.
        let start = (-0.5 / variance).max(STEEPEST);
        root(STEEPEST..0.0, start, TOLERANCE * variance, |b| {
            (a, fit) = self.unbiased(b, a);
            (fit.second - variance, fit.second_slope)
        });
        fit
    }

    /// The a that makes the mean 0 for this b, searched from `start`; and the distribution.
    fn unbiased(&self, b: f64, start: f64) -> (f64, Fit) {
        let reach = self.changes.iter().map(|change| change.unsigned_abs()).max();
        let reach = reach.unwrap_or(1) as f64;
        // Beyond this the outermost change on one side outweighs all others.
        let most = 2.0 * reach * b.abs() + 50.0;
        let mut fit = self.fit(start, b);
        let a = root(-most..most, start, TOLERANCE * reach, |a| {
            fit = self.fit(a, b);
            (fit.mean, fit.mean_slope)
        });
        (a, fit)
    }

    fn fit(&self, a: f64, b: f64) -> Fit {
        let (tied, tied_v, tied_square) = self.tied(a, b);
        let statistics = || {
            self.changes.iter().enumerate().map(|(place, change)| {
                let v = *change as f64;
                if tied.contains(&place) { (tied_v, tied_square) } else { (v, v * v) }
            })
        };
        let exponents: Vec<f64> = statistics().map(|(v, square)| a * v + b * square).collect();
        let top = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut probabilities: Vec<f64> =
            exponents.iter().map(|exponent| libm::exp(exponent - top)).collect();
        let total: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= total);

        let (mut mean, mut second) = (0.0, 0.0);
        for (p, (v, square)) in probabilities.iter().zip(statistics()) {
            mean += p * v;
            second += p * square;
        }
        let (mut vv, mut vs, mut ss) = (0.0, 0.0, 0.0);
        for (p, (v, square)) in probabilities.iter().zip(statistics()) {
            let (v, square) = (v - mean, square - second);
            vv += p * v * v;
            vs += p * v * square;
            ss += p * square * square;
        }
        Fit { probabilities, mean, second, mean_slope: vv, second_slope: ss - vs * vs / vv }
    }

    /// The tied changes and the averages of their v and v². The exponents are concave (b <= 0): what falls
    /// is the tail before no change, and it is tied with as much before it as is above its average.
    fn tied(&self, a: f64, b: f64) -> (Range<usize>, f64, f64) {
        let (mut number, mut sum_v, mut sum_square) = (0.0, 0.0, 0.0);
        let mut from = self.rising.end;
        let rising = self.changes.get(self.rising.clone()).unwrap_or_default();
        for v in rising.iter().rev().map(|change| *change as f64) {
            let average = (a * sum_v + b * sum_square) / number;
            if number > 0.0 && a * v + b * v * v <= average {
                break;
            }
            number += 1.0;
            sum_v += v;
            sum_square += v * v;
            from -= 1;
        }
        (from..self.rising.end, sum_v / number, sum_square / number)
    }
}

/// Newton's method for a rising function of known slope, kept within a shrinking bracket. The last call of
/// `function` is at the root.
fn root(
    bracket: Range<f64>,
    start: f64,
    tolerance: f64,
    mut function: impl FnMut(f64) -> (f64, f64),
) -> f64 {
    let Range { start: mut low, end: mut high } = bracket;
    let mut x = start;
    for _ in 0..MOST_STEPS {
        let (value, slope) = function(x);
        if value.abs() <= tolerance {
            break;
        }
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let newton = x - value / slope;
        let next = if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
        // Nothing is left between two neighbouring numbers.
        if next <= low || next >= high {
            break;
        }
        x = next;
    }
    x
}
