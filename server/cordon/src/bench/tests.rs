use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use super::crew::Worker;
use super::gauge::Cost;
use super::ground::Ground;
use super::questions::for_peers;
use super::report::median;
use super::worker::{Asked, Engine, Reply, Request};
use super::*;

fn asked(milliseconds: u64) -> report::Asked {
    report::Asked { took: Duration::from_millis(milliseconds), rows: 3 }
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn reports_compare_medians_and_name_what_failed() {
    let mut good = Measured::new("good");
    for (protected, plain) in [(20, 10), (30, 10), (1000, 10)] {
        good.add(asked(protected), asked(plain));
    }
    let mut refused = Measured::new("bad");
    refused.problem = Some("refused: a | b".to_owned());
    let report = Report { people: 5, repeat: 3, threads: 2, measured: vec![good, refused] };
    assert!(!report.is_whole());
    let text = report.markdown();
    assert!(text.contains("| good | 30.0 | - | 10.0 | 3.00 | 3 | 3 |"), "{text}");
    assert!(text.contains("| bad | refused: a \\| b |") && text.ends_with("plain: 3.00"), "{text}");
    assert_eq!(report.json()["queries"][0]["ratio"], 3.0);
    assert!(report.json()["queries"][1]["ratio"].is_null());
}

#[test]
fn nothing_measured_is_no_ratio() {
    let report = Report { people: 5, repeat: 3, threads: 2, measured: vec![Measured::new("x")] };
    assert!(report.json()["ratio"].is_null());
    assert!(report.markdown().contains("| x | not asked |"));
}

#[test]
fn the_truth_has_one_column_more() {
    use super::questions::{BEHIND, EMERGENCY, with_people};
    for question in QUESTIONS.iter().chain(&EMERGENCY) {
        let text = with_people(question.sql);
        assert_eq!(text.matches(BEHIND).count(), 1, "{}", question.name);
        assert!(!text.contains("/*") && question.sql.contains("/* behind "), "{}", question.name);
    }
    assert_eq!(QUESTIONS.iter().filter(|question| question.smoke).count(), 10);
}

/// A worker on a thread of its own that speaks through pipes, as a process does.
fn worker(engine: Engine) -> Worker {
    let (requests, to) = std::io::pipe().unwrap();
    let (from, replies) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(worker::serve(BufReader::new(requests), replies)).unwrap();
    });
    Worker::over(engine, Box::new(to), Box::new(BufReader::new(from)))
}

fn cost(cpu_s: f64) -> Cost {
    Cost { wall_s: cpu_s / 2.0, cpu_s, peak_rss_mb: Some(100.0) }
}

#[test]
fn engines_answer_the_same_questions_over_the_same_files() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    let ground = runtime.block_on(Ground::of(None, Some(2_000), 1, &catalogue)).unwrap();
    assert!(ground.rows("hes.apc").abs_diff(2_000) < 300);
    let engines = vec![Engine::Cordon, Engine::DataFusion];
    let mut workers: Vec<Worker> = engines.iter().map(|engine| worker(*engine)).collect();
    assert!(workers[0].fresh().unwrap_err().to_string().contains("not opened"));
    for worker in &mut workers {
        worker.open(&ground, 2).unwrap();
    }
    assert_eq!(workers[1].version, format!("datafusion {}", datafusion::DATAFUSION_VERSION));
    assert!(workers[1].ask("SELECT").unwrap().unwrap_err().starts_with("plain: "));
    match crew::start(&[Engine::DuckDb], &ground, 2, Path::new("python3")) {
        Ok(duckdb) => workers.extend(duckdb),
        // Not everybody has it, and who has not is told how to get it.
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("pip install duckdb==") || text.contains("--python"), "{text}");
        }
    }
    let names = ["02", "03", "13"];
    let questions: Vec<_> =
        for_peers(false).into_iter().filter(|q| names.contains(&&q.name[..2])).collect();
    let asking = peers::asking(&questions);
    let compared = compare::compare("asking", &mut workers, &asking, 1, |engine| match engine {
        Engine::Cordon | Engine::DataFusion => {
            let mut alone = worker(engine);
            alone.open(&ground, 2).map(|()| alone)
        }
        _ => Worker::start(engine, &ground, 2, Path::new("python3")),
    })
    .unwrap();
    for compared in &compared {
        for engine in &engines {
            let runs = &compared[engine];
            let medians = runs.medians().unwrap_or_else(|| panic!("{:?}", runs.problem));
            assert!(medians.wall_s > 0.0 && medians.cpu_s > 0.0);
            // Of so few people some answers are withheld as a whole.
            assert!(medians.groups > 0 || *engine == Engine::Cordon);
        }
    }
    let differ = |all| compare::disagreement(all, Engine::DataFusion, Engine::DuckDb);
    assert_eq!(compared.iter().find_map(differ), None);
    let about = "here".to_owned();
    let report = peers::Report { about, engines, questions, compared };
    assert_eq!(report.json().len(), 3 * workers.len());
    assert!(report.markdown().contains("\n| 03-emergency-imd (sums) | "));

    let plain = vec!["SELECT sex, count(*) AS n FROM hes.apc GROUP BY sex".to_owned()];
    let crowded = workers[1].crowd(3, 0.05, &plain).unwrap();
    assert_eq!((crowded.took_s.len(), crowded.problems), (3, 0), "{:?}", crowded.problem);
    assert!(crowded.took_s.iter().all(|client| !client.is_empty()));
}

