//! I7: no expression fails depending on whether there is a row. Kinds of expressions that were found to do so one by one,
//! systematically: each is refused for its text, or answered, whether or not there are rows of patients.

use anyhow::Result;
use cordon_disclosure::Code;
use cordon_engine::Stop;
use cordon_tests::World;

/// Values over patients' rows, of every type that can be had.
const VALUES: [&str; 12] = [
    "epidur",
    "startage * 0.5",
    "diag_4_01",
    "epistart",
    "(epidur > 1)",
    "CAST(epistart AS TIMESTAMP)",
    "CAST(epidur AS TINYINT)",
    "CAST(epidur AS BIGINT UNSIGNED)",
    "CAST(epidur AS REAL)",
    "(epiend - epistart)",
    "(CAST(epistart AS TIMESTAMP) - CAST(epiend AS TIMESTAMP))",
    "NULL",
];

/// What they may be put together with.
const OTHERS: [&str; 12] = [
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "'abc'",
    "''",
    "DATE '0001-01-01'",
    "INTERVAL '100' YEAR",
    "true",
    "CAST('NaN' AS DOUBLE)",
];

const ONE_VALUE: [&str; 24] = [
    "upper({})",
    "length({})",
    "abs({})",
    "round({}, 2)",
    "floor({})",
    "-{}",
    "date_part('week', {})",
    "date_part('nanosecond', {})",
    "date_trunc('month', {})",
    "left({}, 2)",
    "substr({}, 1, 2)",
    "trim({})",
    "CAST({} AS TINYINT)",
    "CAST({} AS INT UNSIGNED)",
    "CAST({} AS DATE)",
    "CAST({} AS TIMESTAMP)",
    "CAST({} AS VARCHAR)",
    "CAST({} AS BOOLEAN)",
    "CAST({} AS REAL)",
    "{} LIKE 'a%'",
    "{} BETWEEN '1' AND '3'",
    "CASE {} WHEN 1 THEN 'a' WHEN 2 THEN 'b' END",
    "CASE WHEN epidur > 100 THEN {} ELSE 'abc' END",
    "{} IS TRUE",
];

const TWO_VALUES: [&str; 10] = [
    "{} + []",
    "[] - {}",
    "{} * []",
    "{} / []",
    "{} < []",
    "coalesce({}, [])",
    "nullif({}, [])",
    "greatest({}, [])",
    "concat({}, [])",
    "starts_with({}, [])",
];

const AGGREGATES: [&str; 15] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "first_value",
    "last_value",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "count(DISTINCT ",
];

const WINDOWS: [&str; 12] = [
    "lag({}, 2)",
    "lead({}, 1, 0)",
    "lag({}, 1, 'abc')",
    "nth_value({}, 2)",
    "first_value({})",
    "last_value({})",
    "ntile(3)",
    "rank()",
    "sum({})",
    "avg({})",
    "bool_and({})",
    "stddev({})",
];

const FRAMES: [&str; 5] = [
    "",
    "ROWS BETWEEN 3 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 2 FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "RANGE BETWEEN 2 PRECEDING AND CURRENT ROW",
];

/// Expressions row by row, each question with a place for the condition that there are rows.
fn by_row() -> Vec<String> {
    let mut expressions = Vec::new();
    for value in VALUES {
        expressions.extend(ONE_VALUE.map(|form| form.replace("{}", value)));
        for (n, form) in TWO_VALUES.iter().enumerate() {
            // Not all pairs: each form meets each type, and each constant.
            let others =
                OTHERS.iter().enumerate().filter(|(at, _)| (at + n) % 4 == value.len() % 4);
            expressions.extend(others.map(|(_, o)| form.replace("{}", value).replace("[]", o)));
        }
    }
    expressions
        .into_iter()
        .map(|e| format!("SELECT count(*) AS n FROM hes.apc WHERE ({e}) IS NOT NULL AND @"))
        .collect()
}

/// The same of what is computed within a person.
fn by_person() -> Vec<String> {
    let mut all = Vec::new();
    for value in VALUES {
        for name in AGGREGATES {
            let call = if name.ends_with(' ') {
                format!("{name}{value})")
            } else {
                format!("{name}({value})")
            };
            all.push(format!(
                "SELECT count(*) AS n FROM (SELECT pseudo_hesid, {call} AS x FROM hes.apc WHERE @ GROUP BY pseudo_hesid) t WHERE x IS NOT NULL"
            ));
        }
        for (n, form) in WINDOWS.iter().enumerate() {
            let call = form.replace("{}", value);
            for frame in FRAMES.iter().skip((n + value.len()) % 2).step_by(2) {
                all.push(format!(
                    "SELECT count(*) AS n FROM (SELECT {call} OVER (PARTITION BY pseudo_hesid ORDER BY epistart {frame}) AS x FROM hes.apc WHERE @) t WHERE x IS NOT NULL"
                ));
            }
        }
    }
    all
}

/// What became of a question: answered, or the code that it ended with.
async fn ended(world: &World, text: &str) -> Result<Option<Code>> {
    Ok(match world.ask("referee", text).await? {
        Ok(_) => None,
        Err(Stop::Refused(refusal)) => Some(refusal.code),
        Err(Stop::Failed(failure)) => Some(failure.code),
    })
}

async fn never_fails(questions: Vec<String>) -> Result<()> {
    let world = World::new(60).await?;
    let (mut answered, mut refused, mut wrong) = (0, 0, Vec::new());
    for question in questions {
        let rows = ended(&world, &question.replace('@', "startage < 200")).await?;
        let none = ended(&world, &question.replace('@', "startage > 200")).await?;
        match (rows, none) {
            (None, None) => answered += 1,
            (Some(a), Some(b)) if a == b && !a.id().starts_with("CORDON-X") => refused += 1,
            other => wrong.push(format!("{other:?} {question}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        wrong.len() + answered + refused,
        wrong.join("\n")
    );
    assert!(answered > 150 && refused > 150, "{answered} answered, {refused} refused");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_no_expression_fails_where_there_are_rows_and_not_where_there_are_none() -> Result<()> {
    never_fails(by_row()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_nothing_within_a_person_fails_where_there_are_rows_and_not_where_there_are_none()
-> Result<()> {
    never_fails(by_person()).await
}
