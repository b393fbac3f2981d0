//! Questions to several engines, turn by turn, so that whatever else the machine does falls on all of them.

use std::collections::BTreeMap;

use super::crew::Worker;
use super::report::median;
use super::worker::{Asked, Engine};
use crate::console::Bar;

/// A text for each engine.
pub(super) struct Asking {
    pub(super) name: String,
    pub(super) text: fn(&str, Engine) -> String,
    pub(super) sql: String,
}

/// What one engine had to say to one question.
#[derive(Debug, Default)]
pub(super) struct Runs {
    asked: Vec<Asked>,
    /// Peak memory of a process that answers nothing else.
    alone_mb: Option<f64>,
    pub(super) problem: Option<String>,
}

/// Medians of one engine and one question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Medians {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_rss_mb: Option<f64>,
    pub(super) groups: u64,
    pub(super) sum: f64,
}

/// Of one question, by engine.
pub(super) type Compared = BTreeMap<Engine, Runs>;

/// Asks everything `repeat` times; one turn before warms up. In every turn each engine has forgotten what it was
/// asked, and all engines answer a question before the next one comes. At last each question is asked once of a new
/// process: what earlier questions left in memory is none of its own.
pub(super) fn compare(
    what: &str,
    workers: &mut [Worker],
    questions: &[Asking],
    repeat: u32,
    alone: impl Fn(Engine) -> anyhow::Result<Worker>,
) -> anyhow::Result<Vec<Compared>> {
    let mut all: Vec<Compared> = questions.iter().map(|_| Compared::new()).collect();
    let length = u64::from(repeat + 2) * questions.len() as u64;
    let bar = Bar::new(what, length);
    let mut done = 0;
    for turn in 0..=repeat {
        for worker in &mut *workers {
            worker.fresh()?;
        }
        for (question, compared) in questions.iter().zip(&mut all) {
            bar.message(&format!("{what} {}", question.name));
            for worker in &mut *workers {
                let runs = compared.entry(worker.engine).or_default();
                if runs.problem.is_some() {
                    continue;
                }
                match worker.ask(&(question.text)(&question.sql, worker.engine))? {
                    Ok(asked) if turn > 0 => runs.asked.push(asked),
                    Ok(_) => {}
                    Err(problem) => runs.problem = Some(problem),
                }
            }
            done += 1;
            bar.known(done, length);
        }
    }
    for (question, compared) in questions.iter().zip(&mut all) {
        bar.message(&format!("{what} {} alone", question.name));
        for (engine, runs) in compared.iter_mut().filter(|(_, runs)| runs.problem.is_none()) {
            let mut worker = alone(*engine)?;
            match worker.ask(&(question.text)(&question.sql, *engine))? {
                Ok(asked) => runs.alone_mb = asked.cost.peak_rss_mb,
                Err(problem) => runs.problem = Some(problem),
            }
        }
        done += 1;
        bar.known(done, length);
    }
    Ok(all)
}

impl Runs {
    pub(super) fn medians(&self) -> Option<Medians> {
        let last = self.asked.last().filter(|_| self.problem.is_none())?;
        let of =
            |figure: fn(&Asked) -> f64| median(&self.asked.iter().map(figure).collect::<Vec<_>>());
        Some(Medians {
            wall_s: of(|run| run.cost.wall_s)?,
            cpu_s: of(|run| run.cost.cpu_s)?,
            peak_rss_mb: self.alone_mb,
            groups: last.groups,
            sum: last.sum,
        })
    }
}

/// One figure of two engines as a ratio, where both answered.
pub(super) fn ratio(
    compared: &Compared,
    of: Engine,
    to: Engine,
    figure: fn(&Medians) -> Option<f64>,
) -> Option<f64> {
    let figure = |engine| figure(&compared.get(&engine)?.medians()?);
    Some(figure(of)? / figure(to)?).filter(|ratio| ratio.is_finite())
}

/// How two engines disagree, if they do.
pub(super) fn disagreement(compared: &Compared, one: Engine, other: Engine) -> Option<String> {
    let medians = |engine| compared.get(&engine)?.medians();
    let (a, b) = (medians(one)?, medians(other)?);
    // Sums of fractions depend on the order in which they are added.
    let same = (a.sum - b.sum).abs() <= 1e-6 * a.sum.abs().max(b.sum.abs());
    (a.groups != b.groups || !same).then(|| {
        format!(
            "{} has {} rows and the sum {}, {} has {} rows and the sum {}",
            one.name(),
            a.groups,
            a.sum,
            other.name(),
            b.groups,
            b.sum
        )
    })
}

/// The mean for which twice as slow and twice as fast cancel out.
pub(super) fn geometric(values: &[f64]) -> Option<f64> {
    let logs: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (logs / values.len() as f64).exp())
}

/// The power with which `y` grows with `x`: the slope of the line through the logarithms.
pub(super) fn power(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    let count = logs.len() as f64;
    let (x, y) = logs.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let spread: f64 = logs.iter().map(|point| (point.0 - x).powi(2)).sum();
    let both: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    Some(both / spread).filter(|power| power.is_finite())
}

#[cfg(test)]
pub(super) fn runs(asked: Vec<Asked>) -> Runs {
    let alone_mb = asked.last().and_then(|asked| asked.cost.peak_rss_mb);
    Runs { asked, alone_mb, problem: None }
}
