//! Rewriting expressions over patients' rows so that none can fail depending on a row (I7).
//!
//! After type coercion: casts give null instead of an error, integer arithmetic gives null on overflow,
//! division by zero gives null. Types stay as they were, so that what was coerced above still fits.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array};
use arrow_schema::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::{Case, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};

/// The same value wherever the original gives one, null wherever it would fail.
pub(crate) fn total(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|e| {
        Ok(match e {
            Expr::Cast(c) => {
                let inner = in_range(*c.expr, schema)?;
                let cast = TryCast { expr: Box::new(inner), field: c.field };
                Transformed::yes(Expr::TryCast(cast))
            }
            Expr::TryCast(c) if c.expr.get_type(schema)?.is_temporal() => {
                let inner = in_range(*c.expr, schema)?;
                Transformed::yes(Expr::TryCast(TryCast { expr: Box::new(inner), field: c.field }))
            }
            Expr::BinaryExpr(b) => arithmetic(b, schema)?,
            Expr::Negative(inner) => {
                let data_type = inner.get_type(schema)?;
                if data_type.is_integer() {
                    Transformed::yes(checked(Checked::Sub, lit(0i64), *inner, &data_type))
                } else {
                    Transformed::no(Expr::Negative(inner))
                }
            }
            Expr::ScalarFunction(f) if f.func.name() == "abs" => absolute(f, schema)?,
            Expr::ScalarFunction(mut f) => {
                let args = f.args.into_iter().map(|arg| in_range(arg, schema));
                f.args = args.collect::<Result<_>>()?;
                Transformed::yes(Expr::ScalarFunction(f))
            }
            other => Transformed::no(other),
        })
    })
    .map(|t| t.data)
}

fn arithmetic(b: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let op = match b.op {
        Operator::Plus => Checked::Add,
        Operator::Minus => Checked::Sub,
        Operator::Multiply => Checked::Mul,
        Operator::Divide => {
            let (left, right) = (b.left.get_type(schema)?, b.right.get_type(schema)?);
            if left.is_integer() && right.is_integer() {
                let result = Expr::BinaryExpr(b.clone()).get_type(schema)?;
                return Ok(Transformed::yes(checked(Checked::Div, *b.left, *b.right, &result)));
            }
            if is_decimal(&left) || is_decimal(&right) {
                let result = Expr::BinaryExpr(b.clone()).get_type(schema)?;
                let float = |e: Expr| Box::new(try_cast(e, &DataType::Float64));
                let floats = BinaryExpr { left: float(*b.left), op: b.op, right: float(*b.right) };
                return Ok(Transformed::yes(try_cast(Expr::BinaryExpr(floats), &result)));
            }
            let divisor = nonzero(*b.right, schema)?;
            return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: b.left,
                op: Operator::Divide,
                right: Box::new(divisor),
            })));
        }
        Operator::Modulo => {
            let right = nonzero(*b.right, schema)?;
            let rest = BinaryExpr { left: b.left, op: b.op, right: Box::new(right) };
            return Ok(Transformed::yes(Expr::BinaryExpr(rest)));
        }
        _ => return Ok(Transformed::no(Expr::BinaryExpr(b))),
    };
    let (left, right) = (b.left.get_type(schema)?, b.right.get_type(schema)?);
    if left.is_integer() && right.is_integer() {
        let result = Expr::BinaryExpr(b.clone()).get_type(schema)?;
        return Ok(Transformed::yes(checked(op, *b.left, *b.right, &result)));
    }
    if left.is_temporal() || right.is_temporal() {
        return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
            left: Box::new(in_range(*b.left, schema)?),
            op: b.op,
            right: Box::new(in_range(*b.right, schema)?),
        })));
    }
    if is_decimal(&left) || is_decimal(&right) {
        let result = Expr::BinaryExpr(b.clone()).get_type(schema)?;
        let float = |e: Expr| try_cast(e, &DataType::Float64);
        let sum = Expr::BinaryExpr(BinaryExpr {
            left: Box::new(float(*b.left)),
            op: b.op,
            right: Box::new(float(*b.right)),
        });
        return Ok(Transformed::yes(try_cast(sum, &result)));
    }
    Ok(Transformed::no(Expr::BinaryExpr(b)))
}

/// The divisor, null where it is zero.
fn nonzero(divisor: Expr, schema: &DFSchema) -> Result<Expr> {
    let zero = ScalarValue::new_zero(&divisor.get_type(schema)?)?;
    let condition = divisor.clone().not_eq(Expr::Literal(zero, None));
    Ok(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(condition), Box::new(divisor))],
        else_expr: None,
    }))
}

