use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn moments(row: &Row) -> (f64, f64, f64) {
    row.probabilities().fold((0.0, 0.0, 0.0), |(sum, mean, second), (v, p)| {
        let v = v as f64;
        (sum + p, mean + p * v, second + p * v * v)
    })
}

fn entropy(probabilities: impl Iterator<Item = f64>) -> f64 {
    probabilities.filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

/// How often each change is drawn by equally spaced bits.
fn drawn(row: &Row, times: u64) -> HashMap<i64, u64> {
    let mut drawn = HashMap::new();
    for n in 0..times {
        *drawn.entry(row.draw(u64::MAX / times * n + u64::MAX / times / 2)).or_default() += 1;
    }
    drawn
}

/// From this count on all rows are the same.
fn first_large(table: Table) -> u64 {
    let gap = if table.smallest > 0 { table.smallest + 1 } else { 0 };
    u64::from(table.max + gap)
}

fn agrees_with_ptable(file: &str, table: Table) {
    let shared = std::env::var("CORDON_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let file = Path::new(&shared).join("golden").join(file);
    if !file.exists() {
        eprintln!("skipped: {} is not there", file.display());
        return;
    }
    let mut rows: HashMap<u64, HashMap<i64, f64>> = HashMap::new();
    for line in csv::Reader::from_path(&file).unwrap().deserialize() {
        let (i, j, p, v): (u64, i64, f64, i64) = {
            let line: (u64, i64, f64, i64, f64, f64, String) = line.unwrap();
            (line.0, line.1, line.2, line.3)
        };
        assert_eq!(i64::try_from(i).unwrap() + v, j);
        rows.entry(i).or_default().insert(v, p);
    }
    assert_eq!(u64::try_from(rows.len()).unwrap(), first_large(table) + 1);
    for (count, expected) in rows {
        let ours: HashMap<i64, f64> = table.row(count).probabilities().collect();
        for v in -i64::from(table.max)..=i64::from(table.max) {
            let [ours, expected] =
                [&ours, &expected].map(|row| row.get(&v).copied().unwrap_or(0.0));
            assert!((ours - expected).abs() < 1e-3, "row {count}, {v}: {ours} not {expected}");
        }
    }
}

#[test]
fn ptable_d5_v3_js2() {
    let table = Table { max: 5, variance: 3.0, smallest: 2, stay: None };
    agrees_with_ptable("ptable_maxent_D5_V3_js2.csv", table);
}

#[test]
fn ptable_d3_v1() {
    let table = Table { max: 3, variance: 1.0, smallest: 0, stay: None };
    agrees_with_ptable("ptable_maxent_D3_V1_js0.csv", table);
}

#[test]
fn ptable_d4_v2_js1_stay_half() {
    let table = Table { max: 4, variance: 2.0, smallest: 1, stay: Some(0.5) };
    agrees_with_ptable("ptable_maxent_D4_V2_js1_pstay05.csv", table);
}

/// By hand: the row of 1 of D = 3, V = 1 has p(-1) = p(0), and large rows are symmetrical and all the same.
#[test]
fn without_golden_files() {
    let table = Table { max: 3, variance: 1.0, smallest: 0, stay: None };
    let one: Vec<(i64, f64)> = table.row(1).probabilities().collect();
    assert_eq!(one[0].0, -1);
    assert!((one[0].1 - one[1].1).abs() < 1e-12);
    let large: Vec<(i64, f64)> = table.row(3).probabilities().collect();
    for (low, high) in large.iter().zip(large.iter().rev()) {
        assert!((low.1 - high.1).abs() < 1e-12);
    }
    for count in [4, 5, 1_000, u64::MAX] {
        assert!(table.row(count).probabilities().eq(large.iter().copied()));
    }
    assert_eq!(table.row(0).probabilities().collect::<Vec<_>>(), [(0, 1.0)]);
}

#[test]
fn tables_at_their_edges() {
    let table = |max, variance, smallest, stay| Table { max, variance, smallest, stay };
    let all = |table: Table, count| table.row(count).probabilities().collect::<Vec<_>>();

    // No variance: no change, and none is ever drawn.
    let still = table(5, 0.0, 0, None).row(9);
    assert!([0, 1, u64::MAX / 2, u64::MAX].map(|bits| still.draw(bits)) == [0; 4]);
    // More than there can be, and what is no number: uniform, never none.
    for variance in [1e9, f64::INFINITY, f64::NAN] {
        let row = table(5, variance, 0, None).row(9);
        assert!(row.probabilities().all(|(_, p)| (p - 1.0 / 11.0).abs() < 1e-12));
        assert!((row.variance() - 10.0).abs() < 1e-9);
    }
    // Always staying; and where staying would show a small count, not even then.
    assert!(
        table(5, 3.0, 2, Some(1.0)).row(9).probabilities().all(|(v, p)| (v == 0) == (p == 1.0))
    );
    assert!(table(5, 3.0, 2, Some(1.0)).row(2).probabilities().all(|(v, _)| v == -2 || v > 0));
    assert!(table(5, 3.0, 2, Some(f64::NAN)).row(9).probabilities().all(|(_, p)| p < 0.3));
    // Too narrow to be unbiased: a small count is still never shown.
    assert_eq!(all(table(1, 1.0, 2, None), 1), [(-1, 1.0)]);
    assert_eq!(all(table(1, 1.0, 2, None), 2), [(1, 1.0)]);
    assert_eq!(all(table(1, 1.0, 5, None), 3), [(-3, 1.0)]);
    assert_eq!(all(table(2, 1.0, 2, None), 3), [(0, 1.0)]);
    assert_eq!(all(table(2, 1.0, 2, Some(0.5)), 3), [(0, 1.0)]);
    assert_eq!(all(table(0, 1.0, 0, None), 3), [(0, 1.0)]);
    // Less than a row can have: the least it can have. Of -2, +1, … it is 2.
    assert!((table(5, 0.5, 2, None).row(2).variance() - 2.0).abs() < 1e-6);
}

#[test]
fn frequencies_are_the_probabilities() {
    let times = 200_000;
    let table = Table { max: 5, variance: 3.0, smallest: 2, stay: None };
    for row in [table.row(1), table.row(4), table.row(7), table.row(100)] {
        let drawn = drawn(&row, times);
        for (change, probability) in row.probabilities() {
            let share = drawn.get(&change).copied().unwrap_or(0) as f64 / times as f64;
            assert!((share - probability).abs() <= 2.0 / times as f64, "{change}: {share}");
        }
        assert!(drawn.keys().all(|v| row.probabilities().any(|(change, _)| change == *v)));
    }
}

fn bound(variance: f64) -> u32 {
    (5.0 / 3.0_f64.sqrt() * variance.sqrt()).ceil() as u32
}

#[test]
fn symmetric_noise_of_any_size() {
    let noise = Noise::default();
    for variance in [0.01, 0.05, 0.3, 1.0, 3.0, 12.0, 333.3, 5_000.0, 40_000.0] {
        for bound in [bound(variance), 1_000] {
            let row = noise.symmetric(variance, bound);
            let (sum, mean, second) = moments(&row);
            assert!((sum - 1.0).abs() < 1e-12, "{variance} {sum}");
            assert!(mean.abs() < 1e-9, "{variance} {mean}");
            assert!((second - variance).abs() < 1e-6, "{variance} {second}");
            assert!((row.variance() - variance).abs() < 1e-6);
            assert_eq!(row.probabilities().count(), 2 * bound as usize + 1);
            let (first, last) = (row.draw(0), row.draw(u64::MAX));
            assert!(first.unsigned_abs() <= bound.into() && last.unsigned_abs() <= bound.into());
        }
    }
    // The normal distribution of the same variance is close, where bounds and grid do not matter.
    let row = noise.symmetric(100.0, 1_000);
    for (v, p) in row.probabilities() {
        let normal = (-0.005 * (v * v) as f64).exp() / (std::f64::consts::TAU * 100.0).sqrt();
        assert!((p - normal).abs() < 1e-9, "{v}: {p} not {normal}");
    }
}

#[test]
fn rows_are_solved_once_and_fast() {
    let fastest = |variance: f64| {
        let solve = |noise: Noise| {
            let start = Instant::now();
            let row = noise.symmetric(variance, bound(variance));
            (start.elapsed(), row)
        };
        (0..5).map(|_| solve(Noise::default()).0).min().unwrap()
    };
    for variance in [3.0, 1_000.0, 40_000.0] {
        let fastest = fastest(variance);
        eprintln!("variance {variance}: {fastest:?}");
        assert!(fastest < Duration::from_millis(5), "variance {variance}: {fastest:?}");
    }
    let noise = Noise::default();
    let row = noise.symmetric(3.0, 5);
    assert!(Arc::ptr_eq(&row, &noise.symmetric(3.0, 5)));
    for (variance, bound) in [(3.0, 6), (3.5, 5)] {
        assert!(!Arc::ptr_eq(&row, &noise.symmetric(variance, bound)));
    }
    for n in 0..2_000 {
        noise.symmetric(f64::from(n), 1);
    }
    assert!(noise.0.lock().unwrap().len() <= REMEMBERED);
}

/// Tables of which every row can be unbiased, but not every row can have the variance.
fn any_table() -> impl Strategy<Value = Table> {
    (0_u32..6, 1_u32..12, 0.01_f64..1.2, proptest::option::of(0.0_f64..0.9)).prop_map(
        |(smallest, more, share, stay)| {
            let max = smallest + more;
            let variance = share * f64::from(max * (max + 1)) / 3.0;
            Table { max, variance, smallest, stay }
        },
    )
}

proptest! {
    #[test]
    fn rows_are_unbiased_and_within_their_support(table in any_table(), count in 1_u64..25) {
        let row = table.row(count);
        let (sum, mean, _) = moments(&row);
        prop_assert!((sum - 1.0).abs() < 1e-12, "sum {}", sum);
        prop_assert!(mean.abs() < 1e-9, "mean {}", mean);
        let n = i64::try_from(count).unwrap();
        let max = i64::from(table.max);
        for (v, p) in row.probabilities() {
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(v.abs() <= max && (n + v == 0 || n + v > i64::from(table.smallest)));
        }
        // Staying is as wished, where it is allowed and where there is anything else that is unbiased.
        let probability = |v| row.probabilities().find(|(w, _)| *w == v).map_or(0.0, |(_, p)| p);
        let may_stay = count > table.smallest.into();
        if let Some(stay) = table.stay.filter(|_| may_stay && probability(0) != 1.0) {
            prop_assert!((probability(0) - stay).abs() < 1e-12);
        }
        // Within the unbroken range: never falling up to no change, never rising after it.
        let shown = |v: &i64| n + v > i64::from(table.smallest) || (n + v == 0 && table.smallest == 0);
        let block: Vec<i64> = row.probabilities().map(|(v, _)| v)
            .filter(|v| shown(v) && !(table.stay.is_some() && *v == 0)).collect();
        for pair in block.windows(2) {
            let (low, high) = (probability(pair[0]), probability(pair[1]));
            if pair[1] <= 0 { prop_assert!(low <= high + 1e-12, "{:?}", row); }
            if pair[0] >= 0 { prop_assert!(high <= low + 1e-12, "{:?}", row); }
        }
    }

    #[test]
    fn the_variance_is_as_wanted_or_the_nearest(table in any_table(), count in 1_u64..25) {
        let found = table.row(count).variance();
        let most = Table { variance: f64::INFINITY, ..table }.row(count).variance();
        let least = Table { variance: 0.0, ..table }.row(count).variance();
        // Not `clamp`, which panics where rounding has the least above the most.
        let nearest = table.variance.min(most).max(least);
        prop_assert!((found - nearest).abs() < 1e-6, "{} not {}", found, nearest);
        // Large counts have all that a symmetrical, falling distribution can have.
        if table.stay.is_none() && count >= first_large(table) {
            let uniform = f64::from(table.max * (table.max + 1)) / 3.0;
            prop_assert!((most - uniform).abs() < 1e-6 && least < 1e-6);
        }
    }

    /// A referee that knows nothing of the solution: a mixture of two other rows with the same support,
    /// mean and variance has less entropy, and so has any step away that keeps them.
    #[test]
    fn nothing_allowed_has_more_entropy(table in any_table(), count in 1_u64..25, share in 0.1_f64..0.9) {
        let row = table.row(count);
        let most = Table { variance: f64::INFINITY, ..table }.row(count);
        let least = Table { variance: 0.0, ..table }.row(count);
        let ours = entropy(row.probabilities().map(|(_, p)| p));
        let (low, high, wanted) = (least.variance(), most.variance(), row.variance());
        if wanted > high - 1e-6 || wanted < low + 1e-6 {
            return Ok(());
        }
        let mixed = |weight: f64| least.probabilities().zip(most.probabilities())
            .map(move |((_, low), (_, high))| low + weight * (high - low));
        let mixture = || mixed((wanted - low) / (high - low));
        prop_assert!(entropy(mixture()) <= ours + 1e-9);
        let between = row.probabilities().zip(mixture())
            .map(|((_, ours), other)| ours + share * (other - ours));
        prop_assert!(entropy(between) <= ours + 1e-9);
    }

    /// The conditions of Karush, Kuhn and Tucker: what is free lies on one parabola (of logarithms), and what
    /// is tied has its average there, falls there from the left, and is tied for that alone.
    #[test]
    fn tied_where_it_would_fall_and_free_elsewhere(table in any_table(), count in 1_u64..25) {
        let row = table.row(count);
        let logs: Vec<(f64, f64)> = row.probabilities().filter(|(v, _)| *v != 0 || table.stay.is_none())
            .map(|(v, p)| (v as f64, p.ln())).collect();
        // Logarithms of what is too small for a number tell nothing.
        let logs: Vec<(f64, f64)> = logs.into_iter().filter(|(_, p)| *p > -600.0).collect();
        let right: Vec<(f64, f64)> = logs.iter().copied().filter(|(v, _)| *v > 0.0).collect();
        let [(v, one), (_, two), (_, three), ..] = right[..] else { return Ok(()) };
        let b = (three - two - two + one) / 2.0;
        let a = two - one - b * (2.0 * v + 1.0);
        prop_assert!(b < 1e-9, "{}", b);
        let above = |(w, p): (f64, f64)| p - (one + a * (w - v) + b * (w * w - v * v));
        let n = count as f64;
        let mut sum = 0.0;
        for (place, &(w, p)) in logs.iter().enumerate() {
            let alone = w > 0.0 || (table.smallest > 0 && w == -n);
            let next = logs.get(place + 1).copied().filter(|(next, _)| *next <= 0.0);
            sum += above((w, p));
            prop_assert!(sum < 1e-6, "{} at {} in {:?}", sum, w, row);
            // The end of what is tied together.
            if alone || next.is_none_or(|(_, next)| next > p + 1e-9) {
                prop_assert!(sum > -1e-6, "{} at {} in {:?}", sum, w, row);
                sum = 0.0;
            }
        }
    }

    #[test]
    fn larger_bits_never_give_a_smaller_change(
        table in any_table(), count in 0_u64..25, one: u64, other: u64,
    ) {
        let row = table.row(count);
        let (low, high) = (one.min(other), one.max(other));
        prop_assert!(row.draw(low) <= row.draw(high));
        let below = |change| row.probabilities().filter(|(v, _)| *v < change).map(|(_, p)| p).sum::<f64>();
        // What is drawn is where the distribution function passes the bits.
        let (drawn, bits) = (row.draw(one), one as f64 / 2_f64.powi(64));
        prop_assert!(below(drawn) <= bits + 1e-12 && bits <= below(drawn + 1) + 1e-12);
    }
}
