//! What an analyst's aggregate is made of: canonical measures, and how the figure derives from them.
//!
//! One measure, one figure: fifty spellings of the same count become the same request.

use arrow_schema::DataType;
use cordon_disclosure::{Code, Measure, Protection, Refusal, RowsOf};
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::scalar::ScalarValue;

use super::relation::{ColumnClass, Facts, Number, Personal, Rel};
use super::second::{Quantile, Second};
use super::shapes::{literal_is, literal_value, unaliased, uncast};
use super::{Guard, internal, total};
use crate::functions;

/// Digits behind the point of figures of fractional columns.
const FLOAT_DECIMALS: u8 = 6;

/// One canonical measure of one set of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) measure: Measure,
    /// What a row contributes, Int64 or Decimal128 in fixed point; null: nothing. Total already.
    pub(crate) contribution: Expr,
    /// Declared public bounds of one contribution, in its fixed point.
    pub(crate) bounds: Option<(i128, i128)>,
}

/// How a figure derives from released measures, by number of the request.
#[derive(Clone, Debug)]
pub(crate) enum Derivation {
    /// The measure itself.
    Plain(usize),
    /// A mean: total / rows.
    Mean { total: usize, rows: usize },
    /// A figure of spread or relation, from sums of values, squares and products.
    Moments(Moments),
    /// How many rows of a further table are shown, by its number.
    Distinct(usize),
    /// A value read off a further table of counts.
    Quantile(Quantile),
}

/// What spreads and relations derive from: the numbers of released rows, sums and sums of products.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) figure: String,
    pub(crate) rows: usize,
    /// Σx and Σx².
    pub(crate) x: (usize, usize),
    /// Σy, Σy² and Σxy, where there are two columns.
    pub(crate) y: Option<(usize, usize, usize)>,
}

/// The measures of one cut, each once, and the further tables that some need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) all: Vec<Request>,
    pub(crate) tables: Vec<Second>,
}

impl Requests {
    pub(super) fn table(&mut self, table: Second) -> usize {
        match self.tables.iter().position(|t| *t == table) {
            Some(n) => n,
            None => {
                self.tables.push(table);
                self.tables.len() - 1
            }
        }
    }

    pub(super) fn add(&mut self, request: Request) -> usize {
        match self.all.iter().position(|r| *r == request) {
            Some(n) => n,
            None => {
                self.all.push(request);
                self.all.len() - 1
            }
        }
    }
}

/// Rows that satisfy every part; `None`: all rows.
pub(super) fn contribution(value: Expr, conditions: Vec<Expr>) -> Expr {
    match conditions.into_iter().reduce(Expr::and) {
        None => value,
        Some(condition) => Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(condition), Box::new(value))],
            else_expr: None,
        }),
    }
}

