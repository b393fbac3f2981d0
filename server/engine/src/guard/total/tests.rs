//! I7: no expression over patients' rows can fail depending on a row.
//!
//! Random expressions of what analysts may say, over rows that hold the worst of every type. Each is evaluated over all
//! rows and over none: that both end well means that no row can make it fail.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{LogicalPlan, Projection};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::total;

/// The worst of every type, each beside each other's.
fn worst() -> RecordBatch {
    let wide = [None, Some(0), Some(1), Some(-1), Some(i64::MIN), Some(i64::MAX), Some(1 << 53)];
    let float = [
        None,
        Some(0.0),
        Some(-0.0),
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(f64::MIN),
        Some(5e-324),
    ];
    let days =
        [None, Some(0), Some(i32::MIN), Some(i32::MAX), Some(-25_568), Some(65_745), Some(19_000)];
    let text = [
        None,
        Some(""),
        Some("é😀"),
        Some("9999999999999999999999"),
        Some("2022-02-30"),
        Some("NaN"),
        Some("-1.5e400"),
    ];
    let rows = 7 * 7;
    let pick = |row: usize, by: usize| (row / by) % 7;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new((0..rows).map(|r| wide[pick(r, 1)]).collect::<Int64Array>())),
        ("k", Arc::new((0..rows).map(|r| wide[pick(r, 7)]).collect::<Int64Array>())),
        (
            "j",
            Arc::new((0..rows).map(|r| wide[pick(r, 7)].map(|v| v as i32)).collect::<Int32Array>()),
        ),
        (
            "s",
            Arc::new((0..rows).map(|r| wide[pick(r, 1)].map(|v| v as i16)).collect::<Int16Array>()),
        ),
        ("f", Arc::new((0..rows).map(|r| float[pick(r, 1)]).collect::<Float64Array>())),
        ("d", Arc::new((0..rows).map(|r| days[pick(r, 1)]).collect::<Date32Array>())),
        ("e", Arc::new((0..rows).map(|r| days[pick(r, 7)]).collect::<Date32Array>())),
        ("t", Arc::new((0..rows).map(|r| text[pick(r, 1)]).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn one_of(words: &[&str]) -> BoxedStrategy<String> {
    prop::sample::select(words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).boxed()
}

fn constant() -> BoxedStrategy<String> {
    one_of(&["0", "1", "-1", "7", "0.5", "100000", "9223372036854775807", "-3.25"])
}

/// A number, with so many levels below it.
fn number(levels: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => one_of(&["i", "k", "j", "s", "f"]), 1 => constant(), 1 => Just("(d - e)".to_owned()),
    ];
    if levels == 0 {
        return leaf.boxed();
    }
    let inner = || number(levels - 1);
    let text = || words(levels - 1);
    let day = || date(levels - 1);
    let to = || one_of(&["SMALLINT", "INT", "BIGINT", "DOUBLE", "REAL", "INT UNSIGNED", "TINYINT"]);
    let part = || {
        one_of(&[
            "year", "quarter", "month", "week", "day", "doy", "dow", "isodow", "isoyear", "epoch",
        ])
    };
    prop_oneof![
        leaf,
        (inner(), one_of(&["+", "-", "*", "/"]), constant())
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (constant(), one_of(&["+", "-", "*"]), inner())
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (inner(), one_of(&["+", "-"]), inner()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (one_of(&["abs", "floor", "ceil", "round", "-"]), inner())
            .prop_map(|(f, a)| format!("{f}({a})")),
        (inner(), 0..16).prop_map(|(a, n)| format!("round({a}, {n})")),
        (inner(), inner()).prop_map(|(a, b)| format!("nullif({a}, {b})")),
        (one_of(&["coalesce", "greatest", "least"]), inner(), inner())
            .prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
        (condition(levels - 1), inner(), inner())
            .prop_map(|(c, a, b)| format!("CASE WHEN {c} THEN {a} ELSE {b} END")),
        (prop_oneof![inner(), text()], to()).prop_map(|(a, t)| format!("CAST({a} AS {t})")),
        (part(), day()).prop_map(|(p, a)| format!("date_part('{p}', {a})")),
        (day(), day()).prop_map(|(a, b)| format!("({a} - {b})")),
        text().prop_map(|a| format!("length({a})")),
    ]
    .boxed()
}

/// A date.
fn date(levels: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![3 => one_of(&["d", "e"]), 1 => Just("DATE '2022-04-01'".to_owned())];
    if levels == 0 {
        return leaf.boxed();
    }
    let inner = || date(levels - 1);
    let unit = || one_of(&["year", "quarter", "month", "week", "day"]);
    let interval = || one_of(&["'30' DAY", "'1' MONTH", "'100' YEAR", "'-100' YEAR"]);
    prop_oneof![
        leaf,
        (inner(), one_of(&["+", "-"]), interval())
            .prop_map(|(a, op, i)| format!("CAST(({a} {op} INTERVAL {i}) AS DATE)")),
        (inner(), one_of(&["+", "-"]), 0..36_525).prop_map(|(a, op, n)| format!("({a} {op} {n})")),
        (unit(), inner()).prop_map(|(u, a)| format!("CAST(date_trunc('{u}', {a}) AS DATE)")),
        words(levels - 1).prop_map(|a| format!("CAST({a} AS DATE)")),
        (inner(), inner()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
        (condition(levels - 1), inner(), inner())
            .prop_map(|(c, a, b)| format!("CASE WHEN {c} THEN {a} ELSE {b} END")),
    ]
    .boxed()
}

/// A text.
fn words(levels: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![3 => Just("t".to_owned()), 1 => one_of(&["''", "'I21'", "'é'"])];
    if levels == 0 {
        return leaf.boxed();
    }
    let inner = || words(levels - 1);
    prop_oneof![
        leaf,
        (one_of(&["upper", "lower", "btrim", "ltrim", "rtrim"]), inner())
            .prop_map(|(f, a)| format!("{f}({a})")),
        (inner(), 0..101).prop_map(|(a, n)| format!("left({a}, {n})")),
        (inner(), 0..101).prop_map(|(a, n)| format!("substr({a}, 1, {n})")),
        (inner(), inner()).prop_map(|(a, b)| format!("({a} || {b})")),
        (inner(), inner()).prop_map(|(a, b)| format!("concat({a}, '-', {b})")),
        prop_oneof![number(levels - 1), date(levels - 1)]
            .prop_map(|a| format!("CAST({a} AS VARCHAR)")),
        (inner(), inner()).prop_map(|(a, b)| format!("nullif({a}, {b})")),
    ]
    .boxed()
}

/// True, false or null.
fn condition(levels: u32) -> BoxedStrategy<String> {
    let compared = || one_of(&["=", "<>", "<", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
    let below = levels.saturating_sub(1);
    let leaf = prop_oneof![
        (number(below), compared(), number(below)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (date(below), compared(), date(below)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (words(below), compared(), words(below)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        words(below).prop_map(|a| format!("({a} LIKE 'I2%')")),
        words(below).prop_map(|a| format!("({a} IN ('', 'x', 'NaN'))")),
        number(below).prop_map(|a| format!("({a} BETWEEN -1 AND 7)")),
        number(below).prop_map(|a| format!("({a} IS NULL)")),
    ];
    if levels == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        3 => leaf,
        1 => (condition(below), one_of(&["AND", "OR"]), condition(below)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        1 => condition(below).prop_map(|a| format!("(NOT {a})")),
    ]
    .boxed()
}

/// How many expressions are tried, and how many of them must have been planned.
const TRIED: u32 = 1_500;

fn try_all(made_total: impl Fn(&LogicalPlan) -> LogicalPlan) -> Result<u32, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let context = SessionContext::new();
    let table = MemTable::try_new(worst().schema(), vec![vec![worst()]]).unwrap();
    context.register_table("w", Arc::new(table)).unwrap();
    let planned = std::cell::Cell::new(0);
    let expressions = prop_oneof![number(3), date(3), words(3), condition(3)];
    let config = Config { cases: TRIED, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&expressions, |expression| {
        runtime.block_on(async {
            // What does not fit together is refused before any row is read.
            let Ok(frame) = context.sql(&format!("SELECT {expression} AS x FROM w")).await else {
                return Ok(());
            };
            let state = context.state();
            let analysed = state.analyzer().execute_and_check(
                frame.logical_plan().clone(),
                state.config_options(),
                |_, _| {},
            );
            let Ok(plan) = analysed else { return Ok(()) };
            planned.set(planned.get() + 1);
            let plan = made_total(&plan);
            let physical = state.create_physical_plan(&plan).await;
            let run = match physical {
                Ok(physical) => datafusion::physical_plan::collect(physical, context.task_ctx())
                    .await
                    .map(|_| ()),
                Err(error) => Err(error),
            };
            run.map_err(|error| TestCaseError::fail(format!("{expression}: {error}")))
        })
    });
    outcome.map(|()| planned.get()).map_err(|error| error.to_string())
}

#[test]
fn i7_no_expression_fails_depending_on_a_row() {
    let planned = try_all(|plan| {
        let LogicalPlan::Projection(p) = plan else { return plan.clone() };
        let exprs = p.expr.iter().map(|e| total(e.clone(), p.input.schema()).unwrap()).collect();
        LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&p.input)).unwrap())
    });
    let planned = planned.unwrap_or_else(|failed| panic!("{failed}"));
    assert!(planned > TRIED / 2, "only {planned} of {TRIED} could be planned");
}

/// The referee works: without the rewriting, some expression fails.
#[test]
fn i7_without_the_rewriting_expressions_do_fail() {
    assert!(try_all(LogicalPlan::clone).is_err());
}
