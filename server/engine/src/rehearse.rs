//! An inner plan is run over a few rows that nobody has, before it may run over patients' rows.
//!
//! Expressions over patients' rows are made total ([`crate::guard::total`]). Functions that find out only where there are
//! rows that they cannot do what they are asked would tell whether there are any. So each inner plan is first run over made-up
//! rows of every kind of value, with its conditions looked at but not obeyed: what fails here is refused, whoever has
//! which rows.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, SchemaRef};
use cordon_disclosure::{Code, Refusal};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Filter, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
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
