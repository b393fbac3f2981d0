//! I8: no device that multiplies a figure makes it relatively more precise.

use super::world::{House, Part, People, What, both};

fn multiplied(n: i64, size: i64, factor: i128) -> People {
    let part = |person: i64| Part { rows: 1, value: Some(factor * (40 + i128::from(person % 25))) };
    (n * 1_000..n * 1_000 + size).map(|person| (person, part(person))).collect()
}

/// The relative error of totals, and what is told of it.
fn precision(size: i64, factor: i128) -> (f64, f64) {
    let profile = &both()[0];
    let (mut squares, mut told) = (0.0, 0.0);
    for n in 0..150 {
        let people = multiplied(n, size, factor);
        let truth: i128 = people.values().filter_map(|part| part.value).sum();
        let (figure, spread) = House::new(profile).one(&people, What::Total);
        squares += ((figure.unwrap() - truth) as f64 / truth as f64).powi(2);
        told += spread.unwrap() / truth as f64;
    }
    ((squares / 150.0).sqrt(), told / 150.0)
}

#[test]
fn i8_multiplying_every_contribution_multiplies_noise_and_rounding() {
    // Totals in hundredths: from a few hundredths to thousands of millions.
    let (error, told) = precision(400, 1);
    for factor in [2, 3, 7, 64, 100, 4_096, 1_000_003, 1 << 60] {
        let (relative, said) = precision(400, factor);
        // The scale is a power of two from 2^-1/4 of the clip up to its double, and the weights stay.
        assert!((0.5..2.2).contains(&(relative / error)), "{factor}: {relative} not {error}");
        assert!((0.5..2.2).contains(&(said / told)), "{factor}: {said} not {told}");
    }
}

#[test]
fn i8_what_is_told_of_the_error_never_falls_below_the_clip() {
    let profile = &both()[0];
    for n in 0..60 {
        let factor = 1_i128 << n;
        let people = multiplied(n, 60, factor);
        let (figure, spread) = House::new(profile).one(&people, What::Total);
        let mut sizes: Vec<i128> = people.values().filter_map(|part| part.value).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        // Fourteen are enough by any draw.
        let clip = sizes[13] as f64;
        // V = 12, c = 0.02 for half as many, rounding to 5.
        let least = clip * (12.0 + 0.02 * 30.0 + 25.0 / 12.0_f64).sqrt() * 0.95;
        assert!(spread.unwrap() >= least, "{} below {least}", spread.unwrap());
        // Rounded to 5 times a power of two that the clip does not exceed.
        if factor > 128 {
            let step = clip.log2().floor() as i32 - 8;
            assert_eq!(figure.unwrap() % (5 << step), 0);
        }
    }
}

#[test]
fn i8_counts_alone_use_the_plain_base() {
    let profile = &both()[0];
    let people = multiplied(1, 80, 1_000_000);
    let [persons, rows] = [What::Persons, What::Rows].map(|what| {
        let (figure, spread) = House::new(profile).one(&people, what);
        assert!((figure.unwrap() - 80).abs() <= 25 && spread.unwrap() < 5.0);
        figure.unwrap()
    });
    // Who has one row each: the same people, the same draw.
    assert!((persons - rows).abs() <= 5);
}
