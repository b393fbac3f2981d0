//! Why a server gave no answer, as the command line tells it. The server sends the same twice: one line for
//! drivers that show only a message, and RFC 9457 JSON beside it.

#[cfg(test)]
mod tests;

use std::fmt;

use arrow_flight::error::FlightError;
use cordon_disclosure::{Code, Family, Refusal};
use serde::Deserialize;
use tonic::Status;

use crate::exit::{Exit, ended};

/// A refusal or a failure, and how the command ends with it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    text: String,
}

/// The machine part, as far as it is shown. Servers may say more.
#[derive(Deserialize)]
struct Machine {
    code: String,
    detail: String,
    rule: Option<String>,
    #[serde(rename = "try")]
    remedy: String,
    line: Option<u64>,
    column: Option<u64>,
    retry_after_s: Option<u64>,
}

/// What a call stopped with.
pub(crate) fn of(error: FlightError) -> anyhow::Error {
    match error {
        FlightError::Tonic(status) => Problem::from(status.as_ref()).into(),
        other => {
            ended(Exit::Unavailable, format!("the server's answer is not understood: {other}"))
        }
    }
}

impl Problem {
    /// A refusal that the command line makes itself, in the words that the server would use.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self { exit: Exit::of(refusal.code), text: refusal.to_string() }
    }
}

impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let machine =
            status.metadata().get_bin("cordon-problem-bin").and_then(|value| value.to_bytes().ok());
        let machine = machine.and_then(|json| serde_json::from_slice::<Machine>(&json).ok());
        match machine.or_else(|| from_line(status.message())) {
            Some(machine) => from_machine(&machine),
            None => from_status(status),
        }
    }
}

/// The line ends with the code, and the remedy stands behind `; try: `.
fn from_line(line: &str) -> Option<Machine> {
    let (rest, code) = line.strip_suffix(')')?.rsplit_once(" (")?;
    known(code)?;
    let (detail, remedy) = rest.split_once("; try: ").unwrap_or((rest, ""));
    Some(Machine {
        code: code.to_owned(),
        detail: detail.to_owned(),
        rule: None,
        remedy: remedy.to_owned(),
        line: None,
        column: None,
        retry_after_s: None,
    })
}

fn from_machine(machine: &Machine) -> Problem {
    let Machine { code, detail, rule, remedy, line, column, retry_after_s } = machine;
    let known = known(code);
    let word = match known.map(Code::family) {
        Some(Family::Operational) | None => "failed",
        Some(_) => "refused",
    };
    let mut text = format!("{word}: {} ({code})", printable(detail));
    if let (Some(line), Some(column)) = (line, column) {
        text.push_str(&format!("\n  where  line {line}, column {column}"));
    }
    if let Some(rule) = rule.as_deref().or_else(|| known.map(|code| code.page().rule)) {
        text.push_str(&format!("\n  rule   {}", printable(rule)));
    }
    if !remedy.is_empty() {
        text.push_str(&format!("\n  try    {}", printable(remedy)));
    }
    if let Some(seconds) = retry_after_s {
        text.push_str(&format!("\n  again  in {seconds} s"));
    }
    Problem { exit: known.map_or(Exit::Unavailable, Exit::of), text }
}

/// Not one of our servers, or not in a state to say more.
fn from_status(status: &Status) -> Problem {
    let exit = match status.code() {
        tonic::Code::Unauthenticated => Exit::NotSignedIn,
        tonic::Code::PermissionDenied => Exit::Agreement,
        tonic::Code::InvalidArgument => Exit::Sql,
        tonic::Code::Cancelled | tonic::Code::DeadlineExceeded => Exit::Stopped,
        _ => Exit::Unavailable,
    };
    let mut text = format!("failed: {} ({})", printable(status.message()), status.code());
    if status.message().contains("h2 protocol error") {
        text.push_str("\n  try    https:// if the server uses TLS, http:// if it does not");
    }
    Problem { exit, text }
}

fn known(id: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.id() == id)
}

/// Without characters that steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}
