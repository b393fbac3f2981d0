//! Many people at once: Dinur and Nissim (A12), Cohen and Nissim (A13), and reconstruction from many tables of small
//! groups (A18).

use anyhow::Result;
use cordon_disclosure::Measure;
use rand::Rng as _;
use rand::seq::SliceRandom as _;

use super::patient::{own, weights};
use super::{Attack, Goal, Off, Setting, coin, draws, ones};
use crate::solve::{Bits, Equation, Unknown, least_deviations};
use crate::{Scale, Tally};

const MANY: Attack = Attack {
    id: "",
    name: "",
    goal: Goal::Bit,
    published: "",
    off: Off::Threshold,
    said: true,
    targets: 2,
    least: 10,
    most: 10_000,
    collusion: true,
    run: jointly,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "A12",
        name: "random halves of 128 people by lists of codes that only they have, least deviations (Dinur, Nissim)",
        published: "nearly all bits (noise below the square root of n)",
        targets: 2,
        run: |setting, target| halves(setting, target, 128),
        ..MANY
    },
    Attack {
        id: "A13",
        name: "the same within a range of 64 people (Cohen, Nissim)",
        published: "nearly all bits (Diffix)",
        targets: 4,
        collusion: false,
        run: |setting, target| halves(setting, target, 64),
        ..MANY
    },
    Attack {
        id: "A18",
        name: "joint reconstruction: 600 people in ever other small groups, each group split by the unknown condition; sampled",
        published: "0.87 after 100 tables (earlier attack, nhs-sde); census: 70 % of blocks exact",
        run: jointly,
        ..MANY
    },
];

fn halves(setting: &Setting<'_>, target: u64, people: usize) -> Result<Vec<Tally>> {
    let (mut house, mut rng) = (setting.house(target)?, draws(12, target << 8 | people as u64));
    let bits: Vec<bool> = (0..people).map(|_| coin(&mut rng)).collect();
    let unknowns = vec![Unknown { mean: 0.5, deviation: 0.5, least: 0.0, most: 1.0 }; people];
    let (mut equations, mut guesses) = (Vec::new(), Vec::new());
    for question in 0..setting.most() {
        let chosen: Vec<usize> = (0..people).filter(|_| coin(&mut rng)).collect();
        let set = ones(chosen.iter().filter(|n| bits[**n]).map(|n| *n as i64));
        if let Some(told) = house.one(setting.account(question), Measure::Persons, &set)? {
            let terms = chosen.iter().map(|n| (*n, 1.0)).collect();
            let error = told.error.max(0.3);
            equations.push(Equation { terms, value: told.figure, error });
        }
        if setting.budgets.contains(&(question + 1)) {
            let found = match equations.is_empty() {
                true => vec![0.5; people],
                false => least_deviations(&equations, &unknowns),
            };
            guesses.push(right(&bits, &found));
        }
    }
    Ok(guesses)
}

fn right(bits: &[bool], found: &[f64]) -> Tally {
    let each = bits.iter().zip(found).map(|(bit, chance)| Tally::one((*chance > 0.5) == *bit, 0.5));
    each.fold(Tally::default(), Tally::and)
}

fn jointly(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let people = 600;
    let (mut house, mut rng) = (setting.house(target)?, draws(18, target));
    let bits: Vec<bool> = (0..people).map(|_| coin(&mut rng)).collect();
    let mut size = setting.shown();
    let v = weights(setting);
    let mut known = Bits::new(people);
    let mut guesses = Vec::new();
    for question in 0..setting.most() {
        let mut order: Vec<usize> = (0..people).collect();
        order.shuffle(&mut rng);
        // About as many with the condition and without in each group as are shown, and more as noise grows.
        let labels = (people / (2 * size)).max(2);
        let groups: Vec<Vec<usize>> = (0..labels)
            .map(|label| order.iter().skip(label).step_by(labels).copied().collect())
            .collect();
        let cells: Vec<(usize, bool)> =
            (0..labels).flat_map(|label| [(label, false), (label, true)]).collect();
        let sets: Vec<_> = cells
            .iter()
            .map(|(label, bit)| {
                ones(groups[*label].iter().filter(|n| bits[**n] == *bit).map(|n| *n as i64))
            })
            .collect();
        let told = house.table(setting.account(question), Measure::Persons, &sets)?;
        for ((label, bit), told) in cells.iter().zip(told) {
            let Some(told) = told else { continue };
            size = setting.wide(told.error);
            // About half of the group is in the cell: how many exactly is not told.
            let variance = own(&told, groups[*label].len() / 2, v);
            known.figure(&groups[*label], *bit, told.figure, variance);
        }
        if setting.budgets.contains(&(question + 1)) {
            let sweeps = match setting.scale {
                Scale::Full | Scale::Far => 240,
                Scale::Quick => 90,
            };
            let mut walk = draws(19, rng.random());
            guesses.push(right(&bits, &known.sample(sweeps, v, 0.5, &mut walk)));
        }
    }
    Ok(guesses)
}
