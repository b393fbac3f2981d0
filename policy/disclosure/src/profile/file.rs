//! Reading a profile: parsed into [`ProfileFile`], then converted once into a [`Profile`] that cannot be
//! wrong. Every message says which field and what to do.

use serde::Deserialize;

use super::{Clip, Profile, ProfileError, ZeroRule};

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
    let ProfileFile { name, threshold, rounding, clip, zeros, symbol, significant_digits } = file;
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
    Ok(Profile { name, threshold, rounding, clip, zeros, symbol, significant_digits })
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
