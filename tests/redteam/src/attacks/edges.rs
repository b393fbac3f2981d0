//! Where two neighbouring sets have different answers: one more question about the person between tells a bit
//! (`docs/decisions/0011`). Once of whoever the edge falls on, once of a person chosen beforehand.

use anyhow::Result;
use cordon_disclosure::{Measure, Part};

use super::{Attack, Goal, Off, Setting, bit, draws, ones, strangers};
use crate::{House, Tally};

const EDGE: Attack = Attack {
    id: "",
    name: "",
    goal: Goal::Bit,
    published: "32 of 32 with 3.6 questions each (earlier attack)",
    off: Off::None,
    said: true,
    targets: 100,
    least: 10,
    most: 10_000,
    collusion: false,
    run: anybody,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "edge",
        name: "halving between two answers: a bit of whoever is at the edge; every bit told counts, where none was told a guess",
        run: anybody,
        ..EDGE
    },
    Attack {
        id: "edge, aimed",
        name: "the same for a person chosen beforehand: ever other sets, until the person stands at an edge",
        targets: 200,
        run: chosen,
        ..EDGE
    },
];

fn figure(house: &mut House, set: &[Part]) -> Result<Option<f64>> {
    Ok(house.one(0, Measure::Persons, set)?.map(|told| told.figure))
}

fn anybody(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let mut rng = draws(41, target);
    let (mut tally, mut guesses) = (Tally::default(), Vec::new());
    let most = setting.most() as u64;
    let mut due = setting.budgets.iter().peekable();
    for walk in 0.. {
        let with = |known: usize| ones(strangers(walk, 60 + known));
        let begun = house.asked();
        let (mut same, mut other) = (0, 24);
        let start = figure(&mut house, &with(same))?;
        let mut end = figure(&mut house, &with(other))?;
        if start != end && start.is_some() && end.is_some() {
            while other - same > 1 {
                let half = usize::midpoint(same, other);
                let told = figure(&mut house, &with(half))?;
                if told == start {
                    same = half;
                } else {
                    (other, end) = (half, told);
                }
            }
            // Whether the person between has the condition: the one set or the other.
            let has = super::coin(&mut rng);
            let told = figure(&mut house, &with(if has { other } else { same }))?;
            let guess = told == end;
            tally = tally.and(Tally::one(guess == has, 0.5));
        }
        while due.next_if(|due| house.asked() + 7 > **due as u64).is_some() {
            // An analyst to whom nothing was told guesses.
            guesses.push(if tally.of == 0 {
                Tally::one(super::coin(&mut rng), 0.5)
            } else {
                tally
            });
        }
        if house.asked() + 7 > most || house.asked() == begun {
            break;
        }
    }
    Ok(guesses)
}

fn chosen(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    // Ever other sets A; M is A with eleven more, X is M with one more and the person.
    const TRIES: usize = 24;
    const MORE: usize = 11;
    let mut house = setting.house(target)?;
    let mut rng = draws(42, target);
    let size = setting.shown() + 4;
    let set = |try_: usize, more: usize| ones(strangers(try_, size + more));
    let with = |mut set: Vec<Part>| {
        set.push(Part { person: 1, contribution: 1 });
        set
    };
    let (mut known, mut guesses) = (None, Vec::new());
    let mut due = setting.budgets.iter().peekable();
    let mut next = 0;
    'questions: while due.peek().is_some() {
        // Twenty-four tries side by side: two tables.
        let tries = next..next + TRIES;
        next += TRIES;
        let each = |more| tries.clone().map(|n| set(n, more)).collect::<Vec<_>>();
        let mut told = [Vec::new(), Vec::new()];
        for (table, more) in told.iter_mut().zip([0, MORE]) {
            if known.is_none() {
                *table = house.table(0, Measure::Persons, &each(more))?;
            }
        }
        for (n, try_) in tries.clone().enumerate() {
            while due.next_if(|due| known.is_some() || house.asked() + 2 > **due as u64).is_some() {
                let guess = known.unwrap_or_else(|| super::coin(&mut rng));
                guesses.push(Tally::one(guess == bit(target), 0.5));
            }
            if due.peek().is_none() {
                break 'questions;
            }
            let first = told[0].get(n).copied().flatten();
            let middle = told[1].get(n).copied().flatten();
            // The person stands between two answers only where M has that of A.
            if first.is_none() || first != middle {
                continue;
            }
            let last = house.one(0, Measure::Persons, &with(set(try_, MORE + 1)))?;
            if last.is_some() && last != middle {
                let asked = set(try_, MORE + 1);
                let asked = if bit(target) { with(asked) } else { asked };
                let told = house.one(0, Measure::Persons, &asked)?;
                known = Some(told == last);
            }
        }
    }
    Ok(guesses)
}
