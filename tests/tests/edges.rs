//! The edges that systems of this kind fell over, through the whole pipeline: whoever holds both answers learns
//! nothing from their difference. Those of one decision are tested beside it, in `policy/disclosure`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::pretty::pretty_format_batches;
use arrow_schema::DataType;
use cordon_engine::Answer;
use cordon_tests::World;
use futures::future::try_join_all;

async fn asked(world: &World, sql: &str) -> Result<Answer> {
    world.ask("researcher", sql).await?.map_err(|stop| anyhow!("{sql}: {stop:?}"))
}

/// The first column of the first row, as a whole number.
fn first(batches: &[RecordBatch]) -> Result<Option<i64>> {
    let batch = batches.iter().find(|b| b.num_rows() > 0).context("a row")?;
    let column = cast(batch.column(0), &DataType::Int64)?;
    let column = column.as_primitive::<Int64Type>();
    Ok(column.is_valid(0).then(|| column.value(0)))
}

async fn figure(world: &World, sql: &str) -> Result<Option<i64>> {
    first(asked(world, sql).await?.batches())
}

/// Figures under one spelling that does not change, so that noise cannot be averaged away.
async fn one_figure(world: &World, spellings: &[String]) -> Result<i64> {
    let mut told = BTreeSet::new();
    for sql in spellings {
        told.insert(figure(world, sql).await?.with_context(|| format!("{sql}: a figure"))?);
    }
    anyhow::ensure!(told.len() == 1, "{} spellings gave {told:?}", spellings.len());
    told.pop_first().context("one figure")
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_fifty_spellings_of_one_count_are_one_draw() -> Result<()> {
    let world = World::new(3_000).await?;
    let conditions = [
        "sex = '1'",
        "'1' = sex",
        "sex IN ('1')",
        "sex IN ('1', '1')",
        "NOT sex <> '1'",
        "sex BETWEEN '1' AND '1'",
        "sex LIKE '1'",
        "sex >= '1' AND sex <= '1'",
        "sex = '1' OR false",
        "sex = '1' AND true",
        "CASE WHEN sex = '1' THEN true ELSE false END",
        "CASE sex WHEN '1' THEN 1 ELSE 0 END = 1",
        "coalesce(sex, '0') = '1'",
        "left(sex, 1) = '1'",
        "starts_with(sex, '1')",
        "upper(sex) = '1'",
        "sex IS NOT DISTINCT FROM '1'",
    ];
    let patients = [
        "count(DISTINCT pseudo_hesid)",
        "count(DISTINCT CASE WHEN fyear IS NOT NULL THEN pseudo_hesid END)",
        "count(DISTINCT pseudo_hesid) FILTER (WHERE true)",
    ];
    let rows = [
        "count(*)",
        "count(1)",
        "count(fyear)",
        "sum(1)",
        "count(DISTINCT epikey)",
        "sum(CASE WHEN fyear IS NULL THEN 0 ELSE 1 END)",
        "count(*) FILTER (WHERE sex IS NOT NULL)",
        "sum(CASE WHEN true THEN 1 END)",
    ];
    let known = "pseudo_hesid IS NOT NULL";
    let mut spellings: Vec<String> = Vec::new();
    // Those that are counted as rows come first: later ones would be drawn with noise that has grown.
    for more in [
        "SELECT count(*) AS n FROM (SELECT pseudo_hesid FROM hes.apc WHERE pseudo_hesid IS NOT NULL AND sex = '1' GROUP BY pseudo_hesid) t",
        "SELECT count(*) AS n FROM (SELECT DISTINCT pseudo_hesid FROM hes.apc WHERE pseudo_hesid IS NOT NULL AND sex = '1') t",
        "WITH a AS (SELECT * FROM hes.apc WHERE sex = '1') SELECT count(DISTINCT pseudo_hesid) AS n FROM a WHERE pseudo_hesid IS NOT NULL",
        "SELECT sum(n) AS n FROM (SELECT sex, count(DISTINCT pseudo_hesid) AS n FROM hes.apc WHERE pseudo_hesid IS NOT NULL GROUP BY sex) t WHERE sex = '1'",
        "SELECT count(DISTINCT pseudo_hesid) AS n FROM (SELECT * FROM hes.apc WHERE sex = '1' UNION ALL SELECT * FROM hes.apc WHERE sex = '1') t WHERE pseudo_hesid IS NOT NULL",
    ] {
        spellings.push(more.to_owned());
    }
    for measure in patients {
        for condition in conditions {
            spellings
                .push(format!("SELECT {measure} AS n FROM hes.apc WHERE {known} AND {condition}"));
        }
    }
    assert!(spellings.len() > 50);
    one_figure(&world, &spellings).await?;
    let spellings: Vec<String> = rows
        .iter()
        .flat_map(|measure| {
            conditions.iter().map(move |c| format!("SELECT {measure} AS n FROM hes.apc WHERE {c}"))
        })
        .collect();
    one_figure(&world, &spellings).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_first_and_last_episode_of_the_same_people_are_one_draw() -> Result<()> {
    let world = World::new(3_000).await?;
    let of = |order: &str| {
        format!(
            "SELECT count(DISTINCT pseudo_hesid) AS n FROM (SELECT pseudo_hesid, row_number() OVER \
             (PARTITION BY pseudo_hesid ORDER BY epistart {order}, epikey {order}) AS place FROM hes.apc \
             WHERE admimeth LIKE '2%' AND pseudo_hesid IS NOT NULL) t WHERE place = 1"
        )
    };
    let by = |extreme: &str| {
        format!(
            "SELECT count(*) AS n FROM (SELECT pseudo_hesid, {extreme}(epistart) AS day FROM hes.apc \
             WHERE admimeth LIKE '2%' AND pseudo_hesid IS NOT NULL GROUP BY pseudo_hesid) t"
        )
    };
    one_figure(&world, &[of("ASC"), of("DESC"), by("min"), by("max")]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_copies_by_union_all_make_a_count_no_more_precise() -> Result<()> {
    let world = World::new(3_000).await?;
    let branch = "SELECT pseudo_hesid FROM hes.apc WHERE fyear = '2122' AND sex = '2'";
    let truth = world.plain(&format!("SELECT count(*) FROM ({branch}) t")).await?;
    let truth = first(&truth)?.context("a truth")?;
    let mut people = BTreeSet::new();
    // More than four copies are refused.
    for copies in 1..=4 {
        let all = vec![branch; copies].join(" UNION ALL ");
        people.insert(
            figure(&world, &format!("SELECT count(DISTINCT pseudo_hesid) FROM ({all}) t")).await?,
        );
        let rows =
            figure(&world, &format!("SELECT count(*) FROM ({all}) t")).await?.context("rows")?;
        // Not a count of base rows: the step is 5 times the largest share of one person, a power of two that grows
        // with the number of copies.
        if copies > 1 {
            let step = 5 * (copies.next_power_of_two() as i64) / 2;
            assert_eq!(rows % step, 0, "{copies} copies: {rows}");
        }
        // And the answer is about so many copies.
        let share = rows as f64 / copies as f64;
        assert!((share - truth as f64).abs() < 0.5 * truth as f64, "{share} of {truth}");
    }
    assert_eq!(people.len(), 1, "{people:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_small_and_absent_groups_are_one_row_in_one_place() -> Result<()> {
    // With and without the people of a group that is too small to be shown.
    let some = World::new(3_000).await?;
    let small = "fyear = '2122' AND sex = '9'";
    let people = some
        .plain(&format!("SELECT count(DISTINCT pseudo_hesid) FROM hes.apc WHERE {small}"))
        .await?;
    let sql = |more: &str| {
        format!(
            "SELECT sex, count(*) AS n, count(DISTINCT pseudo_hesid) AS p FROM hes.apc WHERE fyear = '2122' {more} GROUP BY sex"
        )
    };
    for order in [
        "",
        " ORDER BY n",
        " ORDER BY n DESC",
        " ORDER BY p, n",
        " ORDER BY n LIMIT 3",
        " ORDER BY n DESC NULLS LAST LIMIT 4",
    ] {
        // The condition on another column leaves the list of sexes as it is, and nobody in the small group.
        let with = asked(&some, &format!("{}{order}", sql(""))).await?;
        let labels = |answer: &Answer| -> Result<Vec<String>> {
            Ok(answer
                .batches()
                .iter()
                .flat_map(|b| {
                    b.column(0)
                        .as_string::<i32>()
                        .iter()
                        .flatten()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .collect())
        };
        let one = labels(&with)?;
        // Ties of suppressed figures follow the labels, never how many are behind them.
        let tied: Vec<&String> =
            one.iter().filter(|sex| !["1", "2"].contains(&sex.as_str())).collect();
        let mut sorted = tied.clone();
        sorted.sort();
        assert_eq!(tied, sorted, "{order}: {one:?}");
    }
    assert!(first(&people)?.unwrap_or(0) < 10);
    // HAVING and a filter over figures find neither.
    for filter in
        ["HAVING count(*) < 10", "HAVING count(*) IS NULL AND sex NOT IN ('0', '9', 'X', '1', '2')"]
    {
        let none = asked(&some, &format!("{} {filter}", sql(""))).await?;
        assert_eq!(none.batches().iter().map(RecordBatch::num_rows).sum::<usize>(), 0, "{filter}");
    }
    // Without a public list such a group is not there at all, and nothing says how many are not.
    let by_code =
        asked(&some, "SELECT diag_4_01, count(*) AS n FROM hes.apc GROUP BY diag_4_01").await?;
    let all =
        some.plain("SELECT count(DISTINCT diag_4_01) FROM hes.apc WHERE fyear >= '1819'").await?;
    let shown: usize = by_code.batches().iter().map(RecordBatch::num_rows).sum();
    assert!((shown as i64) < first(&all)?.context("codes")?);
    assert!(by_code.batches().iter().all(|b| b.column(1).null_count() == 0));
    Ok(())
}

/// A condition that strikes out one to five of the people.
async fn few_less(world: &World, of: &str) -> Result<String> {
    let ages = world
        .plain(&format!(
            "SELECT startage, count(DISTINCT pseudo_hesid) AS n FROM hes.apc WHERE {of} GROUP BY startage \
             HAVING count(DISTINCT pseudo_hesid) BETWEEN 1 AND 5 ORDER BY n, startage LIMIT 1"
        ))
        .await?;
    let age = first(&ages)?.context("an age that few have")?;
    Ok(format!("{of} AND startage <> {age}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_copied_answer_looks_as_a_drawn_one() -> Result<()> {
    let of = "fyear = '2021' AND sex = '1'";
    let sql = |of: &str| {
        format!(
            "SELECT count(DISTINCT pseudo_hesid) AS n, count(*) AS rows, sum(epidur) AS days FROM hes.apc WHERE {of}"
        )
    };
    let (fresh, before) = (World::new(3_000).await?, World::new(3_000).await?);
    let less = few_less(&fresh, of).await?;
    let drawn = asked(&fresh, &sql(&less)).await?;
    let whole = asked(&before, &sql(of)).await?;
    let copied = asked(&before, &sql(&less)).await?;
    // The difference of the two says nothing of the few.
    assert_eq!(whole.batches()[0].columns(), copied.batches()[0].columns());
    // Whoever asks for the smaller set only cannot tell that it was asked about before: same columns, same notes but for
    // what the meter says, which is computed from what is shown.
    let told = |answer: &Answer| {
        let notes = answer.notes().iter().map(|n| n.text.clone());
        notes.filter(|text| !text.contains("charged for this")).collect::<Vec<_>>()
    };
    assert_eq!(told(&drawn), told(&copied));
    assert_eq!(drawn.schema().fields(), copied.schema().fields());
    assert_eq!(drawn.batches()[0].num_rows(), copied.batches()[0].num_rows());
    // And nothing that leaves is anything else.
    let text = pretty_format_batches(copied.batches())?.to_string();
    assert!(!text.contains("cop"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_differences_of_near_sets_tell_nothing_in_any_measure() -> Result<()> {
    let world = World::new(3_000).await?;
    for of in
        ["fyear = '1920' AND sex = '2'", "fyear = '2223'", "admimeth LIKE '1%' AND fyear = '2122'"]
    {
        let less = few_less(&world, of).await?;
        for measure in [
            "count(DISTINCT pseudo_hesid)",
            "count(*)",
            "count(diag_4_02)",
            "sum(epidur)",
            "avg(epidur) * 100",
            "median(epidur)",
            "count(DISTINCT tretspef)",
        ] {
            let ask =
                |of: &str| format!("SELECT CAST({measure} AS BIGINT) AS f FROM hes.apc WHERE {of}");
            assert_eq!(
                figure(&world, &ask(of)).await?,
                figure(&world, &ask(&less)).await?,
                "{measure} of {of}"
            );
        }
    }
    Ok(())
}

/// Rows that nobody put in order come in one order all the same: it may not tell what ran first.
#[tokio::test(flavor = "multi_thread")]
async fn i3_rows_come_in_one_order() -> Result<()> {
    let world = World::with_settings(1_000, |settings| settings.threads = 4).await?;
    let sql = "WITH a AS (SELECT sex AS k, count(*) AS n FROM hes.apc GROUP BY 1), \
               b AS (SELECT fyear AS k, count(*) AS n FROM hes.op GROUP BY 1), \
               c AS (SELECT k, n FROM a UNION ALL SELECT k, n FROM b) \
               SELECT DISTINCT k, n FROM c";
    let once = asked(&world, sql).await?;
    let columns = |answer: &Answer| -> Vec<Vec<ArrayRef>> {
        answer.batches().iter().map(|batch| batch.columns().to_vec()).collect()
    };
    // Several at once, so that threads get ready in another order.
    for again in try_join_all((0..40).map(|_| asked(&world, sql))).await? {
        assert_eq!(columns(&once), columns(&again));
    }
    Ok(())
}
