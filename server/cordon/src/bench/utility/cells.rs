//! Figures beside the truth.

use std::collections::HashMap;

use anyhow::Context as _;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use serde_json::{Value, json};

use super::super::questions::{BEHIND, Need, Question};

/// What kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    /// Of people or of rows.
    Count,
    /// Of values.
    Sum,
    /// Means, shares, quantiles.
    Ratio,
}

/// One figure of one group.
#[derive(Clone, Debug)]
pub(in super::super) struct Cell {
    pub(in super::super) question: &'static str,
    pub(in super::super) column: String,
    pub(in super::super) kind: Kind,
    /// Group labels, in the order of the answer's columns.
    pub(in super::super) key: String,
    /// People in the group.
    pub(in super::super) behind: f64,
    pub(in super::super) truth: f64,
    /// None: withheld.
    pub(in super::super) shown: Option<f64>,
    /// The standard error that was told.
    pub(in super::super) error: Option<f64>,
    /// Whether it could have been shown: it is about ten people or more.
    pub(in super::super) publishable: bool,
}

/// A figure and its error as they were told.
type Shown = (Option<f64>, Option<f64>);

/// T of the profile: a figure about fewer people is withheld rightly.
const THRESHOLD: f64 = 10.0;

impl Cell {
    /// |shown - truth| / |truth|; none where withheld, or where the truth is 0.
    pub(in super::super) fn relative(&self) -> Option<f64> {
        let shown = self.shown?;
        (self.truth != 0.0).then(|| ((shown - self.truth) / self.truth).abs())
    }

    /// How many told errors it is from the truth.
    pub(in super::super) fn errors(&self) -> Option<f64> {
        let (shown, error) = (self.shown?, self.error.filter(|e| *e > 0.0)?);
        Some((shown - self.truth).abs() / error)
    }

    pub(in super::super) fn json(&self) -> Value {
        let kind = match self.kind {
            Kind::Count => "count",
            Kind::Sum => "sum",
            Kind::Ratio => "ratio",
        };
        json!([self.question, self.column, kind, self.behind, self.truth, self.shown, self.error])
    }
}

/// Every figure of every group that is there in truth.
pub(in super::super) fn cells(
    question: &Question,
    told: &[RecordBatch],
    truth: &[RecordBatch],
) -> anyhow::Result<Vec<Cell>> {
    let mut figures: Vec<String> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    if let Some(batch) = told.first() {
        for field in batch.schema().fields() {
            if field.metadata().contains_key("cordon.treatment") {
                figures.push(field.name().clone());
            } else if !field.name().ends_with("_se") {
                keys.push(field.name().clone());
            }
        }
    }
    let mut shown: HashMap<String, Vec<Shown>> = HashMap::new();
    for batch in told {
        let labels = labels(batch, &keys)?;
        let columns = figures
            .iter()
            .map(|name| Ok((numbers(batch, name)?, numbers(batch, &format!("{name}_se"))?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for (row, label) in labels.into_iter().enumerate() {
            let values = columns.iter().map(|(v, e)| (v[row], e[row])).collect();
            shown.insert(label, values);
        }
    }
    let mut cells = Vec::new();
    for batch in truth {
        let labels = labels(batch, &keys)?;
        let behind = numbers(batch, BEHIND)?;
        for (at, name) in figures.iter().enumerate() {
            let whole =
                batch.column_by_name(name).is_some_and(|column| column.data_type().is_integer());
            let kind = match (question.sums.contains(&name.as_str()), whole) {
                (true, _) => Kind::Sum,
                (false, true) if !name.ends_with("_los") && name != "diagnoses" => Kind::Count,
                _ => Kind::Ratio,
            };
            for (row, truth) in numbers(batch, name)?.into_iter().enumerate() {
                let Some(truth) = truth else { continue };
                let behind = behind[row].unwrap_or_default();
                let need = question.needs.iter().find(|(column, _)| column == name);
                let enough = match need {
                    Some((_, Need::People(least))) => behind >= *least,
                    Some((_, Need::Numerator)) => behind * truth >= THRESHOLD,
                    None => kind != Kind::Count || truth >= THRESHOLD,
                };
                let (shown, error) = shown
                    .get(&labels[row])
                    .and_then(|values| values.get(at).copied())
                    .unwrap_or_default();
                cells.push(Cell {
                    question: question.name,
                    column: name.clone(),
                    kind,
                    key: labels[row].clone(),
                    behind,
                    truth,
                    shown,
                    error,
                    publishable: behind >= THRESHOLD && enough,
                });
            }
        }
    }
    Ok(cells)
}

fn labels(batch: &RecordBatch, keys: &[String]) -> anyhow::Result<Vec<String>> {
    let options = FormatOptions::default().with_null("(null)");
    let columns = keys
        .iter()
        .map(|name| batch.column_by_name(name).with_context(|| format!("no column `{name}`")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let written = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((0..batch.num_rows())
        .map(|row| {
            written.iter().map(|w| w.value(row).to_string()).collect::<Vec<_>>().join("\u{1f}")
        })
        .collect())
}

fn numbers(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<Option<f64>>> {
    let column = batch.column_by_name(name).with_context(|| format!("no column `{name}`"))?;
    let column = cast(column, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    Ok((0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row))).collect())
}
