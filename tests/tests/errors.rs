//! Standard errors in answers: computed again, and compared with how far figures are from the truth.

use anyhow::{Context as _, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use cordon_engine::QueryOptions;
use cordon_tests::World;
use tokio_util::sync::CancellationToken;

/// The columns of an answer with errors, as numbers; NaN where null.
async fn asked(world: &World, sql: &str) -> Result<RecordBatch> {
    let mut question = world.question("researcher", sql)?;
    question.options = QueryOptions { error_columns: true, ..QueryOptions::default() };
    let answer = world
        .engine
        .run(question, CancellationToken::new())
        .await
        .map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    answer.batches().first().cloned().context("an answer with rows")
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<f64>> {
    let column = batch.column_by_name(name).with_context(|| format!("column {name}"))?;
    let column = cast(column, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    Ok((0..column.len())
        .map(|row| if column.is_null(row) { f64::NAN } else { column.value(row) })
        .collect())
}

/// Errors are told with three digits, so what is computed from them has two.
fn close(told: f64, expected: f64) -> bool {
    (told.is_nan() && expected.is_nan()) || (told - expected).abs() <= 0.01 * expected.abs()
}

/// An expression over two figures, and what first-order propagation says its error is.
type Formula = fn(f64, f64, f64, f64) -> f64;

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_expressions_are_propagated() -> Result<()> {
    let world = World::new(3_000).await?;
    let formulas: [(&str, Formula); 9] = [
        ("a + b", |_, _, sa, sb| sa.hypot(sb)),
        ("a - 2 * b", |_, _, sa, sb| sa.hypot(2.0 * sb)),
        ("a * b", |a, b, sa, sb| (b * sa).hypot(a * sb)),
        ("a * 1.0 / b", |a, b, sa, sb| (sa / b).hypot(a * sb / (b * b))),
        ("(a - b) * 100.0 / (a + b)", |a, b, sa, sb| {
            let s = (a + b).powi(2);
            (200.0 * b * sa / s).hypot(200.0 * a * sb / s)
        }),
        ("sqrt(a)", |a, _, sa, _| sa / (2.0 * a.sqrt())),
        ("ln(a) - ln(b)", |a, b, sa, sb| (sa / a).hypot(sb / b)),
        ("coalesce(a, 0) + abs(b)", |_, _, sa, sb| sa.hypot(sb)),
        ("CASE WHEN a > b THEN a ELSE b END", |a, b, sa, sb| if a > b { sa } else { sb }),
    ];
    for (expression, formula) in formulas {
        let sql = format!(
            "SELECT fyear, a, b, {expression} AS f FROM (SELECT fyear, count(*) AS a, \
             count(DISTINCT pseudo_hesid) AS b FROM hes.apc GROUP BY fyear) t ORDER BY fyear"
        );
        let batch = asked(&world, &sql).await?;
        let [a, b, sa, sb, se] = ["a", "b", "a_se", "b_se", "f_se"]
            .map(|name| numbers(&batch, name).unwrap_or_default());
        assert!(sa.iter().filter(|e| **e > 1.0).count() >= 4, "{expression}");
        for row in 0..a.len() {
            let expected = formula(a[row], b[row], sa[row], sb[row]);
            assert!(close(se[row], expected), "{expression}: {} not {expected}", se[row]);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_sums_means_and_windows_over_figures_are_propagated() -> Result<()> {
    let world = World::new(3_000).await?;
    let by_year = "(SELECT fyear, count(*) AS n FROM hes.apc GROUP BY fyear)";
    let parts = asked(&world, &format!("SELECT fyear, n FROM {by_year} t ORDER BY fyear")).await?;
    let errors = numbers(&parts, "n_se")?;
    let squares: Vec<f64> = errors.iter().filter(|e| !e.is_nan()).map(|e| e * e).collect();
    let root = squares.iter().sum::<f64>().sqrt();
    let whole = asked(&world, &format!("SELECT sum(n) AS s, avg(n) AS m FROM {by_year} t")).await?;
    assert!(close(numbers(&whole, "s_se")?[0], root));
    assert!(close(numbers(&whole, "m_se")?[0], root / squares.len() as f64));
    let sql = format!(
        "SELECT fyear, n, sum(n) OVER (ORDER BY fyear) AS so_far FROM {by_year} t ORDER BY fyear"
    );
    let running = asked(&world, &sql).await?;
    let mut so_far = 0.0;
    for (told, error) in numbers(&running, "so_far_se")?.iter().zip(numbers(&running, "n_se")?) {
        so_far += if error.is_nan() { 0.0 } else { error * error };
        assert!(told.is_nan() || close(*told, so_far.sqrt()), "{told} not {}", so_far.sqrt());
    }
    Ok(())
}

/// Over many groups, figures lie from the truth as far as they say: two of three within one error.
#[tokio::test(flavor = "multi_thread")]
async fn figures_lie_within_their_errors_of_the_truth() -> Result<()> {
    let world = World::new(20_000).await?;
    let sql = "SELECT fyear, sex, count(DISTINCT pseudo_hesid) AS persons, count(*) AS n, \
               avg(CASE WHEN admimeth LIKE '2%' THEN 1 ELSE 0 END) AS share \
               FROM hes.apc WHERE sex IN ('1', '2') AND fyear >= '1819' GROUP BY fyear, sex ORDER BY fyear, sex";
    let told = asked(&world, sql).await?;
    let truth = world.plain(sql).await?;
    let truth = truth.iter().find(|b| b.num_rows() > 0).context("truth")?;

    for name in ["persons", "n", "share"] {
        let (figures, errors) = (numbers(&told, name)?, numbers(&told, &format!("{name}_se"))?);
        let exact = numbers(truth, name)?;
        assert_eq!(figures.len(), exact.len());
        let off: Vec<f64> = figures
            .iter()
            .zip(&exact)
            .zip(&errors)
            .map(|((figure, exact), error)| ((figure - exact) / error).abs())
            .collect();
        let within = off.iter().filter(|z| **z <= 1.0).count() as f64 / off.len() as f64;
        assert!(off.iter().all(|z| *z < 4.5), "{name}: {off:?}");
        assert!((0.4..=1.0).contains(&within), "{name}: {within} within one error");
    }
    Ok(())
}
