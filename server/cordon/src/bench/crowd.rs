//! Questions that were never asked before.

use chrono::{Days, NaiveDate};

/// The same question with a condition that holds for every row with a date and is not written like any other one.
pub(super) fn varied(sql: &str, number: u64) -> String {
    let date = ["epistart", "apptdate", "arrivaldate"];
    let tables = ["hes.apc", "hes.op", "hes.ae"];
    let date = tables.iter().zip(date).find(|(table, _)| sql.contains(*table)).map(|pair| pair.1);
    let Some(date) = date else { return sql.to_owned() };
    // A day and an upper end for the rest: days before anybody in the data was born, ends after all are dead.
    let (day, rest) = (number % 36_000, number / 36_000);
    let start = NaiveDate::default() - Days::new(170 * 365);
    let from = start + Days::new(day);
    let to = NaiveDate::default() + Days::new(180 * 365 + rest);
    let condition = format!("{date} >= DATE '{from}' AND {date} < DATE '{to}'");
    match (sql.split_once("WHERE "), sql.split_once("GROUP BY ")) {
        (Some((before, after)), _) => format!("{before}WHERE {condition} AND {after}"),
        (None, Some((before, after))) => format!("{before}WHERE {condition} GROUP BY {after}"),
        (None, None) => format!("{sql} WHERE {condition}"),
    }
}
