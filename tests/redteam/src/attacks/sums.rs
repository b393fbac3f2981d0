//! What one person contributes to sums: A1, A21, A22, A23, A24, and what standard errors tell.

use anyhow::Result;
use cordon_disclosure::{Measure, Part};
use rand::Rng as _;

use super::{Attack, Goal, OWN, Off, Setting, bit, draws, float, float_of, ones, strangers};
use crate::score::Mean;
use crate::{House, Tally, Told};

const TOTAL: Measure = Measure::Total { decimals: 0 };

const SUM: Attack = Attack {
    id: "",
    name: "",
    goal: Goal::Exact,
    published: "always (exact answers)",
    off: Off::Threshold,
    said: true,
    targets: 200,
    least: 10,
    most: 10_000,
    collusion: false,
    run: difference,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "A1",
        name: "difference of sums with and without a person, other people each time: the person's days, 1 to 8",
        run: difference,
        ..SUM
    },
    Attack {
        id: "A21",
        name: "means and numbers with and without a person: n m less (n - 1) m'",
        run: means,
        ..SUM
    },
    Attack {
        id: "A22",
        name: "dominance: a person with most of a sum, others known: its part within 10 %",
        run: dominance,
        ..SUM
    },
    Attack {
        id: "A23",
        name: "a weight of 10^9 on one person by CASE: whether it is there",
        goal: Goal::Bit,
        said: false,
        run: weights,
        ..SUM
    },
    Attack {
        id: "A24",
        name: "leverage: the coefficient of a person's indicator from sums of products",
        said: false,
        run: leverage,
        ..SUM
    },
    Attack {
        id: "rows",
        name: "whether somebody with 20 rows is among a hundred known people with one to three rows, other people each time",
        goal: Goal::Bit,
        published: "none",
        least: 1,
        most: 100,
        run: rows,
        ..SUM
    },
    Attack {
        id: "errors",
        name: "the same read off the told error of that figure alone",
        goal: Goal::Bit,
        published: "none",
        off: Off::None,
        run: errors,
        ..SUM
    },
];

fn days(target: u64) -> i64 {
    1 + i64::try_from(target % 8).unwrap_or(0)
}

fn part(person: i64, contribution: i64) -> Part {
    Part { person, contribution: contribution.into() }
}

/// People nobody else asks about, with 1 to 8 days each.
fn others(question: usize, size: usize) -> Vec<Part> {
    strangers(question, size)
        .map(|person| part(person, 1 + (person * 7 + person / 11) % 8))
        .collect()
}

fn nearest(estimates: &Mean, target: u64) -> Tally {
    let right = (estimates.value().round().clamp(1.0, 8.0) - float_of(days(target))).abs() < 0.5;
    Tally::one(right && !estimates.is_empty(), 1.0 / 8.0)
}

/// For each pair of questions what they tell, and a guess where one is due.
fn in_pairs(
    setting: &Setting<'_>,
    target: u64,
    mut each: impl FnMut(&mut House, u8, usize) -> Result<Option<(f64, f64)>>,
    questions: usize,
) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let (mut estimates, mut guesses, mut asked) = (Mean::default(), Vec::new(), 0);
    for due in setting.budgets {
        while asked + questions <= *due {
            let account = setting.account(asked);
            if let Some((value, error)) = each(&mut house, account, asked)? {
                estimates.add(value, error);
            }
            asked += questions;
        }
        guesses.push(nearest(&estimates, target));
    }
    Ok(guesses)
}

fn difference(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    in_pairs(
        setting,
        target,
        |house, account, question| {
            let mut set = others(question, 30 + question % 60);
            let without = house.one(account, TOTAL, &set)?;
            set.push(part(1, days(target)));
            let with = house.one(account, TOTAL, &set)?;
            Ok(with.zip(without).map(|(with, without)| (with.figure - without.figure, with.error)))
        },
        2,
    )
}

fn means(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let digits = setting.rules.profile.significant_digits();
    in_pairs(
        setting,
        target,
        |house, account, question| {
            let mut mean = |set: &[Part]| -> Result<Option<(f64, f64)>> {
                let total = house.one(account, TOTAL, set)?;
                let rows =
                    house.one(account, Measure::Rows, &ones(set.iter().map(|p| p.person)))?;
                let both = total.zip(rows);
                Ok(both.map(|(total, rows)| {
                    (rounded(total.figure / rows.figure, digits), rows.figure)
                }))
            };
            let mut set = others(question, 30 + question % 20);
            let without = mean(&set)?;
            set.push(part(1, days(target)));
            let with = mean(&set)?;
            Ok(with.zip(without).map(|((m, n), (less, fewer))| (n * m - fewer * less, 1.0)))
        },
        4,
    )
}

