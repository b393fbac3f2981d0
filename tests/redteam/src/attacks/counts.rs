//! How many are in a group that is too small to be shown: A2, A3, A5, A6, A9, A10, A11.

use anyhow::Result;
use cordon_disclosure::{Measure, Part};
use rand::Rng as _;

use super::{
    Attack, Goal, OWN, Off, Setting, bit, coin, draws, float, float_of, ones, some, strangers,
};
use crate::score::Mean;
use crate::solve::{Equation, Unknown, least_deviations};
use crate::{House, Tally, Told};

const EXACT: Attack = Attack {
    id: "",
    name: "",
    goal: Goal::Exact,
    published: "",
    off: Off::Threshold,
    said: true,
    targets: 200,
    least: 10,
    most: 10_000,
    collusion: false,
    run: tracker,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "A2",
        name: "general tracker: four counts of large sets give a group of 1 to 7",
        published: "always (exact answers)",
        run: tracker,
        ..EXACT
    },
    Attack {
        id: "A3",
        name: "padding: a group of 1 to 7 beside known people, other ones each time",
        published: "45 of 45 with 5 questions (nearest 5)",
        off: Off::Hes,
        run: padding,
        ..EXACT
    },
    Attack {
        id: "A5",
        name: "slivers: 1 to 7 people between two geographies, within larger areas each time",
        published: "always (exact answers)",
        run: sliver,
        ..EXACT
    },
    Attack {
        id: "A6",
        name: "averaging over ways to split a set of 60 to 100; prior: what the set's own figure gives",
        published: "100 % after 100 questions (cell key)",
        off: Off::CellKey,
        run: splits,
        ..EXACT
    },
    Attack {
        id: "A9",
        name: "whether a group is empty or holds 1 to 7",
        goal: Goal::Bit,
        published: "always (zeros shown)",
        off: Off::Hes,
        run: nobody,
        ..EXACT
    },
    Attack {
        id: "A10, A11",
        name: "suppressed cells of a table with its margins, by least deviations; linked tables with other margins",
        published: "35 of 35 (primary suppression)",
        run: margins,
        ..EXACT
    },
];

/// A number from 1 to 7 for each target in turn.
fn few(target: u64) -> i64 {
    1 + i64::try_from(target % 7).unwrap_or(0)
}

const SMALL: std::ops::Range<i64> = 1..8;

/// The people of the small group.
fn group(target: u64) -> std::ops::Range<i64> {
    SMALL.start..SMALL.start + few(target)
}

fn guess(estimates: &Mean, target: u64) -> Tally {
    let mean = estimates.value();
    // A suppressed group holds somebody, and fewer than eight: what is known beforehand.
    let nearest = mean.round().clamp(1.0, 7.0);
    #[expect(clippy::cast_possible_truncation, reason = "from 1 to 7")]
    let right = !estimates.is_empty() && nearest as i64 == few(target);
    Tally::one(right, 1.0 / 7.0)
}

fn count(house: &mut House, account: u8, set: &[Part]) -> Result<Option<Told>> {
    house.one(account, Measure::Persons, set)
}

fn tracker(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let (mut house, mut rng) = (setting.house(target)?, draws(2, target));
    let others: Vec<i64> = (1_000..1_200).collect();
    let small: Vec<i64> = group(target).collect();
    let (mut estimates, mut guesses, mut asked) = (Mean::default(), Vec::new(), 0);
    for due in setting.budgets {
        while asked + 4 <= *due {
            // T holds part of the others, and of the group whoever happens to be in it.
            let mut t = some(&others, 60 + rng.random_range(0..80), &mut rng);
            t.extend(small.iter().filter(|_| coin(&mut rng)));
            let everybody = || others.iter().chain(&small).copied();
            let not_t = everybody().filter(|person| !t.contains(person));
            let or_group = |set: &[i64]| {
                let more = small.iter().filter(|person| !set.contains(person));
                ones(set.iter().chain(more).copied())
            };
            let not_t: Vec<i64> = not_t.collect();
            let account = setting.account(asked);
            let mut told = Vec::new();
            for set in [or_group(&t), or_group(&not_t), ones(t.clone()), ones(not_t.clone())] {
                told.extend(count(&mut house, account, &set)?);
            }
            if let [with_t, with_not_t, t, not_t] = told[..] {
                let value = with_t.figure + with_not_t.figure - t.figure - not_t.figure;
                estimates.add(value, t.error);
            }
            asked += 4;
        }
        guesses.push(guess(&estimates, target));
    }
    Ok(guesses)
}

