//! The meter: what a table is charged, how noise grows with it, where it ends.

use super::world::{House, Keys, Line, People, Table, What, both, everybody, steady};
use crate::{Charge, NoiseRule, Profile, Protection, ReleaseError};

fn set(n: i64, size: i64) -> People {
    everybody(n * 1_000..n * 1_000 + size)
}

fn rule(profile: &Profile) -> &NoiseRule {
    let Protection::Noise(rule) = profile.protection() else { panic!("no noise") };
    rule
}

/// V / (V + c n) of the smallest n that is shown; of T where nothing is.
fn charge(profile: &Profile, smallest: Option<i128>) -> f64 {
    let (v, c, least) =
        if profile.name() == "guarded" { (64.0, 0.1, 0.9) } else { (12.0, 0.02, 0.1) };
    f64::max(v / (v + c * smallest.unwrap_or(10).max(10) as f64), least)
}

/// The fewest persons behind a shown figure of a measure.
fn smallest(lines: &[Line], set: u8, measure: usize) -> Option<i128> {
    let shown = lines.iter().filter(|line| line.figures[measure].is_some());
    shown.filter(|line| line.key.1 == set).filter_map(|line| line.figures[0]).min()
}

fn millionths(answers: f64) -> u64 {
    (answers * 1e6).ceil() as u64
}

#[test]
fn a_table_is_charged_by_its_smallest_shown_figure_for_each_grouping_set_and_measure() {
    for profile in both() {
        let groups = (0..12).map(|n| ((n, u8::from(n > 6)), set(n.into(), 3 + 9 * i64::from(n))));
        let measures = [What::Persons, What::Rows, What::Total];
        let table = Table::by_label(groups.collect(), &measures);
        let table = Table { keys: Keys::Sets, ..table };
        let mut house = House::new(&profile);
        let lines = house.ask(&table);
        let each = [0, 1].map(|set| {
            // A total may rest on few of its people.
            let counts = [0, 1].map(|m| charge(&profile, smallest(&lines, set, m)));
            [counts[0], counts[1], charge(&profile, None)]
        });
        let expected: f64 = each.iter().flatten().sum();
        assert!(house.charged().abs_diff(millionths(expected)) <= 1);
        // The very question again is free; in other words it is charged the same, all of it copied.
        let once = house.charged();
        house.again(&table, 0);
        assert_eq!(house.charged(), once);
        house.ask(&table);
        assert_eq!(house.charged(), 2 * once);
    }
}

#[test]
fn the_charge_is_the_same_whether_figures_are_drawn_or_copied() {
    let profile = &both()[0];
    for n in 0..20 {
        let people = set(n, 10 + n);
        let mut less = people.clone();
        less.pop_first();
        let measures = [What::Persons, What::Total];
        let mut house = House::new(profile);
        house.whole(&people, &measures);
        let drawn = house.charged();
        house.whole(&less, &measures);
        assert_eq!(house.charged(), 2 * drawn);
    }
}

#[test]
fn a_question_of_which_nothing_is_shown_is_charged_as_one_of_t_persons() {
    let profile = &both()[0];
    for few in 0..10 {
        let mut house = House::new(profile);
        house.one(&set(0, few), What::Persons);
        assert_eq!(house.charged(), millionths(charge(profile, None)));
    }
}

#[test]
fn i4_the_charge_does_not_tell_none_from_few() {
    let profile = &both()[0];
    for domain in [None, Some(vec![(0, 0), (1, 0)])] {
        let charged = |groups| {
            let table = Table { domain: domain.clone(), ..Table::by_label(groups, &[What::Rows]) };
            let mut house = House::new(profile);
            house.ask(&table);
            house.charged()
        };
        assert_eq!(charged(vec![((0, 0), set(0, 1))]), charged(Vec::new()));
    }
}

/// Mean square of the error of persons, where the meter stands.
fn error_at(profile: &Profile, meter: f64) -> (f64, f64) {
    let (mut squares, mut told) = (0.0, 0.0);
    let groups: Vec<_> = (0..400).map(|n| ((n, 0), set(n.into(), 1_000))).collect();
    let mut house = House::new(profile);
    *house.ledger.charged.lock().unwrap() = Charge((meter * 1e6) as u64);
    for line in house.ask(&Table::by_label(groups, &[What::Persons])) {
        squares += (line.figures[0].unwrap() - 1_000).pow(2) as f64 / 400.0;
        told += line.spreads[0].unwrap().powi(2) / 400.0;
    }
    (squares, told)
}

