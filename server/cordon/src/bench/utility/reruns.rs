//! Ordinary re-runs: the same table of nearly the same people, asked again by an analyst who means no harm.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use cordon_catalogue::Catalogue;
use serde_json::{Value, json};

use super::super::questions::{Question, with_people};
use super::super::report::median;
use super::super::sides::{House, Protected};
use super::tables::percent;
use super::{Cell, cells};

/// Two tables of an analyst, one after the other, and their figures beside each other.
pub(super) struct Rerun {
    name: &'static str,
    pairs: Vec<Pair>,
}

/// One figure before and after.
struct Pair {
    before: Cell,
    after: Cell,
}

const BY_PROVIDER: &str = "count(DISTINCT pseudo_hesid) AS persons, count(*) AS episodes /* behind pseudo_hesid */ FROM hes.apc WHERE fyear = '2122'";

/// Week by week of one year, asked one at a time.
const WEEKS: u32 = 26;

pub(super) async fn all(house: &House, catalogue: &Arc<Catalogue>) -> anyhow::Result<Vec<Rerun>> {
    let by = |more: &str| format!("SELECT procode3, {BY_PROVIDER} {more} GROUP BY 1 ORDER BY 1");
    let banded = |at: u32| {
        format!(
            "SELECT procode3, CASE WHEN startage > 7000 OR startage < {at} THEN 'younger' ELSE 'older' END AS band, {BY_PROVIDER} GROUP BY 1, 2 ORDER BY 1, 2"
        )
    };
    let sexes = format!(
        "SELECT procode3, sex, {BY_PROVIDER} AND sex IN ('1', '2') GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let plans: [(&'static str, String, String); 5] = [
        ("cohort without 2 %", by(""), by("AND startage NOT BETWEEN 40 AND 41")),
        ("cohort without 5 %", by(""), by("AND startage NOT BETWEEN 40 AND 44")),
        ("one more covariate", by(""), sexes),
        ("age band at 70, not 65", banded(65), banded(70)),
        ("age band at 66, not 65", banded(65), banded(66)),
    ];
    let mut reruns = Vec::new();
    for (name, before, after) in plans {
        // A memory of its own for each: what one analyst does in a morning.
        let protected = house.protected(catalogue)?;
        let before = asked(house, &protected, &before).await?;
        let after = asked(house, &protected, &after).await?;
        reruns.push(Rerun { name, pairs: paired(before, after) });
    }
    reruns.push(weeks(house, catalogue, "cumulative weeks, all England", "").await?);
    reruns.push(
        weeks(house, catalogue, "cumulative weeks, one diagnosis", "AND diag_3_01 = 'J44'").await?,
    );
    Ok(reruns)
}

/// Each week's running count beside that of the week before.
async fn weeks(
    house: &House,
    catalogue: &Arc<Catalogue>,
    name: &'static str,
    of: &str,
) -> anyhow::Result<Rerun> {
    let protected = house.protected(catalogue)?;
    let mut pairs = Vec::new();
    let mut before: Option<Vec<Cell>> = None;
    for week in 1..=WEEKS {
        let sql = format!(
            "SELECT 'all' AS label, {BY_PROVIDER} {of} AND epistart < DATE '2021-04-01' + INTERVAL '{}' DAY",
            7 * week
        );
        let after = asked(house, &protected, &sql).await?;
        if let Some(before) = before.replace(after.clone()) {
            pairs.extend(paired(before, after));
        }
    }
    Ok(Rerun { name, pairs })
}

async fn asked(house: &House, protected: &Protected, sql: &str) -> anyhow::Result<Vec<Cell>> {
    let question =
        Question { name: "rerun", sql: "", smoke: false, weighs: false, sums: &[], needs: &[] };
    let told = protected.answer(sql).await.map_err(anyhow::Error::msg)?;
    let truth = house.plain.rows(&with_people(sql)).await.map_err(anyhow::Error::msg)?;
    cells(&question, &told, &truth)
}

/// Figures of the same column of the same group; of the first label alone where the second table has more.
fn paired(before: Vec<Cell>, after: Vec<Cell>) -> Vec<Pair> {
    let exact: HashMap<(String, String), Cell> =
        before.into_iter().map(|c| ((c.column.clone(), c.key.clone()), c)).collect();
    after
        .into_iter()
        .filter_map(|after| {
            let first = after.key.split('\u{1f}').next().unwrap_or_default().to_owned();
            let before = exact
                .get(&(after.column.clone(), after.key.clone()))
                .or_else(|| exact.get(&(after.column.clone(), first)))?;
            Some(Pair { before: before.clone(), after })
        })
        .collect()
}

impl Pair {
    /// Truth and shown change, where both are shown.
    fn changes(&self) -> Option<(f64, f64)> {
        let shown = self.after.shown? - self.before.shown?;
        Some((self.after.truth - self.before.truth, shown))
    }

    /// It moved in truth and not in what is shown.
    fn stuck(&self) -> bool {
        self.changes().is_some_and(|(truth, shown)| truth != 0.0 && shown == 0.0)
    }

    /// The shown change is farther from the true one than two of its own errors.
    fn misleads(&self) -> bool {
        let errors = self.before.error.zip(self.after.error);
        let both = self.changes().zip(errors);
        both.is_some_and(|((truth, shown), (a, b))| (shown - truth).abs() > 2.0 * a.hypot(b))
    }
}

impl Rerun {
    pub(super) fn json(&self) -> Value {
        let pair = |p: &Pair| {
            json!([p.before.behind, p.before.truth, p.before.shown, p.after.truth, p.after.shown])
        };
        json!({ "name": self.name, "pairs": self.pairs.iter().map(pair).collect::<Vec<_>>() })
    }
}

pub(super) fn table(reruns: &[Rerun]) -> String {
    let mut text = "| re-run | figures after | withheld | median error after | both shown | unmoved though the truth moved | change off by more than 2 SE |\n|---|---:|---:|---:|---:|---:|---:|\n".to_owned();
    for Rerun { name, pairs } in reruns {
        let publishable: Vec<&Pair> = pairs.iter().filter(|p| p.after.publishable).collect();
        let withheld = publishable.iter().filter(|p| p.after.shown.is_none()).count();
        let off: Vec<f64> = pairs.iter().filter_map(|p| p.after.relative()).collect();
        let both = pairs.iter().filter(|p| p.changes().is_some()).count();
        let part =
            |number: usize, of: usize| percent((of > 0).then(|| number as f64 / of as f64), 1);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {both} | {} | {} |",
            publishable.len(),
            part(withheld, publishable.len()),
            percent(median(&off), 2),
            part(pairs.iter().filter(|p| p.stuck()).count(), both),
            part(pairs.iter().filter(|p| p.misleads()).count(), both),
        );
    }
    text
}
