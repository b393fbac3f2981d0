//! Earlier versions of tables, and earlier answers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use arrow_array::ArrayRef;
use cordon_store::{AsOf, Silent};
use cordon_synthetic::Population;
use cordon_tests::{Plan, World, agreement};

const QUESTION: &str = "SELECT fyear, count(*) AS episodes, count(DISTINCT pseudo_hesid) AS patients \
                        FROM hes.apc GROUP BY fyear ORDER BY fyear";

async fn told(world: &World) -> Result<Vec<Vec<ArrayRef>>> {
    let answer = world.ask("referee", QUESTION).await?.map_err(|stop| anyhow!("{stop:?}"))?;
    Ok(answer.batches().iter().map(|batch| batch.columns().to_vec()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_answers_as_it_did() -> Result<()> {
    let world = World::new(1_000).await?;
    let before = told(&world).await?;
    let table = "hes.apc".parse()?;
    let more = Population::new(200, 7).block(world.engine.catalogue(), &table, 0)?;
    let loaded = world.store.append(&table, std::iter::once(more), &Silent).await?;
    let after = told(&world).await?;
    assert_ne!(before, after, "the newest version is asked where none is named");
    let earlier = loaded.version.checked_sub(1).context("an earlier version")?;
    let as_of = AsOf::Versions(BTreeMap::from([(table, earlier)]));
    let world = world.reopened(|settings| settings.as_of = as_of)?;
    assert_eq!(told(&world).await?, before);
    Ok(())
}

/// A load that changes few people of a group changes no figure of it, or who came would be told; one that changes many does.
#[tokio::test(flavor = "multi_thread")]
async fn i4_a_load_does_not_tell_who_came() -> Result<()> {
    let agreements = vec![agreement(
        "DARS-NIC-900008-LOADS",
        "nhs-sde",
        "analyst",
        "not_applied",
        "years = \"all\"",
    )];
    let world = World::built(Plan { agreements, ..Plan::of(1_000) }, |_| {}).await?;
    let told = async || -> Result<Vec<ArrayRef>> {
        let answer = world.ask("analyst", QUESTION).await?.map_err(|stop| anyhow!("{stop:?}"))?;
        Ok(answer.batches().iter().flat_map(|batch| batch.columns().to_vec()).collect())
    };
    let before = told().await?;
    let table = "hes.apc".parse()?;
    let more = Population::new(200, 7).block(world.engine.catalogue(), &table, 0)?;
    world.store.append(&table, std::iter::once(more.slice(0, 3)), &Silent).await?;
    assert_eq!(told().await?, before);
    world.store.append(&table, std::iter::once(more), &Silent).await?;
    assert_ne!(told().await?, before);
    Ok(())
}

/// What was answered before comes from the ledger: nothing is read for it, and nothing is charged.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_reads_no_row() -> Result<()> {
    let world = World::new(500).await?;
    let before = told(&world).await?;
    let mut left = vec![world.folder.path().join("store")];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "parquet") {
                std::fs::remove_file(path)?;
            }
        }
    }
    assert_eq!(told(&world).await?, before);
    let another =
        world.ask("referee", "SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex").await?;
    assert!(another.is_err(), "its rows are gone");
    Ok(())
}
