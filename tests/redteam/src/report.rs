//! The scoreboard: `attacks.md` with its curves, written from what was measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use cordon_disclosure::Protection;
use cordon_plot::{Series, shares};

use crate::attacks::Off;
use crate::{ATTACKS, Attack, Curve, Goal, Rules, Scale, Tally, Without, run};

/// What stands before the tables.
const HEAD: &str = include_str!("report/head.md");
/// What stands behind them.
const TAIL: &str = include_str!("report/tail.md");

/// The profiles that everybody may be given, and what is wanted of them after 100 and after 1,000 questions. Of
/// differential privacy it is what is proved.
const PROFILES: [(&str, Option<[f64; 2]>); 3] = [
    ("nhs-sde", Some([0.65, 0.80])),
    ("guarded", Some([0.60, 0.70])),
    ("differential-privacy", None),
];
/// After how many questions tables show what was reached.
const SHOWN: [usize; 2] = [100, 1_000];
/// ... and how far curves go on.
const FAR: usize = 10_000;
/// Of the automatic search, after 100.
const SEARCH: f64 = 0.55;
/// Exact numbers: so much above guessing.
const ABOVE: f64 = 0.02;

/// One attack under all rules.
struct Measured {
    attack: &'static Attack,
    off: Option<Curve>,
    /// In the order of [`PROFILES`].
    on: Vec<Curve>,
    /// Of the profiles without noise, after 100 questions or fewer.
    exact: Vec<Curve>,
    /// By profile: two and five accounts.
    colluding: Vec<Curve>,
}

/// Which attacks are carried on to 10,000 questions: those of one set a question that tell ever more. Others take much longer,
/// since the same people stand in ever more remembered sets, and each question looks at all of them.
const CARRIED_ON: [&str; 3] = ["A12", "A13", "fresh sets"];

/// Runs everything and writes the page and its plots into a folder.
///
/// # Errors
/// When an attack fails or a file cannot be written.
pub fn write(folder: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    let mut all = Vec::new();
    for attack in ATTACKS.iter().copied().flatten() {
        let mut curve = |rules: &Rules, accounts| -> Result<Curve> {
            let curve = run(attack, rules, accounts, Scale::Full)?;
            let last = curve.points.last().map_or(Tally::default(), |point| point.1);
            say(&format!(
                "{}, {}, {accounts} accounts: {:.3}",
                attack.id,
                rules.name,
                last.share()
            ));
            Ok(curve)
        };
        let off = off(attack.off)?.map(|rules| curve(&rules, 1)).transpose()?;
        let (mut on, mut exact, mut colluding) = (Vec::new(), Vec::new(), Vec::new());
        for (name, _) in PROFILES {
            let rules = Rules::shipped(name)?;
            let mut one = curve(&rules, 1)?;
            // A budget ends it long before.
            if CARRIED_ON.contains(&attack.id) && rules.profile.budget().is_none() {
                one.points.extend(run(attack, &rules, 1, Scale::Far)?.points);
            }
            on.push(one);
            for accounts in [2, 5].into_iter().filter(|_| attack.collusion) {
                colluding.push(curve(&rules, accounts)?);
            }
        }
        for name in ["hes-publication", "cell-key"] {
            exact.push(run(attack, &Rules::shipped(name)?, 1, Scale::Quick)?);
        }
        all.push(Measured { attack, off, on, exact, colluding });
    }
    let numbers = other_numbers(say)?;
    fs::create_dir_all(folder.join("attacks"))?;
    let save = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    save("attacks.md", page(&all, &numbers)?)?;
    for (place, (name, _)) in PROFILES.iter().enumerate() {
        let title = format!("Telling a bit of a person under {name}");
        save(&format!("attacks/bits-{name}.svg"), bits(&all, place, &title))?;
        let title = format!("Exact numbers under {name}");
        save(&format!("attacks/exact-{name}.svg"), exact(&all, place, &title))?;
    }
    save("attacks/accounts.svg", accounts(&all))?;
    save("attacks/numbers.svg", plot("Joint reconstruction under other numbers", numbers.iter()))
}

