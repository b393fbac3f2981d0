//! What changed between two data releases, or between two lists of opt-outs: A19.

use anyhow::Result;
use cordon_disclosure::Measure;

use super::{Attack, Goal, Off, Setting, bit, ones, strangers};
use crate::Tally;

pub(super) const ATTACKS: &[Attack] = &[Attack {
    id: "A19",
    name: "before and after: the same questions once the person has opted out, about sets that hold it if it has the condition, and in which nobody else changed",
    goal: Goal::Bit,
    published: "always (exact answers)",
    off: Off::Threshold,
    said: true,
    targets: 200,
    least: 10,
    most: 1_000,
    collusion: false,
    run: versions,
}];

fn versions(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut guesses = Vec::new();
    for due in setting.budgets {
        // What is told before has to be asked before: each budget is a run of its own. Eight sets are enough, and noise
        // has not grown between.
        let mut house = setting.house(target)?;
        let sets: Vec<_> = (0..(due / 2).min(8)).map(|n| strangers(n, 30 + n % 40)).collect();
        let mut before = Vec::new();
        for (question, set) in sets.iter().enumerate() {
            let set = ones(set.clone().chain(bit(target).then_some(1)));
            before.push(house.one(setting.account(question), Measure::Persons, &set)?);
        }
        house.next_release();
        let mut moved = false;
        for (question, (set, before)) in sets.iter().zip(&before).enumerate() {
            let after =
                house.one(setting.account(question), Measure::Persons, &ones(set.clone()))?;
            let figures = after.zip(*before);
            moved |= figures.is_some_and(|(a, b)| (a.figure - b.figure).abs() > 0.01);
        }
        guesses.push(Tally::one(moved == bit(target), 0.5));
    }
    Ok(guesses)
}