fn padding(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let seen = padded(setting, target)?;
    // By how much figures lie too high, as noise is cut off at the threshold.
    let bias = setting.practised(|| {
        let mut bias = vec![Mean::default(); setting.budgets.len()];
        for seed in OWN {
            for (bias, value) in bias.iter_mut().zip(padded(setting, seed)?) {
                bias.add(value - float_of(few(seed)), 1.0);
            }
        }
        Ok(bias.iter().map(Mean::value).collect())
    })?;
    let guesses = seen.iter().zip(bias).map(|(value, bias)| {
        let mut estimates = Mean::default();
        estimates.add(value - bias, 1.0);
        guess(&estimates, target)
    });
    Ok(guesses.collect())
}

/// The mean of figures less the known people beside the group, at each budget.
fn padded(setting: &Setting<'_>, target: u64) -> Result<Vec<f64>> {
    let mut house = setting.house(target)?;
    let (mut estimates, mut found) = (Mean::default(), Vec::new());
    let mut size = setting.shown();
    for question in 0..setting.most() {
        // Five sizes in a row: their rounded counts have the true ones for a mean.
        let pad = size + question % 5;
        let set = ones(strangers(question, pad).chain(group(target)));
        if let Some(figure) = count(&mut house, setting.account(question), &set)? {
            estimates.add(figure.figure - float(pad), figure.error);
            size = setting.wide(figure.error);
        }
        if setting.budgets.contains(&(question + 1)) {
            found.push(estimates.value());
        }
    }
    Ok(found)
}

fn sliver(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let (mut estimates, mut guesses) = (Mean::default(), Vec::new());
    for pair in 0..setting.most() / 2 {
        let area = strangers(pair, 40 + pair % 90);
        let account = setting.account(pair);
        let one = count(&mut house, account, &ones(area.clone()))?;
        let other = count(&mut house, account, &ones(area.chain(group(target))))?;
        if let Some((one, other)) = one.zip(other) {
            estimates.add(other.figure - one.figure, one.error.max(other.error));
        }
        if setting.budgets.contains(&(2 * pair + 2)) {
            guesses.push(guess(&estimates, target));
        }
    }
    Ok(guesses)
}

fn splits(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let (mut house, mut rng) = (setting.house(target)?, draws(6, target));
    let size = 60 + usize::try_from(target % 41)?;
    let set: Vec<i64> = strangers(0, size).collect();
    let first = count(&mut house, 0, &ones(set.iter().copied()))?;
    let (mut estimates, mut guesses) = (Mean::default(), Vec::new());
    if let Some(first) = first {
        estimates.add(first.figure, first.error);
    }
    let right = |estimates: &Mean| (estimates.value() - float(size)).abs() < 0.5;
    let alone = f64::from(u8::from(right(&estimates)));
    for question in 1..setting.most() {
        let part = some(&set, rng.random_range(size / 3..2 * size / 3), &mut rng);
        let rest: Vec<i64> = set.iter().filter(|person| !part.contains(person)).copied().collect();
        let groups = [ones(part), ones(rest)];
        let told = house.table(setting.account(question), Measure::Persons, &groups)?;
        if let [Some(part), Some(rest)] = told[..] {
            estimates.add(part.figure + rest.figure, part.error.hypot(rest.error));
        }
        if setting.budgets.contains(&(question + 1)) {
            guesses.push(Tally::one(right(&estimates), alone));
        }
    }
    Ok(guesses)
}

