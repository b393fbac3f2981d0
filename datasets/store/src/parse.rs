//! Text to typed columns. A value that is not legal for its type makes its row a reject; the reject names
//! line, column and reason, never the value.
//!
//! Space around a value means nothing (published codes are padded) and an empty value is null.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Decimal128Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    StringBuilder,
};
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, Date32Array};
use arrow_schema::DataType;
use chrono::{Datelike as _, NaiveDate};

use crate::StoreError;

/// Why a row was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A key or year without a value.
    Missing,
    /// Bytes that are not UTF-8.
    NotText,
    /// Not a whole number.
    NotInteger,
    /// Not a number.
    NotNumber,
    /// A number that its type cannot hold.
    TooLarge,
    /// Not a date.
    NotDate,
    /// A date before 1800 or after 2200 that is no known placeholder.
    DateOutOfRange,
    /// More or fewer fields than the header.
    FieldCount,
    /// A second row of a person in a table with one row per person.
    SecondRow,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a value is required",
            Self::NotText => "not UTF-8 text",
            Self::NotInteger => "not a whole number",
            Self::NotNumber => "not a number",
            Self::TooLarge => "too large for its type",
            Self::NotDate => "not a date",
            Self::DateOutOfRange => "date before 1800 or after 2200",
            Self::FieldCount => "more or fewer fields than the header",
            Self::SecondRow => "the person has a row already",
        })
    }
}

/// A bad value: row within the chunk, described column, reason.
pub(crate) type Fault = (usize, usize, Reason);

/// What a column is parsed by.
pub(crate) struct Rule<'a> {
    pub(crate) column: usize,
    pub(crate) data_type: &'a DataType,
    pub(crate) required: bool,
    pub(crate) bit: Option<u32>,
}

/// Placeholder dates of the publisher: no date submitted, invalid date submitted, and both before 2012-13.
const PLACEHOLDERS: [(i32, u32, u32); 4] =
    [(1800, 1, 1), (1801, 1, 1), (1600, 1, 1), (1582, 10, 15)];
const YEARS: std::ops::RangeInclusive<i32> = 1800..=2200;
const UNIX_EPOCH_FROM_CE: i32 = 719_163;