fn is_decimal(t: &DataType) -> bool {
    matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// First and last day that dates and times may be computed with: a hundred years to either side of them fit
/// every unit of time, and so does the difference of any two.
const DAYS: (i32, i32) = (-25_567, 65_744);

/// A date or time between 1900 and 2150, else null; anything else as it is.
fn in_range(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let data_type = expr.get_type(schema)?;
    if !matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
        || matches!(expr, Expr::Literal(..))
    {
        return Ok(expr);
    }
    let day = |days| ScalarValue::Date32(Some(days)).cast_to(&data_type);
    let (first, last) = (day(DAYS.0)?, day(DAYS.1)?);
    let bound = |value| Expr::Literal(value, None);
    let inside = expr.clone().gt_eq(bound(first)).and(expr.clone().lt_eq(bound(last)));
    Ok(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(inside), Box::new(expr))],
        else_expr: None,
    }))
}

fn absolute(f: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let [arg] = f.args.as_slice() else {
        return internal_err!("abs takes one argument");
    };
    let data_type = arg.get_type(schema)?;
    if !data_type.is_integer() {
        return Ok(Transformed::no(Expr::ScalarFunction(f)));
    }
    let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
    let negated = checked(Checked::Sub, lit(0i64), arg.clone(), &data_type);
    Ok(Transformed::yes(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(arg.clone().lt(zero)), Box::new(negated))],
        else_expr: Some(Box::new(arg.clone())),
    })))
}

/// A cast that gives null where it cannot.
pub(crate) fn try_cast(expr: Expr, to: &DataType) -> Expr {
    Expr::TryCast(TryCast {
        expr: Box::new(expr),
        field: Arc::new(Field::new("", to.clone(), true)),
    })
}

fn checked(op: Checked, left: Expr, right: Expr, result: &DataType) -> Expr {
    let args = vec![try_cast(left, &DataType::Int64), try_cast(right, &DataType::Int64)];
    let call = Expr::ScalarFunction(ScalarFunction {
        func: Arc::new(ScalarUDF::from(CheckedArithmetic::new(op))),
        args,
    });
    if *result == DataType::Int64 { call } else { try_cast(call, result) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Checked {
    Add,
    Sub,
    Mul,
    Div,
}

/// Integer arithmetic that gives null on overflow and division by zero (DataFusion's own wraps around silently).
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedArithmetic {
    op: Checked,
    signature: Signature,
}

impl CheckedArithmetic {
    fn new(op: Checked) -> Self {
        let signature =
            Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable);
        Self { op, signature }
    }

    fn apply(&self, a: i64, b: i64) -> Option<i64> {
        match self.op {
            Checked::Add => a.checked_add(b),
            Checked::Sub => a.checked_sub(b),
            Checked::Mul => a.checked_mul(b),
            Checked::Div => a.checked_div(b),
        }
    }
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        match self.op {
            Checked::Add => "cordon_add",
            Checked::Sub => "cordon_sub",
            Checked::Mul => "cordon_mul",
            Checked::Div => "cordon_div",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [a, b] = arrays.as_slice() else {
            return internal_err!("arithmetic takes two numbers");
        };
        let (Some(a), Some(b)) =
            (a.as_primitive_opt::<Int64Type>(), b.as_primitive_opt::<Int64Type>())
        else {
            return internal_err!("arithmetic takes Int64");
        };
        let result: Int64Array = a.iter().zip(b.iter()).map(|(a, b)| self.apply(a?, b?)).collect();
        Ok(ColumnarValue::Array(Arc::new(result) as ArrayRef))
    }
}

/// Rounds to a number of significant digits: means and ratios of released figures.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Significant {
    digits: u32,
    signature: Signature,
}

impl Significant {
    pub(crate) fn call(digits: Option<u32>, value: Expr) -> Expr {
        match digits {
            None => value,
            Some(digits) => {
                let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
                let func = Arc::new(ScalarUDF::from(Self { digits, signature }));
                Expr::ScalarFunction(ScalarFunction { func, args: vec![value] })
            }
        }
    }

    fn round(&self, value: f64) -> f64 {
        let places = usize::try_from(self.digits.saturating_sub(1)).unwrap_or(0);
        format!("{value:.places$e}").parse().unwrap_or(value)
    }
}

impl ScalarUDFImpl for Significant {
    fn name(&self) -> &str {
        "cordon_significant"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(values) = arrays.first().and_then(|a| a.as_primitive_opt::<Float64Type>()) else {
            return internal_err!("significant digits are of a Float64");
        };
        let result: Float64Array = values.iter().map(|v| Some(self.round(v?))).collect();
        Ok(ColumnarValue::Array(Arc::new(result) as ArrayRef))
    }
}
