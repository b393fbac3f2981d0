//! A quarter of the red team, up to 100 questions: what is stopped stays stopped, what is not gets no worse, and every
//! attack works against rules without its control. The whole of it is in `docs/attacks.md`.

use crate::{ATTACKS, Attack, Rules, Scale, Tally, Without, run};
use anyhow::{Context as _, Result};

fn attack(id: &str) -> Result<&'static Attack> {
    let found = ATTACKS.iter().copied().flatten().find(|attack| attack.id == id);
    found.with_context(|| format!("no attack `{id}`"))
}

fn after_100(id: &str, rules: &Rules) -> Result<Tally> {
    let curve = run(attack(id)?, rules, 1, Scale::Quick)?;
    curve.after(100).context("a point")
}

/// Differences, repetition, empty groups, dominance: nothing above guessing, under both profiles.
#[test]
fn what_is_stopped_tells_nothing() -> Result<()> {
    for profile in ["nhs-sde", "guarded"] {
        let rules = Rules::shipped(profile)?;
        for id in
            ["A1", "A2", "A4", "A5", "A7", "A9", "A14", "A14 cloning", "A19", "A21", "A22", "A24"]
        {
            let found = after_100(id, &rules)?;
            // Fifty targets: what chance alone may add.
            assert!(found.share() <= found.prior() + 0.06, "{id} under {profile}: {found:?}");
        }
    }
    Ok(())
}

/// What noise alone stands against: not more than was measured when this was written, and something for chance.
#[test]
fn what_is_known_to_tell_tells_no_more() -> Result<()> {
    let known = [
        (
            "nhs-sde",
            [("fresh sets", 0.90), ("A3", 0.72), ("A13", 0.65), ("A17", 0.74), ("A18", 0.88)],
        ),
        (
            "guarded",
            [("fresh sets", 0.72), ("A3", 0.42), ("A13", 0.62), ("A17", 0.68), ("A18", 0.65)],
        ),
    ];
    for (profile, bounds) in known {
        let rules = Rules::shipped(profile)?;
        for (id, bound) in bounds {
            let found = after_100(id, &rules)?;
            assert!(found.share() <= bound, "{id} under {profile}: {found:?}");
        }
    }
    Ok(())
}

/// Without its control each attack works: else the other tests would prove nothing.
#[test]
fn attacks_work_where_their_control_is_off() -> Result<()> {
    let threshold = Rules::threshold_only()?;
    for id in
        ["A1", "A2", "A5", "A10, A11", "A21", "A22", "A23", "A24", "A12", "A13", "A18", "tables"]
    {
        let found = after_100(id, &threshold)?;
        assert!(found.share() >= 0.95, "{id}: {found:?}");
    }
    let hes = Rules::shipped("hes-publication")?;
    for id in ["A3", "A4", "A9"] {
        assert!(after_100(id, &hes)?.share() >= 0.95, "{id}");
    }
    let cell_key = Rules::shipped("cell-key")?;
    for id in ["A6", "A7"] {
        assert!(after_100(id, &cell_key)?.share() >= 0.85, "{id}");
    }
    let nhs = || Rules::shipped("nhs-sde");
    assert!(after_100("A14", &nhs()?.without(Without::Memory))?.share() >= 0.95);
    assert!(after_100("A19", &nhs()?.without(Without::Releases))?.share() >= 0.95);
    assert!(after_100("A14 cloning", &Rules::fresh_noise()?)?.share() >= 0.8);
    Ok(())
}

/// Two runs of one attack are the same run.
#[test]
fn runs_are_seeded() -> Result<()> {
    let rules = Rules::shipped("guarded")?;
    let once = run(attack("fresh sets")?, &rules, 2, Scale::Quick)?;
    let again = run(attack("fresh sets")?, &rules, 2, Scale::Quick)?;
    assert_eq!(once.points, again.points);
    Ok(())
}
