//! Reading a profile: parsed into [`ProfileFile`], then converted once into a [`Profile`] that cannot be
//! wrong. Every message says which field and what to do.

use serde::Deserialize;

use super::{Clip, NoiseRule, Profile, ProfileError, Protection, ZeroRule};
use crate::PrivacyRule;

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    name: String,
    threshold: u64,
    rounding: u64,
    clip: Clip,
    zeros: ZeroRule,
    symbol: String,
    significant_digits: Option<u32>,
    #[serde(default)]
    cell_key: bool,
    noise: Option<NoiseFile>,
    privacy: Option<PrivacyFile>,
    meter: Option<MeterFile>,
}

/// `[noise]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseFile {
    threshold_jitter: u64,
    separation: usize,
    separation_jitter: usize,
    weights: f64,
    variance: f64,
    per_person: f64,
    bound: u32,
}

/// `[privacy]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivacyFile {
    groups: u32,
    rows: u32,
    rho: f64,
    delta: f64,
}

/// `[meter]`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterFile {
    growth_from: Option<f64>,
    growth_most: Option<f64>,
    #[serde(default)]
    least_charge: f64,
    budget: Option<f64>,
}

/// The engine keeps the threshold-th largest contribution of every cell, which costs memory per cell.
const LARGEST_THRESHOLD: u64 = 1_000;

/// Beyond this a rounded count says nothing; more likely a typing error.
const LARGEST_ROUNDING: u64 = 1_000;

/// A 64-bit float holds no more decimal digits.
const MOST_DIGITS: u32 = 15;

pub(super) fn read(file: &str, text: &str) -> Result<Profile, ProfileError> {
    let parsed: ProfileFile = toml::from_str(text)
        .map_err(|error| ProfileError { profile: file.to_owned(), problem: place(text, &error) })?;
    let name = parsed.name.clone();
    check(parsed).map_err(|problem| ProfileError {
        profile: if is_name(&name) { name } else { file.to_owned() },
        problem,
    })
}

/// The parser's own message with the line it is about.
fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count().saturating_add(1));
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn check(file: ProfileFile) -> Result<Profile, String> {
    let ProfileFile {
        name,
        threshold,
        rounding,
        clip,
        zeros,
        symbol,
        significant_digits,
        cell_key,
        noise,
        privacy,
        meter,
    } = file;
    if !is_name(&name) {
        return Err(format!(
            "`name` is `{name}`; write lower case letters, digits and `-`, a letter first"
        ));
    }
    // A threshold of 1 shows single persons; 0 shows what is not there.
    if !(2..=LARGEST_THRESHOLD).contains(&threshold) {
        return Err(format!(
            "`threshold` is {threshold}; write a number of persons from 2 to {LARGEST_THRESHOLD}"
        ));
    }
    if !(1..=LARGEST_ROUNDING).contains(&rounding) {
        return Err(format!(
            "`rounding` is {rounding}; write a base from 1 (no rounding) to {LARGEST_ROUNDING}"
        ));
    }
    check_symbol(&symbol)?;
    if let Some(digits) = significant_digits
        && !(1..=MOST_DIGITS).contains(&digits)
    {
        return Err(format!(
            "`significant_digits` is {digits}; write 1 to {MOST_DIGITS}, or leave it out for all digits"
        ));
    }
    let protection = match (noise, privacy, meter, cell_key) {
        (Some(noise), None, meter, false) => {
            Protection::Noise(check_noise(threshold, &noise, meter)?)
        }
        (None, Some(privacy), meter, false) => {
            Protection::Privacy(check_privacy(&privacy, meter.unwrap_or_default())?)
        }
        (None, None, None, true) => Protection::CellKey,
        (None, None, None, false) => Protection::Rules,
        (None, None, Some(_), _) => {
            return Err(
                "`[meter]` needs `[noise]` or `[privacy]`: without noise there is nothing to count"
                    .to_owned(),
            );
        }
        _ => {
            return Err(
                "`cell_key`, `[noise]` and `[privacy]` are three methods; keep one".to_owned()
            );
        }
    };
    if matches!(protection, Protection::Privacy(_))
        && (clip, rounding, zeros) != (Clip::None, 1, ZeroRule::Suppressed)
    {
        return Err(
            "beside `[privacy]` write `clip = \"none\"`, `rounding = 1` and `zeros = \"suppressed\"`: what one person can add is bounded there, and noise is all the rest"
                .to_owned(),
        );
    }
    if matches!(protection, Protection::Noise(_)) {
        if clip != Clip::ThresholdLargest {
            return Err(
                "`clip` must be \"threshold-largest\" beside `[noise]`: noise scales with it"
                    .to_owned(),
            );
        }
        // An exact edge between none and few would be told by a 0 among noisy figures.
        if zeros != ZeroRule::Suppressed {
            return Err("`zeros` must be \"suppressed\" beside `[noise]`".to_owned());
        }
    }
    if protection == Protection::CellKey && clip != Clip::None {
        return Err("`clip` must be \"none\" beside `cell_key`".to_owned());
    }
    Ok(Profile { name, threshold, rounding, clip, zeros, symbol, significant_digits, protection })
}

