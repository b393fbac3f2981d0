//! The scoreboard: `attacks.md` with its curves, written from what was measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use cordon_plot::{Series, shares};

use crate::attacks::Off;
use crate::{ATTACKS, Attack, Curve, Goal, Rules, Scale, Tally, Without, run};

/// What stands before the tables.
const HEAD: &str = include_str!("report/head.md");
/// What stands behind them.
const TAIL: &str = include_str!("report/tail.md");

/// The profiles that everybody may be given, and what is wanted of them after 100 and after 1,000 questions.
const PROFILES: [(&str, [f64; 2]); 2] = [("nhs-sde", [0.65, 0.80]), ("guarded", [0.60, 0.70])];
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
            on.push(curve(&rules, 1)?);
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
    save("attacks.md", page(&all, &numbers))?;
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
        Off::Memory => Rules::shipped("nhs-sde")?.without(Without::Memory),
        Off::Keying => Rules::shipped("nhs-sde")?.without(Without::Keying),
        Off::Meter => Rules::shipped("nhs-sde")?.without(Without::Meter),
    }))
}

/// Joint reconstruction under numbers that nobody has been given yet.
fn other_numbers(say: &mut dyn FnMut(&str)) -> Result<Vec<Curve>> {
    let attack = ATTACKS.iter().copied().flatten().find(|attack| attack.id == "A18");
    let attack = attack.context("joint reconstruction")?;
    let mut curves = Vec::new();
    for (variance, bound, growth_from) in
        [(12.0, 10, 10.0), (12.0, 10, 5.0), (12.0, 10, 2.0), (25.0, 15, 10.0), (50.0, 21, 10.0)]
    {
        let rules = Rules::with_numbers("guarded", variance, bound, growth_from)?;
        let curve = run(attack, &rules, 1, Scale::Full)?;
        let after = curve.after(1_000).unwrap_or_default();
        say(&format!("{}, {}: {:.3}", attack.id, rules.name, after.share()));
        curves.push(curve);
    }
    Ok(curves)
}

fn page(all: &[Measured], numbers: &[Curve]) -> String {
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
            for asked in [100, 1_000] {
                let one = measured.on[place].after(asked);
                let more = measured.colluding[2 * place..2 * place + 2].iter();
                let each = std::iter::once(one).chain(more.map(|curve| curve.after(asked)));
                let cells: Vec<String> = each.map(|tally| cell(measured.attack, tally)).collect();
                let id = measured.attack.id;
                let _ = writeln!(text, "| {id} | `{name}` | {asked} | {} |", cells.join(" | "));
            }
        }
    }
    text += "\n## What is missed\n\nBounds wanted: a bit 0.60 after 100 questions and 0.70 after 1,000 under `guarded`, 0.65 and \
             0.80 under `nhs-sde`, the automatic search 0.55; exact numbers 2 points above guessing. Over them, by the share \
             itself:\n\n";
    text += &missed(all);
    text += "\n## Other numbers\n\nJoint reconstruction (A18) under `guarded` with another variance V (c being V / 120) and other \
             growth, without a budget:\n\n| numbers | after 10 | after 100 | after 1,000 |\n|---|---|---|---|\n";
    for curve in numbers {
        let cells: Vec<String> = [10, 100, 1_000].map(|n| shown(curve.after(n))).into();
        let _ = writeln!(text, "| {} | {} |", curve.rules, cells.join(" | "));
    }
    text + TAIL
}

fn table<'a>(text: &mut String, rows: impl Iterator<Item = &'a Measured>) {
    *text += "| attack | | published | control off | `nhs-sde` 10 | 100 | 1,000 | `guarded` 10 | 100 | 1,000 |\n\
              |---|---|---|---|---|---|---|---|---|---|\n";
    for Measured { attack, off, on, .. } in rows {
        let off = off.as_ref().and_then(|curve| Some((curve, curve.points.last()?)));
        let off = off.map_or("–".to_owned(), |(curve, (asked, tally))| {
            format!("{:.2} after {asked} ({})", tally.share(), curve.rules)
        });
        let cells = on.iter().flat_map(|curve| {
            [10, 100, 1_000].map(|asked| {
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

fn missed(all: &[Measured]) -> String {
    let mut text =
        "| attack | profile | questions | reached | wanted |\n|---|---|---|---|---|\n".to_owned();
    let mut met = 0;
    for measured in all.iter().filter(|measured| measured.attack.said) {
        for ((name, bounds), curve) in PROFILES.iter().zip(&measured.on) {
            for (asked, bound) in [100, 1_000].into_iter().zip(bounds) {
                let Some((_, tally)) = curve.points.iter().find(|point| point.0 == asked) else {
                    continue;
                };
                let id = measured.attack.id;
                let bound = match measured.attack.goal {
                    Goal::Exact => tally.prior() + ABOVE,
                    Goal::Bit if id == "A15" => SEARCH,
                    Goal::Bit => *bound,
                };
                if tally.share() <= bound {
                    met += 1;
                    continue;
                }
                let reached = tally.share();
                let _ = writeln!(text, "| {id} | `{name}` | {asked} | {reached:.2} | {bound:.2} |");
            }
        }
    }
    let _ = writeln!(text, "\n{met} bounds are kept.");
    text
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