impl Guard<'_> {
    /// Reads one aggregate over patients' rows.
    pub(super) fn measure(
        &mut self,
        expr: &Expr,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        let Expr::AggregateFunction(f) = unaliased(expr) else {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                "an aggregate of this kind is not offered",
            ));
        };
        let name = f.func.name().to_owned();
        let place = self.spots.first(&name);
        let known = [functions::CUT_AGGREGATE, functions::MOMENTS, functions::QUANTILE];
        if !known.iter().any(|list| list.contains(&name.as_str())) {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                format!("`{name}` over patients' rows is not offered"),
            )
            .at(place));
        }
        let mut conditions = Vec::new();
        if let Some(filter) = &f.params.filter {
            self.read(input, |l| l.value(filter))?;
            conditions.push(filter.as_ref().clone());
        }
        let Some(arg) = f.params.args.first() else {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                format!("`{name}` takes an argument"),
            )
            .at(place));
        };
        if functions::MOMENTS.contains(&name.as_str()) {
            return self.moments(&name, f, conditions, input, requests).map_err(|r| r.at(place));
        }
        if functions::QUANTILE.contains(&name.as_str()) {
            return self.quantile(f, conditions, input, requests).map_err(|r| r.at(place));
        }
        if f.params.args.len() > 1 {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                format!("`{name}` of several columns is not offered"),
            )
            .at(place));
        }
        match name.as_str() {
            "count" => self.count(f, arg, conditions, input, requests).map_err(|r| r.at(place)),
            _ if f.params.distinct => Err(Refusal::new(
                Code::MeasureNotOffered,
                format!("`{name}(DISTINCT …)` is not offered"),
            )
            .at(place)),
            _ => self.sum(&name, arg, conditions, input, requests).map_err(|r| r.at(place)),
        }
    }

    fn count(
        &mut self,
        f: &AggregateFunction,
        arg: &Expr,
        mut conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        let facts = self.read(input, |l| l.facts(arg))?;
        let constant = matches!(unaliased(arg), Expr::Literal(v, _) if !v.is_null());
        if !constant {
            conditions.push(arg.clone().is_not_null());
        }
        if !f.params.distinct {
            return self.rows(conditions, input, requests).map(Derivation::Plain);
        }
        match &facts.class {
            ColumnClass::Pseudonym => {
                let contribution = self.totalise(contribution(lit(1i64), conditions), input)?;
                Ok(Derivation::Plain(requests.add(Request {
                    measure: Measure::Persons,
                    contribution,
                    bounds: None,
                })))
            }
            ColumnClass::RecordKey(table)
                if table.is_some() && input.personal().is_some_and(|p| p.base == *table) =>
            {
                self.rows(conditions, input, requests).map(Derivation::Plain)
            }
            ColumnClass::RecordKey(_) => Err(Refusal::new(
                Code::MeasureNotOffered,
                "distinct records are counted only where no join repeats them",
            )
            .instead("use count(*) in an aggregate by pseudo_hesid first, then sum it")),
            ColumnClass::Plain => {
                conditions.pop();
                self.distinct_codes(arg, conditions, input, requests)
            }
        }
    }

    /// A count of rows: of base rows where no row repeats, else a magnitude whose uncertainty scales (I8).
    pub(super) fn rows(
        &mut self,
        conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<usize, Refusal> {
        let measure = match input.personal().map_or(RowsOf::Joined, Personal::rows_of) {
            RowsOf::Base => Measure::Rows,
            RowsOf::Joined => Measure::Total { decimals: 0 },
        };
        let contribution = self.totalise(contribution(lit(1i64), conditions), input)?;
        let bounds = matches!(measure, Measure::Total { .. }).then_some((0, 1));
        Ok(requests.add(Request { measure, contribution, bounds }))
    }

    fn sum(
        &mut self,
        name: &str,
        arg: &Expr,
        mut conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        let mean = matches!(name, "avg" | "mean");
        let facts = self.read(input, |l| l.value(arg))?;
        let core = uncast(arg).clone();
        // SUM of 0/1 is a count of rows; its mean is a share of the rows where it is not null.
        if facts.number == Number::Flag && !facts.constant {
            let all = if mean {
                let mut known = conditions.clone();
                known.push(core.clone().is_not_null());
                Some(self.rows(known, input, requests)?)
            } else {
                None
            };
            let is_boolean = matches!(core.get_type(input.plan.schema()), Ok(DataType::Boolean));
            conditions.push(if is_boolean { core } else { core.eq(lit(1i64)) });
            let ones = self.rows(conditions, input, requests)?;
            return Ok(match all {
                Some(rows) => Derivation::Mean { total: ones, rows },
                None => Derivation::Plain(ones),
            });
        }
        if mean && facts.constant {
            return Err(Refusal::new(Code::NotAPlainSum, "a mean of a constant is that constant"));
        }
        // SUM(CASE WHEN … THEN column END) is the column over the smaller set.
        let (value, value_facts) =
            self.case_of_a_column(core, facts, mean, &mut conditions, input)?;
        if !mean && literal_is(&value, |v| v == 1.0) {
            return self.rows(conditions, input, requests).map(Derivation::Plain);
        }
        let bounds = match self.chosen_bounds(&value, input)? {
            Some(chosen) => Some(chosen),
            None => summable(name, &value_facts)?,
        };
        let count = if mean {
            let mut known = conditions.clone();
            known.push(value.clone().is_not_null());
            Some(self.rows(known, input, requests)?)
        } else {
            None
        };
        let sum = self.total_of(name, value, bounds, conditions, input, requests)?;
        Ok(match count {
            Some(rows) => Derivation::Mean { total: sum, rows },
            None => Derivation::Plain(sum),
        })
    }

    /// The total of a number within its bounds, in fixed point.
    fn total_of(
        &self,
        name: &str,
        value: Expr,
        bounds: Option<(f64, f64)>,
        conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<usize, Refusal> {
        let data_type = value.get_type(input.plan.schema()).map_err(internal)?;
        let (decimals, fixed) = match &data_type {
            t if t.is_integer() => (0, total::try_cast(value, &DataType::Int64)),
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
                let scale = FLOAT_DECIMALS;
                let fixed = DataType::Decimal128(38, scale.cast_signed());
                (scale, total::try_cast(value, &fixed))
            }
            _ => {
                return Err(Refusal::new(
                    Code::NotAPlainSum,
                    format!("`{name}` takes a number over patients' rows"),
                ));
            }
        };
        let unit = 10f64.powi(i32::from(decimals));
        let bounds = bounds.map(|(min, max)| (fixed_point(min * unit), fixed_point(max * unit)));
        let contribution = self.totalise(contribution(fixed, conditions), input)?;
        let measure = Measure::Total { decimals };
        Ok(requests.add(Request { measure, contribution, bounds }))
    }

    /// Spread of a column, or relation of two: sums of values, squares and products over the rows where
    /// neither is null.
    fn moments(
        &mut self,
        name: &str,
        f: &AggregateFunction,
        mut conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<Derivation, Refusal> {
        if f.params.distinct {
            return Err(Refusal::new(
                Code::MeasureNotOffered,
                format!("`{name}(DISTINCT …)` is not offered"),
            ));
        }
        let mut values = Vec::new();
        for arg in &f.params.args {
            let facts = self.read(input, |l| l.value(arg))?;
            let value = uncast(arg).clone();
            conditions.push(value.clone().is_not_null());
            values.push((value, summable(name, &facts)?));
        }
        // REGR_*(y, x): the second is what the first is explained by.
        values.reverse();
        let rows = self.rows(conditions.clone(), input, requests)?;
        let schema = input.plan.schema();
        let mut sum = |guard: &Self, factors: &[&(Expr, Option<(f64, f64)>)]| {
            let whole =
                factors.iter().all(|(v, _)| v.get_type(schema).is_ok_and(|t| t.is_integer()));
            let wide = if whole { DataType::Int64 } else { DataType::Float64 };
            let parts = factors.iter().map(|(v, _)| total::try_cast(v.clone(), &wide));
            let Some(value) = parts.reduce(|a, b| a * b) else {
                return Err(Refusal::new(Code::MeasureNotOffered, format!("`{name}` of nothing")));
            };
            let bounds = factors.iter().map(|(_, b)| *b).reduce(product).flatten();
            guard.total_of(name, value, bounds, conditions.clone(), input, requests)
        };
        let (x, y) = match values.as_slice() {
            [x] => ((sum(self, &[x])?, sum(self, &[x, x])?), None),
            [x, y] => (
                (sum(self, &[x])?, sum(self, &[x, x])?),
                Some((sum(self, &[y])?, sum(self, &[y, y])?, sum(self, &[x, y])?)),
            ),
            _ => {
                return Err(Refusal::new(
                    Code::MeasureNotOffered,
                    format!("`{name}` takes one column or two"),
                ));
            }
        };
        Ok(Derivation::Moments(Moments { figure: name.to_owned(), rows, x, y }))
    }

    /// `CASE WHEN c THEN x [ELSE 0 | NULL] END` as x under the condition c.
    fn case_of_a_column(
        &mut self,
        value: Expr,
        facts: Facts,
        mean: bool,
        conditions: &mut Vec<Expr>,
        input: &Rel,
    ) -> Result<(Expr, Facts), Refusal> {
        let Expr::Case(c) = &value else { return Ok((value, facts)) };
        let (None, [(when, then)]) = (&c.expr, c.when_then_expr.as_slice()) else {
            return Ok((value, facts));
        };
        let zero_else = match c.else_expr.as_deref().map(uncast) {
            None => true,
            Some(Expr::Literal(v, _)) if v.is_null() => true,
            // Under AVG a zero counts as a row, so it is no smaller set.
            Some(e) => !mean && literal_is(e, |v| v == 0.0),
        };
        if !zero_else {
            return Ok((value, facts));
        }
        let inner = self.read(input, |l| l.value(then))?;
        conditions.push(when.as_ref().clone());
        Ok((uncast(then).clone(), inner))
    }

    /// Bounds that the analyst sets with LEAST and GREATEST, under differential privacy: noise is made for them. Under
    /// other profiles each of them would be another draw about the same people.
    fn chosen_bounds(&mut self, value: &Expr, input: &Rel) -> Result<Option<(f64, f64)>, Refusal> {
        let Protection::Privacy(_) = self.permit.profile().protection() else { return Ok(None) };
        let Expr::ScalarFunction(f) = uncast(value) else { return Ok(None) };
        if !matches!(f.func.name(), "least" | "greatest") {
            return Ok(None);
        }
        let bounds = self.within(value, input)?;
        Ok(bounds.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high))
    }

    /// Between which numbers a value lies: of a column as declared, narrowed by constants.
    fn within(&mut self, value: &Expr, input: &Rel) -> Result<Option<(f64, f64)>, Refusal> {
        let core = uncast(value);
        if let Expr::ScalarFunction(f) = core
            && let name @ ("least" | "greatest") = f.func.name()
            && let [one, other] = f.args.as_slice()
        {
            let (limit, inner) = match (literal_value(one), literal_value(other)) {
                (None, Some(limit)) => (limit, one),
                (Some(limit), None) => (limit, other),
                _ => return Ok(None),
            };
            let inner = self.within(inner, input)?;
            return Ok(inner.map(|(low, high)| match name {
                "least" => (low.min(limit), high.min(limit)),
                _ => (low.max(limit), high.max(limit)),
            }));
        }
        Ok(match self.read(input, |l| l.value(core))?.number {
            Number::Column(Some(bounds)) => Some(bounds),
            Number::Column(None) | Number::Derived => Some((f64::NEG_INFINITY, f64::INFINITY)),
            Number::Flag | Number::Other => None,
        })
    }

    pub(super) fn totalise(&self, expr: Expr, input: &Rel) -> Result<Expr, Refusal> {
        total::total(expr, input.plan.schema()).map_err(internal)
    }
}