#[test]
fn targets_are_met_or_missed() {
    let compared = |cpu: [f64; 4]| -> compare::Compared {
        let runs = |cpu: f64| compare::runs(vec![Asked { cost: cost(cpu), groups: 1, sum: cpu }]);
        Engine::ALL.into_iter().zip(cpu.map(runs)).collect()
    };
    let questions: Vec<_> = for_peers(true).into_iter().take(3).collect();
    let all = [[1.0, 1.0, 2.0, 10.0], [1.4, 1.0, 2.0, 20.0], [1.9, 1.0, 2.0, 30.0]].map(compared);
    let about = "here".to_owned();
    let report =
        peers::Report { about, engines: Engine::ALL.to_vec(), questions, compared: all.into() };
    let met: Vec<_> = report.targets().iter().map(peers::Target::is_met).collect();
    assert_eq!(
        met,
        [false, true, true, true, true]
            .map(Some)
            .into_iter()
            .chain([None, Some(true)])
            .collect::<Vec<_>>()
    );
    // Sums differ on purpose.
    assert!(
        report.markdown().contains("answers differ in 01-provider-month: datafusion has 1 rows")
    );
}

#[test]
fn peers_with_emergency_care_are_as_many() {
    let names = |emergency| for_peers(emergency).iter().map(|q| q.name).collect::<Vec<_>>();
    let (without, with) = (names(false), names(true));
    assert_eq!((without.len(), with.len()), (16, 16));
    assert_eq!(without.iter().zip(&with).filter(|(a, b)| a != b).count(), 3);
    assert!(with.contains(&"07-ae-then-admission") && with.is_sorted());
}

#[test]
fn requests_are_lines_that_python_reads() {
    let ask = Request::Ask { sql: "SELECT\n1".to_owned() };
    let text = serde_json::to_string(&ask).unwrap();
    assert_eq!(text, r#"{"do":"ask","sql":"SELECT\n1"}"#);
    let reply = r#"{"is":"asked","wall_s":0.5,"cpu_s":1.0,"peak_rss_mb":null,"groups":3,"sum":7}"#;
    let expected = Cost { wall_s: 0.5, cpu_s: 1.0, peak_rss_mb: None };
    let expected = Reply::Asked(Asked { cost: expected, groups: 3, sum: 7.0 });
    assert_eq!(serde_json::from_str::<Reply>(reply).unwrap(), expected);
}

#[test]
fn a_question_of_a_crowd_is_never_written_twice() {
    let sql = "SELECT sex, count(*) AS n FROM hes.apc WHERE sex = '1' GROUP BY sex";
    let texts: std::collections::BTreeSet<_> =
        (0..40_000).map(|number| crowd::varied(sql, number)).collect();
    assert_eq!(texts.len(), 40_000);
    let text = crowd::varied("SELECT count(*) FROM hes.op GROUP BY 1", 1);
    assert!(text.contains("FROM hes.op WHERE apptdate >= DATE '18"), "{text}");
}

#[test]
fn powers_and_means() {
    let square = [(1.0, 3.0), (10.0, 300.0), (100.0, 30_000.0)];
    assert!((compare::power(&square).unwrap() - 2.0).abs() < 1e-9);
    assert_eq!(compare::power(&square[..1]), None);
    assert!((compare::geometric(&[0.5, 2.0]).unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(ground::thousands(20_000_000), "20,000,000");
}

#[test]
fn crowds_are_counted() {
    let crowded = worker::Crowded {
        cost: cost(4.0),
        took_s: vec![vec![0.1; 8], vec![0.2; 4], vec![0.3; 2]],
        problems: 0,
        problem: None,
    };
    let crowd = clients::Crowd { engine: Engine::Cordon, clients: 3, crowded };
    assert_eq!((crowd.per_second(), crowd.slowest()), (7.0, Some(0.5)));
    assert_eq!((crowd.quantile(0.5), crowd.quantile(0.99)), (Some(0.1), Some(0.3)));
    let report = clients::Report { about: "here".to_owned(), crowds: vec![crowd] };
    let line = "| 3 | cordon | 14 | 7.00 | 0.10 | 0.30 | 0.50 | 0.29 | 100 |";
    assert!(report.markdown().contains(line), "{}", report.markdown());
    assert_eq!(report.json()[0]["slowest_to_median"], 0.5);
}

#[test]
fn growth_is_told_for_each_engine() {
    let point = |(rows, engine, cpu_s)| {
        let medians =
            compare::runs(vec![Asked { cost: cost(cpu_s), groups: 1, sum: 1.0 }]).medians();
        scaling::Point { rows, query: "nothing", engine, medians, problem: None }
    };
    let points = [
        (1_000, Engine::Cordon, 1.0),
        (1_000, Engine::DataFusion, 0.5),
        (10_000, Engine::Cordon, 10.0),
        (10_000, Engine::DataFusion, 0.5),
    ];
    let points = points.map(point).into();
    let report = scaling::Report { about: "here".to_owned(), points };
    let text = report.markdown();
    assert!(
        text.contains("| 10,000 | nothing | 1 | 5.00 (10.0) | 0.25 (0.50) | 20.0 | 1.00 | 1000 |"),
        "{text}"
    );
    assert!(text.contains("| nothing | 1.00 | 0.000 |"), "{text}");
}

#[test]
fn plots_are_whole_and_escaped() {
    let series =
        vec![cordon_plot::Series { name: "a<b".to_owned(), values: vec![Some(0.02), None] }];
    let svg = cordon_plot::bars("A & B", "s", &["x".to_owned(), "y".to_owned()], &series);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("a&lt;b"));
    assert_eq!(svg.matches("height=\"11\"").count(), 1);
    assert!(svg.contains(">0.01</text>") && svg.contains(">0.1</text>"), "{svg}");
}
