//! Runs attacks: one of them to look at, or all of them into a folder of documentation.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use cordon_redteam::{ATTACKS, Rules, Scale, Without, run};

const USAGE: &str = "redteam: how well attacks on disclosure control work

  redteam write FOLDER          run all, write FOLDER/attacks.md and FOLDER/attacks/*.svg
  redteam try ID RULES [N]      run one, up to 1,000 questions, under nhs-sde, guarded, hes-publication, cell-key, threshold-only or a
                                profile's file, with +meter, +memory, +releases or +keying without that part, by N accounts
  redteam far ID RULES [N]      the same with 10,000 questions, against a tenth of the targets
";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["write", folder] => cordon_redteam::write(&PathBuf::from(folder), &mut say),
        ["try", id, rules] => attempt(id, rules, 1, Scale::Full),
        ["try", id, rules, accounts] => attempt(id, rules, accounts.parse()?, Scale::Full),
        ["far", id, rules] => attempt(id, rules, 1, Scale::Far),
        ["far", id, rules, accounts] => attempt(id, rules, accounts.parse()?, Scale::Far),
        _ => bail!("{USAGE}"),
    }
}

fn attempt(id: &str, rules: &str, accounts: u8, scale: Scale) -> Result<()> {
    let attack = ATTACKS.iter().copied().flatten().find(|attack| attack.id == id);
    let attack = attack.with_context(|| format!("no attack `{id}`"))?;
    let (name, without) = rules.split_once('+').unwrap_or((rules, ""));
    let rules = match name {
        "threshold-only" => Rules::threshold_only()?,
        file if file.ends_with(".toml") => Rules::of_file(&PathBuf::from(file))?,
        name => Rules::shipped(name)?,
    };
    let rules = rules.without(match without {
        "" => Without::Nothing,
        "meter" => Without::Meter,
        "memory" => Without::Memory,
        "releases" => Without::Releases,
        "keying" => Without::Keying,
        other => bail!("no part `{other}`"),
    });
    let begun = Instant::now();
    let curve = run(attack, &rules, accounts, scale)?;
    for (asked, tally) in &curve.points {
        say(&format!(
            "{} {} after {asked}: {:.3} (at most {:.3}), guessing {:.3}, of {}",
            attack.id,
            curve.rules,
            tally.share(),
            tally.at_most(),
            tally.prior(),
            tally.of
        ));
    }
    say(&format!("{:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Progress goes where it does not mix with anything.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
