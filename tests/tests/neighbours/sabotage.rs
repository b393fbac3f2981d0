//! The test of the test: with any one control switched off, the oracle finds a difference. `CORDON_CONTROLS=30` tries all.

use anyhow::{Result, ensure};
use cordon_disclosure::sabotage::{Control, switch_off};

use super::generator::{Draw, Pool, statement};
use super::houses::{Pair, hidden, present};
use super::sequence::Sequence;
use super::setting;

/// So many statements are asked at most.
const STATEMENTS: u64 = 500;

/// Who differs where the control matters.
#[derive(Clone, Copy)]
enum Who {
    Hidden,
    /// One of so many people is removed: of few people many groups have one.
    Removed(u64),
}

use Who::{Hidden, Removed};

/// All controls, and in whom the houses differ that show it; those that are found soonest first.
const CONTROLS: [(Control, Who); 30] = [
    (Control::KeyedNoise, Hidden),
    (Control::Threshold, Removed(60)),
    (Control::Notes, Removed(60)),
    (Control::OptOuts, Hidden),
    (Control::Years, Hidden),
    (Control::Rows, Hidden),
    (Control::Weights, Hidden),
    (Control::Listing, Removed(60)),
    (Control::LookUp, Removed(60)),
    (Control::Near, Removed(60)),
    (Control::NearNote, Removed(60)),
    (Control::NearPersons, Removed(60)),
    (Control::Treatment, Removed(60)),
    (Control::ChargeOfSums, Removed(60)),
    (Control::ChargeOfNothing, Removed(16)),
    (Control::SeparationDraw, Hidden),
    (Control::Charge, Removed(60)),
    (Control::NearRows, Removed(60)),
    (Control::Scope, Removed(60)),
    (Control::SecondScan, Hidden),
    (Control::EvennessDraw, Hidden),
    (Control::NearTotals, Removed(60)),
    (Control::Error, Removed(60)),
    (Control::ThresholdDraw, Hidden),
    (Control::Rank, Removed(60)),
    (Control::Zero, Removed(16)),
    (Control::Order, Removed(16)),
    (Control::List, Removed(16)),
    (Control::Bands, Removed(60)),
    (Control::ZeroFigure, Removed(16)),
];

/// So many of them unless all are asked for.
const FASTEST: u64 = 10;

/// After how many statements a difference was found.
async fn found(pair: &Pair) -> Result<Option<u64>> {
    let pool = Pool::of(&pair.one, &pair.targets)?;
    for n in 0..STATEMENTS {
        let mut asked = statement(&mut Draw::new(77_000 + n), &pool);
        asked.with_errors |= n % 2 == 0;
        if Sequence::of(asked).differ(pair).await?.1.is_some() {
            return Ok(Some(n + 1));
        }
    }
    Ok(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_control_that_is_switched_off_is_found() -> Result<()> {
    let mut missed = Vec::new();
    let some = usize::try_from(setting("CORDON_CONTROLS", FASTEST))?;
    for (control, who) in CONTROLS.into_iter().take(some) {
        let pair = match who {
            Hidden => hidden(250, 4).await?,
            Removed(people) => present(people, 5, false).await?,
        };
        switch_off(&[control]);
        let found = found(&pair).await?;
        switch_off(&[]);
        match found {
            Some(statements) => eprintln!("{control:?} found by statement {statements}"),
            None => missed.push(control),
        }
    }
    ensure!(missed.is_empty(), "not found: {missed:?}");
    Ok(())
}
