//! B1 to B28: a statement that would tell a patient's diagnosis by another way than a figure is asked in a house where
//! the patient has it and in one where the patient has not. The replies must be the same bytes.

use anyhow::{Context as _, Result};
use cordon_tests::World;

use super::{ANALYSTS, house, reply, truth, with_value};

const PEOPLE: u64 = 3_000;
/// What the patient has in the one house, and in the other.
const DIAGNOSES: [&str; 2] = ["I21", "E11"];

/// By number; `{T}` singles the patient out, `{X}` is whether it has the diagnosis, `{BIG}` a large set that holds it.
const STATEMENTS: &[(&str, &str)] = &[
    ("B1", "SELECT sum(1 / (CASE WHEN {T} AND {X} THEN 0 ELSE 1 END)) FROM hes.apc"),
    ("B1", "SELECT count(*) FROM hes.apc WHERE {T} AND 1 / (CASE WHEN {X} THEN 0 ELSE 1 END) = 1"),
    ("B1", "SELECT count(*) FROM hes.apc WHERE {T} AND CAST(diag_4_01 AS INT) = 3"),
    (
        "B1",
        "SELECT count(*) FROM hes.apc WHERE {T} AND CASE WHEN {X} THEN 9223372036854775807 + epidur ELSE 0 END > 0",
    ),
    ("B1", "SELECT count(*) FROM hes.apc WHERE {T} AND sqrt(CASE WHEN {X} THEN -1 ELSE 1 END) = 1"),
    (
        "B1",
        "SELECT count(*) FROM hes.apc WHERE {T} AND regexp_like(CASE WHEN {X} THEN '(' ELSE 'a' END, 'a')",
    ),
    ("B2", "SELECT count(*) FROM hes.apc a CROSS JOIN hes.apc b WHERE {T}"),
    (
        "B2",
        "SELECT count(*) FROM hes.apc WHERE {T} AND length(repeat('x', CASE WHEN {X} THEN 1000000000 ELSE 1 END)) > 0",
    ),
    (
        "B3",
        "SELECT count(*) FROM (SELECT epikey FROM hes.apc WHERE {T} AND {X} UNION ALL SELECT 'a' FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)) v) t",
    ),
    ("B3", "SELECT count(*) FROM hes.apc, generate_series(1, 20) WHERE {T} AND {X}"),
    (
        "B3",
        "SELECT count(*) FROM hes.apc a JOIN hes.apc b ON a.pseudo_hesid = b.pseudo_hesid JOIN hes.op c ON c.pseudo_hesid = a.pseudo_hesid WHERE a.{T} AND a.{X}",
    ),
    (
        "B3",
        "SELECT count(*) FROM hes.apc a JOIN ref.organisation o ON o.code >= a.procode3 WHERE {T} AND {X}",
    ),
    (
        "B4",
        "SELECT count(DISTINCT n) FROM (SELECT row_number() OVER () AS n FROM hes.apc WHERE {T} AND {X}) t",
    ),
    (
        "B4",
        "SELECT count(DISTINCT k) FROM (SELECT concat(pseudo_hesid, epikey) AS k FROM hes.apc WHERE {T} AND {X}) t",
    ),
    (
        "B4",
        "SELECT count(*) FROM hes.apc a LEFT JOIN hes.op o ON o.pseudo_hesid = a.pseudo_hesid AND o.sex = 'q' WHERE a.{T} AND a.{X}",
    ),
    ("B5", "SELECT diag_4_01, count(*) FROM hes.apc WHERE {T} GROUP BY 1 HAVING count(*) = 1"),
    ("B5", "SELECT sex FROM hes.apc WHERE {T} AND {X} GROUP BY sex HAVING count(*) IS NULL"),
    ("B5", "SELECT sex, count(*) FROM hes.apc WHERE {T} GROUP BY sex HAVING max(diag_4_01) > 'F'"),
    (
        "B6",
        "SELECT sex, count(*) AS n FROM hes.apc WHERE {T} AND {X} GROUP BY sex ORDER BY n DESC LIMIT 1",
    ),
    (
        "B6",
        "SELECT sex, count(*) AS n FROM hes.apc WHERE {T} AND {X} GROUP BY sex ORDER BY n NULLS FIRST LIMIT 2 OFFSET 1",
    ),
    ("B7", "SELECT pseudo_hesid, count(*) FROM hes.apc WHERE {T} AND {X} GROUP BY 1"),
    ("B7", "SELECT epikey, count(*) FROM hes.apc WHERE {T} AND {X} GROUP BY 1"),
    (
        "B7",
        "SELECT diag_4_01, procode3, epistart, count(*) FROM hes.apc WHERE {T} GROUP BY 1, 2, 3",
    ),
    (
        "B8",
        "SELECT sex, diag_4_01, count(*) FROM hes.apc WHERE {T} GROUP BY ROLLUP (sex, diag_4_01)",
    ),
    (
        "B8",
        "SELECT sex, diag_4_01, count(*), grouping(diag_4_01) FROM hes.apc WHERE {T} GROUP BY CUBE (sex, diag_4_01)",
    ),
    ("B9", "SELECT min(diag_4_01) FROM hes.apc WHERE {T}"),
    ("B9", "SELECT array_agg(diag_4_01) FROM hes.apc WHERE {T}"),
    ("B9", "SELECT string_agg(diag_4_01, ',') FROM hes.apc WHERE {BIG}"),
    ("B9", "SELECT first_value(diag_4_01 ORDER BY epistart) FROM hes.apc WHERE {BIG}"),
    ("B9", "SELECT median(epidur) FROM hes.apc WHERE {T} AND {X}"),
    (
        "B9",
        "SELECT percentile_cont(1.0) WITHIN GROUP (ORDER BY epidur) FROM hes.apc WHERE {T} AND {X}",
    ),
    ("B9", "SELECT approx_distinct(diag_4_01) FROM hes.apc WHERE {T}"),
    ("B10", "SELECT bit_xor(epidur) FROM hes.apc WHERE {T} AND {X}"),
    ("B10", "SELECT bool_or({X}) FROM hes.apc WHERE {T}"),
    ("B11", "SELECT sum(epidur * 0.000000001 * ascii(diag_4_01)) FROM hes.apc WHERE {T}"),
    ("B11", "SELECT sum(epidur + epiorder * 1000000) FROM hes.apc WHERE {T} AND {X}"),
    ("B12", "SELECT sum(epidur) OVER (ORDER BY epikey) FROM hes.apc WHERE {T} AND {X}"),
    (
        "B12",
        "SELECT diag_4_01, row_number() OVER (PARTITION BY pseudo_hesid ORDER BY epikey) FROM hes.apc WHERE {T}",
    ),
    (
        "B13",
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM hes.apc WHERE {T} AND {X}) THEN 'a' ELSE 'b' END",
    ),
    (
        "B13",
        "SELECT count(*) FROM ref.sex WHERE (SELECT count(*) FROM hes.apc WHERE {T} AND {X}) = 1",
    ),
    (
        "B13",
        "SELECT code FROM ref.sex WHERE EXISTS (SELECT 1 FROM hes.apc WHERE {T} AND {X} AND sex = code)",
    ),
    (
        "B13",
        "SELECT sum(n) FROM (SELECT 1 AS n WHERE EXISTS (SELECT 1 FROM hes.apc WHERE {T} AND {X})) t",
    ),
    (
        "B14",
        "WITH a AS (SELECT diag_4_01, count(*) AS n FROM hes.apc WHERE {T} GROUP BY 1) SELECT max(n), sum(n * n), count(*) FROM a",
    ),
    (
        "B14",
        "WITH a AS (SELECT sex, count(*) AS n FROM hes.apc WHERE {T} AND {X} GROUP BY 1) SELECT count(n), count(*) FROM a",
    ),
    (
        "B15",
        "SELECT count(*) FROM hes.cc c JOIN hes.apc a ON a.pseudo_hesid = c.pseudo_hesid WHERE {T}",
    ),
    ("B16", "EXPLAIN SELECT count(*) FROM hes.apc WHERE {T} AND {X}"),
    ("B16", "EXPLAIN ANALYZE SELECT count(*) FROM hes.apc WHERE {T} AND {X}"),
    ("B16", "SHOW ALL"),
    ("B16", "SELECT * FROM information_schema.tables"),
    ("B16", "SELECT * FROM parquet_metadata('hes/apc')"),
    ("B17", "PREPARE p AS SELECT count(*) FROM hes.apc WHERE {T} AND {X}"),
    ("B18", "COPY (SELECT diag_4_01 FROM hes.apc WHERE {T}) TO '/var/tmp/out.csv'"),
    ("B18", "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc'"),
    ("B18", "INSERT INTO hes.apc SELECT * FROM hes.apc WHERE {T}"),
    ("B18", "SET datafusion.execution.batch_size = 1"),
    ("B18", "SELECT * FROM read_csv('http://example.org/x')"),
    ("B20", "SELECT count(*) FROM hes.apc WHERE {BIG} AND NOT ({T} AND {X})"),
    (
        "B20",
        "SELECT count(DISTINCT pseudo_hesid) FROM hes.apc WHERE {BIG} AND ({T} AND {X}) IS NOT TRUE",
    ),
    ("B21", "SELECT count(CASE WHEN {X} THEN NULL ELSE 1 END), count(*) FROM hes.apc WHERE {T}"),
    ("B22", "SELECT count(*) FROM hes.apc WHERE {T} AND {X}"),
    ("B22", "SELECT sex, count(*) FROM hes.apc WHERE {T} AND {X} GROUP BY sex"),
    ("B22", "SELECT procode3, count(*) FROM hes.apc WHERE {T} AND {X} GROUP BY procode3"),
    (
        "B22",
        "SELECT sum(epidur), avg(epidur), count(DISTINCT diag_4_01) FROM hes.apc WHERE {T} AND {X}",
    ),
    (
        "B23",
        "SELECT sum(CASE WHEN {T} AND {X} THEN CAST('NaN' AS DOUBLE) ELSE epidur END) FROM hes.apc",
    ),
    ("B23", "SELECT sum(CASE WHEN {T} AND {X} THEN 9e307 ELSE epidur END) FROM hes.apc"),
    ("B24", "SELECT count(*) FROM hes.apc WHERE {BIG} AND random() < 0.5"),
    ("B24", "SELECT count(*) FROM hes.apc TABLESAMPLE SYSTEM (50) WHERE {T}"),
    (
        "B25",
        "SELECT sum(a.epidur) FROM hes.apc a JOIN ref.icd10 r ON r.code LIKE 'I%' WHERE {T} AND {X}",
    ),
    ("B26", "SELECT count(*) FROM hes.apc WHERE {T} AND diag_4_01 LIKE 'I2%'"),
    ("B26", "SELECT count(*) FROM hes.apc WHERE {T} AND substr(diag_4_01, 2, 1) = '2'"),
    ("B26", "SELECT count(*) FROM hes.apc WHERE {T} AND md5(diag_4_01) LIKE 'a%'"),
    ("B27", "SELECT count(*) FROM hes.apc WHERE {T} AND {X}; SELECT 1"),
    ("B28", "SELECT count(*) FROM hes.apc WHERE {T} AND diag_4_01 = 'canary-7f3a"),
    // What joins of released tables, windows over them, figures per person, second cuts and errors could add.
    (
        "new",
        "WITH a AS (SELECT sex, count(*) AS n FROM hes.apc WHERE {T} AND {X} GROUP BY sex), b AS (SELECT sex, count(*) AS m FROM hes.apc WHERE {T} GROUP BY sex) SELECT a.sex, n, m, n - m AS d FROM a JOIN b ON a.sex = b.sex",
    ),
    (
        "new",
        "SELECT diag_4_01, count(*) AS n, lag(count(*)) OVER (ORDER BY diag_4_01) AS before, sum(count(*)) OVER (ORDER BY diag_4_01 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM hes.apc WHERE {T} GROUP BY 1",
    ),
    (
        "new",
        "SELECT k, count(*) FROM (SELECT pseudo_hesid, count(*) FILTER (WHERE {X}) AS k FROM hes.apc WHERE {T} GROUP BY pseudo_hesid) t GROUP BY k",
    ),
    ("new", "SELECT stddev(epidur), corr(epidur, startage_calc) FROM hes.apc WHERE {T} AND {X}"),
    ("new", "SELECT count(DISTINCT diag_4_01), median(epidur), count(*) FROM hes.apc WHERE {T}"),
    (
        "new",
        "SELECT count(*) FROM hes.apc WHERE epidur > (SELECT avg(epidur) FROM hes.apc WHERE {T} AND {X})",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn b1_to_b28_two_houses_that_differ_in_one_patient_reply_the_same_bytes() -> Result<()> {
    let (key, target, big) = target().await?;
    let with = |diagnosis: &'static str| {
        let key = key.clone();
        house(PEOPLE, move |table, batch| match table {
            "hes.apc" => with_value(&batch, &key, "diag_4_01", diagnosis),
            _ => Ok(batch),
        })
    };
    let houses = [with(DIAGNOSES[0]).await?, with(DIAGNOSES[1]).await?];
    let has = format!("diag_4_01 = '{}'", DIAGNOSES[0]);
    // The houses do differ, in what all of these statements ask for.
    for (house, count) in houses.iter().zip([1, 0]) {
        let sql = format!("SELECT '', count(*) FROM hes.apc WHERE {target} AND {has}");
        assert_eq!(truth(house, &sql).await?, [(String::new(), count)]);
    }
    let (mut answered, mut refused, mut leaks) = (0, 0, Vec::new());
    for (profile, who) in ANALYSTS {
        for measure in ["count(*)", "count(DISTINCT pseudo_hesid)"] {
            // The large set with the patient in it is the same in both.
            let sql = format!("SELECT {measure} FROM hes.apc WHERE {big}");
            for house in &houses {
                reply(house, who, &sql).await?;
            }
        }
        for (id, statement) in STATEMENTS {
            let sql = statement.replace("{BIG}", &big);
            // Aliases stand before single columns.
            let sql = sql.replace("a.{T}", "{T}").replace("a.{X}", "{X}");
            let sql = sql.replace("{T}", &format!("({target})")).replace("{X}", &has);
            let [one, other] =
                [reply(&houses[0], who, &sql).await?, reply(&houses[1], who, &sql).await?];
            if one != other {
                leaks.push(format!("{id} under {profile}: {sql}\n{one}\n{other}"));
            }
            anyhow::ensure!(!one.contains("canary") || statement.contains("canary"), "{one}");
            match one.starts_with("answered") {
                true => answered += 1,
                false => refused += 1,
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    // Some must be answered, or nothing was tested but refusals.
    assert!(answered > 40 && refused > 60, "{answered} answered, {refused} refused");
    Ok(())
}

/// The record of a patient whom three columns single out, these columns as a condition, and a large set around it.
async fn target() -> Result<(String, String, String)> {
    let world = World::new(PEOPLE).await?;
    let found = truth(
        &world,
        "SELECT concat(k, '|', procode3, '|', CAST(epistart AS varchar), '|', sex) AS row, n FROM \
         (SELECT max(CAST(epikey AS varchar)) AS k, procode3, epistart, sex, count(*) AS n FROM hes.apc \
          WHERE fyear = '2122' AND diag_4_01 IS NOT NULL GROUP BY procode3, epistart, sex) t \
         WHERE n = 1 ORDER BY row LIMIT 1",
    )
    .await?;
    let (row, _) = found.first().context("a patient who can be singled out")?;
    let parts: Vec<&str> = row.split('|').collect();
    let [key, provider, day, sex] = parts[..] else { anyhow::bail!("four parts in {row}") };
    let target = format!("procode3 = '{provider}' AND epistart = DATE '{day}' AND sex = '{sex}'");
    Ok((key.to_owned(), target, format!("fyear = '2122' AND sex = '{sex}'")))
}
