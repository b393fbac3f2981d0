//! Who is counted: opted-out people nowhere, rows outside the agreement never.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cordon_engine::OptOuts;
use cordon_tests::World;

async fn count(world: &World, who: &str, sql: &str) -> Result<Option<i64>> {
    let answer = world.ask(who, sql).await?.map_err(|stop| anyhow!("{stop:?}"))?;
    let batch = answer.batches().first().context("a row")?;
    let column = batch.column(0).as_primitive_opt::<Int64Type>().context("a count")?;
    Ok(column.iter().next().flatten())
}

/// I5: with opt-outs applied, an agreement's figures are those of a world without these people; an
/// agreement that counts them is unchanged.
#[tokio::test(flavor = "multi_thread")]
async fn i5_people_who_opted_out_are_left_out_where_the_agreement_says_so() -> Result<()> {
    let before = World::new(1_500).await?;
    let sql = "SELECT count(DISTINCT pseudo_hesid) AS n FROM hes.apc";
    let everybody = count(&before, "referee", sql).await?.context("shown")?;
    let researched = count(&before, "researcher", sql).await?.context("shown")?;
    let batches = before
        .plain("SELECT DISTINCT pseudo_hesid AS p FROM hes.apc WHERE pseudo_hesid IS NOT NULL")
        .await?;
    let names: Vec<String> = batches
        .iter()
        .flat_map(|b| b.column(0).as_string::<i32>().iter().flatten().map(str::to_owned))
        .collect();
    // Half of all patients opt out: far more than rounding hides.
    let half: Vec<String> = names.iter().take(names.len() / 2).cloned().collect();
    let list = Arc::new(OptOuts::default());
    let after = before.reopened(|s| s.opt_outs = Arc::clone(&list))?;
    assert_eq!(count(&after, "researcher", sql).await?, Some(researched), "nobody yet");
    list.replace(half);
    assert_eq!(
        count(&after, "referee", sql).await?,
        Some(everybody),
        "not applied by this agreement"
    );
    let left = count(&after, "researcher", sql).await?.context("shown")?;
    assert!(left < researched * 3 / 4, "{left} of {researched}");
    Ok(())
}

/// I5: the commissioner's figures are those of the rows that the agreement grants, and of no others.
#[tokio::test(flavor = "multi_thread")]
async fn i5_a_row_filter_lies_below_everything_the_analyst_writes() -> Result<()> {
    let world = World::new(3_000).await?;
    let granted = "('64F', '64G', '64H', '64J', '64K')";
    let truth = world
        .plain(&format!("SELECT count(*) FROM hes.apc WHERE ccg_responsibility IN {granted}"))
        .await?
        .first()
        .and_then(|b| b.column(0).as_primitive_opt::<Int64Type>().map(|c| c.value(0)))
        .context("a count")?;
    for sql in [
        "SELECT count(*) AS n FROM hes.apc",
        "SELECT count(*) AS n FROM hes.apc WHERE sex = '1' OR sex <> '1' OR sex IS NULL",
        "SELECT count(*) AS n FROM (SELECT * FROM hes.apc) t",
    ] {
        let seen = count(&world, "commissioner", sql).await?.context("shown")?;
        assert!((seen - truth).abs() <= 25, "{sql}: {seen}, granted {truth}");
    }
    let outside = "SELECT count(*) AS n FROM hes.apc WHERE ccg_responsibility NOT IN ('64F', '64G', '64H', '64J', '64K')";
    assert_eq!(count(&world, "commissioner", outside).await?, None, "nobody outside exists");
    Ok(())
}
