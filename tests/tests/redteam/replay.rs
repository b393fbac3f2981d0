//! A few targets of the attacks that are run at scale, replayed in SQL: the doors do as `release` does there.

use anyhow::{Context as _, Result, bail};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::cast;
use arrow_schema::DataType;
use cordon_disclosure::{Profile, Protection};
use cordon_tests::World;

use super::{ANALYSTS, house, truth};

async fn figure(world: &World, who: &str, sql: &str) -> Result<Option<i64>> {
    let answer = world.ask(who, sql).await?.map_err(|stop| anyhow::anyhow!("{sql}: {stop:?}"))?;
    let batch = answer.batches().iter().find(|batch| batch.num_rows() > 0).context("a row")?;
    let column = cast(batch.column(0), &DataType::Int64)?;
    let column = column.as_primitive::<Int64Type>();
    Ok(column.is_valid(0).then(|| column.value(0)))
}

fn quoted(codes: &[String]) -> String {
    codes.iter().map(|code| format!("'{code}'")).collect::<Vec<_>>().join(", ")
}

/// Practices with one patient each: a list of them is a list of people, and the language lets it be said.
async fn practices(world: &World) -> Result<Vec<String>> {
    let found = truth(
        world,
        "SELECT gpprac, count(*) FROM hes.apc WHERE fyear = '2122' AND gpprac IS NOT NULL AND pseudo_hesid IS NOT NULL \
         GROUP BY gpprac HAVING count(DISTINCT pseudo_hesid) = 1 AND count(*) = 1 ORDER BY gpprac",
    )
    .await?;
    Ok(found.into_iter().map(|(practice, _)| practice).collect())
}

/// Sets of people by lists of codes that only they have: each has a draw of its own, of the size that is told; and a set
/// with one person less has the figure of the larger one.
#[tokio::test(flavor = "multi_thread")]
async fn sets_of_known_people_can_be_said_and_are_answered_as_at_scale() -> Result<()> {
    let world = house(20_000, |_, batch| Ok(batch)).await?;
    let people = practices(&world).await?;
    const SIZE: usize = 30;
    anyhow::ensure!(people.len() > 8 * SIZE, "{} practices with one patient", people.len());
    for (profile, who) in ANALYSTS {
        let rules = Profile::built_in(profile).context("a profile that ships")?;
        let Protection::Noise(rule) = rules.protection() else { bail!("{profile} has noise") };
        let variance = rule.weights() * 30.0 + rule.cell_variance(30.0) + 25.0 / 12.0;
        let (mut squares, mut sets) = (0.0, 0);
        for set in people.chunks_exact(SIZE).take(20) {
            let sql = |codes: &[String]| {
                format!(
                    "SELECT count(DISTINCT pseudo_hesid) AS n FROM hes.apc WHERE fyear = '2122' AND gpprac IN ({})",
                    quoted(codes)
                )
            };
            let whole = figure(&world, who, &sql(set)).await?.context("thirty people are shown")?;
            assert_eq!(figure(&world, who, &sql(&set[1..])).await?, Some(whole), "{profile}");
            squares += (whole - SIZE as i64).pow(2) as f64;
            sets += 1;
        }
        // Two questions for each set: noise has grown by then.
        let most = rule.growth(2.0 * f64::from(sets)).powi(2);
        let found = squares / f64::from(sets) / variance;
        assert!(
            (0.2..2.2 * most).contains(&found),
            "{profile}: {found} times the told variance, {sets} sets"
        );
    }
    Ok(())
}
