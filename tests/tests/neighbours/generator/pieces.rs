//! Conditions, group columns and figures.

use super::pool::{Draw, Picked, Table};
use crate::neighbours::statement::Piece;

fn quoted(value: &str) -> String {
    format!("'{value}'")
}

fn with_target(mut piece: Piece, own: bool) -> Piece {
    if own {
        piece.is.push("target's values");
    }
    piece
}

/// A condition on one row.
pub(super) fn condition(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let code = Picked { column: draw.of(&table.codes), alias };
    let number = Picked { column: draw.of(&table.numbers), alias };
    let date = Picked { column: draw.of(&table.dates), alias };
    let ((value, own), (other, _)) = (code.value(draw), code.value(draw));
    let (text, value, other) = (code.text(), quoted(&value), quoted(&other));
    let (n, n_own) = number.value(draw);
    let (day, day_own) = date.value(draw);
    let (number, date) = (number.text(), date.text());
    let second = Picked { column: draw.of(&table.numbers), alias }.text();
    let later = Picked { column: draw.of(&table.dates), alias }.text();
    let prefix: String = value.trim_matches('\'').chars().take(1).collect();
    match draw.below(26) {
        0 => with_target(Piece::new(format!("{text} = {value}"), &[]), own),
        1 => with_target(Piece::new(format!("{text} <> {value}"), &[]), own),
        2 => with_target(Piece::new(format!("{text} IN ({value}, {other})"), &["IN"]), own),
        3 => with_target(Piece::new(format!("NOT ({text} = {value})"), &["NOT"]), own),
        4 => with_target(Piece::new(format!("{text} = {value} OR {text} = {other}"), &["OR"]), own),
        5 => Piece::new(format!("{text} IS NULL"), &["NULL"]),
        6 => Piece::new(format!("{text} IS NOT NULL"), &["NULL", "NOT"]),
        7 => with_target(Piece::new(format!("{text} LIKE '{prefix}%'"), &["LIKE"]), own),
        8 => with_target(Piece::new(format!("{number} <> {n}"), &[]), n_own),
        9 => with_target(Piece::new(format!("{number} BETWEEN 0 AND {n}"), &["BETWEEN"]), n_own),
        10 => with_target(Piece::new(format!("{number} > {n}"), &[]), n_own),
        11 => with_target(Piece::new(format!("{date} <> DATE '{day}'"), &[]), day_own),
        12 => with_target(Piece::new(format!("{date} <= DATE '{day}'"), &[]), day_own),
        13 => Piece::new(format!("CAST({number} AS BIGINT) >= 0"), &["CAST"]),
        14 => with_target(
            Piece::new(format!("{text} IS DISTINCT FROM {value}"), &["IS DISTINCT FROM"]),
            own,
        ),
        15 => with_target(
            Piece::new(format!("starts_with({text}, '{prefix}')"), &["text function"]),
            own,
        ),
        16 => with_target(
            Piece::new(format!("upper(left({text}, 1)) <> '{prefix}'"), &["text function"]),
            own,
        ),
        17 => {
            with_target(Piece::new(format!("coalesce({text}, '-') <> {value}"), &["coalesce"]), own)
        }
        18 => Piece::new(format!("nullif({text}, {value}) IS NULL"), &["coalesce", "NULL"]),
        19 => Piece::new(format!("length({text}) > 2"), &["text function"]),
        20 => Piece::new(format!("{date} - {later} >= 0"), &["arithmetic of dates"]),
        21 => with_target(
            Piece::new(
                format!("{date} + INTERVAL '30' DAY > DATE '{day}'"),
                &["arithmetic of dates"],
            ),
            day_own,
        ),
        22 => with_target(Piece::new(format!("{number} + {second} > {n}"), &["arithmetic"]), n_own),
        23 => with_target(
            Piece::new(format!("abs(2 * {number} - 3) < 2 * {n}"), &["arithmetic"]),
            n_own,
        ),
        24 => with_target(
            Piece::new(format!("greatest({number}, {second}) >= {n}"), &["arithmetic"]),
            n_own,
        ),
        _ => with_target(
            Piece::new(
                format!("date_trunc('month', {date}) <> date_trunc('month', DATE '{day}')"),
                &["date part"],
            ),
            day_own,
        ),
    }
}

pub(super) fn key(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let number = Picked { column: draw.of(&table.numbers), alias }.text();
    let date = Picked { column: draw.of(&table.dates), alias }.text();
    let code = Picked { column: draw.of(&table.codes), alias }.text();
    let second = Picked { column: draw.of(&table.codes), alias }.text();
    match draw.below(16) {
        0 => Piece::new(format!("date_part('year', {date})"), &["date part"]),
        4 => Piece::new(format!("date_trunc('quarter', {date})"), &["date part"]),
        5 => Piece::new(format!("left({code}, 1)"), &["text function"]),
        6 => Piece::new(format!("{code} || {second}"), &["strings of columns"]),
        7 => Piece::new(format!("coalesce({code}, 'none')"), &["coalesce"]),
        1 => Piece::new(
            format!(
                "CASE WHEN {number} < 5 THEN 'low' WHEN {number} < 50 THEN 'middle' ELSE 'high' END"
            ),
            &["CASE"],
        ),
        2 => Piece::new(format!("{alias}.fyear"), &[]),
        3 if table.name == "hes.apc" => Piece::new(format!("{alias}.sex"), &[]),
        _ => Piece::new(code, &[]),
    }
}

