//! What noise is like over many sets, and what is told of it.

use super::world::{House, Key, People, Table, What, both, everybody};
use crate::{Profile, Protection};

const SETS: i32 = 20_000;

/// Errors of the numbers of persons of so many sets who share nobody, and the mean square of the errors told.
fn errors(profile: &Profile, sets: i32, size: i64) -> (Vec<f64>, f64) {
    let people = |n: i32| everybody(i64::from(n) * 1_000..i64::from(n) * 1_000 + size);
    let groups: Vec<(Key, People)> = (0..sets).map(|n| ((n, 0), people(n))).collect();
    let lines = House::new(profile).ask(&Table::by_label(groups, &[What::Persons]));
    assert_eq!(lines.len(), sets as usize);
    let told = lines.iter().map(|line| line.spreads[0].unwrap().powi(2)).sum::<f64>();
    let error = |line: &super::world::Line| (line.figures[0].unwrap() - i128::from(size)) as f64;
    (lines.iter().map(error).collect(), told / f64::from(sets))
}

fn moments(errors: &[f64]) -> (f64, f64) {
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let square = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>();
    (mean, square / errors.len() as f64)
}

/// The mean is 0, the variance that of weights, noise and rounding, and so is what is told.
fn as_specified(profile: &Profile, sets: i32, size: i64, [v, variance, c]: [f64; 3]) {
    let (errors, told) = errors(profile, sets, size);
    let (mean, found) = moments(&errors);
    let expected = v * size as f64 + variance + c * size as f64 + 25.0 / 12.0;
    let error = (found / f64::from(sets)).sqrt();
    assert!(mean.abs() < 4.0 * error, "mean {mean}, standard error {error}");
    assert!((found / expected - 1.0).abs() < 0.1, "variance {found}, not {expected}");
    assert!((told.sqrt() / found.sqrt() - 1.0).abs() < 0.15, "told {told} of {found}");
    // Far sets have nothing in common.
    let pairs: Vec<_> =
        errors.chunks_exact(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).collect();
    let correlation = pairs.iter().sum::<f64>() / pairs.len() as f64 / found;
    assert!(correlation.abs() < 4.0 / (pairs.len() as f64).sqrt(), "correlation {correlation}");
}

#[test]
fn noise_of_persons_is_unbiased_and_of_the_variance_that_is_told() {
    let [sde, guarded] = both();
    as_specified(&sde, SETS, 25, [0.05, 12.0, 0.02]);
    as_specified(&sde, 1_500, 203, [0.05, 12.0, 0.02]);
    as_specified(&guarded, 2_500, 60, [0.1, 64.0, 0.1]);
}

/// Rows and totals of skewed contributions: what is told of the error is what it is.
#[test]
fn the_error_that_is_told_of_skewed_contributions_is_what_it_is() {
    use super::world::Part;
    let profile = &both()[0];
    for what in [What::Rows, What::Total] {
        let (mut found, mut told) = (0.0, 0.0);
        let sets = 400;
        for n in 0..sets {
            let mut people = everybody(n * 10_000..n * 10_000 + 300);
            for (person, part) in &mut people {
                // A few have many times what most have; the limit takes nothing.
                let much = if person % 15 == 0 { 12 } else { 1 };
                *part = Part { rows: much, value: Some(100 * much) };
            }
            let truth: i128 = people.values().map(|p| p.rows).sum();
            let (figure, spread) = House::new(profile).one(&people, what);
            let unit = if what == What::Total { 100.0 } else { 1.0 };
            found += (figure.unwrap() as f64 / unit - truth as f64).powi(2);
            told += (spread.unwrap() / unit).powi(2);
        }
        let ratio = (told / found).sqrt();
        assert!((0.85..1.2).contains(&ratio), "{what:?}: told {ratio} of what it is");
    }
}

/// The error of a figure is told from what is released, and from how even the contributions are to a half
/// power of two. Were it told from the exact figure, that could be read off it.
#[test]
fn i1_the_error_that_is_told_tells_nothing_beyond_the_figures() {
    use std::collections::HashMap;
    for profile in both() {
        let mut told: HashMap<Vec<Option<i128>>, Vec<f64>> = HashMap::new();
        let mut alike = 0;
        for n in 0..300 {
            let mut people = everybody(n * 1_000..n * 1_000 + 40 + n % 9);
            // One value for all is one scale for all.
            people.values_mut().take(20).for_each(|part| part.rows = 1 + i128::from(n % 3));
            let told_of =
                House::new(&profile).whole(&people, &[What::Persons, What::Rows, What::Total]);
            let figures: Vec<_> = told_of.iter().map(|told| told.0).collect();
            let spreads: Vec<f64> = told_of.iter().filter_map(|told| told.1).collect();
            if let Some(earlier) = told.get(&figures) {
                assert_eq!(earlier[0], spreads[0], "{figures:?}");
                // Rows: all but the weights' part is the same, and that differs by half powers of two.
                let weights = |spreads: &[f64]| {
                    let persons = figures[0].unwrap_or(0) as f64;
                    let Protection::Noise(rule) = profile.protection() else { return 0.0 };
                    let rest = spreads[0].powi(2) - rule.weights * persons;
                    spreads[1].powi(2) - rest
                };
                let halves = 2.0 * (weights(earlier) / weights(&spreads)).log2();
                assert!((halves - halves.round()).abs() < 1e-3, "{halves}");
                alike += 1;
            } else {
                told.insert(figures, spreads);
            }
        }
        assert!(alike > 5, "{alike}");
    }
}