fn nobody(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut house = setting.house(target)?;
    let people = if bit(target) { group(target / 2) } else { 0..0 };
    // What is known to be shown of nobody: a figure where zeros are shown, else nothing.
    let mut shown = false;
    let mut guesses = Vec::new();
    for question in 0..setting.most() {
        let told = house.table(0, Measure::Persons, &[ones(people.clone()), ones(2_000..2_040)])?;
        shown |= told[0].is_some();
        if setting.budgets.contains(&(question + 1)) {
            guesses.push(Tally::one(shown != bit(target), 0.5));
        }
    }
    Ok(guesses)
}

/// A table of four by five cells with margins, one of them small. Each table splits the same people by another column.
fn margins(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    const ROWS: usize = 4;
    const COLUMNS: usize = 5;
    let (mut house, mut rng) = (setting.house(target)?, draws(10, target));
    let (mut estimates, mut guesses) = (Mean::default(), Vec::new());
    for question in 0..setting.most() / 3 {
        // Who is in the small group stays; the others are split anew by a column of the next table.
        let mut cells: Vec<Vec<i64>> = (0..ROWS * COLUMNS)
            .map(|cell| strangers(question * 20 + cell, rng.random_range(22..50)).collect())
            .collect();
        cells[0] = group(target).collect();
        let row = |row: usize| (0..COLUMNS).map(move |column| row * COLUMNS + column);
        let column = |column: usize| (0..ROWS).map(move |row| row * COLUMNS + column);
        let people = |of: &[usize]| ones(of.iter().flat_map(|cell| cells[*cell].iter().copied()));
        let mut lines: Vec<Vec<usize>> = (0..ROWS).map(|n| row(n).collect()).collect();
        lines.extend((0..COLUMNS).map(|n| column(n).collect::<Vec<_>>()));
        let single: Vec<Vec<usize>> = (0..ROWS * COLUMNS).map(|cell| vec![cell]).collect();
        let mut equations = Vec::new();
        // The inner cells, the rows, the columns: three grouping sets of one statement.
        for sets in [&single[..], &lines[..ROWS], &lines[ROWS..]] {
            let groups: Vec<Vec<Part>> = sets.iter().map(|set| people(set)).collect();
            let told = house.table(setting.account(question), Measure::Persons, &groups)?;
            for (set, told) in sets.iter().zip(told) {
                equations.extend(told.map(|told| Equation {
                    terms: set.iter().map(|cell| (*cell, 1.0)).collect(),
                    value: told.figure,
                    error: told.error.max(0.5),
                }));
            }
        }
        let told = equations.iter().map(|e| e.error).fold(0.0, f64::max);
        if question < 10 {
            let unknown = Unknown { mean: 20.0, deviation: 1e3, least: 0.0, most: 200.0 };
            let unknowns = vec![unknown; ROWS * COLUMNS];
            estimates.add(least_deviations(&equations, &unknowns)[0], told);
        } else {
            // The same by hand: rows and columns less their shown cells.
            let value = |cells: &[usize]| {
                let same = |e: &&Equation| e.terms.iter().map(|t| t.0).eq(cells.iter().copied());
                equations.iter().find(same).map_or(0.0, |e| e.value)
            };
            for line in [&lines[0], &lines[ROWS]] {
                let rest: f64 = line[1..].iter().map(|cell| value(&[*cell])).sum();
                estimates.add(value(line) - rest, told);
            }
        }
        let asked = 3 * question + 3;
        let due = setting.budgets.iter().filter(|due| (asked..asked + 3).contains(*due));
        guesses.extend(due.map(|_| guess(&estimates, target)));
    }
    Ok(guesses)
}