pub(super) fn figure(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let number = Picked { column: draw.of(&table.numbers), alias }.text();
    let code = Picked { column: draw.of(&table.codes), alias }.text();
    let date = Picked { column: draw.of(&table.dates), alias }.text();
    let which = condition(draw, table, alias);
    let with = |text: String, is: &[&'static str]| {
        let mut piece = Piece::new(text, is);
        piece.is.extend(&which.is);
        piece
    };
    let second = Picked { column: draw.of(&table.numbers), alias }.text();
    let later = Picked { column: draw.of(&table.dates), alias }.text();
    match draw.below(32) {
        22 => Piece::new(
            format!("percentile_cont(0.75) WITHIN GROUP (ORDER BY {number})"),
            &["median"],
        ),
        23 => Piece::new(format!("corr({number}, {second})"), &["deviation"]),
        24 => Piece::new(format!("regr_slope({number}, {second})"), &["deviation"]),
        25 => Piece::new(format!("var_pop({number})"), &["deviation"]),
        26 => Piece::new(format!("sum({date} - {later})"), &["sum", "arithmetic of dates"]),
        27 => with(format!("avg(CASE WHEN {} THEN 1 ELSE 0 END)", which.text), &["mean", "CASE"]),
        28 => with(format!("sum({number}) FILTER (WHERE {})", which.text), &["sum", "FILTER"]),
        29 => Piece::new(
            format!("count(DISTINCT {alias}.{})", table.record),
            &["count records", "DISTINCT"],
        ),
        30 => Piece::new(
            format!("count(DISTINCT {alias}.pseudo_hesid) * 1.0 / count(*)"),
            &["ratio", "count persons", "count rows"],
        ),
        31 => Piece::new(
            format!("sum({number} + {second}) / nullif(count(*), 0)"),
            &["ratio", "sum", "arithmetic"],
        ),
        0..=3 => Piece::new("count(*)", &["count rows"]),
        4..=6 => Piece::new(
            format!("count(DISTINCT {alias}.pseudo_hesid)"),
            &["count persons", "DISTINCT"],
        ),
        7 => Piece::new(format!("count({code})"), &["count rows", "NULL"]),
        8..=9 => Piece::new(format!("sum({number})"), &["sum"]),
        10 => Piece::new(format!("avg({number})"), &["mean"]),
        11 => Piece::new(format!("median({number})"), &["median"]),
        12 => Piece::new(format!("stddev({number})"), &["deviation"]),
        13 => Piece::new(format!("count(DISTINCT {code})"), &["count codes", "DISTINCT"]),
        14..=15 => {
            with(format!("count(*) FILTER (WHERE {})", which.text), &["count rows", "FILTER"])
        }
        16 => with(format!("sum(CASE WHEN {} THEN {number} END)", which.text), &["sum", "CASE"]),
        17 => with(
            format!("sum(CASE WHEN {} THEN 1 ELSE 0 END)", which.text),
            &["count rows", "CASE"],
        ),
        18 => with(
            format!("count(DISTINCT CASE WHEN {} THEN {alias}.pseudo_hesid END)", which.text),
            &["count persons", "CASE", "DISTINCT"],
        ),
        _ => {
            let texts = [
                format!("max({number})"),
                format!("min({date})"),
                format!("array_agg({code})"),
                format!("sum({number} * 1000000)"),
                format!("sum(CASE WHEN {} THEN 1e9 ELSE 0 END)", which.text),
                format!("sum(CASE WHEN {} THEN CAST('NaN' AS DOUBLE) ELSE 0 END)", which.text),
                format!("sum(power({number}, 20))"),
                format!("sum(1 / ({number} - 3))"),
                format!("count(*) FILTER (WHERE 1 / ({number} - 3) = 1)"),
                format!("avg(CAST({code} AS INT))"),
                format!("first_value({code})"),
                "sum(random())".to_owned(),
                format!("bit_xor({number})"),
                format!("approx_distinct({code})"),
                format!("count(*) FILTER (WHERE {number} * 9000000000000000000 > 0)"),
            ];
            Piece::new(draw.of(&texts).clone(), &["hostile expression"])
        }
    }
}

/// A subquery of people who have a row like this.
pub(super) fn people(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let inner = condition(draw, table, "s");
    let name = table.name;
    let (text, is) = match draw.below(5) {
        3 => (
            format!(
                "{alias}.pseudo_hesid NOT IN (SELECT s.pseudo_hesid FROM {name} s WHERE {})",
                inner.text
            ),
            "anti join",
        ),
        4 => (
            format!(
                "{alias}.pseudo_hesid IN (SELECT s.pseudo_hesid FROM {name} s WHERE {} GROUP BY s.pseudo_hesid HAVING count(*) > 1)",
                inner.text
            ),
            "semi join",
        ),
        0 => (
            format!(
                "{alias}.pseudo_hesid IN (SELECT s.pseudo_hesid FROM {name} s WHERE {})",
                inner.text
            ),
            "semi join",
        ),
        1 => (
            format!(
                "EXISTS (SELECT 1 FROM {name} s WHERE s.pseudo_hesid = {alias}.pseudo_hesid AND ({}))",
                inner.text
            ),
            "semi join",
        ),
        _ => (
            format!(
                "NOT EXISTS (SELECT 1 FROM {name} s WHERE s.pseudo_hesid = {alias}.pseudo_hesid AND ({}))",
                inner.text
            ),
            "anti join",
        ),
    };
    let mut piece = Piece::new(text, &[is]);
    piece.is.extend(inner.is);
    piece
}