#[test]
fn noise_grows_with_the_meter() {
    let [_, guarded] = &both();
    // v n + g² (V + c n) + 25/12, g = meter / 5 from 5 to 20, what this table may cost at most included.
    for meter in [0.0, 4.0, 5.0, 10.0, 18.0, 20.0, 100.0] {
        let growth = ((meter + charge(guarded, None)) / 5.0).clamp(1.0, 4.0);
        let expected = 100.0 + growth * growth * 164.0 + 25.0 / 12.0;
        let (error, told) = error_at(guarded, meter);
        // Four standard errors of a variance of 400; figures below 5 are none.
        assert!((error / expected - 1.0).abs() < 0.28, "{error} not {expected} at {meter}");
        assert!((told / expected - 1.0).abs() < 0.05, "told {told}, not {expected} at {meter}");
    }
    assert_eq!((rule(guarded).growth(4.9), rule(guarded).growth(1e9)), (1.0, 4.0));
}

#[test]
fn the_budget_refuses_what_is_new_and_no_repeat() {
    let [_, guarded] = &both();
    let mut house = House::new(guarded);
    let table = |n| Table::whole(set(n, 40), &[What::Persons]);
    let first = house.ask(&table(0));
    // What one column may cost at most fits once.
    *house.ledger.charged.lock().unwrap() = Charge(400_000_000 - millionths(charge(guarded, None)));
    house.ask(&table(1));
    assert!(house.charged() <= 400_000_000);
    let (charged, sets) = (house.charged(), house.sets());
    assert_eq!(house.again(&table(2), 77), None);
    // The same people in other words are a new question.
    assert_eq!(house.again(&table(0), 78), None);
    assert_eq!(house.again(&table(0), 0), Some(first));
    assert_eq!((house.charged(), house.sets()), (charged, sets));
    assert_eq!(house.ledger.tables.lock().unwrap().len(), 2);
}

#[test]
fn one_large_table_has_no_less_noise_than_many_small_ones() {
    let [_, guarded] = &both();
    let error = |sets: u8, columns: usize| {
        let groups = (0..100).map(|n| ((n, n as u8 % sets), set(n.into(), 100)));
        let table = Table::by_label(groups.collect(), &vec![What::Persons; columns]);
        let keys = if sets > 1 { Keys::Sets } else { Keys::Label };
        let lines = House::new(guarded).ask(&Table { keys, ..table });
        lines.iter().filter_map(|line| line.spreads[0]).fold(0.0, f64::max)
    };
    let (one, many) = (error(1, 1), error(2, 40));
    assert!(many > 2.0 * one, "{many} against {one}");
    let table = Table::whole(set(0, 40), &vec![What::Persons; 434]);
    assert_eq!(House::new(guarded).again(&table, 0), None);
}

#[test]
fn i6_nothing_is_remembered_or_charged_when_the_ledger_cannot_write() {
    for profile in both() {
        // Noise grows by how much was asked before, too.
        let profile = steady(&profile);
        let mut house = House::new(&profile);
        let table = |n| Table::whole(set(n, 40), &[What::Persons, What::Rows, What::Total]);
        house.ask(&table(0));
        let before = (house.charged(), house.sets());
        house.ledger.cannot_write = true;
        let told = table(1).try_ask(1, &house.profile, &house.secret, &house.ledger);
        assert!(matches!(told, Err(ReleaseError::Ledger(_))));
        assert_eq!((house.charged(), house.sets()), before);
        // Afterwards a near set is drawn as if it had never been asked.
        house.ledger.cannot_write = false;
        let near = Table::whole(set(1, 39), &[What::Persons, What::Rows, What::Total]);
        assert_eq!(house.ask(&near), House::new(&profile).ask(&near));
    }
}

/// Measured by hand, on an idle machine:
/// `cargo test --release -p cordon-disclosure speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed_of_copied_against_drawn() {
    use std::time::Instant;
    let profile = &both()[0];
    let table = |less: usize| {
        let groups = (0..1_000).map(|n| {
            let people = set(n, 40 + n % 60);
            ((n as i32, 0), people.into_iter().skip(less).collect())
        });
        Table::by_label(groups.collect(), &[What::Persons, What::Rows])
    };
    let (mut drawn, mut copied) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let mut house = House::new(profile);
        for (less, times) in [(0, &mut drawn), (1, &mut copied)] {
            let table = table(less);
            let started = Instant::now();
            house.ask(&table);
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    for (name, mut times) in [("drawn", drawn), ("copied from near sets", copied)] {
        times.sort_by(f64::total_cmp);
        eprintln!(
            "1,000 groups {name}: median {:.1} ms, {:.1} to {:.1}",
            times[7], times[1], times[13]
        );
    }
}