/// The bounds of a number that may be summed.
pub(super) fn summable(name: &str, facts: &Facts) -> Result<Option<(f64, f64)>, Refusal> {
    match &facts.number {
        Number::Column(Some(bounds)) => Ok(Some(*bounds)),
        Number::Derived => Ok(None),
        Number::Flag => Ok(None),
        Number::Column(None) => Err(Refusal::new(
            Code::NotAPlainSum,
            "this column has no declared bounds to sum within",
        )
        .instead(
            "startage and apptage hold codes for ages under one: use startage_calc and apptage_calc, or group by bands",
        )),
        Number::Other => Err(Refusal::new(
            Code::NotAPlainSum,
            format!("`{name}` takes a plain column over patients' rows"),
        )),
    }
}

/// The bounds of a product.
fn product(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let ((a, b), (c, d)) = (a?, b?);
    let corners = [a * c, a * d, b * c, b * d];
    Some(corners.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v))))
}

impl Moments {
    /// The figure over released sums; null where fewer than ten degrees of freedom are left (SDC Handbook),
    /// and where noise made a spread negative.
    pub(super) fn value(&self, column: &dyn Fn(usize) -> Expr) -> Expr {
        let sum = |n: usize| as_float(column(n));
        let n = sum(self.rows);
        let centred =
            |product: usize, a: usize, b: usize| sum(product) - sum(a) * sum(b) / n.clone();
        let sxx = centred(self.x.1, self.x.0, self.x.0);
        let one = lit(1.0f64);
        let Some((y, yy, xy)) = self.y else {
            let population = self.figure.ends_with("_pop");
            let divisor = if population { n.clone() } else { n.clone() - one };
            let variance = positive(&sxx) / divisor;
            let value = if self.figure.starts_with("stddev") { sqrt(variance) } else { variance };
            return enough(&n, 11.0, value);
        };
        let (syy, sxy) = (centred(yy, y, y), centred(xy, self.x.0, y));
        let slope = || sxy.clone() / positive(&sxx);
        let r = || sxy.clone() / sqrt(positive(&sxx) * positive(&syy));
        let value = match self.figure.as_str() {
            "covar_pop" => sxy / n.clone(),
            "covar_samp" => sxy / (n.clone() - one),
            "corr" => within_one(r()),
            "regr_r2" => within_one(r() * r()),
            "regr_slope" => slope(),
            "regr_intercept" => sum(y) / n.clone() - slope() * sum(self.x.0) / n.clone(),
            "regr_avgx" => sum(self.x.0) / n.clone(),
            "regr_avgy" => sum(y) / n.clone(),
            "regr_sxx" => positive(&sxx),
            "regr_syy" => positive(&syy),
            "regr_sxy" => sxy,
            _ => n.clone(),
        };
        enough(&n, 12.0, value)
    }
}

