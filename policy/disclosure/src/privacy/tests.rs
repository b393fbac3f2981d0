//! The promise from two sides. Before noise: how far apart neighbours are, over a million pairs, the vectors that
//! noise is added to, as if the same noise were drawn for both. After noise: whether what is drawn tells neighbours apart
//! more than it may (the stochastic tester of Wilson et al. 2020, with the best statistic that there is for a
//! Gaussian). Each mechanism that is broken on purpose must be found by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use super::*;
use crate::tests::secret;

const RULE: PrivacyRule = PrivacyRule { groups: 2, rows: 3, rho: 0.5, delta: 1e-6, budget: 100.0 };

/// Row by row: whose, in which group, with which value.
type People = Vec<(i64, i64, i128)>;

/// Values lie within it.
const MOST: i128 = 7;

/// A small generator of numbers, so that a million databases are the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// People near the bounds: many groups, many rows, large values.
    fn people(&mut self) -> People {
        let mut rows = Vec::new();
        for person in 0..=self.below(5).cast_signed() {
            for _ in 0..=self.below(12) {
                let group = self.below(5).cast_signed();
                let value = [MOST, MOST, -MOST, 1][self.below(4) as usize];
                rows.push((person, group, value));
            }
        }
        rows
    }
}

/// Bounded figures by group: persons, rows, sum.
fn figures(bounding: Bounding, rows: &People) -> BTreeMap<i64, [i128; 3]> {
    let mut groups: BTreeMap<i64, BTreeMap<i64, (i128, i128)>> = BTreeMap::new();
    for (person, group, value) in rows {
        let part = groups.entry(*group).or_default().entry(*person).or_default();
        *part = (part.0 + 1, part.1 + value);
    }
    let key = secret().people();
    let by = |decimals| Gathering { threshold: 10, decimals, key };
    let parts = |of: &dyn Fn(&(i128, i128)) -> i128| {
        let part = |(person, part): (&i64, &(i128, i128))| Part {
            person: *person,
            contribution: of(part),
        };
        groups.values().map(|people| people.iter().map(part).collect()).collect()
    };
    let all = vec![
        Unbounded { by: by(None), most: None, groups: parts(&|part| part.0) },
        Unbounded { by: by(Some(0)), most: Some(MOST as u128), groups: parts(&|part| part.1) },
    ];
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(groups.keys().copied()));
    let cells = bounding.cells(&key, &[keys], all).unwrap();
    let figures = cells[0].iter().zip(&cells[1]);
    groups
        .into_keys()
        .zip(figures.map(|(rows, sum)| [rows.persons.into(), rows.figure, sum.figure]))
        .collect()
}

fn without(rows: &People, person: i64) -> People {
    rows.iter().filter(|row| row.0 != person).copied().collect()
}

/// What taking one person away changes of each figure, group by group.
fn difference(bounding: Bounding, rows: &People, person: i64) -> [Vec<i128>; 3] {
    let (one, other) = (figures(bounding, rows), figures(bounding, &without(rows, person)));
    [0, 1, 2].map(|n| {
        one.iter().map(|(group, f)| f[n] - other.get(group).map_or(0, |other| other[n])).collect()
    })
}

fn squares(of: &[i128]) -> i128 {
    of.iter().map(|n| n * n).sum()
}

/// For each figure the largest square of the distance between neighbours.
fn farthest(bounding: Bounding, pairs: u64) -> [i128; 3] {
    let mut numbers = Numbers(1);
    let mut farthest = [0; 3];
    for _ in 0..pairs {
        let rows = numbers.people();
        let person = rows[numbers.below(rows.len() as u64) as usize].0;
        for (most, of) in farthest.iter_mut().zip(difference(bounding, &rows, person)) {
            *most = squares(&of).max(*most);
        }
    }
    farthest
}

/// The squares of what the noise is made for.
fn declared(rule: &PrivacyRule) -> [i128; 3] {
    let (groups, rows) = (i128::from(rule.groups), i128::from(rule.rows));
    [groups, groups * rows * rows, groups * (rows * MOST).pow(2)]
}

