//! Figures that need a released table of their own: distinct codes, medians and quantiles.
//!
//! `COUNT(DISTINCT code)` is the number of rows of a table by code that are shown. A quantile is read off a
//! table of counts by the bins of a public grid, by interpolation. Both tables are cuts like any other, and what
//! is read off them is post-processing.

use arrow_schema::DataType;
use cordon_catalogue::grid;
use cordon_disclosure::{Code, Measure, Refusal};
use datafusion::common::{Column, JoinType, NullEquality, Result as DfResult};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::math::expr_fn::ceil;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Case, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, WindowFrame,
    WindowFunctionDefinition, lit,
};
use datafusion::scalar::ScalarValue;

use super::measures::{Derivation, Request, Requests, as_float, contribution, summable};
use super::relation::Rel;
use super::shapes::{literal_value, uncast};
use super::{Guard, internal, total};
use crate::functions;

/// A table by the groups and one more key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Second {
    /// The further key.
    pub(crate) key: Expr,
    /// What the width of the table is judged by.
    pub(crate) column: Expr,
    /// What is counted in it.
    pub(crate) request: Request,
}

/// Where on which grid.
#[derive(Clone, Debug)]
pub(crate) struct Quantile {
    /// Number of the table by bins.
    pub(crate) table: usize,
    /// Number of the measure that counts the rows, and of the one that counts the persons.
    pub(crate) rows: usize,
    pub(crate) persons: usize,
    /// 0.5 is the median.
    pub(crate) part: f64,
    /// First values of the bins; the last bin is its first value.
    edges: Vec<f64>,
    /// Whole numbers only: a bin holds those from its first value up to the one before the next bin's.
    whole: bool,
}

impl Guard<'_> {
    /// `COUNT(DISTINCT code)`.
    pub(super) fn distinct_codes(
        &mut self,
        code: &Expr,
        mut conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        let facts = self.read(input, |l| l.value(code))?;
        if facts.singles_out {
            return Err(self.not_groupable(code));
        }
        let (key, column) = (code.clone(), code.clone());
        // The group of nothing is no code.
        conditions.push(code.clone().is_not_null());
        let one = contribution(lit(1i64), conditions);
        let contribution = self.totalise(one, input)?;
        let request = Request { measure: Measure::Persons, contribution, bounds: None };
        Ok(Derivation::Distinct(requests.table(Second { key, column, request })))
    }

    /// Medians and quantiles.
    pub(super) fn quantile(
        &mut self,
        f: &AggregateFunction,
        mut conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        let name = f.func.name();
        let not_offered =
            |what: &str| Refusal::new(Code::MeasureNotOffered, format!("`{name}` {what}"));
        let Some(value) = f.params.args.first() else {
            return Err(not_offered("takes a column"));
        };
        if f.params.distinct {
            return Err(not_offered("of DISTINCT values is not offered over patients' rows"));
        }
        let part = if functions::QUANTILE.contains(&name) && name.ends_with("median") {
            0.5
        } else {
            let told = f.params.args.get(1).and_then(literal_value);
            let part = told.filter(|part| *part > 0.0 && *part < 1.0).ok_or_else(|| {
                not_offered(
                    "takes a constant between 0 and 1, both excluded: 0 and 1 are single values",
                )
                .instead("percentile_cont(0.95) WITHIN GROUP (ORDER BY column)")
            })?;
            let falling = f.params.order_by.first().is_some_and(|sort| !sort.asc);
            if falling { 1.0 - part } else { part }
        };
        let facts = self.read(input, |l| l.value(value))?;
        let bounds = summable(name, &facts)?;
        let core = uncast(value).clone();
        let data_type = core.get_type(input.plan.schema()).map_err(internal)?;
        if !data_type.is_numeric() {
            return Err(not_offered("takes a number over patients' rows"));
        }
        let whole = data_type.is_integer();
        let edges = match bounds {
            Some((min, max)) => grid(min, max, whole),
            // A figure about one person, or a number of days.
            None => grid(-DERIVED, DERIVED, true),
        };
        conditions.push(core.clone().is_not_null());
        let rows = self.rows(conditions.clone(), input, requests)?;
        let one = self.totalise(contribution(lit(1i64), conditions), input)?;
        let persons =
            requests.add(Request { measure: Measure::Persons, contribution: one, bounds: None });
        let request = match requests.all.get(rows) {
            Some(request) => request.clone(),
            None => return Err(not_offered("cannot be counted here")),
        };
        let key = binned(&core, &edges);
        let table = requests.table(Second { key, column: core, request });
        Ok(Derivation::Quantile(Quantile { table, rows, persons, part, edges, whole }))
    }
}

/// Bounds of the grid of numbers without declared ones: counts per person, days between two dates.
const DERIVED: f64 = 100_000.0;

/// The first value of the bin that a value lies in; beyond the grid the nearest bin's.
fn binned(value: &Expr, edges: &[f64]) -> Expr {
    let of = total::try_cast(value.clone(), &DataType::Float64);
    let mut when_then_expr: Vec<(Box<Expr>, Box<Expr>)> =
        vec![(Box::new(value.clone().is_null()), Box::new(lit(ScalarValue::Float64(None))))];
    when_then_expr.extend(
        edges
            .windows(2)
            .filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
            .map(|(first, next)| (Box::new(of.clone().lt(lit(*next))), Box::new(lit(*first)))),
    );
    let last = edges.last().copied().unwrap_or_default();
    Expr::Case(Case { expr: None, when_then_expr, else_expr: Some(Box::new(lit(last))) })
}

