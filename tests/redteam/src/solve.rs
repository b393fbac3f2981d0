//! What figures say together: fitting unknowns within limits, and sampling of bits.

use rand::Rng;

/// One figure as an equation: the sum of these unknowns, each with a factor, is about `value`.
#[derive(Clone, Debug)]
pub(crate) struct Equation {
    /// Unknowns with factors.
    pub(crate) terms: Vec<(usize, f64)>,
    /// What was told, less what is known.
    pub(crate) value: f64,
    /// One standard deviation of it.
    pub(crate) error: f64,
}

/// An unknown: what is expected of it, how far it may be from that (one standard deviation), and between what it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unknown {
    /// Expected.
    pub(crate) mean: f64,
    /// One standard deviation.
    pub(crate) deviation: f64,
    /// The least it can be.
    pub(crate) least: f64,
    /// The most it can be.
    pub(crate) most: f64,
}

/// The unknowns that fit best by squares, within their limits: one unknown after another is put where it fits best, until
/// none moves. Every step lowers a convex sum, so this ends at its least.
pub(crate) fn least_squares(equations: &[Equation], unknowns: &[Unknown]) -> Vec<f64> {
    let start = unknowns.iter().map(|unknown| unknown.mean).collect();
    let weights: Vec<f64> = equations.iter().map(|e| e.error.powi(2).recip()).collect();
    descend(equations, &weights, unknowns, start)
}

/// The unknowns that fit best by absolute deviations, within their limits, which is the linear programme of Dinur and
/// Nissim: by squares, each weighing less the farther it is off, again and again. (Solvers of linear programmes that are
/// at hand would change how shared crates are built.)
pub(crate) fn least_deviations(equations: &[Equation], unknowns: &[Unknown]) -> Vec<f64> {
    let mut found = least_squares(equations, unknowns);
    for _ in 0..40 {
        let weight = |equation: &Equation| {
            let sum: f64 = equation.terms.iter().map(|(i, factor)| factor * found[*i]).sum();
            let off = ((sum - equation.value) / equation.error).abs();
            (off.max(1e-3) * equation.error.powi(2)).recip()
        };
        let weights: Vec<f64> = equations.iter().map(weight).collect();
        found = descend(equations, &weights, unknowns, found);
    }
    found
}

fn descend(
    equations: &[Equation],
    weights: &[f64],
    unknowns: &[Unknown],
    start: Vec<f64>,
) -> Vec<f64> {
    let n = unknowns.len();
    let mut square = vec![vec![0.0; n]; n];
    let mut linear = vec![0.0; n];
    for (equation, weight) in equations.iter().zip(weights) {
        for (i, a) in &equation.terms {
            linear[*i] += a * equation.value * weight;
            for (j, b) in &equation.terms {
                square[*i][*j] += a * b * weight;
            }
        }
    }
    for (i, unknown) in unknowns.iter().enumerate() {
        let weight = unknown.deviation.powi(2).recip();
        square[i][i] += weight;
        linear[i] += unknown.mean * weight;
    }
    let mut found = start;
    for _ in 0..2_000 {
        let mut moved = 0.0_f64;
        for (i, unknown) in unknowns.iter().enumerate() {
            let rest: f64 = square[i].iter().zip(&found).map(|(a, x)| a * x).sum();
            let best = found[i] + (linear[i] - rest) / square[i][i];
            let best = best.clamp(unknown.least, unknown.most);
            moved = moved.max((best - found[i]).abs());
            found[i] = best;
        }
        if moved < 1e-6 {
            break;
        }
    }
    found
}

/// What is known of people of whom each has a bit or not: figures of sets, in which a person counts if its bit is as the
/// figure asks. Each person counts as 1 + e, e being the same everywhere.
pub(crate) struct Bits {
    figures: Vec<Figure>,
    /// Of each person its figures, and whether it counts with the bit set.
    of_person: Vec<Vec<(usize, bool)>>,
}

struct Figure {
    value: f64,
    variance: f64,
}

impl Bits {
    /// Nothing is known of so many people.
    pub(crate) fn new(people: usize) -> Self {
        Self { figures: Vec::new(), of_person: vec![Vec::new(); people] }
    }

