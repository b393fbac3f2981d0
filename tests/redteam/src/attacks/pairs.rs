//! Two sets that differ in one person, again and again: A1, A4, A7, A14, A16, B20.

use anyhow::Result;
use cordon_disclosure::Measure;

use super::{Attack, Goal, Off, Setting, bit, float, ones, strangers};
use crate::{Tally, Without};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "A4",
        name: "rounded counts with and without a person, other people beside each time",
        goal: Goal::Bit,
        published: "0.99 after 20 pairs (nearest 5)",
        off: Off::Hes,
        said: true,
        targets: 200,
        least: 10,
        most: 10_000,
        collusion: false,
        run: |setting, target| pairs(setting, target, Pairs::New),
    },
    Attack {
        id: "A7",
        name: "the same against perturbed counts: any change tells",
        goal: Goal::Bit,
        published: "0.998 after 20 pairs (cell key)",
        off: Off::CellKey,
        said: true,
        targets: 200,
        least: 10,
        most: 10_000,
        collusion: false,
        run: |setting, target| pairs(setting, target, Pairs::New),
    },
    Attack {
        id: "A14",
        name: "noise exploitation: the difference of counts with and without a condition that only one person meets",
        goal: Goal::Bit,
        published: "0.93 to 0.97 (Diffix)",
        off: Off::Memory,
        said: true,
        targets: 200,
        least: 10,
        most: 10_000,
        collusion: true,
        run: |setting, target| pairs(setting, target, Pairs::New),
    },
    Attack {
        id: "A14 cloning",
        name: "the same pair again and again behind conditions that change nothing (B20: repetition, rewriting)",
        goal: Goal::Bit,
        published: "1.00 after 256 pairs (noise by text)",
        off: Off::Keying,
        said: true,
        targets: 200,
        least: 10,
        most: 10_000,
        collusion: false,
        run: |setting, target| pairs(setting, target, Pairs::Same),
    },
];

#[derive(Clone, Copy, PartialEq)]
enum Pairs {
    New,
    Same,
}

fn pairs(setting: &Setting<'_>, target: u64, kind: Pairs) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let (mut sum, mut moved, mut seen) = (0.0, 0_usize, 0_usize);
    let mut guesses = Vec::new();
    for pair in 0..setting.most() / 2 {
        let base = match kind {
            Pairs::New => strangers(pair, 30 + pair % 60),
            Pairs::Same => strangers(0, 40),
        };
        let account = setting.account(pair);
        let without = house.one(account, Measure::Persons, &ones(base.clone()))?;
        let with = ones(base.chain(bit(target).then_some(1)));
        let with = house.one(account, Measure::Persons, &with)?;
        if let (Some(without), Some(with)) = (without, with) {
            seen += 1;
            sum += with.figure - without.figure;
            moved += usize::from(without != with);
        }
        if setting.budgets.contains(&(2 * pair + 2)) {
            // Where the same people have the same answer, any change tells; else the mean difference.
            let there = match setting.rules.without {
                Without::Keying => sum / float(seen.max(1)) > 0.5,
                _ => moved > 0,
            };
            guesses.push(Tally::one(there == bit(target), 0.5));
        }
    }
    Ok(guesses)
}
