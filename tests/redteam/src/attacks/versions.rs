//! What changed between two data releases, or between two lists of opt-outs: A19.

use anyhow::Result;
use cordon_disclosure::Measure;

use super::{Attack, Goal, Off, Setting, bit, float, ones, strangers};
use crate::score::Mean;

pub(super) const ATTACKS: &[Attack] = &[Attack {
    id: "A19",
    name: "before and after: the same questions once the person has opted out, about sets that hold it if it has the condition, and in which nobody else changed",
    goal: Goal::Bit,
    published: "always (exact answers)",
    off: Off::Releases,
    said: true,
    targets: 200,
    least: 10,
    most: 10_000,
    collusion: false,
    run: |setting, target| setting.compared(target, apart),
}];

/// How far figures before and after are apart, where the same people would have the same draw, wider only by the growth of
/// noise since, at each budget.
fn apart(setting: &Setting<'_>, target: u64) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for due in setting.budgets {
        // What is told before has to be asked before: each budget is a run of its own. Eight sets are enough.
        let mut house = setting.house(target)?;
        let sets: Vec<_> = (0..(due / 2).min(8)).map(|n| strangers(n, 30 + n % 40)).collect();
        let mut before = Vec::new();
        for (question, set) in sets.iter().enumerate() {
            let set = ones(set.clone().chain(bit(target).then_some(1)));
            before.push(house.one(setting.account(question), Measure::Persons, &set)?);
        }
        house.next_release();
        let mut distance = Mean::default();
        for (question, (set, before)) in sets.iter().zip(&before).enumerate() {
            let after =
                house.one(setting.account(question), Measure::Persons, &ones(set.clone()))?;
            if let (Some(after), Some(before)) = (after, *before) {
                let known = float(set.clone().count());
                let grown = after.error.max(0.1) / before.error.max(0.1);
                let expected = known + grown * (before.figure - known);
                distance.add((after.figure - expected).abs().ln_1p(), 1.0);
            }
        }
        found.push(distance.value());
    }
    Ok(found)
}
