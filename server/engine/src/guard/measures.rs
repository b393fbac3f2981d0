//! What an analyst's aggregate is made of: canonical measures, and how the figure derives from them.
//!
//! One measure, one figure: fifty spellings of the same count become the same request.

use arrow_schema::DataType;
use cordon_disclosure::{Code, Measure, Refusal};
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::scalar::ScalarValue;

use super::language::{literal_is, unaliased, uncast};
use super::relation::{ColumnClass, Facts, Number, Personal, Rel};
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
}

/// The measures of one cut, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) all: Vec<Request>,
}

impl Requests {
    fn add(&mut self, request: Request) -> usize {
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
fn contribution(value: Expr, conditions: Vec<Expr>) -> Expr {
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
        if !functions::CUT_AGGREGATE.contains(&name.as_str()) {
            let code = if matches!(
                name.as_str(),
                "median"
                    | "stddev"
                    | "stddev_pop"
                    | "var"
                    | "var_pop"
                    | "corr"
                    | "covar_samp"
                    | "covar_pop"
            ) || name.starts_with("approx_percentile")
                || name.starts_with("regr_")
            {
                Code::MeasureNotOffered
            } else {
                Code::AggregateNotOffered
            };
            return Err(Refusal::new(code, format!("`{name}` over patients' rows is not offered"))
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
                Ok(Derivation::Plain(requests.add(Request { measure: Measure::Persons, contribution, bounds: None })))
            }
            ColumnClass::RecordKey(table) if table.is_some() && input.personal().is_some_and(|p| p.base == *table) => {
                self.rows(conditions, input, requests).map(Derivation::Plain)
            }
            ColumnClass::RecordKey(_) => Err(Refusal::new(
                Code::MeasureNotOffered,
                "distinct records are counted only where no join repeats them",
            )
            .instead("use count(*) in an aggregate by pseudo_hesid first, then sum it")),
            ColumnClass::Plain => Err(Refusal::new(Code::MeasureNotOffered, "COUNT(DISTINCT …) of a code is not offered")
                .instead("SELECT count(*) FROM (SELECT code, count(*) AS n FROM … GROUP BY code) t WHERE n IS NOT NULL")),
        }
    }

    /// A count of rows: of base rows where no row repeats, else a magnitude whose uncertainty scales (I8).
    fn rows(
        &mut self,
        conditions: Vec<Expr>,
        input: &Rel,
        requests: &mut Requests,
    ) -> Result<usize, Refusal> {
        let plain = |p: &Personal| p.base.is_some() || p.one_per_person;
        let measure = if input.personal().is_some_and(plain) {
            Measure::Rows
        } else {
            Measure::Total { decimals: 0 }
        };
        let contribution = self.totalise(contribution(lit(1i64), conditions), input)?;
        Ok(requests.add(Request { measure, contribution, bounds: None }))
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
        if literal_is(arg, |v| v == 1.0) {
            return self.rows(conditions, input, requests).map(Derivation::Plain);
        }
        // SUM(CASE WHEN … THEN column END) is the column over the smaller set.
        let (value, value_facts) =
            self.case_of_a_column(core, facts, mean, &mut conditions, input)?;
        let bounds = match &value_facts.number {
            Number::Column(Some(bounds)) => Some(*bounds),
            Number::Derived | Number::Flag => None,
            Number::Column(None) => {
                return Err(Refusal::new(Code::NotAPlainSum, "this column has no declared bounds to sum within").instead(
                    "startage and apptage hold codes for ages under one: use startage_calc and apptage_calc, or group by bands",
                ));
            }
            Number::Other => {
                return Err(Refusal::new(
                    Code::NotAPlainSum,
                    format!("`{name}` takes a plain column over patients' rows"),
                ));
            }
        };
        let data_type = value.get_type(input.plan.schema()).map_err(internal)?;
        let (decimals, fixed) = match &data_type {
            t if t.is_integer() => (0, total::try_cast(value.clone(), &DataType::Int64)),
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
                let scale = FLOAT_DECIMALS;
                (
                    scale,
                    total::try_cast(value.clone(), &DataType::Decimal128(38, scale.cast_signed())),
                )
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
        let count = if mean {
            let mut known = conditions.clone();
            known.push(value.is_not_null());
            Some(self.rows(known, input, requests)?)
        } else {
            None
        };
        let contribution = self.totalise(contribution(fixed, conditions), input)?;
        let sum =
            requests.add(Request { measure: Measure::Total { decimals }, contribution, bounds });
        Ok(match count {
            Some(rows) => Derivation::Mean { total: sum, rows },
            None => Derivation::Plain(sum),
        })
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

    fn totalise(&self, expr: Expr, input: &Rel) -> Result<Expr, Refusal> {
        total::total(expr, input.plan.schema()).map_err(internal)
    }
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
