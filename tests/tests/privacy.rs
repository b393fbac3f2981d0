//! Differential privacy through the whole pipeline: figures are the truth of bounded people and noise of the size that is
//! told, what it costs is told before it runs, and nothing sets the budget back.

use std::collections::HashMap;

use anyhow::{Context as _, Result, anyhow};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use cordon_disclosure::Code;
use cordon_engine::{Answer, Stop};
use cordon_tests::{Plan, World, agreement};

async fn asked(world: &World, sql: &str) -> Result<Answer> {
    world.ask("stranger", sql).await?.map_err(|stop| anyhow!("{sql}: {stop:?}"))
}

/// Keys and figures of a table of texts and whole numbers.
fn table(batches: &[RecordBatch]) -> Result<HashMap<String, i64>> {
    let mut rows = HashMap::new();
    for batch in batches {
        let figures = batch.column_by_name("n").context("n")?.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let keys = batch.columns().iter().filter_map(|c| c.as_string_opt::<i32>());
            let key: Vec<&str> = keys.map(|key| key.value(row)).collect();
            rows.insert(key.join(" "), figures.value(row));
        }
    }
    Ok(rows)
}

/// What the agreement has been charged, as its own table says to it.
fn charged(answer: &Answer) -> Result<f64> {
    let note = answer.notes().iter().find(|note| note.text.contains("charged for this"));
    let text = &note.context("a note on the charge")?.text;
    Ok(text.split(' ').next().context("a number")?.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_bounded_people_and_noise_of_the_size_that_is_told() -> Result<()> {
    let world = World::new(4_000).await?;
    // A person has one sex, so that nothing is lost by bounding groups.
    let told = table(
        asked(&world, "SELECT sex, count(DISTINCT pseudo_hesid) AS n FROM hes.apc GROUP BY sex")
            .await?
            .batches(),
    )?;
    let truth = world
        .plain("SELECT sex, count(DISTINCT pseudo_hesid) AS n FROM hes.apc GROUP BY sex")
        .await?;
    let truth = table(&truth)?;
    // Every value of the public list, also those of nobody.
    assert!(told.len() >= 4, "{told:?}");
    for (sex, told) in &told {
        let error = told - truth.get(sex).copied().unwrap_or(0);
        // Twenty is one standard deviation: sqrt(4) / sqrt(2 x 0.005).
        assert!(error.abs() < 7 * 20, "{sex}: {error}");
    }
    assert!(told.iter().any(|(sex, told)| truth.get(sex) != Some(told)), "there is no noise");
    // Rows are limited to five for each person and group.
    let rows = "SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex";
    let limited = "SELECT sex, sum(least(m, 5)) AS n FROM \
                   (SELECT sex, pseudo_hesid, count(*) AS m FROM hes.apc GROUP BY sex, pseudo_hesid) GROUP BY sex";
    let (told, truth) = (asked(&world, rows).await?, table(&world.plain(limited).await?)?);
    for (sex, told) in table(told.batches())? {
        let error = told - truth.get(&sex).copied().unwrap_or(0);
        assert!(error.abs() < 7 * 100, "{sex}: {error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_without_a_public_list_are_found_by_noise() -> Result<()> {
    let world = World::new(4_000).await?;
    let sql = "SELECT sex || '-' || fyear AS g, count(*) AS n FROM hes.apc GROUP BY 1";
    let answer = asked(&world, sql).await?;
    let told = table(answer.batches())?;
    assert!(!told.is_empty());
    // One column and the finding of groups.
    assert_eq!(charged(&answer)?, 2.0);
    // Of one practice each: far too few people.
    let few = "SELECT diag_3_01 || sex AS g, count(*) AS n FROM hes.apc WHERE startage_calc > 100 GROUP BY 1";
    assert!(table(asked(&world, few).await?.batches())?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_costs_is_told_before_and_a_repeat_is_free_and_the_same() -> Result<()> {
    let world = World::new(2_000).await?;
    let sql = "SELECT sex, count(*) AS n, avg(epidur) AS days FROM hes.apc GROUP BY ROLLUP(sex)";
    let prepared = world.engine.prepare(world.question("stranger", sql)?).await;
    let prepared = prepared.map_err(|stop| anyhow!("{stop:?}"))?;
    let most = prepared.schema().metadata().get("cordon.most_charged").context("a cost")?.clone();
    let first = asked(&world, sql).await?;
    assert_eq!(charged(&first)?, most.parse::<f64>()?);
    let again = asked(&world, sql).await?;
    let columns = |answer: &Answer| -> Vec<_> {
        answer.batches().iter().map(|batch| batch.columns().to_vec()).collect()
    };
    assert_eq!(columns(&again), columns(&first));
    assert_eq!(charged(&again)?, 0.0);
    // Another question about the same people is drawn anew, and charged.
    let other =
        asked(&world, "SELECT sex, count(*) AS n FROM hes.apc WHERE true GROUP BY sex").await?;
    let spelled =
        asked(&world, "SELECT count(*) AS n, sex FROM hes.apc WHERE sex IS NOT NULL GROUP BY sex")
            .await?;
    assert_ne!(table(other.batches())?, table(spelled.batches())?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sets_the_budget_back() -> Result<()> {
    let mut world = World::new(1_000).await?;
    // Four columns of each of six sets: 200 are soon gone.
    let ask = |n: usize| {
        format!(
            "SELECT sex, fyear, count(*) AS n, count(DISTINCT pseudo_hesid) AS p, sum(epidur) AS d, sum(startage_calc) AS a \
             FROM hes.apc WHERE startage_calc <> {n} GROUP BY CUBE(sex, fyear)"
        )
    };
    let mut answered = 0;
    let refused = loop {
        match world.ask("stranger", &ask(answered)).await? {
            Ok(answer) => {
                assert!(charged(&answer)? >= 16.0);
                answered += 1;
                anyhow::ensure!(answered < 20, "the budget never ends");
            }
            Err(Stop::Refused(refusal)) => break refusal,
            Err(Stop::Failed(failure)) => return Err(anyhow!("{failure:?}")),
        }
    };
    assert_eq!(refused.code, Code::BudgetSpent);
    assert!(answered >= 5, "{answered}");
    // A server that starts anew, another view of the same rows: the meter stays. What was asked is told again.
    world = world.reopened(|_| {})?;
    let again = world.ask("stranger", &ask(100)).await?;
    assert!(matches!(again, Err(Stop::Refused(refusal)) if refusal.code == Code::BudgetSpent));
    let view =
        format!("WITH mine AS (SELECT * FROM hes.apc) {}", ask(101).replace("hes.apc", "mine"));
    assert!(world.ask("stranger", &view).await?.is_err());
    assert!(world.ask("stranger", &ask(0)).await?.is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bounded_is_refused() -> Result<()> {
    let world = World::new(500).await?;
    for sql in [
        // Rows of a person beside rows of the same person.
        "SELECT count(*) AS n FROM hes.apc a JOIN hes.op o ON a.pseudo_hesid = o.pseudo_hesid",
        // A number per person that nobody has declared bounds for.
        "SELECT sum(m) AS n FROM (SELECT pseudo_hesid, count(*) AS m FROM hes.apc GROUP BY pseudo_hesid)",
    ] {
        let refused = world.ask("stranger", sql).await?;
        assert!(matches!(refused, Err(Stop::Refused(_))), "{sql}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_that_the_analyst_sets_make_the_noise_of_sums() -> Result<()> {
    let world = World::new(2_000).await?;
    let sums = |bounded: &str| {
        format!("SELECT sex, CAST(sum({bounded}) AS BIGINT) AS n FROM hes.apc GROUP BY sex")
    };
    let error = async |bounded: &str| -> Result<f64> {
        let mut question = world.question("stranger", &sums(bounded))?;
        question.options.error_columns = true;
        let answer = world.engine.run(question, Default::default()).await;
        let answer = answer.map_err(|stop| anyhow!("{bounded}: {stop:?}"))?;
        let batch = answer.batches().first().context("a batch")?;
        Ok(batch.column_by_name("n_se").context("n_se")?.as_primitive::<Float64Type>().value(0))
    };
    // Five rows of at most thirty days: thirty times the noise of a count of rows.
    assert!((error("least(epidur, 30)").await? - 3_000.0).abs() < 1.0);
    assert!((error("greatest(-1, least(30, epidur))").await? - 3_000.0).abs() < 1.0);
    assert!(error("epidur").await? > 10_000.0);
    // Of what has no bounds both are needed.
    let per_person = |value: &str| {
        format!(
            "SELECT CAST(sum({value}) AS BIGINT) AS n FROM \
             (SELECT pseudo_hesid, count(*) AS m FROM hes.apc GROUP BY pseudo_hesid) t"
        )
    };
    assert!(world.ask("stranger", &per_person("least(greatest(m, 0), 20)")).await?.is_ok());
    assert!(world.ask("stranger", &per_person("least(m, 20)")).await?.is_err());
    // Under other profiles each would be another draw about the same people.
    assert!(world.ask("researcher", &sums("least(epidur, 30)")).await?.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_errors_are_those_of_the_noise() -> Result<()> {
    let world = World::new(500).await?;
    let mut question =
        world.question("stranger", "SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex")?;
    question.options.error_columns = true;
    let answer = world.engine.run(question, Default::default()).await;
    let answer = answer.map_err(|stop| anyhow!("{stop:?}"))?;
    let batch = answer.batches().first().context("a batch")?;
    let errors = batch.column_by_name("n_se").context("n_se")?.as_primitive::<Float64Type>();
    assert!((0..errors.len()).all(|row| (errors.value(row) - 100.0).abs() < 0.1), "{errors:?}");
    Ok(())
}

/// What a budget has paid for is known still when the contract is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_agreement_goes_on_with_the_meter_of_the_one_before() -> Result<()> {
    let of = |reference, who, follows: Option<&str>| {
        let years = "years = \"all\"";
        let (file, text) = agreement(reference, "differential-privacy", who, "not_applied", years);
        let follows = follows.map(|before| format!("follows = \"{before}\"\n"));
        (file, follows.unwrap_or_default() + &text)
    };
    let (first, second) = ("DARS-NIC-900011-FIRST-v1.0", "DARS-NIC-900011-FIRST-v2.0");
    let agreements = vec![
        of(first, "one", None),
        of(second, "two", None),
        of("DARS-NIC-900012-NEXTS", "three", Some(second)),
    ];
    let world = World::built(Plan { agreements, ..Plan::of(300) }, |_| {}).await?;
    for (asked, who) in ["one", "two", "three"].into_iter().enumerate() {
        let sql = format!("SELECT count(*) AS n FROM hes.apc WHERE epidur < {}", asked + 2);
        let answer = world.ask(who, &sql).await?.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        let note = answer.notes().iter().find(|note| note.text.contains("charged for this"));
        let text = &note.context("a note on the charge")?.text;
        let stands = format!("meter stands at {}.000", asked + 1);
        assert!(text.contains(&stands), "{who}: {text}");
    }
    Ok(())
}
