//! What an expression looks like: under aliases and casts, as a constant, as a date or a length of time.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use super::SUBQUERY;
use super::relation::{Number, Rel};
use crate::authorise::span_place;

/// The expression under its aliases.
pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(a) => unaliased(&a.expr),
        other => other,
    }
}

/// The expression under aliases and casts between numbers.
pub(super) fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(a) => uncast(&a.expr),
        Expr::Cast(c) if c.field.data_type().is_numeric() => uncast(&c.expr),
        Expr::TryCast(c) if c.field.data_type().is_numeric() => uncast(&c.expr),
        other => other,
    }
}

/// The first column an expression names, for the place of a refusal.
pub(super) fn first_column(expr: &Expr) -> Option<Column> {
    expr.column_refs()
        .into_iter()
        .min_by_key(|c| span_place(c.spans()).map_or((u64::MAX, 0), |p| (p.line, p.column)))
        .cloned()
}

pub(super) fn literal_number(value: &ScalarValue) -> Number {
    let as_float = value.cast_to(&DataType::Float64);
    match (value, as_float) {
        (v, _) if v.is_null() => Number::Flag,
        (ScalarValue::Boolean(_), _) => Number::Flag,
        (v, Ok(ScalarValue::Float64(Some(f))))
            if v.data_type().is_numeric() && (f == 0.0 || f == 1.0) =>
        {
            Number::Flag
        }
        _ => Number::Other,
    }
}

/// Whether an expression is a literal number that passes.
pub(super) fn literal_is(expr: &Expr, passes: impl Fn(f64) -> bool) -> bool {
    literal_value(expr).is_some_and(passes)
}

pub(super) fn literal_value(expr: &Expr) -> Option<f64> {
    match uncast(expr) {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(number)) => number,
            _ => None,
        },
        Expr::Negative(inner) => literal_value(inner).map(|v| -v),
        _ => None,
    }
}

/// Dates are computed with between 1900 and 2150, so that adding at most a hundred years cannot overflow.
pub(super) fn interval_is_short(expr: &Expr) -> bool {
    match unaliased(expr) {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) => {
            i.months.unsigned_abs() <= 1_200
                && i.days.unsigned_abs() <= 36_525
                && i.nanoseconds.unsigned_abs() < 1 << 60
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(m)), _) => m.unsigned_abs() <= 1_200,
        Expr::Literal(ScalarValue::IntervalDayTime(Some(i)), _) => i.days.unsigned_abs() <= 36_525,
        Expr::Cast(c) if matches!(c.field.data_type(), DataType::Interval(_)) => {
            match unaliased(&c.expr) {
                Expr::Literal(ScalarValue::Utf8(_), _) => interval_is_short(&c.expr),
                // A date plus a number is a date plus so many days.
                Expr::Cast(inner)
                    if matches!(inner.field.data_type(), DataType::Duration(TimeUnit::Second)) =>
                {
                    days_are_few(&inner.expr)
                }
                inner => literal_is(inner, |v| v.abs() <= 36_525.0),
            }
        }
        parameter => is_parameter(parameter),
    }
}

/// A parameter of a statement that is only prepared: it is looked at again with its value. The value of a
/// subquery is not, so it may not stand where only some constants may.
pub(super) fn is_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(p) if !p.id.starts_with(SUBQUERY))
}

/// Days in seconds, as the planner writes them.
fn days_are_few(seconds: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) = seconds else {
        return false;
    };
    literal_is(right, |v| v == 86_400.0) && literal_is(left, |v| v.abs() <= 36_525.0)
}

pub(super) fn is_interval(expr: &Expr, rel: &Rel) -> bool {
    matches!(expr.get_type(rel.plan.schema()), Ok(DataType::Interval(_) | DataType::Duration(_)))
}

pub(super) fn is_date_like(expr: &Expr, rel: &Rel) -> bool {
    matches!(expr.get_type(rel.plan.schema()), Ok(DataType::Date32 | DataType::Timestamp(_, _)))
}
