//! An inner plan is run over a few rows that nobody has, before it may run over patients' rows.
//!
//! Expressions over patients' rows are made total ([`crate::guard::total`]). Functions that find out only where there are
//! rows that they cannot do what they are asked would tell whether there are any. So each inner plan is first run over made-up
//! rows of every kind of value, with its conditions looked at but not obeyed: what fails here is refused, whoever has
//! which rows. Most questions only compare columns with constants: those cannot fail, and are not planned twice.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, SchemaRef};
use cordon_disclosure::{Code, Refusal};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Filter, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_plan::collect;

use crate::guard::{Cut, Step};

/// How many made-up rows a table has: three persons, of whom two have several.
const ROWS: usize = 7;

/// Runs the inner plans of a statement over made-up rows.
///
/// # Errors
/// A refusal of the text.
pub(crate) async fn rehearse(steps: &[Step], state: &SessionState) -> Result<(), Refusal> {
    for step in steps {
        if let Step::Cut(cut) = step
            && !cannot_fail(&cut.rows)
            && let Err(error) = over_made_up_rows(cut, state).await
        {
            // Of made-up rows: nothing of anybody stands in it.
            tracing::info!(kind = "rehearsal", %error, "an inner plan cannot be computed");
            return Err(Refusal::new(
                Code::PlanError,
                "an expression over patients' rows cannot be computed for every value",
            )
            .instead("look at the types of arguments, and at frames and offsets of windows"));
        }
    }
    Ok(())
}

/// Whether nothing but columns is read, compared and chosen from: values of one type can always be compared.
fn cannot_fail(plan: &LogicalPlan) -> bool {
    let exprs_hold = |exprs: &[Expr], input: &LogicalPlan| {
        exprs.iter().all(|expr| only_compares(expr, input.schema()))
    };
    match plan {
        LogicalPlan::TableScan(scan) => scan.filters.is_empty(),
        LogicalPlan::SubqueryAlias(alias) => cannot_fail(&alias.input),
        LogicalPlan::Filter(filter) => {
            only_compares(&filter.predicate, filter.input.schema()) && cannot_fail(&filter.input)
        }
        LogicalPlan::Projection(projection) => {
            exprs_hold(&projection.expr, &projection.input) && cannot_fail(&projection.input)
        }
        _ => false,
    }
}

/// Columns, constants, and comparisons of plain values of one type, made from one another by casts that give null at worst.
fn only_compares(expr: &Expr, schema: &DFSchema) -> bool {
    use Operator::{And, BitwiseAnd, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let part = |e: &Expr| only_compares(e, schema);
    let alike = |exprs: &[&Expr]| {
        let mut types = exprs.iter().map(|e| e.get_type(schema).ok());
        let first = types.next().flatten();
        first.as_ref().is_some_and(is_plain) && types.all(|other| other == first)
    };
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => part(&alias.expr),
        // Gives null where it cannot; of dates that nothing writes down only `total` sees to it.
        Expr::TryCast(cast) => {
            cast.expr.get_type(schema).is_ok_and(|from| is_plain(&from) && !from.is_temporal())
                && is_plain(cast.field.data_type())
                && part(&cast.expr)
        }
        Expr::Not(e) | Expr::IsNull(e) | Expr::IsNotNull(e) => part(e),
        Expr::BinaryExpr(b) => {
            matches!(b.op, And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | BitwiseAnd)
                && alike(&[&b.left, &b.right])
                && part(&b.left)
                && part(&b.right)
        }
        Expr::Between(b) => {
            alike(&[&b.expr, &b.low, &b.high]) && part(&b.expr) && part(&b.low) && part(&b.high)
        }
        Expr::InList(list) => {
            let all = std::iter::once(list.expr.as_ref()).chain(&list.list);
            alike(&all.clone().collect::<Vec<_>>()) && all.into_iter().all(part)
        }
        Expr::Case(case) if case.expr.is_none() => {
            let given = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            let given: Vec<&Expr> = given.chain(case.else_expr.as_deref()).collect();
            alike(&given)
                && case.when_then_expr.iter().all(|(when, _)| part(when))
                && given.into_iter().all(part)
        }
        _ => false,
    }
}

fn is_plain(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Boolean | DataType::Date32)
        || data_type.is_integer()
}

async fn over_made_up_rows(cut: &Cut, state: &SessionState) -> Result<()> {
    let plan = cut.rows.clone().transform_up(|node| {
        let node = match node {
            LogicalPlan::TableScan(scan) => {
                let rows = made_up(&scan.source.schema())?;
                let table = Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?);
                let made = TableScanBuilder::new(scan.table_name, provider_as_source(table))
                    .with_projection(scan.projection)
                    .build()?;
                LogicalPlan::TableScan(made)
            }
            LogicalPlan::Filter(filter) => {
                let passed = passed(filter.predicate);
                LogicalPlan::Filter(Filter::try_new(passed, filter.input)?)
            }
            LogicalPlan::Join(mut join) => {
                join.filter = join.filter.map(passed);
                LogicalPlan::Join(join)
            }
            other => other,
        };
        node.map_expressions(|expr| {
            expr.transform_up(|e| {
                Ok(match e {
                    Expr::Placeholder(p) => {
                        let data_type =
                            p.field.as_ref().map_or(DataType::Utf8, |f| f.data_type().clone());
                        let value = ScalarValue::try_from_array(&column(&data_type, true)?, 1)?;
                        Transformed::yes(Expr::Literal(value, None))
                    }
                    other => Transformed::no(other),
                })
            })
        })
    })?;
    let plan = state.optimize(&plan.data.recompute_schema()?)?;
    let physical = state.query_planner().create_physical_plan(&plan, state).await?;
    collect(physical, state.task_ctx()).await.map(drop)
}

