//! Nobody has to believe us: statements made at random, and hostile ones, are asked in two houses that differ in one
//! person, and whatever comes out must be the same.
//!
//! The promise, as it is checked here. A *transcript* is all that an analyst sees: columns, types, metadata, rows and their
//! order, notes, charges, the text of refusals, the code of failures.
//!
//! - **Hidden people.** A person outside the agreement's rows or years, or who opted out, changes no transcript, under any
//!   profile, whatever is asked: the houses have ledgers of their own, so that nothing is copied.
//! - **People who are there.** One person is taken away, or its values are changed. Once the first house has answered, the
//!   second, which shares its ledger as a later load of the same release would, answers exactly the same: each set
//!   of people that differs in fewer than k persons receives the earlier outcome. It is asked by another account under
//!   another agreement, so that this holds for colluding accounts too.
//!
//! A statement that breaks the promise is made smaller as long as it does, and told with its seed.
//!
//! `CORDON_PAIRS=50000` asks more, `CORDON_SEED` others.

pub(crate) mod generator;
mod houses;
#[cfg(feature = "sabotage")]
mod sabotage;
pub(crate) mod statement;
mod transcript;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use cordon_tests::World;
use futures::future::try_join_all;

use generator::{Draw, Pool};
use houses::{Pair, hidden, present};
use statement::Statement;
use transcript::{Transcript, transcript};

/// Pairs of all kinds together that are asked unless told otherwise.
const PAIRS: u64 = 2_000;

/// After so many broken statements no more are asked.
const MOST_BROKEN: usize = 5;

/// A broken statement is made smaller by so many tries at most: each builds houses.
const TRIES: usize = 40;

pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What was asked, by construct: how many pairs, and how many of them were answered.
#[derive(Default)]
struct Coverage(BTreeMap<&'static str, (u64, u64)>);

impl Coverage {
    fn count(&mut self, statement: &Statement, answered: bool) {
        for construct in statement.constructs() {
            let (asked, told) = self.0.entry(construct).or_default();
            *asked += 1;
            *told += u64::from(answered);
        }
    }

    fn add(&mut self, other: Self) {
        for (construct, (asked, answered)) in other.0 {
            let (all, told) = self.0.entry(construct).or_default();
            (*all, *told) = (*all + asked, *told + answered);
        }
    }

    fn total(&self) -> (u64, u64) {
        self.0.get("statement").copied().unwrap_or_default()
    }

    /// Every construct was asked, and enough of all was answered: else it tests nothing.
    fn is_enough(&self) -> Result<()> {
        for (construct, (asked, answered)) in &self.0 {
            eprintln!("{construct:<28} {asked:>6} asked {answered:>6} answered");
        }
        let (asked, answered) = self.total();
        ensure!(2 * answered >= asked, "only {answered} of {asked} statements were answered");
        for construct in statement::CONSTRUCTS {
            let (asked, answered) = self.0.get(construct).copied().unwrap_or_default();
            ensure!(asked > 0, "{construct} was never asked");
            let hostile = construct.starts_with("hostile");
            ensure!(hostile || answered > 0, "{construct} was never answered");
        }
        Ok(())
    }
}

async fn asked(world: &World, who: &str, statement: &Statement) -> Result<Transcript> {
    let mut question = world.question(who, &statement.sql())?;
    question.parameters = statement.parameters()?;
    question.options.status_columns = statement.with_status;
    question.options.error_columns = statement.with_errors;
    Ok(transcript(&world.engine.run(question, Default::default()).await))
}

/// Asks both; none where they say the same.
async fn differ(pair: &Pair, statement: &Statement) -> Result<(bool, Option<String>)> {
    let one = asked(&pair.one.0, &pair.one.1, statement).await?;
    let other = asked(&pair.other.0, &pair.other.1, statement).await?;
    Ok((one.answered, one.difference(&other)))
}

/// The smallest statement near a broken one that is broken still. Houses are built anew for each try: what was asked
/// before is part of what broke.
async fn smallest(
    build: impl AsyncFn() -> Result<Pair>,
    mut statement: Statement,
    mut difference: String,
) -> Result<String> {
    let mut tries = 0;
    'smaller: loop {
        for candidate in statement.smaller() {
            tries += 1;
            if tries > TRIES {
                break;
            }
            let pair = build().await?;
            if let (_, Some(found)) = differ(&pair, &candidate).await? {
                (statement, difference) = (candidate, found);
                continue 'smaller;
            }
        }
        return Ok(format!("{}\n{difference}", statement.sql()));
    }
}

async fn neighbours(
    name: &str,
    build: impl AsyncFn() -> Result<Pair>,
    pairs: u64,
) -> Result<Coverage> {
    let mut coverage = Coverage::default();
    let seed = setting("CORDON_SEED", 1);
    let pair = build().await?;
    let pool = Pool::of(&pair.one.0, &pair.targets)?;
    let mut broken = Vec::new();
    // One after another: the meter that a note tells is that of all before.
    for n in 0..pairs {
        let statement =
            generator::statement(&mut Draw::new(seed.wrapping_mul(1_000_003) ^ n), &pool);
        let (answered, difference) = differ(&pair, &statement).await?;
        coverage.count(&statement, answered);
        if let Some(difference) = difference {
            broken.push((n, statement, difference));
            if broken.len() == MOST_BROKEN {
                break;
            }
        }
    }
    let mut text = String::new();
    for (n, statement, difference) in &broken {
        let sql = statement.sql();
        text.push_str(&format!("{name}, seed {seed}, statement {n}:\n{sql}\n{difference}\n"));
    }
    if let Some((_, statement, difference)) = broken.into_iter().next() {
        let smallest = smallest(&build, statement, difference).await?;
        anyhow::bail!("{text}\nsmallest of the first:\n{smallest}");
    }
    Ok(coverage)
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_people_change_nothing() -> Result<()> {
    let mut coverage = Coverage::default();
    let pairs = setting("CORDON_PAIRS", PAIRS) / 4;
    let both = [(600, 3), (250, 4)].map(|(people, seed)| async move {
        let name = format!("hidden people among {people}");
        neighbours(&name, async || hidden(people, seed).await, pairs).await
    });
    try_join_all(both).await?.into_iter().for_each(|asked| coverage.add(asked));
    coverage.is_enough()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_more_or_less_changes_nothing_that_was_answered() -> Result<()> {
    let mut coverage = Coverage::default();
    let pairs = setting("CORDON_PAIRS", PAIRS) / 4;
    let both = [(60, 5, false), (250, 6, true)].map(|(people, seed, changed)| async move {
        let what = if changed { "changed" } else { "removed" };
        let name = format!("one of {people} people {what}");
        neighbours(&name, async || present(people, seed, changed).await, pairs).await
    });
    try_join_all(both).await?.into_iter().for_each(|asked| coverage.add(asked));
    coverage.is_enough()
}

/// The oracle is only worth something if it sees a difference: with the index of answered sets of its own each house
/// draws for itself, and people who are in the agreement's rows are not hidden.
#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_sees_people_who_are_not_hidden_and_draws_that_are_not_copied() -> Result<()> {
    let mut found = 0;
    for apart in [houses::seen(250, 4).await?, houses::not_remembered(250, 6).await?] {
        let pool = Pool::of(&apart.one.0, &apart.targets)?;
        for n in 0..60 {
            let statement = generator::statement(&mut Draw::new(n), &pool);
            if differ(&apart, &statement).await?.1.is_some() {
                found += 1;
                break;
            }
        }
    }
    ensure!(found == 2, "{found} of 2 faults were found");
    Ok(())
}
