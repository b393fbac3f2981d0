//! The slow model agrees with [`crate::release`] over whole histories.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::model::Model;
use super::world::{House, Line, Step, Table, any_history, any_variant, both};
use crate::Profile;
use crate::tests::secret;

/// Histories of up to eight tables, in each of two tests; more by `CORDON_HISTORIES=50000 cargo test i3_i4`.
const HISTORIES: u32 = 850;

/// How many cells they decide at least, in each test.
const CELLS: usize = 50_000;

fn same(told: &[Line], expected: &[Line]) -> bool {
    let close = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-5 * b.abs(),
        (a, b) => a == b,
    };
    let line = |(told, expected): (&Line, &Line)| {
        told.key == expected.key
            && told.figures == expected.figures
            && told.spreads.iter().zip(&expected.spreads).all(close)
    };
    told.len() == expected.len() && told.iter().zip(expected).all(line)
}

/// One history, asked of both; how many cells were decided.
fn agree(profile: &Profile, history: Vec<Step>) -> Result<usize, TestCaseError> {
    let house = House::new(profile);
    let mut model = Model::new(profile, secret());
    let mut asked: Vec<(u32, Table)> = Vec::new();
    for (number, step) in (0..).zip(history) {
        let (number, table) = match step {
            Step::Ask(table) => (number, table),
            Step::Repeat(_) | Step::Reword(_) if asked.is_empty() => continue,
            Step::Repeat(pick) => asked[pick.index(asked.len())].clone(),
            Step::Reword(pick) => {
                let (_, table) = asked[pick.index(asked.len())].clone();
                (number, Table { wording: "b", ..table })
            }
        };
        let (told, expected) = (house.again(&table, number), model.ask(&table, number));
        let agree = match (&told, &expected) {
            (Some(told), Some(expected)) => same(told, expected),
            (told, expected) => told.is_none() && expected.is_none(),
        };
        prop_assert!(agree, "{told:#?}\nnot {expected:#?}");
        prop_assert_eq!(house.charged(), model.charged);
        prop_assert_eq!(house.sets(), model.answered.len());
        asked.push((number, table));
    }
    separated(profile, &model)?;
    Ok(model.cells)
}

/// What was drawn by itself is k persons away from everything else that was drawn. Two sets of fewer than k
/// who share nobody with the same contribution may be nearer: strangers.
fn separated(profile: &Profile, model: &Model) -> Result<(), TestCaseError> {
    let k = profile.separation().unwrap();
    let drawn: Vec<_> = model.answered.iter().filter(|answered| answered.drawn).collect();
    for (at, one) in drawn.iter().enumerate() {
        for other in drawn[..at].iter().filter(|other| other.kind == one.kind) {
            if one.set.len().abs_diff(other.set.len()) >= k {
                continue;
            }
            let strangers = !one.set.shares_with(&other.set);
            prop_assert!(
                one.set.persons_apart(&other.set) >= k
                    || (strangers && one.set.len() < k && other.set.len() < k)
            );
        }
    }
    Ok(())
}

fn all_agree(profiles: impl Strategy<Value = Profile>) {
    let histories = std::env::var("CORDON_HISTORIES").ok().and_then(|cases| cases.parse().ok());
    let cases = histories.unwrap_or(HISTORIES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let cells = Cell::new(0);
    let outcome = TestRunner::new(config).run(&(profiles, any_history(8)), |(profile, history)| {
        cells.set(cells.get() + agree(&profile, history)?);
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
    assert!(cases < HISTORIES || cells.get() >= CELLS, "only {} cells", cells.get());
}

#[test]
fn i3_i4_the_slow_model_agrees_under_our_profiles() {
    all_agree(proptest::sample::select(both().to_vec()));
}

#[test]
fn i3_i4_the_slow_model_agrees_under_any_profile() {
    all_agree(any_variant());
}