#[test]
fn a_million_neighbours_are_never_farther_apart_than_declared() {
    // And some of them are exactly that far: nothing is declared that does not happen.
    assert_eq!(farthest(RULE.bounding(), 1_000_000), declared(&RULE));
}

#[test]
fn neighbours_are_farther_apart_where_people_are_not_bounded() {
    let many_groups = Bounding { groups: 5, ..RULE.bounding() };
    let many_rows = Bounding { rows: 12, ..RULE.bounding() };
    let declared = declared(&RULE);
    assert!(farthest(many_groups, 1_000)[0] > declared[0]);
    for n in [1, 2] {
        assert!(farthest(many_rows, 1_000)[n] > declared[n], "figure {n}");
    }
}

#[test]
fn what_is_kept_of_others_does_not_depend_on_a_person() {
    let mut numbers = Numbers(2);
    for _ in 0..2_000 {
        let rows = numbers.people();
        let (one, other) =
            (figures(RULE.bounding(), &rows), figures(RULE.bounding(), &without(&rows, 0)));
        let own: People = rows.iter().filter(|row| row.0 == 0).copied().collect();
        let alone = figures(RULE.bounding(), &own);
        // Figures add up person by person.
        for (group, all) in one {
            let add = |n: usize| {
                let of = |part: &BTreeMap<i64, [i128; 3]>| part.get(&group).map_or(0, |f| f[n]);
                of(&other) + of(&alone)
            };
            assert_eq!(all, [0, 1, 2].map(add));
        }
    }
}

#[test]
fn what_is_spent_is_what_opendp_says_is_spent() {
    for rule in [RULE, PrivacyRule { groups: 4, rows: 5, rho: 0.005, delta: 1e-9, budget: 200.0 }] {
        for most in [1_u128, 5, 600, 1_000_000_000] {
            assert_eq!(rule.noisy(&[0, 3, -2], most).unwrap().len(), 3);
            let spread = rule.spread(most);
            let gaussian = spread.distance.powi(2) / (2.0 * spread.scale.powi(2));
            assert!((gaussian / rule.rho - 1.0).abs() < 1e-6, "{rule:?}, {most}: {gaussian}");
        }
        assert!(rule.listed([(1, 1)].into_iter()).unwrap().is_empty());
        let many = 10 * u64::try_from(rule.least_people()).unwrap();
        assert_eq!(rule.listed([(7, many), (8, 0)].into_iter()).unwrap(), HashSet::from([7]));
    }
    let (epsilon, delta) =
        PrivacyRule { groups: 4, rows: 5, rho: 0.005, delta: 1e-9, budget: 200.0 }.whole();
    assert!((8.4..8.6).contains(&epsilon) && delta == 1e-6, "{epsilon}");
}

/// One number of an answer.
type Reading = dyn Fn(&[i128]) -> f64;

/// Draws of one kind of answer, for each of two neighbours.
struct Trial {
    draws: usize,
    /// What tells neighbours apart best: the answer along the direction in which they differ.
    along: Box<Reading>,
}

/// The chance of a standard normal to be above.
fn above(z: f64) -> f64 {
    libm::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-12.0, 12.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if above(middle) > p { low = middle } else { high = middle }
    }
    -low
}

