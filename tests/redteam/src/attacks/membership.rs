//! Who was in the cohort: A17.

use anyhow::Result;
use cordon_disclosure::Measure;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Attack, Goal, Off, Setting, bit, draws, float, ones};
use crate::Tally;

pub(super) const ATTACKS: &[Attack] = &[Attack {
    id: "A17",
    name: "membership from many published counts of a cohort of 100, the person's attributes known (Homer; Pyrgelis)",
    goal: Goal::Bit,
    published: "up to 1.0 (groups of 100)",
    off: Off::Threshold,
    said: true,
    targets: 200,
    least: 10,
    most: 10_000,
    collusion: true,
    run: membership,
}];

/// Whether a person has an attribute: three of ten, independent of each other.
fn has(person: i64, attribute: usize) -> bool {
    let seed = person.cast_unsigned() << 20 | attribute as u64;
    ChaCha8Rng::seed_from_u64(seed).random_bool(0.3)
}

fn membership(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    const COHORT: i64 = 100;
    let (mut house, mut rng) = (setting.house(target)?, draws(17, target));
    let from = rng.random_range(1..1_000) * 1_000;
    // The last is the target, or somebody like it who is not in.
    let cohort = from..from + COHORT + i64::from(bit(target));
    let (mut likely, mut guesses) = (0.0, Vec::new());
    for question in 0..setting.most() {
        let set = ones(cohort.clone().filter(|person| has(*person, question)));
        if let Some(told) = house.one(setting.account(question), Measure::Persons, &set)? {
            let variance = told.error.powi(2) + 0.21 * float(100);
            let own = f64::from(u8::from(has(from + COHORT, question)));
            // Ratio of likelihoods with the person and without, the others at random.
            let (with, without) = (told.figure - own - 30.0, told.figure - 0.3 - 30.0);
            likely += (without.powi(2) - with.powi(2)) / (2.0 * variance);
        }
        if setting.budgets.contains(&(question + 1)) {
            guesses.push(Tally::one((likely > 0.0) == bit(target), 0.5));
        }
    }
    Ok(guesses)
}