    /// A figure about those of `people` whose bit is `bit`; `value` and the variance of its noise.
    pub(crate) fn figure(&mut self, people: &[usize], bit: bool, value: f64, variance: f64) {
        for person in people {
            self.of_person[*person].push((self.figures.len(), bit));
        }
        self.figures.push(Figure { value, variance });
    }

    /// For each person how probable the bit is, by Gibbs sampling: so many sweeps, of which the first third is left
    /// out. `weights` is the variance of e, `prior` how frequent the bit is.
    pub(crate) fn sample(
        &self,
        sweeps: usize,
        weights: f64,
        prior: f64,
        rng: &mut impl Rng,
    ) -> Vec<f64> {
        let people = self.of_person.len();
        let mut bits: Vec<bool> = (0..people).map(|_| rng.random_bool(prior)).collect();
        let mut parts = vec![1.0; people];
        let mut left: Vec<f64> = self.figures.iter().map(|figure| figure.value).collect();
        for (person, figures) in self.of_person.iter().enumerate() {
            for (figure, _) in figures.iter().filter(|(_, asked)| *asked == bits[person]) {
                left[*figure] -= 1.0;
            }
        }
        let (mut sums, mut counted) = (vec![0.0; people], 0.0);
        for sweep in 0..sweeps {
            // Wide at first, so that the walk does not freeze where it began.
            let heat = if sweep * 3 < sweeps { 3.0 - 6.0 * ratio(sweep, sweeps) } else { 1.0 };
            for (person, figures) in self.of_person.iter().enumerate() {
                let part = parts[person];
                // The odds of the bit given everybody else.
                let mut odds = (prior / (1.0 - prior)).ln();
                for (figure, asked) in figures {
                    let own = if *asked == bits[person] { part } else { 0.0 };
                    let rest = left[*figure] + own;
                    let gain = (rest.powi(2) - (rest - part).powi(2))
                        / (2.0 * self.figures[*figure].variance);
                    odds += if *asked { gain } else { -gain } / heat;
                }
                let chance = (1.0 + (-odds).exp()).recip();
                let bit = rng.random_bool(chance);
                if sweep * 3 >= sweeps {
                    sums[person] += chance;
                }
                // The part given the bit: normal around what its figures leave, kept within its limits.
                let (mut precision, mut pull) = (weights.recip(), weights.recip());
                for (figure, asked) in figures {
                    if *asked == bits[person] {
                        left[*figure] += part;
                    }
                    if *asked == bit {
                        let weight = self.figures[*figure].variance.recip();
                        precision += weight;
                        pull += left[*figure] * weight;
                    }
                }
                let reach = (3.0 * weights).sqrt();
                let part = (pull / precision + normal(rng) / precision.sqrt())
                    .clamp(1.0 - reach, 1.0 + reach);
                for (figure, _) in figures.iter().filter(|(_, asked)| *asked == bit) {
                    left[*figure] -= part;
                }
                (bits[person], parts[person]) = (bit, part);
            }
            counted += f64::from(u8::from(sweep * 3 >= sweeps));
        }
        sums.iter().map(|sum| sum / counted).collect()
    }
}

fn ratio(a: usize, b: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "numbers of sweeps are small")]
    let ratio = a as f64 / b as f64;
    ratio
}

/// A standard normal number, by Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, angle): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::{Equation, Unknown, least_deviations, least_squares};

    #[test]
    fn fits_keep_their_limits_and_outliers_count_little() {
        let unknown = Unknown { mean: 0.5, deviation: 100.0, least: 0.0, most: 1.0 };
        let one = |terms: &[usize], value| Equation {
            terms: terms.iter().map(|i| (*i, 1.0)).collect(),
            value,
            error: 1.0,
        };
        let equations =
            [one(&[0], 0.2), one(&[0], 0.2), one(&[0], 0.9), one(&[1], 7.0), one(&[0, 2], 1.0)];
        let squares = least_squares(&equations, &[unknown; 3]);
        let deviations = least_deviations(&equations, &[unknown; 3]);
        // The mean of 0.2, 0.2 and 0.9, and their median; what is beyond a limit lies at it.
        assert!((squares[0] - 1.3 / 3.0).abs() < 1e-3, "{squares:?}");
        assert!((deviations[0] - 0.2).abs() < 1e-2, "{deviations:?}");
        assert!((squares[1] - 1.0).abs() < 1e-9 && (squares[0] + squares[2] - 1.0).abs() < 1e-3);
    }
}
