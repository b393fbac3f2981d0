//! Nobody has to believe us: statements made at random, and hostile ones, are asked in two houses that differ in one
//! person, and whatever comes out must be the same.
//!
//! The promise, as it is checked here. A *transcript* is all that an analyst sees: columns, types, metadata, rows and their
//! order, notes, charges, the text of refusals, the code of failures, and what a client is told that prepares a statement.
//!
//! - **Hidden people.** A person outside the agreement's rows or years, or who opted out, changes no transcript, under any
//!   profile, whatever is asked: the houses have ledgers of their own, so that nothing is copied. In half of the houses that
//!   person has the rows of everybody. Nor does what stands in columns that are not granted change anything.
//! - **People who are there.** One person is taken away, or its values are changed. Once the first house has answered, the
//!   second, which shares its ledger as a later load of the same release would, answers exactly the same: each set
//!   of people that differs in fewer than k persons receives the earlier outcome. It is asked by another account under
//!   another agreement, so that this holds for colluding accounts too.
//!
//! Statements come alone or in sequences: the same of fewer people, of others, again, with other figures. A sequence is asked
//! to its end in one house before it is asked in the other. What breaks the promise is made smaller as long as it does, and
//! told with its seed. Under differential privacy figures are drawn anew each time, so everything but figures is compared.
//!
//! *Edges.* Where two sets with different answers are two people apart, the one in the middle is next to both and takes the
//! earlier answer (decision 0011: some such edge is left under any rule that repeats its answers). Where the first house
//! asked about one end and the second, in the same words, about the middle, they differ. So a difference that needs an earlier
//! question, and is not there in new houses, is made smaller to the earlier questions that it needs. Where every figure that
//! only one of the houses tells was told in both when these were asked, it is such an edge: it is told, and may be met no more
//! than once in [`ONE_EDGE_IN`] pairs.
//!
//! `CORDON_PAIRS=50000` asks more, `CORDON_SEED` others.

pub(crate) mod generator;
mod houses;
#[cfg(feature = "sabotage")]
mod sabotage;
mod sequence;
pub(crate) mod statement;
mod transcript;

use anyhow::{Result, bail, ensure};
use futures::future::try_join_all;

use generator::{Draw, Pool};
use houses::{Pair, hidden, present};
use sequence::{Coverage, Sequence};

/// Pairs of all kinds together that are asked unless told otherwise.
const PAIRS: u64 = 2_000;

/// After so many pairs the houses are built anew, of other people.
const PAIRS_OF_HOUSES: u64 = 500;

/// After so many broken sequences no more are asked.
const MOST_BROKEN: usize = 5;

/// A broken sequence, and what came before it, are made smaller by so many tries at most each: each builds houses.
const TRIES: usize = 100;

/// Pairs for each edge between earlier answers that may be met.
const ONE_EDGE_IN: u64 = 2_000;

pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Asks so many pairs, of houses that differ from seed to seed.
async fn neighbours(
    name: &str,
    build: impl AsyncFn(u64) -> Result<Pair>,
    pairs: u64,
) -> Result<Coverage> {
    let (mut coverage, mut edges) = (Coverage::default(), 0);
    let first = setting("CORDON_SEED", 1);
    for round in 0.. {
        if coverage.asked() >= pairs {
            break;
        }
        let seed = first + round;
        let wanted = (coverage.asked() + PAIRS_OF_HOUSES).min(pairs);
        let build = async || build(seed).await;
        let houses = build().await?;
        let pool = Pool::of(&houses.one, &houses.targets)?;
        let (mut broken, mut before) = (Vec::new(), Vec::new());
        let mut n = 0;
        // One after another: the meter that a note tells is that of all before.
        while coverage.asked() < wanted && broken.len() < MOST_BROKEN {
            let draw = &mut Draw::new(seed.wrapping_mul(1_000_003) ^ n);
            let sequence = Sequence::drawn(draw, &pool, houses.askers.len());
            let (answered, difference) = sequence.differ(&houses).await?;
            coverage.count(&houses, &sequence, &answered);
            let at = format!("{name}, seed {seed}, sequence {n}, {}", sequence.text(&houses));
            let told = |difference| format!("{at}\n{difference}");
            n += 1;
            match difference {
                Some(difference) if broken.is_empty() && houses.copies => {
                    if let Some(edge) = sequence.edge(&build, &before, TRIES).await? {
                        edges += 1;
                        eprintln!("{at}\nan edge between earlier answers, {edge}");
                        // From here on the houses have other answers and meters.
                        break;
                    }
                    broken.push((sequence, told(difference)));
                }
                Some(difference) => broken.push((sequence, told(difference))),
                None if broken.is_empty() => before.push(sequence),
                None => {}
            }
        }
        let text: Vec<String> = broken.iter().map(|(_, told)| told.clone()).collect();
        if let Some((sequence, _)) = broken.into_iter().next() {
            let smallest = sequence.smallest(build, before, TRIES).await?;
            bail!("{}\nsmallest of the first, {smallest}", text.join("\n"));
        }
    }
    let asked = coverage.asked();
    ensure!(edges * ONE_EDGE_IN <= asked, "{name}: {edges} edges in {asked} pairs");
    Ok(coverage)
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_people_change_nothing() -> Result<()> {
    let mut coverage = Coverage::default();
    let pairs = setting("CORDON_PAIRS", PAIRS) / 4;
    let both = [(600, 2), (250, 3)].map(|(people, seed)| async move {
        let name = format!("hidden people among {people}");
        neighbours(&name, async |n| hidden(people, seed + n).await, pairs).await
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
        neighbours(&name, async |n| present(people, seed + n, changed).await, pairs).await
    });
    try_join_all(both).await?.into_iter().for_each(|asked| coverage.add(asked));
    coverage.is_enough()
}

/// The oracle is only worth something if it sees a difference: with the index of answered sets of its own each house
/// draws for itself, and people who are in the agreement's rows are not hidden.
#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_sees_people_who_are_not_hidden_and_draws_that_are_not_copied() -> Result<()> {
    let mut found = 0;
    for apart in [houses::seen(250, 5).await?, houses::not_remembered(250, 6).await?] {
        let pool = Pool::of(&apart.one, &apart.targets)?;
        for n in 0..60 {
            let sequence = Sequence::drawn(&mut Draw::new(n), &pool, apart.askers.len());
            if sequence.differ(&apart).await?.1.is_some() {
                found += 1;
                break;
            }
        }
    }
    ensure!(found == 2, "{found} of 2 faults were found");
    Ok(())
}