fn when(condition: Expr, value: Expr) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(condition), Box::new(value))],
        else_expr: None,
    })
}

fn enough(n: &Expr, least: f64, value: Expr) -> Expr {
    when(n.clone().gt_eq(lit(least)), value)
}

fn positive(value: &Expr) -> Expr {
    when(value.clone().gt(lit(0.0f64)), value.clone())
}

fn within_one(value: Expr) -> Expr {
    let low = when(value.clone().lt(lit(-1.0f64)), lit(-1.0f64));
    let high = when(value.clone().gt(lit(1.0f64)), lit(1.0f64));
    datafusion::functions::core::expr_fn::coalesce(vec![low, high, value])
}

fn sqrt(value: Expr) -> Expr {
    datafusion::functions::math::expr_fn::sqrt(value)
}

/// The nearest fixed-point number; bounds come from the catalogue and are far below 2^100.
#[expect(clippy::cast_possible_truncation, reason = "saturating by definition; bounds are small")]
fn fixed_point(value: f64) -> i128 {
    value.round() as i128
}

/// The value of a released measure as a number that SQL computes with.
pub(super) fn as_float(column: Expr) -> Expr {
    total::try_cast(column, &DataType::Float64)
}

/// Null where nothing was counted.
pub(super) fn ratio(total: Expr, rows: Expr) -> Expr {
    let rows = as_float(rows);
    let positive = rows.clone().gt(Expr::Literal(ScalarValue::Float64(Some(0.0)), None));
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(positive), Box::new(as_float(total) / rows))],
        else_expr: None,
    })
}
