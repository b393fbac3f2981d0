//! I2: what a shown figure rests on.
//!
//! A number of persons is drawn only from max(T, k) of them or more. Where fewer are asked for, but more than
//! half of k, it may stand as the copy of what was drawn for an earlier set that differs in about k at most.
//! Rows and totals follow what is said of their persons.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{
    House, Key, Line, Step, Table, What, any_history, any_variant, both, everybody, variant,
};
use crate::Profile;

const MEASURES: [What; 3] = [What::Persons, What::Rows, What::Total];

/// Every shown cell of fewer than T persons is the answer to an earlier and larger set that is near.
fn rests_on_enough(profile: &Profile, history: Vec<Step>) -> Result<(), TestCaseError> {
    let mut house = House::new(profile);
    let (least, k) = (profile.threshold() as usize, profile.separation().unwrap());
    let mut shown: Vec<BTreeSet<i64>> = Vec::new();
    for step in history {
        let Step::Ask(mut table) = step else { continue };
        table.measures = vec![What::Persons];
        let Some(lines) = house.again(&table, house.questions()) else { continue };
        house.next();
        // In the order of keys, as the cells are decided.
        let mut groups = table.groups.clone();
        groups.sort_by_key(|(key, _)| *key);
        for (key, people) in groups {
            let line = lines.iter().find(|line| line.key == key);
            if line.is_none_or(|line| line.figures[0].is_none()) {
                continue;
            }
            let people: BTreeSet<i64> = people.keys().copied().collect();
            let near = |other: &BTreeSet<i64>| {
                // One person less and another more may look like one that changed.
                let apart = people.difference(other).count().max(other.difference(&people).count());
                apart < k + (people.len() + other.len()) / 10
            };
            if people.len() >= least.max(k) {
                shown.push(people);
            } else {
                prop_assert!(people.len() > k / 2 && shown.iter().any(near), "{key:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn i2_fewer_than_t_are_shown_only_as_a_near_set_of_enough(
        profile in prop_oneof![prop::sample::select(both().to_vec()), any_variant()],
        history in any_history(5),
    ) {
        rests_on_enough(&profile, history)?;
    }
}

/// How many of 60 sets of so many persons, each a stranger to the others, are shown.
fn shown_of_size(profile: &Profile, size: i64) -> usize {
    let groups: Vec<(Key, _)> = (0..60)
        .map(|n| ((n, 0), everybody((0..size).map(|person| i64::from(n) * 1_000 + person))))
        .collect();
    let measures = [What::Persons, What::Rows];
    let lines = House::new(profile).ask(&Table::by_label(groups, &measures));
    // I3, I4: what holds of persons holds of their rows.
    let whole = |line: &Line| line.figures.iter().all(Option::is_some);
    assert!(lines.iter().all(whole));
    lines.len()
}

#[test]
fn i2_the_threshold_lies_from_t_to_t_plus_j_by_a_keyed_draw() {
    for (profile, jitter) in both().iter().zip([4, 8]) {
        let shown: Vec<usize> = (1..=20).map(|size| shown_of_size(profile, size)).collect();
        assert!(shown[..9].iter().all(|shown| *shown == 0), "{shown:?}");
        assert!(shown[9 + jitter..].iter().all(|shown| *shown == 60), "{shown:?}");
        // From one in j + 1 on, up to all.
        for (at, shown) in shown[9..9 + jitter].iter().enumerate() {
            let expected = 60.0 * (at + 1) as f64 / (jitter + 1) as f64;
            assert!((*shown as f64 - expected).abs() < 14.0, "{shown} of {}", at + 10);
        }
    }
}

#[test]
fn i2_where_k_is_larger_than_t_nothing_is_drawn_of_fewer_than_k() {
    let noise = "weights = 0\nvariance = 3\nper_person = 0\nbound = 5";
    let profile = variant([5, 5, 0, 12, 0], noise, "");
    assert_eq!([5, 11, 12].map(|size| shown_of_size(&profile, size)), [0, 0, 60]);
}

#[test]
fn i2_rows_and_huge_values_do_not_count_as_persons() {
    for profile in both() {
        let mut few = everybody(0..9);
        for part in few.values_mut() {
            (part.rows, part.value) = (10_000, Some(10_i128.pow(20)));
        }
        let told = House::new(&profile).whole(&few, &What::ALL);
        assert!(told.iter().all(|told| *told == (None, None)));
    }
}

/// Ten people who are shown, and one of them alone: by a step of nine, or by walking there one by one.
#[test]
fn i2_no_chain_of_near_sets_carries_a_figure_to_a_few_people() {
    for profile in both() {
        for n in 0..40 {
            let ten = everybody(n * 100..n * 100 + 12);
            let mut house = House::new(&profile);
            for size in (1..=12).rev() {
                let few = ten.iter().take(size).map(|(person, part)| (*person, *part)).collect();
                let told = house.whole(&few, &MEASURES);
                assert!(size > 5 || told.iter().all(|told| told.0.is_none()), "{size}");
            }
            let told = house.whole(&everybody([n * 100]), &MEASURES);
            assert!(told.iter().all(|told| told.0.is_none()));
        }
    }
}

/// Persons of ten are shown; their total was never asked for, and then that of eight of them is. Rows were
/// decided with the persons.
#[test]
fn i2_a_new_measure_is_never_drawn_of_fewer_than_t_persons() {
    let (profile, mut tried) = (&both()[0], 0);
    for n in 0..40 {
        let ten = everybody(n * 100..n * 100 + 10);
        let mut house = House::new(profile);
        if house.one(&ten, What::Persons).0.is_none() {
            continue;
        }
        let eight = everybody(n * 100..n * 100 + 8);
        assert!(house.one(&eight, What::Persons).0.is_some());
        assert_eq!(house.one(&eight, What::Total), (None, None));
        assert_eq!(house.one(&eight, What::Rows), house.one(&ten, What::Rows));
        tried += 1;
    }
    assert!(tried > 2);
}