/// The index finds near sets by at most this many posted buckets.
const LARGEST_SEPARATION: usize = 12;

/// Beyond this two sets have too little in common.
const LARGEST_JITTER: usize = 20;

/// Noise of a standard deviation beyond this hides every hospital.
const LARGEST_VARIANCE: f64 = 10_000.0;

fn check_noise(
    threshold: u64,
    noise: &NoiseFile,
    meter: Option<MeterFile>,
) -> Result<NoiseRule, String> {
    let NoiseFile {
        threshold_jitter,
        separation,
        separation_jitter,
        weights,
        variance,
        per_person,
        bound,
    } = *noise;
    if threshold_jitter > 4 * threshold {
        return Err(format!(
            "`threshold_jitter` is {threshold_jitter}; write at most four thresholds"
        ));
    }
    // k >= T: else two shown sets could differ by fewer people than a figure must rest on.
    let least = usize::try_from(threshold).unwrap_or(usize::MAX);
    if separation < least || separation > LARGEST_SEPARATION {
        return Err(format!(
            "`separation` is {separation}; write a number of persons from the threshold ({threshold}) to {LARGEST_SEPARATION}"
        ));
    }
    if separation_jitter > LARGEST_JITTER {
        return Err(format!(
            "`separation_jitter` is {separation_jitter}; write at most {LARGEST_JITTER}"
        ));
    }
    within("weights", weights, 0.0, 1.0)?;
    within("variance", variance, 0.5, LARGEST_VARIANCE)?;
    within("per_person", per_person, 0.0, 10.0)?;
    let spread = variance.sqrt();
    within("bound", f64::from(bound), (2.0 * spread).ceil(), 100.0 * spread)?;
    let MeterFile { growth_from, growth_most, least_charge, budget } = meter.unwrap_or_default();
    within("least_charge", least_charge, 0.0, 1.0)?;
    for (name, value) in [("growth_from", growth_from), ("budget", budget)] {
        if let Some(value) = value {
            within(name, value, 1.0, 1e9)?;
        }
    }
    if let Some(most) = growth_most {
        within("growth_most", most, 1.0, 1e3)?;
        if growth_from.is_none() {
            return Err("`growth_most` without `growth_from`: write both".to_owned());
        }
    }
    if let (Some(from), Some(budget)) = (growth_from, budget)
        && budget < from
    {
        return Err(format!("`budget` is {budget}, below `growth_from` ({from})"));
    }
    Ok(NoiseRule {
        threshold_jitter,
        separation,
        separation_jitter,
        weights,
        variance,
        per_person,
        bound,
        growth_from,
        growth_most,
        least_charge,
        budget,
    })
}

fn within(name: &str, value: f64, from: f64, to: f64) -> Result<(), String> {
    if value.is_finite() && (from..=to).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{name}` is {value}; write a number from {from} to {to}"))
    }
}

fn check_privacy(privacy: &PrivacyFile, meter: MeterFile) -> Result<PrivacyRule, String> {
    let PrivacyFile { groups, rows, rho, delta } = *privacy;
    within("groups", f64::from(groups), 1.0, 1_000.0)?;
    within("rows", f64::from(rows), 1.0, 1_000.0)?;
    // Beyond this nothing that could be called privacy is left of one table.
    within("rho", rho, 1e-6, 1.0)?;
    within("delta", delta, 1e-15, 1e-6)?;
    match meter {
        MeterFile {
            growth_from: None,
            growth_most: None,
            least_charge: 0.0,
            budget: Some(budget),
        } => {
            within("budget", budget, 1.0, 1e6)?;
            // Of all tables together: the claim would be empty.
            within("rho` times `budget", rho * budget, 0.0, 20.0)?;
            within("delta` times `budget", delta * budget, 0.0, 1e-3)?;
            Ok(PrivacyRule { groups, rows, rho, delta, budget })
        }
        _ => Err("`[meter]` beside `[privacy]` holds `budget` and nothing else".to_owned()),
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_symbol(symbol: &str) -> Result<(), String> {
    let told =
        |why: &str| Err(format!("`symbol` is `{symbol}`, {why}; write a sign such as `[c]`"));
    if symbol.is_empty() || symbol.chars().count() > 8 {
        return told("which is not 1 to 8 characters long");
    }
    if !symbol.chars().all(|c| c.is_ascii_graphic()) {
        return told("which holds something else than visible ASCII characters");
    }
    // A suppressed figure that looks like a figure would be read as one.
    if symbol.chars().any(|c| c.is_ascii_digit()) {
        return told("which could be read as a figure");
    }
    // Spreadsheets run a field that begins with one of these as a formula, and CSV splits at the others.
    if symbol.starts_with(['=', '+', '-', '@']) || symbol.contains([',', ';', '"', '\'']) {
        return told("which a spreadsheet would not show as it is");
    }
    Ok(())
}
