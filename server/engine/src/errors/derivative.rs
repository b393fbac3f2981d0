//! By how much an expression changes with one of its columns.

use arrow_schema::DataType;
use datafusion::common::Column;
use datafusion::functions::math::expr_fn;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};

use crate::guard::total::try_cast;

/// The slope, as Float64; an inner `None` where the expression does not change with the column, an outer one
/// where its slope cannot be said. Absolute values keep no sign: slopes are squared.
#[expect(clippy::option_option, reason = "unknown and zero are two things")]
pub(super) fn derivative(expr: &Expr, by: &Column) -> Option<Option<Expr>> {
    if !expr.column_refs().contains(by) {
        return Some(None);
    }
    match expr {
        Expr::Column(_) => Some(Some(lit(1.0))),
        Expr::Alias(a) => derivative(&a.expr, by),
        Expr::Cast(c) if c.field.data_type().is_numeric() => derivative(&c.expr, by),
        Expr::TryCast(c) if c.field.data_type().is_numeric() => derivative(&c.expr, by),
        Expr::Negative(inner) => derivative(inner, by),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => operation(left, *op, right, by),
        Expr::Case(case) => banded(case, by),
        Expr::ScalarFunction(f) => function(f.func.name(), &f.args, by),
        _ => None,
    }
}

#[expect(clippy::option_option, reason = "unknown and zero are two things")]
fn operation(left: &Expr, op: Operator, right: &Expr, by: &Column) -> Option<Option<Expr>> {
    let (a, b) = (float(left), float(right));
    let (da, db) = (derivative(left, by)?, derivative(right, by)?);
    match op {
        Operator::Plus => Some(added(da, db)),
        Operator::Minus => Some(added(da, db.map(|db| lit(0.0) - db))),
        Operator::Multiply => Some(added(da.map(|da| da * b), db.map(|db| a * db))),
        Operator::Divide => {
            let down = db.map(|db| lit(0.0) - a * db / (b.clone() * b.clone()));
            Some(added(da.map(|da| da / b), down))
        }
        _ => None,
    }
}

/// The branch that is taken: how figures decide between branches is left out.
#[expect(clippy::option_option, reason = "unknown and zero are two things")]
fn banded(case: &Case, by: &Column) -> Option<Option<Expr>> {
    let slope = |value: &Expr| Some(derivative(value, by)?.unwrap_or_else(|| lit(0.0)));
    let when_then_expr = case
        .when_then_expr
        .iter()
        .map(|(when, then)| Some((when.clone(), Box::new(slope(then)?))))
        .collect::<Option<Vec<_>>>()?;
    let else_expr = match &case.else_expr {
        Some(value) => Some(Box::new(slope(value)?)),
        None => None,
    };
    Some(Some(Expr::Case(Case { expr: case.expr.clone(), when_then_expr, else_expr })))
}

#[expect(clippy::option_option, reason = "unknown and zero are two things")]
fn function(name: &str, args: &[Expr], by: &Column) -> Option<Option<Expr>> {
    let (first, rest) = args.split_first()?;
    let x = || float(first);
    match (name, rest) {
        ("cordon_add", [b]) => operation(first, Operator::Plus, b, by),
        ("cordon_sub", [b]) => operation(first, Operator::Minus, b, by),
        ("cordon_mul", [b]) => operation(first, Operator::Multiply, b, by),
        ("cordon_div", [b]) => operation(first, Operator::Divide, b, by),
        ("coalesce" | "ifnull" | "nvl", _) => {
            let mut slope: Option<Expr> = None;
            for value in args.iter().rev() {
                let one = derivative(value, by)?.unwrap_or_else(|| lit(0.0));
                slope = Some(Expr::Case(Case {
                    expr: None,
                    when_then_expr: vec![(Box::new(value.clone().is_not_null()), Box::new(one))],
                    else_expr: slope.map(Box::new),
                }));
            }
            Some(slope)
        }
        // The other arguments are constants, or nothing is said.
        _ if rest.iter().any(|e| e.column_refs().contains(by)) => None,
        ("cordon_significant" | "round" | "trunc" | "floor" | "ceil" | "abs" | "nullif", _) => {
            derivative(first, by)
        }
        ("power" | "pow", [n]) => {
            let n = float(n);
            let slope = n.clone() * expr_fn::power(x(), n - lit(1.0));
            Some(derivative(first, by)?.map(|d| d * slope))
        }
        ("sqrt", []) => Some(derivative(first, by)?.map(|d| d / (lit(2.0) * sqrt(x())))),
        ("exp", []) => Some(derivative(first, by)?.map(|d| d * expr_fn::exp(x()))),
        ("ln", []) => Some(derivative(first, by)?.map(|d| d / x())),
        ("log10", []) => {
            Some(derivative(first, by)?.map(|d| d / (x() * lit(std::f64::consts::LN_10))))
        }
        ("log2", []) => {
            Some(derivative(first, by)?.map(|d| d / (x() * lit(std::f64::consts::LN_2))))
        }
        _ => None,
    }
}

fn added(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn float(expr: &Expr) -> Expr {
    match expr {
        Expr::Alias(a) => float(&a.expr),
        other => try_cast(other.clone(), &DataType::Float64),
    }
}

pub(super) fn sqrt(expr: Expr) -> Expr {
    expr_fn::sqrt(expr)
}