fn off(off: Off) -> Result<Option<Rules>> {
    Ok(Some(match off {
        Off::None => return Ok(None),
        Off::Threshold => Rules::threshold_only()?,
        Off::Hes => Rules::shipped("hes-publication")?,
        Off::CellKey => Rules::shipped("cell-key")?,
        Off::Releases => Rules::shipped("nhs-sde")?.without(Without::Releases),
        Off::Memory => Rules::shipped("nhs-sde")?.without(Without::Memory),
        Off::Keying => Rules::fresh_noise()?,
        Off::Meter => Rules::shipped("nhs-sde")?.without(Without::Meter),
    }))
}

/// Profiles with other numbers.
const OTHER: &[(&str, &[(&str, f64)])] = &[
    // What both were until decision 0015.
    (
        "nhs-sde",
        &[("variance", 3.0), ("bound", 5.0), ("growth_from", 100.0), ("growth_most", 1_000.0)],
    ),
    (
        "guarded",
        &[("variance", 12.0), ("bound", 10.0), ("growth_from", 20.0), ("growth_most", 1_000.0)],
    ),
    // Less noise than now, or later.
    (
        "nhs-sde",
        &[("variance", 12.0), ("bound", 10.0), ("growth_from", 25.0), ("growth_most", 5.0)],
    ),
    ("nhs-sde", &[("variance", 25.0), ("bound", 15.0), ("growth_from", 6.0), ("growth_most", 4.0)]),
];

/// Joint reconstruction under numbers that nobody has been given.
fn other_numbers(say: &mut dyn FnMut(&str)) -> Result<Vec<Curve>> {
    let attack = ATTACKS.iter().copied().flatten().find(|attack| attack.id == "A18");
    let attack = attack.context("joint reconstruction")?;
    let mut curves = Vec::new();
    for (profile, numbers) in OTHER {
        let rules = Rules::with_numbers(profile, numbers)?;
        let curve = run(attack, &rules, 1, Scale::Full)?;
        let after = curve.after(1_000).unwrap_or_default();
        say(&format!("{}, {}: {:.3}", attack.id, rules.name, after.share()));
        curves.push(curve);
    }
    Ok(curves)
}

