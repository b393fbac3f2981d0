//! One person, and everybody else known: the patient analyst of A12 and A15 who needs no differences, and the
//! perturbation that can be learned (A8).

use anyhow::Result;
use cordon_disclosure::Measure;
use cordon_disclosure::{NoiseRule, Protection};

use super::{Attack, Goal, Off, Setting, bit, coin, draws, float, ones, some, strangers};
use crate::score::Mean;
use crate::solve::{Equation, Unknown, least_squares};
use crate::{Tally, Told};

const ONE: Attack = Attack {
    id: "",
    name: "",
    goal: Goal::Bit,
    published: "none",
    off: Off::Threshold,
    said: true,
    targets: 200,
    least: 10,
    most: 10_000,
    collusion: true,
    run: fresh,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "fresh sets",
        name: "a person in ever other sets of people of whom all is known: the mean of what is left",
        published: "0.96 after 1,000 (V = 3, no meter; simulated)",
        targets: 400,
        run: fresh,
        ..ONE
    },
    Attack {
        id: "tables",
        name: "ninety known people and one more, split anew in each table by label and the unknown condition; their weights are learned on the way",
        targets: 40,
        collusion: false,
        run: tables,
        ..ONE
    },
    Attack {
        id: "A8",
        name: "learning the perturbation: whether a figure's noise will be above 0, from how other sets of the same 60 people were changed",
        published: "the hidden range (TableBuilder)",
        off: Off::Meter,
        collusion: false,
        run: learned,
        ..ONE
    },
];

/// The numbers of noise; none without noise.
pub(super) fn noise<'a>(setting: &'a Setting<'_>) -> Option<&'a NoiseRule> {
    match setting.rules.profile.protection() {
        Protection::Noise(rule) => Some(rule),
        Protection::Rules | Protection::CellKey | Protection::Privacy(_) => None,
    }
}

/// The variance of one person's weight, which anybody can read in the profile.
pub(super) fn weights(setting: &Setting<'_>) -> f64 {
    noise(setting).map_or(0.0, NoiseRule::weights).max(1e-4)
}

/// The variance of what stands between a figure and its people, without their weights: what the told error says.
pub(super) fn own(told: &Told, persons: usize, weights: f64) -> f64 {
    (told.error.powi(2) - weights * float(persons)).max(0.1)
}

fn fresh(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    // Figures of small sets under wide noise lie too high, since none is shown below the threshold.
    setting.compared(target, leftover)
}

/// What figures of known people, and perhaps of one more, leave over on average, at each budget.
fn leftover(setting: &Setting<'_>, target: u64) -> Result<Vec<f64>> {
    let mut house = setting.house(target)?;
    let (mut left, mut found) = (Mean::default(), Vec::new());
    let mut size = setting.shown();
    for question in 0..setting.most() {
        let set = ones(strangers(question, size).chain(bit(target).then_some(1)));
        if let Some(told) = house.one(setting.account(question), Measure::Persons, &set)? {
            left.add(told.figure - float(size), told.error);
            // As noise grows, larger sets: little of it is cut off there.
            size = setting.wide(told.error);
        }
        if setting.budgets.contains(&(question + 1)) {
            found.push(left.value());
        }
    }
    Ok(found)
}

fn tables(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let (mut house, mut rng) = (setting.house(target)?, draws(30, target));
    let size = 4 * setting.shown();
    // Everybody's bit but that of the last is known.
    let bits: Vec<bool> =
        (0..=size).map(|n| if n == size { bit(target) } else { n % 2 == 0 }).collect();
    let v = weights(setting);
    let reach = (3.0 * v).sqrt();
    let known = Unknown { mean: 1.0, deviation: v.sqrt(), least: 1.0 - reach, most: 1.0 + reach };
    // Of the last what it adds where the bit is asked for, and where it is not.
    let asked = Unknown { mean: 0.5, deviation: 0.5, least: 0.0, most: 1.0 + reach };
    let mut unknowns = vec![known; size];
    unknowns.extend([asked, asked]);
    let (mut equations, mut guesses) = (Vec::new(), Vec::new());
    for question in 0..setting.most() {
        let labels: Vec<bool> = (0..=size).map(|_| coin(&mut rng)).collect();
        let cells = [(false, false), (false, true), (true, false), (true, true)];
        let of = |(label, b): (bool, bool)| {
            move |n: &usize, labels: &[bool], bits: &[bool]| labels[*n] == label && bits[*n] == b
        };
        let groups: Vec<_> = cells
            .iter()
            .map(|cell| {
                let inside = of(*cell);
                let people = (0..=size).filter(|n| inside(n, &labels, &bits));
                ones(people.map(|n| n as i64))
            })
            .collect();
        let told = house.table(setting.account(question), Measure::Persons, &groups)?;
        for (cell, told) in cells.iter().zip(told) {
            let Some(told) = told else { continue };
            let inside = of(*cell);
            let mut terms: Vec<(usize, f64)> =
                (0..size).filter(|n| inside(n, &labels, &bits)).map(|n| (n, 1.0)).collect();
            let error = own(&told, terms.len(), v).sqrt();
            if labels[size] == cell.0 {
                terms.push((size + usize::from(!cell.1), 1.0));
            }
            equations.push(Equation { terms, value: told.figure, error });
        }
        if setting.budgets.contains(&(question + 1)) {
            let found = least_squares(&equations, &unknowns);
            guesses.push(Tally::one((found[size] > found[size + 1]) == bit(target), 0.5));
        }
    }
    Ok(guesses)
}

fn learned(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    const POOL: usize = 60;
    const TRIALS: usize = 8;
    let (mut house, mut rng) = (setting.house(target)?, draws(8, target));
    let pool: Vec<i64> = (0..POOL as i64).collect();
    let v = weights(setting);
    let unknown = Unknown { mean: 0.0, deviation: v.sqrt(), least: -1.0, most: 1.0 };
    let (mut equations, mut guesses) = (Vec::new(), Vec::new());
    let mut ask = |house: &mut crate::House, account| -> Result<Option<Equation>> {
        let set = some(&pool, POOL / 2, &mut rng);
        let terms = set.iter().filter_map(|p| Some((usize::try_from(*p).ok()?, 1.0))).collect();
        let told = house.one(account, Measure::Persons, &ones(set.iter().copied()))?;
        Ok(told.map(|told| Equation {
            terms,
            value: told.figure - float(POOL / 2),
            error: own(&told, POOL / 2, v).sqrt(),
        }))
    };
    for question in 0..setting.most() {
        equations.extend(ask(&mut house, setting.account(question))?);
        if setting.budgets.contains(&(question + 1)) {
            let found = least_squares(&equations, &[unknown; POOL]);
            let mut tally = Tally::default();
            for _ in 0..TRIALS {
                let Some(next) = ask(&mut house, 0)? else { continue };
                let foretold: f64 = next.terms.iter().map(|(n, _)| found[*n]).sum();
                // A figure that is rounded to the truth itself says nothing either way.
                if next.value != 0.0 {
                    tally = tally.and(Tally::one((foretold > 0.0) == (next.value > 0.0), 0.5));
                }
            }
            guesses.push(tally);
        }
    }
    Ok(guesses)
}