/// To so many digits, as means are told.
fn rounded(value: f64, digits: Option<u32>) -> f64 {
    let Some(digits) = digits.filter(|_| value != 0.0) else { return value };
    let size = value.abs().log10().floor();
    let unit = 10f64.powf(size + 1.0 - f64::from(digits));
    (value / unit).round() * unit
}

fn dominance(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut rng = draws(22, target);
    // Between 100 and 900 days, where all the others together have some 130.
    let own = rng.random_range(100..900);
    let mut house = setting.house(target)?.bounded(1_000);
    let (mut estimates, mut guesses) = (Mean::default(), Vec::new());
    for question in 0..setting.most() {
        let mut set = others(question, 30);
        let known: i128 = set.iter().map(|part| part.contribution).sum();
        set.push(part(1, own));
        let told = house.one(setting.account(question), TOTAL, &set)?;
        if let Some(told) = told {
            estimates.add(told.figure - known as f64, told.error);
        }
        if setting.budgets.contains(&(question + 1)) {
            let right = (estimates.value() - float_of(own)).abs() <= 0.1 * float_of(own);
            // The best single guess for all of 100 to 900 days hits some 160 of 800.
            guesses.push(Tally::one(right && !estimates.is_empty(), 0.2));
        }
    }
    Ok(guesses)
}

fn weights(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?.bounded(1_000_000_000);
    let (mut evidence, mut guesses) = (0.0, Vec::new());
    for question in 0..setting.most() {
        let size = 40 + question % 60;
        let mut set = ones(strangers(question, size));
        set.push(part(1, if bit(target) { 1_000_000_000 } else { 1 }));
        if let Some(Told { figure, error }) = house.one(setting.account(question), TOTAL, &set)? {
            // What is above the others together, in its own errors: 10^9, or whatever a limit leaves of it.
            evidence += (figure - float(size + 1)) / error.max(1.0);
        }
        if setting.budgets.contains(&(question + 1)) {
            guesses.push(Tally::one((evidence > 1.0) == bit(target), 0.5));
        }
    }
    Ok(guesses)
}

fn leverage(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    in_pairs(
        setting,
        target,
        |house, account, question| {
            // The sum of product of the indicator and the days: one person contributes more than 0.
            let mut set: Vec<Part> =
                strangers(question, 60).map(|person| part(person, 0)).collect();
            set.push(part(1, days(target)));
            let product = house.one(account, TOTAL, &set)?;
            Ok(product.map(|told| (told.figure, told.error)))
        },
        1,
    )
}

/// A hundred people with one to three rows, and perhaps one with twenty; what is known: the rows of the others.
fn attended(target: u64, question: usize) -> (Vec<Part>, f64) {
    let rows = |person: i64| 1 + person % 3;
    let people = strangers(question, 100);
    let known: f64 = people.clone().map(|person| float_of(rows(person))).sum();
    let mut set: Vec<Part> = people.map(|person| part(person, rows(person))).collect();
    if bit(target) {
        set.push(part(1, ATTENDED));
    }
    (set, known)
}

const ATTENDED: i64 = 20;

fn rows(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let (mut above, mut guesses) = (Mean::default(), Vec::new());
    for question in 0..setting.most() {
        let (set, known) = attended(target, question);
        if let Some(told) = house.one(setting.account(question), Measure::Rows, &set)? {
            above.add(told.figure - known, told.error);
        }
        if setting.budgets.contains(&(question + 1)) {
            // A tenth of the rows is the most that one person counts as; all that it adds lies between.
            let there = above.value() > float_of(ATTENDED) / 2.0;
            guesses.push(Tally::one(there == bit(target), 0.5));
        }
    }
    Ok(guesses)
}

fn errors(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    // Later ones have grown with the meter.
    const MOST: usize = 40;
    let between = setting.practised(|| {
        let mut own = [Mean::default(); 2];
        for seed in OWN {
            let mut house = setting.house(seed)?;
            for question in 0..setting.most().min(MOST) {
                let (set, _) = attended(seed, question);
                if let Some(told) = house.one(0, Measure::Rows, &set)? {
                    own[usize::from(bit(seed))].add(told.error.log2(), 1.0);
                }
            }
        }
        Ok(vec![f64::midpoint(own[0].value(), own[1].value())])
    })?;
    let between = between.first().copied().unwrap_or_default();
    let mut house = setting.house(target)?;
    let (mut seen, mut guesses) = (Mean::default(), Vec::new());
    for question in 0..setting.most() {
        let (set, _) = attended(target, question);
        if question < MOST
            && let Some(told) = house.one(setting.account(question), Measure::Rows, &set)?
        {
            seen.add(told.error.log2(), 1.0);
        }
        if setting.budgets.contains(&(question + 1)) {
            guesses.push(Tally::one((seen.value() > between) == bit(target), 0.5));
        }
    }
    Ok(guesses)
}
