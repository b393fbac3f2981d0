//! Texts and behaviour meant to hurt: each gets its clear refusal, the process lives, nothing leaks.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cordon_disclosure::Code;
use cordon_engine::Stop;
use cordon_tests::World;
use tokio_util::sync::CancellationToken;

async fn code(world: &World, sql: &str) -> Result<Code> {
    let started = Instant::now();
    let outcome = world.ask("referee", sql).await?;
    assert!(started.elapsed() < Duration::from_secs(5), "refused quickly");
    match outcome {
        Err(Stop::Refused(refusal)) => Ok(refusal.code),
        Err(Stop::Failed(failure)) => Ok(failure.code),
        Ok(_) => bail!("answered: {}", sql.chars().take(80).collect::<String>()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_hurt_parsers_are_refused_and_the_process_lives() -> Result<()> {
    let world = World::new(200).await?;
    let plus = format!("SELECT {}", vec!["1"; 20_000].join("+"));
    let unions = vec!["SELECT 1"; 4_000].join(" UNION ALL ");
    let brackets = format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000));
    let brackets_60k = format!("SELECT {}", "(".repeat(60_000));
    let minus = format!("SELECT {}1", "- ".repeat(3_000));
    let not = format!("SELECT count(*) FROM hes.apc WHERE {}true", "NOT ".repeat(3_000));
    let or =
        format!("SELECT count(*) FROM hes.apc WHERE {}", vec!["startage = 1"; 5_000].join(" OR "));
    let case = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(60), " END".repeat(60));
    let interval = format!("SELECT {}'1'", "INTERVAL ".repeat(600));
    let comments = format!("SELECT 1 {}", "/*".repeat(20_000));
    let casts = format!("SELECT CAST(1 AS {}INT{})", "Nullable(".repeat(500), ")".repeat(500));
    let list =
        format!("SELECT count(*) FROM hes.apc WHERE startage IN ({})", vec!["1"; 20_000].join(","));
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    for (what, text, allowed) in [
        ("20,000 plus signs", plus, vec![Code::TooManyOperators, Code::TextTooLong]),
        ("4,000 UNION ALL", unions, vec![Code::TooManyOperators, Code::TextTooLong]),
        ("30,000 bracket pairs", brackets, vec![Code::NestedTooDeeply]),
        ("60,000 brackets", brackets_60k, vec![Code::NestedTooDeeply]),
        ("3,000 minus signs", minus, vec![Code::TooManyOperators]),
        ("3,000 NOT", not, vec![Code::TooManyOperators]),
        ("5,000 OR", or, vec![Code::TooManyOperators, Code::TextTooLong]),
        ("60 CASE in each other", case, vec![Code::NestedTooDeeply]),
        ("600 INTERVAL", interval, vec![Code::TooManyOperators]),
        ("20,000 comments", comments, vec![Code::NestedTooDeeply, Code::SyntaxError]),
        ("500 nested types", casts, vec![Code::NestedTooDeeply]),
        ("a list of 20,000", list, vec![Code::TextTooLong]),
        ("70,000 letters", long, vec![Code::TextTooLong]),
        ("nothing", String::new(), vec![Code::SyntaxError]),
        ("a NUL", "SELECT \0".to_owned(), vec![Code::SyntaxError]),
    ] {
        let code = code(&world, &text).await?;
        assert!(allowed.contains(&code), "{what}: {}", code.id());
    }
    let alive = world.ask("referee", "SELECT count(*) AS n FROM hes.apc").await?;
    assert!(alive.is_ok(), "still answering");
    Ok(())
}