/// Rows of a table that exist nowhere: persons 1, 2 and 3, ordinary values that meet those of other tables, and the ends
/// of every type.
fn made_up(schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        cordon_store::PERSON => {
            Ok(Arc::new(Int64Array::from(vec![1, 1, 1, 2, 2, 2, 3])) as ArrayRef)
        }
        _ => column(field.data_type(), field.is_nullable()),
    });
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns.collect::<Result<_>>()?)?)
}

/// Values of one type: an ordinary one, an odd one, both ends, none.
fn column(data_type: &DataType, nullable: bool) -> Result<ArrayRef> {
    let long = "9".repeat(300);
    let texts = [Some("1"), Some("A011"), Some(""), Some(&long), Some("1"), Some("é "), None];
    let numbers = [Some(1), Some(-3), Some(i64::MIN), Some(i64::MAX), Some(1), Some(0), None];
    let floats = [
        Some(1.0),
        Some(-0.5),
        Some(f64::MIN),
        Some(f64::INFINITY),
        Some(1.0),
        Some(f64::NAN),
        None,
    ];
    let days =
        [Some(18_000), Some(18_031), Some(i32::MIN), Some(i32::MAX), Some(18_000), Some(-1), None];
    let values: ArrayRef = match data_type {
        t if t.is_floating() => Arc::new(Float64Array::from_iter(floats)),
        t if t.is_integer() || t.is_decimal() => Arc::new(Int64Array::from_iter(numbers)),
        t if t.is_temporal() => Arc::new(Date32Array::from_iter(days)),
        DataType::Boolean => {
            let flags = (0..ROWS).map(|n| (n != 6).then_some(n % 2 == 0));
            Arc::new(BooleanArray::from_iter(flags))
        }
        _ => Arc::new(StringArray::from_iter(texts)),
    };
    // What a narrower type does not hold is null there.
    let made = cast_with_options(
        &values,
        data_type,
        &CastOptions { safe: true, ..CastOptions::default() },
    )?;
    if nullable || made.null_count() == 0 {
        return Ok(made);
    }
    let ordinary = ScalarValue::try_from_array(&made, 0)?;
    ordinary.to_array_of_size(ROWS)
}

/// True for every row, once the condition was computed for it.
fn passed(condition: Expr) -> Expr {
    let func = Arc::new(ScalarUDF::from(Passed(Signature::any(1, Volatility::Volatile))));
    Expr::ScalarFunction(ScalarFunction { func, args: vec![condition] })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Passed(Signature);

impl ScalarUDFImpl for Passed {
    fn name(&self) -> &'static str {
        "cordon_passed"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Field, Schema};
    use datafusion::functions::expr_fn::sqrt;
    use datafusion::logical_expr::{
        LogicalPlanBuilder, cast, col, lit, table_scan, try_cast, when,
    };

    use super::*;

    fn rows() -> Result<LogicalPlanBuilder> {
        let column = |name: &str, data_type| Field::new(name, data_type, true);
        let columns = [column("sex", DataType::Utf8), column("age", DataType::Int32)];
        table_scan(Some("t"), &Schema::new(columns.to_vec()), None)
    }

    #[test]
    fn i7_what_only_compares_is_not_rehearsed_and_all_else_is() -> Result<()> {
        let age = || col("age");
        for plain in [
            col("sex").eq(lit("1")).and(age().is_not_null()),
            age().gt_eq(lit(3i32)).or(age().between(lit(1i32), lit(2i32))),
            age().in_list(vec![lit(1i32), lit(2i32)], true),
            try_cast(col("sex"), DataType::Int64).eq(lit(1i64)),
            when(age().lt(lit(18i32)), lit(true)).otherwise(age().is_null())?,
        ] {
            assert!(cannot_fail(&rows()?.filter(plain.clone())?.build()?), "{plain}");
            assert!(cannot_fail(&rows()?.project(vec![plain.clone()])?.build()?), "{plain}");
        }
        for other in [
            age().eq(lit(1i64)),
            (age() + lit(1i32)).eq(lit(2i32)),
            cast(age(), DataType::Int64).eq(lit(1i64)),
            try_cast(try_cast(age(), DataType::Date32), DataType::Utf8).eq(lit("1")),
            sqrt(age()).gt(lit(1.0)),
            age().in_list(vec![age() / lit(0i32)], false),
            when(age().is_null(), lit(true)).otherwise(age().eq(lit(1i32) / lit(0i32)))?,
        ] {
            assert!(!cannot_fail(&rows()?.filter(other.clone())?.build()?), "{other}");
            assert!(!cannot_fail(&rows()?.project(vec![other.clone()])?.build()?), "{other}");
        }
        let grouped = rows()?.aggregate(vec![age()], Vec::<Expr>::new())?.build()?;
        assert!(!cannot_fail(&grouped));
        Ok(())
    }
}