fn page(all: &[Measured], numbers: &[Curve]) -> Result<String> {
    let mut text = HEAD.to_owned();
    for (goal, title) in [(Goal::Bit, "Telling a bit"), (Goal::Exact, "Exact numbers")] {
        let _ = writeln!(text, "\n## {title}\n");
        table(&mut text, all.iter().filter(|m| m.attack.goal == goal && m.attack.said));
    }
    text += "\n## As if the language let it\n\nThe doors refuse these statements. What would follow if they did not:\n\n";
    table(&mut text, all.iter().filter(|m| !m.attack.said));
    text += "\n## Profiles without noise\n\nFor fixed tables by trusted staff, never for a free WHERE clause; after 100 \
             questions or fewer, a quarter of the targets:\n\n| attack | `hes-publication` | `cell-key` |\n|---|---|---|\n";
    for measured in all {
        let cells: Vec<String> =
            measured.exact.iter().map(|c| cell(measured.attack, c.after(100))).collect();
        let _ = writeln!(text, "| {} | {} |", measured.attack.id, cells.join(" | "));
    }
    text += "\n## Several accounts\n\nEach with an agreement of its own, questions taken in turn, the number of questions \
             being that of all together:\n\n| attack | profile | questions | 1 account | 2 | 5 |\n|---|---|---|---|---|---|\n";
    for measured in all.iter().filter(|m| m.attack.collusion) {
        for (place, (name, _)) in PROFILES.iter().enumerate() {
            for asked in SHOWN {
                let one = measured.on[place].after(asked);
                let more = measured.colluding[2 * place..2 * place + 2].iter();
                let each = std::iter::once(one).chain(more.map(|curve| curve.after(asked)));
                let cells: Vec<String> = each.map(|tally| cell(measured.attack, tally)).collect();
                let id = measured.attack.id;
                let _ = writeln!(text, "| {id} | `{name}` | {asked} | {} |", cells.join(" | "));
            }
        }
    }
    text += "\n## Ten thousand questions\n\nUnder `nhs-sde`, whose meter makes noise grow and never ends; the other two have a \
             budget. Three attacks that tell ever more, against a tenth of the targets, so that the intervals are wider \
             (A17 and A18 tell ever more as well, and take too long):\n\n| attack | 1,000 | 10,000 | targets |\n|---|---|---|---|\n";
    for measured in all.iter().filter(|measured| measured.attack.said) {
        let Some((FAR, far)) = measured.on[0].points.last() else { continue };
        let cells =
            [measured.on[0].after(1_000), Some(*far)].map(|tally| cell(measured.attack, tally));
        let _ = writeln!(text, "| {} | {} | {} |", measured.attack.id, cells.join(" | "), far.of);
    }
    text += "\n## What is missed\n\nBounds wanted: a bit 0.60 after 100 questions and 0.70 after 1,000 under `guarded`, 0.65 and \
             0.80 under `nhs-sde`, the automatic search 0.55; exact numbers 2 points above guessing; under \
             `differential-privacy` what is proved of a bit, which the lower end of the 95 % interval must not exceed. Over \
             them, by the share itself:\n\n";
    text += &missed(all)?;
    text += "\n## Other numbers\n\nJoint reconstruction (A18) under profiles with other numbers: what was, and what less noise \
             would protect ([why these](decisions/0015-noise-that-a-hundred-tables-do-not-see-through.md)).\n\n| numbers | after 10 | after 100 | after 1,000 |\n|---|---|---|---|\n";
    for curve in numbers {
        let cells: Vec<String> = [10, 100, 1_000].map(|n| shown(curve.after(n))).into();
        let _ = writeln!(text, "| {} | {} |", curve.rules, cells.join(" | "));
    }
    Ok(text + TAIL)
}

fn table<'a>(text: &mut String, rows: impl Iterator<Item = &'a Measured>) {
    *text += "| attack | | published | control off | `nhs-sde` 100 | 1,000 | `guarded` 100 | 1,000 | \
              `differential-privacy` 100 | 1,000 |\n|---|---|---|---|---|---|---|---|---|---|\n";
    for Measured { attack, off, on, .. } in rows {
        let off = off.as_ref().and_then(|curve| Some((curve, curve.points.last()?)));
        let off = off.map_or("–".to_owned(), |(curve, (asked, tally))| {
            format!("{:.2} after {asked} ({})", tally.share(), curve.rules)
        });
        let cells = on.iter().flat_map(|curve| {
            SHOWN.map(|asked| {
                let there = curve.points.iter().any(|(point, _)| *point == asked);
                cell(attack, curve.after(asked).filter(|_| there))
            })
        });
        let cells: Vec<String> = cells.collect();
        let Attack { id, name, published, .. } = attack;
        let _ =
            writeln!(text, "| **{id}** | {name} | {published} | {off} | {} |", cells.join(" | "));
    }
}

/// A share with the upper end of its interval.
fn shown(tally: Option<Tally>) -> String {
    let known = tally.filter(|tally| tally.of > 0);
    known.map_or("–".to_owned(), |t| format!("{:.2} (≤ {:.2})", t.share(), t.at_most()))
}

/// The same; of exact numbers beside what guessing gives.
fn cell(attack: &Attack, tally: Option<Tally>) -> String {
    match (attack.goal, tally) {
        (Goal::Exact, Some(known)) => format!("{}; prior {:.2}", shown(tally), known.prior()),
        _ => shown(tally),
    }
}

