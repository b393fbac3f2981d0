//! `cordon bench scaling`: how time grows with rows and with groups.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_plot::{Series, lines};
use serde_json::{Value, json};

use super::compare::{Asking, Medians, compare, power};
use super::crew::{self, Worker};
use super::ground::{Ground, thousands};
use super::pages;
use super::peers::Common;
use super::worker::Engine;
use crate::console;
use crate::exit::Exit;

/// Group one count of episodes by more and more, over more and more rows, and print how time grows
///
/// The episodes of a year and of ten, of nobody in particular and by small area and month: from one group to about a
/// million, as far as there are rows for them. Cordon is protected and has an empty ledger in each turn; DataFusion is
/// plain. Both read the same files, each in a process of its own. Times are medians, and grow with a power of the rows:
/// 1 is in proportion. Only hes.apc is made; 20 million rows take 1 GB, and some minutes on two processors.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  cordon bench scaling
  cordon bench scaling --rows 1000000,10000000,100000000 --data /data/scaling --json scaling.json
  cordon bench scaling --rows 100000,1000000 --repeat 3 --docs docs/performance

Each number of rows has a folder of its own under --data, made once and used again.
docs/performance/README.md says what the columns mean.

Exit codes: 0 measured, 1 a query was refused or failed, 8 could not be set up.")]
pub(super) struct Args {
    /// About how many rows of hes.apc, one number or several
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1000000,3000000")]
    rows: Vec<NonZeroU64>,
    #[command(flatten)]
    common: Common,
}

/// What episodes are grouped by, from one group to about a million.
const GROUPINGS: [(&str, &str); 7] = [
    ("nothing", ""),
    ("sex", "sex"),
    ("provider", "procode3"),
    ("practice", "gpprac"),
    ("area", "lsoa11"),
    ("area, year", "lsoa11, fyear"),
    ("area, month", "lsoa11, date_trunc('month', epistart)"),
];

const ENGINES: [Engine; 2] = [Engine::Cordon, Engine::DataFusion];

/// One query of one engine over so many rows.
pub(super) struct Point {
    pub(super) rows: u64,
    pub(super) query: &'static str,
    pub(super) engine: Engine,
    pub(super) medians: Option<Medians>,
    pub(super) problem: Option<String>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let (threads, repeat) = (args.common.threads.get(), args.common.repeat.get());
    let mut sizes: Vec<u64> = args.rows.iter().map(|rows| rows.get()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (mut points, mut versions) = (Vec::new(), String::new());
    for size in sizes {
        let data = args.common.data.as_deref();
        let ground = Ground::of_episodes(data, size, &catalogue).await?;
        let mut workers = crew::start(&ENGINES, &ground, threads, Path::new(""))?;
        versions = pages::versions(&workers);
        let rows = ground.rows("hes.apc");
        let what = format!("{} rows:", thousands(rows));
        let all = compare(&what, &mut workers, &asking(), repeat, |engine| {
            Worker::start(engine, &ground, threads, Path::new(""))
        })?;
        for ((query, _), compared) in GROUPINGS.iter().zip(all) {
            for (engine, runs) in compared {
                let (medians, problem) = (runs.medians(), runs.problem);
                points.push(Point { rows, query, engine, medians, problem });
            }
        }
    }
    let about = format!(
        "{versions}; {threads} threads each, median of {repeat} turns; {}",
        pages::machine()
    );
    let report = Report { about, points };
    console::say(&report.markdown())?;
    pages::write_json(args.common.json.as_deref(), &report.json())?;
    pages::write_docs(args.common.docs.as_deref(), &report.docs())?;
    let whole = report.points.iter().all(|point| point.problem.is_none());
    Ok(if whole { Exit::Done } else { Exit::Incomplete })
}

fn asking() -> Vec<Asking> {
    let asking = |(name, by): &(&str, &str)| {
        let sql = match *by {
            // With a condition: how many rows a file has stands in its footer.
            "" => "SELECT count(*) AS episodes FROM hes.apc WHERE sex IN ('1', '2')".to_owned(),
            by => format!("SELECT {by}, count(*) AS episodes FROM hes.apc GROUP BY {by}"),
        };
        Asking { name: (*name).to_owned(), text: |sql, _| sql.to_owned(), sql }
    };
    GROUPINGS.iter().map(asking).collect()
}

/// A whole run.
pub(super) struct Report {
    pub(super) about: String,
    pub(super) points: Vec<Point>,
}

impl Report {
    fn of(&self, query: &str, engine: Engine) -> impl Iterator<Item = (u64, Medians)> {
        let of = move |point: &&Point| point.query == query && point.engine == engine;
        let points = self.points.iter().filter(of);
        points.filter_map(|point| Some((point.rows, point.medians?)))
    }

    fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.points.iter().map(|point| point.rows).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Groups and processor seconds over the most rows.
    fn by_groups(&self, engine: Engine) -> Vec<(f64, f64)> {
        let most = self.sizes().last().copied().unwrap_or_default();
        // How many groups there are only the plain side knows: few people are not shown.
        let groups = |query: &str| -> Option<f64> {
            let mut all = self.of(query, Engine::DataFusion);
            all.find(|(rows, _)| *rows == most).map(|(_, medians)| medians.groups as f64)
        };
        let point = |(query, _): &(&str, &str)| {
            let mut all = self.of(query, engine);
            let (_, medians) = all.find(|(rows, _)| *rows == most)?;
            Some((groups(query)?, medians.cpu_s))
        };
        GROUPINGS.iter().filter_map(point).collect()
    }

    fn grows(&self, query: &str, engine: Engine) -> Option<f64> {
        let point = |(rows, medians): (u64, Medians)| (rows as f64, medians.cpu_s);
        power(&self.of(query, engine).map(point).collect::<Vec<_>>())
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n\nWall seconds (CPU seconds).\n\n", self.about);
        let mut head = vec!["rows".to_owned(), "grouped by".to_owned(), "groups".to_owned()];
        head.extend(ENGINES.map(|engine| engine.name().to_owned()));
        head.extend(["CPU ratio", "RSS ratio", "µs/row of cordon"].map(str::to_owned));
        pages::head(&mut text, &head);
        let mut problems = Vec::new();
        for rows in self.sizes() {
            for (query, _) in GROUPINGS {
                let at = |engine| self.of(query, engine).find(|(r, _)| *r == rows).map(|p| p.1);
                let [cordon, plain] = ENGINES.map(at);
                let times = |medians: Option<Medians>| match medians {
                    Some(m) => {
                        format!(
                            "{} ({})",
                            pages::number(Some(m.wall_s)),
                            pages::number(Some(m.cpu_s))
                        )
                    }
                    None => "-".to_owned(),
                };
                let ratio = |figure: fn(&Medians) -> Option<f64>| {
                    let both = cordon.as_ref().zip(plain.as_ref());
                    pages::number(both.and_then(|(a, b)| Some(figure(a)? / figure(b)?)))
                };
                let groups = plain.map_or_else(|| "-".to_owned(), |m| thousands(m.groups));
                let each = cordon.map(|m| m.cpu_s * 1e6 / rows as f64);
                let cells = [
                    thousands(rows),
                    query.to_owned(),
                    groups,
                    times(cordon),
                    times(plain),
                    ratio(|m| Some(m.cpu_s)),
                    ratio(|m| m.peak_rss_mb),
                    pages::number(each),
                ];
                pages::row(&mut text, cells);
            }
        }
        for point in &self.points {
            if let Some(problem) = &point.problem {
                let (rows, engine) = (thousands(point.rows), point.engine.name());
                problems.push(format!("{} of {engine}, {rows} rows: {problem}", point.query));
            }
        }
        text.push_str("\nCPU seconds grow with rows to the power of:\n\n");
        pages::head(&mut text, &["grouped by", "cordon", "datafusion"]);
        for (query, _) in GROUPINGS {
            let [cordon, plain] = ENGINES.map(|engine| pages::number(self.grows(query, engine)));
            pages::row(&mut text, [query.to_owned(), cordon, plain]);
        }
        if !problems.is_empty() {
            text.push_str("\n- ");
            text.push_str(&problems.join("\n- "));
            text.push('\n');
        }
        text
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let json = |point: &Point| {
            json!({
                "suite": "scaling",
                "query": point.query,
                "engine": point.engine.name(),
                "rows": point.rows,
                "wall_s": point.medians.map(|m| m.wall_s),
                "cpu_s": point.medians.map(|m| m.cpu_s),
                "peak_rss_mb": point.medians.and_then(|m| m.peak_rss_mb),
                "groups": point.medians.map(|m| m.groups),
                "power_of_rows": self.grows(point.query, point.engine),
                "problem": point.problem,
            })
        };
        self.points.iter().map(json).collect()
    }

    fn docs(&self) -> [(&'static str, String); 3] {
        let page = format!(
            "# How time grows\n\nWritten by `cordon bench scaling`; [how to measure](README.md).\n\n\
             ![By rows](scaling-rows.svg)\n\n![By groups](scaling-groups.svg)\n\n{}",
            self.markdown()
        );
        let mut by_rows = Vec::new();
        for query in ["nothing", "provider", "area, month"] {
            for engine in ENGINES {
                let point = |(rows, medians): (u64, Medians)| (rows as f64, medians.cpu_s);
                by_rows.push(Series {
                    name: format!("{query}: {}", engine.name()),
                    values: self.of(query, engine).map(point).collect(),
                });
            }
        }
        let by_groups = ENGINES.map(|engine| Series {
            name: engine.name().to_owned(),
            values: self.by_groups(engine),
        });
        let most = self.sizes().last().copied().unwrap_or_default();
        let title = format!("Processor seconds by groups, {} rows", thousands(most));
        [
            ("scaling.md", page),
            ("scaling-rows.svg", lines("Processor seconds by rows", "rows", "s", &by_rows)),
            ("scaling-groups.svg", lines(&title, "groups", "s", &by_groups)),
        ]
    }
}
