//! The figures of a run, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// How long one question took, and how many rows came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) took: Duration,
    pub(super) rows: usize,
}

/// One query on both sides.
#[derive(Debug)]
pub(super) struct Measured {
    name: &'static str,
    protected: Vec<f64>,
    plain: Vec<f64>,
    /// Of the same question once more, where that was measured.
    again: Vec<f64>,
    rows: (usize, usize),
    pub(super) problem: Option<String>,
}

/// A whole run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) people: u64,
    pub(super) repeat: u32,
    pub(super) threads: usize,
    pub(super) measured: Vec<Measured>,
}

impl Measured {
    pub(super) fn new(name: &'static str) -> Self {
        let (protected, plain, again) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, protected, plain, again, rows: (0, 0), problem: None }
    }

    pub(super) fn again(&mut self, asked: Asked) {
        self.again.push(asked.took.as_secs_f64() * 1000.0);
    }

    pub(super) fn add(&mut self, protected: Asked, plain: Asked) {
        self.protected.push(protected.took.as_secs_f64() * 1000.0);
        self.plain.push(plain.took.as_secs_f64() * 1000.0);
        self.rows = (protected.rows, plain.rows);
    }

    /// Medians of both sides in milliseconds, and their ratio.
    fn medians(&self) -> Option<(f64, f64, f64)> {
        let (protected, plain) = (median(&self.protected)?, median(&self.plain)?);
        Some((protected, plain, protected / plain))
    }
}

impl Report {
    pub(super) fn is_whole(&self) -> bool {
        self.measured.iter().all(|query| query.problem.is_none())
    }

    /// The geometric mean of the ratios: the mean for which twice as slow and twice as fast cancel out.
    fn overall(&self) -> Option<f64> {
        let ratios: Vec<f64> =
            self.measured.iter().filter_map(|q| Some(q.medians()?.2.ln())).collect();
        (!ratios.is_empty()).then(|| (ratios.iter().sum::<f64>() / ratios.len() as f64).exp())
    }

    pub(super) fn markdown(&self) -> String {
        let Self { people, repeat, threads, .. } = self;
        let mut text = format!(
            "{people} people, {threads} threads, median of {repeat}\n\n\
             | query | protected ms | again ms | plain ms | protected/plain | rows shown | rows plain |\n\
             |---|---:|---:|---:|---:|---:|---:|\n"
        );
        for query in &self.measured {
            let Measured { name, rows: (shown, plain_rows), problem, .. } = query;
            let again =
                median(&query.again).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
            let line = match (problem, query.medians()) {
                (None, Some((protected, plain, ratio))) => {
                    format!(
                        "| {name} | {protected:.1} | {again} | {plain:.1} | {ratio:.2} | {shown} | {plain_rows} |"
                    )
                }
                (problem, _) => {
                    let problem = problem.as_deref().unwrap_or("not asked").replace('|', "\\|");
                    format!("| {name} | {problem} | | | | | |")
                }
            };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{line}");
        }
        match self.overall() {
            Some(overall) => text + &format!("\ngeometric mean of protected/plain: {overall:.2}"),
            None => text,
        }
    }

    pub(super) fn json(&self) -> Value {
        let query = |query: &Measured| {
            let medians = query.medians();
            json!({
                "query": query.name,
                "protected_ms": medians.map(|m| m.0),
                "again_ms": median(&query.again),
                "plain_ms": medians.map(|m| m.1),
                "ratio": medians.map(|m| m.2),
                "protected_runs_ms": query.protected,
                "plain_runs_ms": query.plain,
                "rows_shown": query.rows.0,
                "rows_plain": query.rows.1,
                "problem": query.problem,
            })
        };
        json!({
            "people": self.people,
            "repeat": self.repeat,
            "threads": self.threads,
            "ratio": self.overall(),
            "queries": self.measured.iter().map(query).collect::<Vec<_>>(),
        })
    }
}

/// The middle one; of an even number the mean of the middle two.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { high } else { (sorted[middle - 1] + high) / 2.0 })
}