/// At the limit, not only far beyond it: whatever passes the counts must plan without hurting the process.
#[tokio::test(flavor = "multi_thread")]
async fn texts_just_within_the_limits_are_answered_or_refused() -> Result<()> {
    let world = World::new(200).await?;
    let plus = format!("SELECT {} AS n", vec!["1"; 100].join("+"));
    let or =
        format!("SELECT count(*) FROM hes.apc WHERE {}", vec!["startage = 1"; 200].join(" OR "));
    let unions = vec!["SELECT 1 AS n"; 200].join(" UNION ALL ");
    let brackets = format!("SELECT {}1{} AS n", "(".repeat(49), ")".repeat(49));
    let case = format!("SELECT {}1{} AS n", "CASE WHEN true THEN ".repeat(40), " END".repeat(40));
    for text in [plus, or, unions, brackets, case] {
        let _ = world.ask("referee", &text).await?;
    }
    let alive = world.ask("referee", "SELECT count(*) AS n FROM hes.apc").await?;
    assert!(alive.is_ok(), "still answering");
    Ok(())
}

/// Thirty tables of many pairs of rows per person: work that lasts.
fn lasts() -> String {
    let one = |n: usize| {
        format!(
            "SELECT count(*) AS n FROM (SELECT pseudo_hesid, apptdate, attended FROM hes.op UNION ALL \
             SELECT pseudo_hesid, apptdate, attended FROM hes.op) a JOIN hes.op b ON a.pseudo_hesid = b.pseudo_hesid \
             WHERE a.apptdate <= b.apptdate AND a.attended <> 'X{n}'"
        )
    };
    (0..30).map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_stops_the_work_and_the_server_goes_on() -> Result<()> {
    let world = World::with_settings(6_000, |s| s.deadline = Duration::from_millis(500)).await?;
    let started = Instant::now();
    match world.ask("referee", &lasts()).await? {
        Err(Stop::Failed(failure)) => assert_eq!(failure.code, Code::DeadlineReached),
        other => bail!("{other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(5), "stopped after {:?}", started.elapsed());
    // The threads are free again: a small question is answered at once.
    let again = Instant::now();
    assert!(world.ask("referee", "SELECT 1 AS n").await?.is_ok());
    assert!(again.elapsed() < Duration::from_secs(2), "free after {:?}", again.elapsed());
    Ok(())
}

/// That a question met a limit is an answer too: it is charged what it could have been charged at most.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stopped_is_charged() -> Result<()> {
    let world = World::with_settings(6_000, |s| s.memory_bytes = 100_000).await?;
    let agreement = world.question("researcher", "SELECT 1")?.permit.agreement().to_string();
    assert_eq!(world.ledger.charged(&agreement)?.answers(), 0.0);
    match world.ask("researcher", &lasts()).await? {
        Err(Stop::Failed(failure)) => assert_eq!(failure.code, Code::MemoryExhausted),
        other => bail!("{other:?}"),
    }
    assert!(world.ledger.charged(&agreement)?.answers() > 0.9);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_stops_the_work_and_is_recorded() -> Result<()> {
    let world = World::new(6_000).await?;
    let cancel = CancellationToken::new();
    let question = world.question("referee", &lasts())?;
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    let started = Instant::now();
    match world.engine.run(question, cancel).await {
        Err(Stop::Failed(failure)) => assert_eq!(failure.code, Code::Cancelled),
        other => bail!("{other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(5), "stopped after {:?}", started.elapsed());
    let last = world.ledger.audit_tail(1)?;
    assert!(format!("{last:?}").contains(Code::Cancelled.id()), "recorded");
    Ok(())
}

/// I6: a ledger that cannot write lets nothing out.
#[tokio::test(flavor = "multi_thread")]
async fn i6_what_cannot_be_recorded_does_not_leave() -> Result<()> {
    let world = World::new(500).await?;
    let sql = "SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex";
    assert!(world.ask("referee", sql).await?.is_ok());
    // The file is taken away under the open ledger.
    let ledger = world.folder.path().join("ledger.sqlite");
    std::fs::rename(&ledger, world.folder.path().join("elsewhere"))?;
    for text in [sql, "SELECT nothing FROM hes.apc", "SELECT 1 AS n"] {
        match world.ask("referee", text).await? {
            Err(Stop::Failed(failure)) => {
                assert_eq!(failure.code, Code::LedgerUnavailable, "{text}")
            }
            other => bail!("{text}: {other:?}"),
        }
    }
    Ok(())
}