fn missed(all: &[Measured]) -> Result<String> {
    let mut text =
        "| attack | profile | questions | reached | wanted |\n|---|---|---|---|---|\n".to_owned();
    let mut met = 0;
    for measured in all.iter().filter(|measured| measured.attack.said) {
        for (curve, place) in measured.on.iter().zip(0..) {
            for asked in SHOWN {
                let Some((_, tally)) = curve.points.iter().find(|point| point.0 == asked) else {
                    continue;
                };
                let Some((reached, bound)) = bound(measured.attack, place, asked, tally)? else {
                    continue;
                };
                if reached <= bound {
                    met += 1;
                    continue;
                }
                let (id, name) = (measured.attack.id, PROFILES[place].0);
                let _ = writeln!(text, "| {id} | `{name}` | {asked} | {reached:.2} | {bound:.2} |");
            }
        }
    }
    let _ = writeln!(text, "\n{met} bounds are kept.");
    Ok(text)
}

/// What was reached and what is wanted: of differential privacy what was reached with 95 % confidence and what is proved.
fn bound(attack: &Attack, place: usize, asked: usize, tally: &Tally) -> Result<Option<(f64, f64)>> {
    let (name, wanted) = PROFILES[place];
    let Some(wanted) = wanted else {
        let profile = Rules::shipped(name)?.profile;
        #[expect(clippy::cast_precision_loss, reason = "numbers of questions are small")]
        let proved = match profile.protection() {
            Protection::Privacy(rule) => rule.right_at_most(asked as f64),
            _ => return Ok(None),
        };
        return Ok((attack.goal == Goal::Bit).then(|| (tally.at_least(), proved)));
    };
    let wanted = if asked == SHOWN[0] { wanted[0] } else { wanted[1] };
    Ok(Some(match attack.goal {
        Goal::Exact => (tally.share(), tally.prior() + ABOVE),
        Goal::Bit if attack.id == "A15" => (tally.share(), SEARCH),
        Goal::Bit => (tally.share(), wanted),
    }))
}

fn series(name: String, curve: &Curve) -> Series<(f64, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "numbers of questions are small")]
    let values = curve.points.iter().map(|(asked, tally)| (*asked as f64, tally.share())).collect();
    Series { name, values }
}

fn plot<'a>(title: &str, curves: impl Iterator<Item = &'a Curve>) -> String {
    let series: Vec<_> = curves.map(|curve| series(curve.rules.clone(), curve)).collect();
    shares(title, "questions", "share of right guesses", &series)
}

/// The attacks that tell the most: more lines than colours cannot be read.
fn bits(all: &[Measured], place: usize, title: &str) -> String {
    let said = all.iter().filter(|m| m.attack.said && m.attack.goal == Goal::Bit);
    highest(said, place, title)
}

fn exact(all: &[Measured], place: usize, title: &str) -> String {
    highest(all.iter().filter(|m| m.attack.said && m.attack.goal == Goal::Exact), place, title)
}

fn highest<'a>(all: impl Iterator<Item = &'a Measured>, place: usize, title: &str) -> String {
    let most = |m: &&Measured| {
        m.on[place].points.iter().map(|(_, tally)| tally.share()).fold(0.0, f64::max)
    };
    let mut all: Vec<&Measured> = all.collect();
    all.sort_by(|one, other| most(other).total_cmp(&most(one)));
    let lines = all.iter().take(7).map(|m| series(m.attack.id.to_owned(), &m.on[place]));
    shares(title, "questions", "share of right guesses", &lines.collect::<Vec<_>>())
}

fn accounts(all: &[Measured]) -> String {
    let mut lines = Vec::new();
    for measured in all.iter().filter(|measured| measured.attack.id == "A18") {
        for (place, (name, _)) in PROFILES.iter().enumerate() {
            let more = &measured.colluding[2 * place..2 * place + 2];
            for curve in std::iter::once(&measured.on[place]).chain(more) {
                lines.push(series(format!("{name}, {}", curve.accounts), curve));
            }
        }
    }
    let title = "Joint reconstruction by several accounts";
    shares(title, "questions of all together", "share of right guesses", &lines)
}