/// Parses one column; `cell` gives the text of a row, `None` for null.
pub(crate) fn column<'c>(
    rule: &Rule<'_>,
    rows: usize,
    cell: impl Fn(usize) -> Option<&'c [u8]>,
    quality: &mut [i32],
    faults: &mut Vec<Fault>,
) -> Result<ArrayRef, StoreError> {
    let mut check = |row: usize, parsed: Option<Reason>| {
        if let Some(reason) = parsed {
            faults.push((row, rule.column, reason));
        }
    };
    let text = |row: usize| cell(row).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
    let required = rule.required;
    macro_rules! typed {
        ($builder:expr, $parse:expr) => {{
            let mut builder = $builder;
            for row in 0..rows {
                match text(row).map($parse) {
                    None => {
                        check(row, required.then_some(Reason::Missing));
                        builder.append_null();
                    }
                    Some(Ok(value)) => builder.append_value(value),
                    Some(Err(reason)) => {
                        check(row, Some(reason));
                        builder.append_null();
                    }
                }
            }
            Ok(Arc::new(builder.finish()) as ArrayRef)
        }};
    }
    match rule.data_type {
        DataType::Utf8 => {
            let utf8 = |text| std::str::from_utf8(text).map_err(|_| Reason::NotText);
            typed!(StringBuilder::with_capacity(rows, rows * 4), utf8)
        }
        DataType::Int16 => typed!(Int16Builder::with_capacity(rows), narrow::<i16>),
        DataType::Int32 => typed!(Int32Builder::with_capacity(rows), narrow::<i32>),
        DataType::Int64 => typed!(Int64Builder::with_capacity(rows), integer),
        DataType::Float64 => typed!(Float64Builder::with_capacity(rows), float),
        DataType::Decimal128(precision, scale) => {
            let builder =
                Decimal128Builder::with_capacity(rows).with_data_type(rule.data_type.clone());
            typed!(builder, |text| decimal(text, *precision, *scale))
        }
        DataType::Date32 => {
            let mut builder = Date32Builder::with_capacity(rows);
            for (row, flags) in quality.iter_mut().enumerate().take(rows) {
                let date = text(row).map(|text| date(text).and_then(known));
                if let (Some(Ok(Day::Placeholder)), Some(bit)) = (&date, rule.bit) {
                    *flags |= 1 << bit;
                }
                let missing = required && !matches!(date, Some(Ok(Day::Real(_)) | Err(_)));
                check(row, missing.then_some(Reason::Missing));
                match date {
                    Some(Ok(Day::Real(day))) => builder.append_value(day),
                    Some(Err(reason)) => {
                        check(row, Some(reason));
                        builder.append_null();
                    }
                    Some(Ok(Day::Placeholder)) | None => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        _ => Err(StoreError::Internal("choosing how to parse a column")),
    }
}

/// The same care for dates that are typed already.
pub(crate) fn typed_dates(
    rule: &Rule<'_>,
    dates: &Date32Array,
    quality: &mut [i32],
    faults: &mut Vec<Fault>,
) -> ArrayRef {
    let mut builder = Date32Builder::with_capacity(dates.len());
    for (row, day) in dates.iter().enumerate() {
        match day.map(|day| from_days(day).ok_or(Reason::DateOutOfRange).and_then(known)) {
            Some(Ok(Day::Real(day))) => builder.append_value(day),
            Some(Err(reason)) => {
                faults.push((row, rule.column, reason));
                builder.append_null();
            }
            absent => {
                if let (Some(_), Some(bit)) = (absent, rule.bit) {
                    quality[row] |= 1 << bit;
                }
                if rule.required {
                    faults.push((row, rule.column, Reason::Missing));
                }
                builder.append_null();
            }
        }
    }
    Arc::new(builder.finish())
}

enum Day {
    Real(i32),
    Placeholder,
}

fn from_days(days: i32) -> Option<NaiveDate> {
    days.checked_add(UNIX_EPOCH_FROM_CE).and_then(NaiveDate::from_num_days_from_ce_opt)
}

fn known(date: NaiveDate) -> Result<Day, Reason> {
    if PLACEHOLDERS.contains(&(date.year(), date.month(), date.day())) {
        return Ok(Day::Placeholder);
    }
    if !YEARS.contains(&date.year()) {
        return Err(Reason::DateOutOfRange);
    }
    Ok(Day::Real(date.num_days_from_ce() - UNIX_EPOCH_FROM_CE))
}

/// `2001-09-27`, with or without a time behind it, `20010927` or `27/09/2001`.
fn date(text: &[u8]) -> Result<NaiveDate, Reason> {
    let digits = |part: &[u8]| {
        part.iter().try_fold(0u32, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        })
    };
    let time = |rest: &[u8]| match rest {
        [] => true,
        [b' ' | b'T', clock @ ..] => {
            !clock.is_empty() && clock.iter().all(|b| b.is_ascii_digit() || b":.Z+-".contains(b))
        }
        _ => false,
    };
    let parts = match text {
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] if time(rest) => {
            (&[*y1, *y2, *y3, *y4][..], [*m1, *m2], [*d1, *d2])
        }
        [y @ .., m1, m2, d1, d2] if y.len() == 4 => (y, [*m1, *m2], [*d1, *d2]),
        [d1, d2, b'/', m1, m2, b'/', y @ ..] if y.len() == 4 => (y, [*m1, *m2], [*d1, *d2]),
        _ => return Err(Reason::NotDate),
    };
    let (year, month, day) = (digits(parts.0), digits(&parts.1), digits(&parts.2));
    let (Some(year), Some(month), Some(day)) = (year, month, day) else {
        return Err(Reason::NotDate);
    };
    let year = i32::try_from(year).map_err(|_| Reason::NotDate)?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or(Reason::NotDate)
}

/// `5`, `-5`, `05`, and `5.0` as some extracts write whole numbers.
fn integer(text: &[u8]) -> Result<i64, Reason> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let whole = match digits.iter().position(|byte| *byte == b'.') {
        Some(dot) if digits[dot + 1..].iter().all(|byte| *byte == b'0') => &digits[..dot],
        Some(_) => return Err(Reason::NotInteger),
        None => digits,
    };
    if whole.is_empty() || !whole.iter().all(u8::is_ascii_digit) {
        return Err(Reason::NotInteger);
    }
    whole
        .iter()
        .try_fold(0i64, |number, byte| {
            let digit = i64::from(byte - b'0');
            number.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
        })
        .ok_or(Reason::TooLarge)
}

fn narrow<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Reason> {
    integer(text).and_then(|number| T::try_from(number).map_err(|_| Reason::TooLarge))
}

fn float(text: &[u8]) -> Result<f64, Reason> {
    let number: f64 = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Reason::NotNumber)?;
    if number.is_finite() { Ok(number) } else { Err(Reason::NotNumber) }
}

fn decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, Reason> {
    let plain = text.iter().all(|byte| byte.is_ascii_digit() || b"+-.".contains(byte));
    let text = std::str::from_utf8(text).ok().filter(|_| plain).ok_or(Reason::NotNumber)?;
    let _: f64 = text.parse().map_err(|_| Reason::NotNumber)?;
    arrow_cast::parse::parse_decimal::<Decimal128Type>(text, precision, scale)
        .map_err(|_| Reason::TooLarge)
}

#[cfg(test)]
mod tests;
