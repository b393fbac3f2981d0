//! I3: the same people receive the same answer, whoever asks, how and how often.

use proptest::prelude::*;

use super::world::{House, Keys, Line, Step, Table, What, any_history, both, everybody, steady};
use crate::Secret;

fn tables(history: Vec<Step>) -> Vec<Table> {
    let ask = |step| match step {
        Step::Ask(table) => Some(table),
        Step::Repeat(_) | Step::Reword(_) => None,
    };
    history.into_iter().filter_map(ask).collect()
}

/// The figures of the groups, in the order of their keys, whatever is hidden.
fn by_key(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.key);
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn i3_words_analysts_agreements_and_the_order_of_groups_change_nothing(
        history in any_history(4), profile in prop::sample::select(both().to_vec()),
    ) {
        let (mut one, mut other) = (House::new(&profile), House::new(&profile));
        for table in tables(history) {
            let mut turned = Table { wording: "b", ..table.clone() };
            turned.groups.reverse();
            turned.domain.iter_mut().for_each(|domain| domain.reverse());
            prop_assert_eq!(one.ask(&table), other.ask(&turned));
        }
        prop_assert_eq!(one.charged(), other.charged());
    }

    #[test]
    fn i3_asking_again_in_other_words_changes_nothing_and_remembers_nothing(
        history in any_history(6), profile in prop::sample::select(both().to_vec()),
    ) {
        let mut house = House::new(&profile);
        for mut table in tables(history) {
            // Sets of one table may be near each other.
            table.groups.truncate(1);
            let (first, sets) = (house.ask(&table), house.sets());
            for wording in ["b", "c"] {
                let table = Table { wording, ..table.clone() };
                prop_assert_eq!(&house.ask(&table), &first);
            }
            prop_assert_eq!(house.sets(), sets);
        }
    }

    #[test]
    fn i3_asking_again_after_others_changes_nothing(
        history in any_history(4), profile in prop::sample::select(both().to_vec()),
    ) {
        let mut house = House::new(&profile);
        let tables = tables(history);
        let first: Vec<_> = tables.iter().map(|table| house.ask(table)).collect();
        for (table, first) in tables.iter().zip(&first) {
            prop_assert_eq!(&house.ask(table), first);
        }
    }

    #[test]
    fn i3_the_order_of_measures_of_different_kinds_changes_nothing(
        history in any_history(3), profile in prop::sample::select(both().to_vec()),
    ) {
        let (mut one, mut other) = (House::new(&profile), House::new(&profile));
        for mut table in tables(history) {
            table.measures = vec![What::Persons, What::Rows];
            let told = by_key(one.ask(&table));
            table.measures.reverse();
            let mut turned = by_key(other.ask(&table));
            for line in &mut turned {
                line.figures.reverse();
                line.spreads.reverse();
            }
            prop_assert_eq!(told, turned);
        }
    }
}

/// Sets of 8 to 67 people who share nobody.
fn strangers() -> Vec<Table> {
    let people = |n: i64| everybody(n * 1_000..n * 1_000 + 8 + n);
    (0..60).map(|n| Table::whole(people(n), &[What::Persons, What::Rows, What::Total])).collect()
}

#[test]
fn i3_what_is_drawn_does_not_depend_on_earlier_questions_about_others() {
    for profile in both() {
        // Noise grows by how much was asked, whoever it was about.
        let profile = steady(&profile);
        let tables = strangers();
        let (mut one, mut other) = (House::new(&profile), House::new(&profile));
        let forth: Vec<_> = tables.iter().map(|table| one.ask(table)).collect();
        let mut back: Vec<_> = tables.iter().rev().map(|table| other.ask(table)).collect();
        back.reverse();
        assert_eq!(forth, back);
        for (table, told) in tables.iter().zip(forth) {
            assert_eq!(House::new(&profile).ask(table), told);
        }
    }
}

#[test]
fn i3_a_group_is_told_the_same_alone_and_in_a_table() {
    // Noise grows by the most that a table may cost, too.
    let profile = &steady(&both()[0]);
    let groups =
        strangers().into_iter().zip(0..).map(|(table, n)| ((n, 0), table.groups[0].1.clone()));
    let measures = [What::Persons, What::Rows, What::Total];
    let table = Table { keys: Keys::Sets, ..Table::by_label(groups.collect(), &measures) };
    let mut told = 0;
    for line in House::new(profile).ask(&table) {
        let alone = House::new(profile).ask(&strangers()[line.key.0 as usize]);
        assert_eq!((&alone[0].figures, &alone[0].spreads), (&line.figures, &line.spreads));
        told += 1;
    }
    assert!(told > 40);
}

#[test]
fn i3_another_secret_draws_anew() {
    let profile = &both()[0];
    let other = || Secret::new(&[8; 32]).unwrap();
    let (mut same, mut differing) = (0, 0);
    for table in strangers() {
        let one = House::new(profile).ask(&table);
        let again = House::under(profile, other()).ask(&table);
        assert_eq!(again, House::under(profile, other()).ask(&table));
        for (one, again) in one[0].figures.iter().zip(&again[0].figures) {
            if one == again { same += 1 } else { differing += 1 }
        }
    }
    // Figures are rounded to 5, so many come out alike.
    assert!(differing > 60, "{differing} differ, {same} do not");
}

#[test]
fn i3_the_order_of_columns_about_near_sets_changes_nothing() {
    let profile = &both()[0];
    for n in 0..20 {
        let mut people = everybody(n * 100..n * 100 + 40);
        people.values_mut().take(5).for_each(|part| part.value = None);
        let columns = [What::Rows, What::ValuedRows];
        let told = House::new(profile).whole(&people, &columns);
        let turned = House::new(profile).whole(&people, &[columns[1], columns[0]]);
        assert_eq!([told[0], told[1]], [turned[1], turned[0]]);
    }
}