/// Bounds of a share (Wilson), each beyond the truth in 3 of 100,000 cases.
fn share(hits: usize, of: usize) -> (f64, f64) {
    let (n, p, z) = (of as f64, hits as f64 / of as f64, 4.0_f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

impl Trial {
    /// How many standard deviations neighbours are apart at least, for whoever sees one answer: the largest over
    /// thresholds of what a normal distribution would need to tell them apart so well.
    fn apart(
        &self,
        mut one: impl FnMut() -> Vec<i128>,
        mut other: impl FnMut() -> Vec<i128>,
    ) -> f64 {
        let seen = |answer: Vec<i128>| (self.along)(&answer);
        let ones: Vec<f64> = (0..self.draws).map(|_| seen(one())).collect();
        let others: Vec<f64> = (0..self.draws).map(|_| seen(other())).collect();
        let mut sorted: Vec<f64> = ones.iter().chain(&others).copied().collect();
        sorted.sort_by(f64::total_cmp);
        let mut apart = 0.0_f64;
        for part in 1..20 {
            let edge = sorted[sorted.len() * part / 20];
            for beyond in [|x: f64, e: f64| x >= e, |x: f64, e: f64| x > e] {
                let hits = |of: &[f64]| of.iter().filter(|x| beyond(**x, edge)).count();
                let (low, _) = share(hits(&ones), self.draws);
                let (_, high) = share(hits(&others), self.draws);
                apart = apart.max(quantile(low) - quantile(high));
                let (_, high) = share(hits(&ones), self.draws);
                let (low, _) = share(hits(&others), self.draws);
                apart = apart.max(quantile(low) - quantile(high));
            }
        }
        apart
    }
}

/// How far apart a mechanism may put neighbours: a Gaussian that spends rho.
fn allowed(rule: &PrivacyRule) -> f64 {
    (2.0 * rule.rho).sqrt()
}

/// Neighbours that differ as much as they may: one person in all groups with many rows.
fn far_apart() -> (People, People) {
    let mut rows: People = (0..5).flat_map(|group| (1..4).map(move |p| (p, group, 1))).collect();
    rows.extend((0..5).flat_map(|group| (0..12).map(move |_| (0, group, MOST))));
    let other = without(&rows, 0);
    (rows, other)
}

fn figure(bounding: Bounding, rows: &People, n: usize) -> Vec<i128> {
    let figures = figures(bounding, rows);
    (0..5).map(|group| figures.get(&group).map_or(0, |f| f[n])).collect()
}

/// Draws one answer from bounded figures.
type Mechanism = dyn Fn(&[i128]) -> Vec<i128>;

/// How far apart a mechanism puts two neighbours, by the figure number `n`, at least.
fn measured(bounding: Bounding, n: usize, draws: usize, mechanism: &Mechanism) -> f64 {
    let (one, other) = far_apart();
    let (one, other) = (figure(bounding, &one, n), figure(bounding, &other, n));
    let direction: Vec<f64> = one.iter().zip(&other).map(|(a, b)| (a - b) as f64).collect();
    let along =
        move |answer: &[i128]| answer.iter().zip(&direction).map(|(a, d)| *a as f64 * d).sum();
    let trial = Trial { draws, along: Box::new(along) };
    trial.apart(|| mechanism(&one), || mechanism(&other))
}

fn gaussian(rule: PrivacyRule, most: u128) -> impl Fn(&[i128]) -> Vec<i128> {
    move |figures| rule.noisy(figures, most).unwrap().into_iter().map(i128::from).collect()
}

#[test]
fn what_is_drawn_tells_neighbours_apart_no_more_than_claimed() {
    for (n, most) in [(0, 1), (1, RULE.rows.into()), (2, u128::from(RULE.rows) * MOST as u128)] {
        let apart = measured(RULE.bounding(), n, 20_000, &gaussian(RULE, most));
        // Nearly as much, so that the test would see more.
        assert!((0.8 * allowed(&RULE)..allowed(&RULE)).contains(&apart), "figure {n}: {apart}");
    }
}

/// Sees to it that the tester finds what is wrong.
fn is_found(wrong: &str, apart: f64) {
    assert!(apart > allowed(&RULE), "not found: {wrong}, {apart}");
}

#[test]
fn noise_that_is_too_narrow_is_found() {
    let fifth_too_large = PrivacyRule { rho: RULE.rho * 1.44, ..RULE };
    is_found(
        "epsilon a fifth too large",
        measured(RULE.bounding(), 0, 100_000, &gaussian(fifth_too_large, 1)),
    );
}

#[test]
fn noise_for_one_group_of_a_person_who_is_in_several_is_found() {
    let one_group = PrivacyRule { groups: 1, ..RULE };
    is_found("one group", measured(RULE.bounding(), 0, 20_000, &gaussian(one_group, 1)));
}

#[test]
fn people_in_more_groups_than_noise_is_made_for_are_found() {
    let bounding = Bounding { groups: 5, ..RULE.bounding() };
    is_found("groups not bounded", measured(bounding, 0, 20_000, &gaussian(RULE, 1)));
}

#[test]
fn people_with_more_rows_than_noise_is_made_for_are_found() {
    let bounding = Bounding { rows: 12, ..RULE.bounding() };
    is_found("rows not bounded", measured(bounding, 1, 20_000, &gaussian(RULE, RULE.rows.into())));
    is_found(
        "values not bounded",
        measured(bounding, 2, 20_000, &gaussian(RULE, u128::from(RULE.rows) * MOST as u128)),
    );
}

#[test]
fn noise_that_the_figures_themselves_decide_is_found() {
    // The same figures, the same noise: whoever sees a figure twice sees which it is. Now and then both get the same.
    let apart = (0..10).map(|_| {
        let drawn = std::cell::RefCell::new(HashMap::<Vec<i128>, Vec<i128>>::new());
        let fixed = move |figures: &[i128]| {
            let draw = || gaussian(RULE, 1)(figures);
            drawn.borrow_mut().entry(figures.to_vec()).or_insert_with(draw).clone()
        };
        measured(RULE.bounding(), 0, 2_000, &fixed)
    });
    is_found("noise by figures", apart.fold(0.0, f64::max));
}

/// How often a group of so many people is listed.
fn listed(of: usize, people: u64, is_listed: &dyn Fn(u64) -> bool) -> usize {
    (0..of).filter(|_| is_listed(people)).count()
}

#[test]
fn a_group_is_listed_by_noise_and_a_threshold_on_the_truth_is_found() {
    let least = u64::try_from(RULE.least_people()).unwrap();
    let by_noise = |people| !RULE.listed([(1, people)].into_iter()).unwrap().is_empty();
    let by_truth = |people: u64| people >= least;
    let apart = |is_listed: &dyn Fn(u64) -> bool| {
        let (draws, shares) = (20_000, [least, least - 1]);
        let [(low, _), (_, high)] = shares.map(|n| share(listed(draws, n, is_listed), draws));
        quantile(low) - quantile(high)
    };
    // One person of one group: less than one of several may be.
    assert!(apart(&by_noise) < allowed(&RULE) && apart(&by_noise) > 0.3 * allowed(&RULE));
    is_found("a threshold on the truth", apart(&by_truth));
}

#[test]
fn a_group_of_one_person_is_listed_as_rarely_as_claimed() {
    // With a delta that can be seen.
    let rule = PrivacyRule { delta: 0.01, ..RULE };
    let draws = 20_000;
    let by = |rule: PrivacyRule| {
        move |people| !rule.listed([(1, people)].into_iter()).unwrap().is_empty()
    };
    let (low, _) = share(listed(draws, 1, &by(rule)), draws);
    assert!(low <= rule.delta, "{low}");
    assert_eq!(listed(draws, 0, &by(rule)), 0);
}

#[test]
fn all_figures_are_whole_numbers_of_which_each_can_come_from_either_neighbour() {
    // Noise as a floating-point number would give values that only one of them can give (Mironov 2012).
    let (one, other) = ([4_i128], [5_i128]);
    let seen = |figures: &[i128]| -> HashSet<i64> {
        (0..20_000).map(|_| RULE.noisy(figures, 1).unwrap()[0]).collect()
    };
    let (one, other) = (seen(&one), seen(&other));
    let common = (0..=9).collect::<HashSet<i64>>();
    assert!(common.is_subset(&one) && common.is_subset(&other));
}

#[test]
fn figures_beyond_64_bits_stay_at_their_ends() {
    let ends = RULE.noisy(&[i128::MAX, i128::MIN], 1).unwrap();
    assert!(ends[0] > i64::MAX - 100 && ends[1] < i64::MIN + 100);
}
