//! What was measured, for people.

use std::fmt::Write as _;

use super::super::questions::QUESTIONS;
use super::super::report::median;
use super::{Cell, Kind};

/// First number of people of each band.
const BANDS: [(f64, &str); 5] = [
    (10.0, "10 to 99"),
    (100.0, "100 to 299"),
    (300.0, "300 to 999"),
    (1_000.0, "1,000 to 9,999"),
    (10_000.0, "10,000 and more"),
];

const HEAD: &str =
    "| publishable | withheld | median error | 9 of 10 within | within 1 SE | within 2 SE |";
const RULE: &str = "|---:|---:|---:|---:|---:|---:|";

/// One line: how many cells could be shown, how many were not, and how far the others are off.
fn line(cells: &[&Cell]) -> String {
    let publishable = cells.iter().filter(|c| c.publishable).count();
    let withheld = cells.iter().filter(|c| c.publishable && c.shown.is_none()).count();
    let mut off: Vec<f64> = cells.iter().filter_map(|c| c.relative()).collect();
    off.sort_by(f64::total_cmp);
    let tenth = off.get(off.len().saturating_sub(1) * 9 / 10).copied();
    let errors: Vec<f64> = cells.iter().filter_map(|c| c.errors()).collect();
    let within = |most: f64| {
        let near = errors.iter().filter(|e| **e <= most).count();
        percent((!errors.is_empty()).then(|| near as f64 / errors.len() as f64), 0)
    };
    format!(
        "{publishable} | {} | {} | {} | {} | {}",
        percent((publishable > 0).then(|| withheld as f64 / publishable as f64), 1),
        percent(median(&off), 2),
        percent(tenth, 1),
        within(1.0),
        within(2.0)
    )
}

pub(super) fn percent(part: Option<f64>, digits: usize) -> String {
    part.map_or_else(|| "-".to_owned(), |part| format!("{:.digits$} %", 100.0 * part))
}

/// By kind of figure and number of people.
pub(super) fn by_people(cells: &[Cell]) -> String {
    let mut text = format!("| figure | people behind it {HEAD}\n|---|---{RULE}\n");
    for (kind, name) in
        [(Kind::Count, "counts"), (Kind::Sum, "sums"), (Kind::Ratio, "means, shares, quantiles")]
    {
        for (at, (from, band)) in BANDS.iter().enumerate() {
            let to = BANDS.get(at + 1).map_or(f64::MAX, |(next, _)| *next);
            let of = |c: &&Cell| c.kind == kind && (*from..to).contains(&c.behind);
            let found: Vec<&Cell> = cells.iter().filter(of).collect();
            if !found.is_empty() {
                let _ = writeln!(text, "| {name} | {band} | {} |", line(&found));
            }
        }
        let found: Vec<&Cell> = cells.iter().filter(|c| c.kind == kind).collect();
        let _ = writeln!(text, "| {name} | all | {} |", line(&found));
    }
    let _ = writeln!(text, "| all | all | {} |", line(&cells.iter().collect::<Vec<_>>()));
    text
}

/// By question.
pub(super) fn by_question(cells: &[Cell]) -> String {
    let mut text = format!("| question {HEAD}\n|---{RULE}\n");
    let mut medians = Vec::new();
    for question in QUESTIONS {
        let found: Vec<&Cell> = cells.iter().filter(|c| c.question == question.name).collect();
        if !found.is_empty() {
            let _ = writeln!(text, "| {} | {} |", question.name, line(&found));
            let off: Vec<f64> = found.iter().filter_map(|c| c.relative()).collect();
            medians.extend(median(&off));
        }
    }
    let _ = writeln!(text, "\nmedian of these medians: {}", percent(median(&medians), 2));
    text
}