/// Columns of a released table of a second cut: its name, the further key first, then the groups.
pub(super) struct SecondTable<'a> {
    pub(super) name: &'a str,
    pub(super) scan: LogicalPlan,
    /// How many key columns there are beside the further one, the grouping id among them.
    pub(super) keys: usize,
    /// Where the counts stand.
    pub(super) figure: usize,
}

impl SecondTable<'_> {
    fn column(&self, index: usize) -> Expr {
        let (_, field) = self.scan.schema().qualified_field(index);
        Expr::Column(Column::new(Some(self.name), field.name()))
    }

    fn groups(&self) -> Vec<Expr> {
        (1..=self.keys).map(|index| self.column(index)).collect()
    }

    /// One row for each group: how many codes are shown.
    pub(super) fn distinct(&self, alias: &str) -> DfResult<LogicalPlan> {
        let shown = self.column(0).is_not_null().and(self.column(self.figure).is_not_null());
        LogicalPlanBuilder::from(self.scan.clone())
            .filter(shown)?
            .aggregate(self.groups(), vec![count(lit(1i64)).alias("_codes")])?
            .alias(alias)?
            .build()
    }

    /// One row for each bin of each group: its first value, its count, and all counts up to it.
    pub(super) fn cumulated(&self, alias: &str) -> DfResult<LogicalPlan> {
        let bins = LogicalPlanBuilder::from(self.scan.clone())
            .filter(self.column(0).is_not_null().and(self.column(self.figure).is_not_null()))?;
        let sum = WindowFunctionDefinition::AggregateUDF(sum_udaf());
        let so_far = Expr::from(WindowFunction::new(sum, vec![self.column(self.figure)]))
            .partition_by(self.groups())
            .order_by(vec![self.column(0).sort(true, false)])
            .window_frame(WindowFrame::new(Some(true)))
            .build()?
            .alias("_so_far");
        let mut shown = self.groups();
        shown.push(self.column(0).alias("_first"));
        shown.push(self.column(self.figure).alias("_count"));
        shown.push(Expr::Column(Column::new_unqualified("_so_far")));
        bins.window(vec![so_far])?.project(shown)?.alias(alias)?.build()
    }
}

/// Joins what was read off a second table to the first, by their groups.
pub(super) fn beside(
    first: LogicalPlan,
    groups: &[Column],
    second: LogicalPlan,
    filter: Option<Expr>,
) -> DfResult<LogicalPlan> {
    let own: Vec<Column> = (0..groups.len())
        .map(|index| {
            let (qualifier, field) = second.schema().qualified_field(index);
            Column::new(qualifier.cloned(), field.name())
        })
        .collect();
    if groups.is_empty() && filter.is_none() {
        // Both have one row.
        return LogicalPlanBuilder::from(first).cross_join(second)?.build();
    }
    LogicalPlanBuilder::from(first)
        .join_detailed(
            second,
            JoinType::Left,
            (groups.to_vec(), own),
            filter,
            // A group of null is a group.
            NullEquality::NullEqualsNull,
        )?
        .build()
}

impl Quantile {
    /// How many rows lie at or below it, of so many.
    fn rank(&self, rows: &Expr) -> Expr {
        as_float(rows.clone()) * lit(self.part)
    }

    /// Which bin it lies in: the first with which the counts reach its rank.
    pub(super) fn here(&self, alias: &str, rows: &Expr) -> Expr {
        let column = |name: &str| as_float(Expr::Column(Column::new(Some(alias), name)));
        let reached = column("_so_far").gt_eq(self.rank(rows));
        let not_before = (column("_so_far") - column("_count")).lt(self.rank(rows));
        reached.and(not_before)
    }

    /// Its value within the bin; null where fewer than T persons lie on one of its sides (SDC Handbook:
    /// "at least 10 units on each side").
    pub(super) fn value(&self, alias: &str, rows: &Expr, persons: &Expr, threshold: u64) -> Expr {
        let column = |name: &str| as_float(Expr::Column(Column::new(Some(alias), name)));
        let below = column("_so_far") - column("_count");
        let within = (self.rank(rows) - below) / column("_count");
        let widths = self.edges.windows(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
        let when_then_expr = widths
            .map(|(first, next)| (Box::new(lit(*first)), Box::new(lit(next - first))))
            .collect();
        let width = Expr::Case(Case {
            expr: Some(Box::new(column("_first"))),
            when_then_expr,
            else_expr: Some(Box::new(lit(if self.whole { 1.0 } else { 0.0 }))),
        });
        let value = column("_first") + within * width;
        // The whole number n stands for what lies from n up to n + 1.
        let value = if self.whole { ceil(value) - lit(1.0) } else { value };
        let side = lit(self.part.min(1.0 - self.part))
            * as_float(coalesce(vec![persons.clone(), lit(0i64)]));
        #[expect(clippy::cast_precision_loss, reason = "a threshold is a small number")]
        let least = lit(threshold as f64);
        Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(side.gt_eq(least)), Box::new(value))],
            else_expr: None,
        })
    }
}
