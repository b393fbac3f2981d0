//! The test of the test: with any one control switched off, the oracle finds a difference.

use anyhow::{Result, ensure};
use cordon_disclosure::sabotage::{Control, switch_off};

use super::differ;
use super::generator::{Draw, Pool, statement};
use super::houses::{Pair, hidden, present};

/// So many statements are asked at most.
const STATEMENTS: u64 = 150;

/// Who differs where the control matters.
#[derive(Clone, Copy)]
enum Who {
    Hidden,
    /// One of so many people is removed: of few people many groups have one.
    Removed(u64),
}

use Who::{Hidden, Removed};

/// All controls, and in whom the houses differ that show it.
const CONTROLS: [(Control, Who); 14] = [
    (Control::LookUp, Removed(60)),
    (Control::Near, Removed(60)),
    (Control::KeyedNoise, Hidden),
    (Control::Threshold, Removed(60)),
    (Control::Zero, Removed(16)),
    (Control::Listing, Removed(60)),
    (Control::Order, Removed(16)),
    (Control::Rank, Removed(60)),
    (Control::Charge, Removed(60)),
    (Control::Notes, Removed(60)),
    (Control::Error, Removed(60)),
    (Control::OptOuts, Hidden),
    (Control::Years, Hidden),
    (Control::Rows, Hidden),
];

/// After how many statements a difference was found.
async fn found(pair: &Pair) -> Result<Option<u64>> {
    let pool = Pool::of(&pair.one.0, &pair.targets)?;
    for n in 0..STATEMENTS {
        let mut asked = statement(&mut Draw::new(77_000 + n), &pool);
        asked.with_errors |= n % 2 == 0;
        if differ(pair, &asked).await?.1.is_some() {
            return Ok(Some(n + 1));
        }
    }
    Ok(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_control_that_is_switched_off_is_found() -> Result<()> {
    let mut missed = Vec::new();
    for (control, who) in CONTROLS {
        let pair = match who {
            Hidden => hidden(250, 4).await?,
            Removed(people) => present(people, 5, false).await?,
        };
        switch_off(Some(control));
        let found = found(&pair).await?;
        switch_off(None);
        match found {
            Some(statements) => eprintln!("{control:?} found by statement {statements}"),
            None => missed.push(control),
        }
    }
    ensure!(missed.is_empty(), "not found: {missed:?}");
    Ok(())
}
