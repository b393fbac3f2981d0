//! Agreement files (TOML), read into `…File` types and converted once.
//!
//! A file holds only what is enforced, or shown to people as what it is. A field that nobody would act on
//! is refused, so that no signatory relies on it.

mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use cordon_catalogue::Catalogue;
use cordon_disclosure::Profile;
use serde::Deserialize;
use toml::value::Datetime;

use crate::agreement::{Agreement, AgreementId, LOCAL_ISSUER, OptOuts, Status, Territory, UserId};

/// An agreement file that cannot be right: file, field, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct AgreementError {
    /// Which file.
    pub file: String,
    /// What is wrong and what to do.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementFile {
    reference: String,
    follows: Option<String>,
    title: String,
    organisation: String,
    controller: String,
    purpose: Purpose,
    legal_basis: String,
    territory: Territory,
    status: Status,
    profile: String,
    egress: Egress,
    people: Vec<String>,
    term: TermFile,
    opt_outs: OptOutsFile,
    lines: Vec<lines::LineFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermFile {
    start: Datetime,
    end: Datetime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptOutsFile {
    rule: OptOuts,
    reason: String,
}

/// What the register of data uses calls the purpose.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Research,
    Commissioning,
    Planning,
    PublicHealth,
    Audit,
}

/// How results leave. Only what is built is offered: a house that promised a check by a person, and let
/// results out without it, would break the agreement.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Egress {
    /// As soon as disclosure control has passed them.
    Automatic,
}

pub(crate) fn read(
    file: &str,
    text: &str,
    catalogue: &Catalogue,
    profiles: &dyn Fn(&str) -> Option<Profile>,
) -> Result<Agreement, AgreementError> {
    toml::from_str::<AgreementFile>(text)
        .map_err(|error| place(text, &error))
        .and_then(|parsed| convert(parsed, catalogue, profiles))
        .map_err(|problem| AgreementError { file: file.to_owned(), problem })
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

fn convert(
    file: AgreementFile,
    catalogue: &Catalogue,
    profiles: &dyn Fn(&str) -> Option<Profile>,
) -> Result<Agreement, String> {
    let Egress::Automatic = file.egress;
    if !is_reference(&file.reference) {
        return Err(format!(
            "`reference` is `{}`; write it as `DARS-NIC-635697-P0C5M`, with `-v1.2` behind it for a version",
            file.reference
        ));
    }
    if let Some(follows) = &file.follows
        && (!is_reference(follows) || *follows == file.reference)
    {
        return Err(format!(
            "`follows` is `{follows}`; write the reference of the agreement before this one"
        ));
    }
    // ODS codes: 3 characters for trusts, 5 for sites, up to 10 for others.
    let ods = &file.organisation;
    if !(3..=10).contains(&ods.len())
        || !ods.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        return Err(format!(
            "`organisation` is `{ods}`; write its ODS code, 3 to 10 capitals and digits"
        ));
    }
    let profile = profiles(&file.profile)
        .ok_or_else(|| format!("`profile` is `{}`, which is not known here", file.profile))?;
    Ok(Agreement {
        id: AgreementId(file.reference),
        follows: file.follows.map(AgreementId),
        title: filled("title", file.title)?,
        organisation: file.organisation,
        controller: filled("controller", file.controller)?,
        purpose: file.purpose.word().to_owned(),
        legal_basis: filled("legal_basis", file.legal_basis)?,
        territory: file.territory,
        status: file.status,
        term: term(&file.term)?,
        people: people(file.people)?,
        grants: lines::convert(file.lines, catalogue)?,
        opt_outs: file.opt_outs.rule,
        opt_outs_reason: filled("opt_outs.reason", file.opt_outs.reason)?,
        profile: Arc::new(profile),
    })
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Purpose::Research => "research",
            Purpose::Commissioning => "commissioning",
            Purpose::Planning => "planning",
            Purpose::PublicHealth => "public_health",
            Purpose::Audit => "audit",
        }
    }
}

/// `DARS-NIC-` + 5 or 6 digits + `-` + 5 capitals or digits, then perhaps `-v1.2`.
fn is_reference(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix("DARS-NIC-") else { return false };
    let mut parts = rest.split('-');
    let number = parts.next().is_some_and(|part| matches!(part.len(), 5 | 6) && digits(part));
    let letters = parts.next().is_some_and(|part| {
        part.len() == 5 && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    let version = match parts.next() {
        None => true,
        Some(part) => part
            .strip_prefix('v')
            .and_then(|part| part.split_once('.'))
            .is_some_and(|(major, minor)| digits(major) && digits(minor)),
    };
    number && letters && version && parts.next().is_none()
}

/// Shown to people and written to logs, so one line of text and not nothing.
fn filled(field: &str, text: String) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(format!(
            "`{field}` is empty or holds control characters; write one line of text"
        ));
    }
    Ok(text)
}

fn term(file: &TermFile) -> Result<(NaiveDate, NaiveDate), String> {
    let (start, end) = (date("term.start", &file.start)?, date("term.end", &file.end)?);
    if end < start {
        return Err(format!(
            "`term.end` {end} lies before `term.start` {start}; write the last day"
        ));
    }
    Ok((start, end))
}

fn date(field: &str, written: &Datetime) -> Result<NaiveDate, String> {
    match (written.date, written.time, written.offset) {
        (Some(date), None, None) => NaiveDate::from_ymd_opt(
            i32::from(date.year),
            u32::from(date.month),
            u32::from(date.day),
        ),
        _ => None,
    }
    .ok_or_else(|| format!("`{field}` is `{written}`; write a day such as 2026-04-01"))
}

fn people(written: Vec<String>) -> Result<BTreeSet<UserId>, String> {
    let mut people = BTreeSet::new();
    for name in written {
        let parts = name.split_once('#').unwrap_or((LOCAL_ISSUER, &name));
        let plain = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        if !plain(parts.0) || !plain(parts.1) {
            return Err(format!(
                "`people` holds `{name}`; write `subject` for a person signed in here, or `issuer#subject`"
            ));
        }
        let person = UserId::new(parts.0, parts.1);
        if people.contains(&person) {
            return Err(format!("`people` names `{person}` twice; name everybody once"));
        }
        people.insert(person);
    }
    Ok(people)
}
