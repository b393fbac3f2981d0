//! Windows within one person: the row before, the row after, the number of a row. Each is a shift of a whole batch that
//! stops where another person begins.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_cast::cast;
use arrow_ord::partition::partition;
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use arrow_select::zip::zip;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::WindowFrameBound;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions, WindowExpr,
};
use futures::stream;

use super::chunks::Chunks;
use super::{Holds, in_person_order};

/// One column that is added.
#[derive(Clone, Debug)]
enum Function {
    /// A value so many rows ahead, or behind when negative; with what stands in for a row that is not there.
    Shift {
        value: Arc<dyn PhysicalExpr>,
        by: i64,
        instead: ScalarValue,
    },
    /// The value of the first or the last row.
    First(Arc<dyn PhysicalExpr>),
    Last(Arc<dyn PhysicalExpr>),
    /// 1, 2, 3 and so on.
    RowNumber,
    /// The number of the first of the rows that the order does not tell apart.
    Rank,
    /// The number of this set of rows that the order does not tell apart.
    DenseRank,
}

/// The windows.
#[derive(Clone, Debug)]
pub(crate) struct PersonWindow {
    input: Arc<dyn ExecutionPlan>,
    person: usize,
    partition_by: Arc<[Arc<dyn PhysicalExpr>]>,
    order_by: Arc<[Arc<dyn PhysicalExpr>]>,
    functions: Arc<[Function]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

/// Windows as these; none where another function is among them.
pub(super) fn windowed(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (windows, input) = if let Some(node) = node.downcast_ref::<BoundedWindowAggExec>() {
        (node.window_expr(), node.input())
    } else if let Some(node) = node.downcast_ref::<WindowAggExec>() {
        (node.window_expr(), node.input())
    } else {
        return Ok(None);
    };
    let Some(first) = windows.first() else { return Ok(None) };
    let (partition_by, order_by) = (first.partition_by(), first.order_by());
    let person = partition_by.iter().find_map(|key| {
        let column = key.downcast_ref::<Column>()?.index();
        (in_person_order(input, column) == Some(Holds::Person)).then_some(column)
    });
    let Some(person) = person else { return Ok(None) };
    // The rows of a window are beside each other only where the order says so.
    let wanted = partition_by.len() + order_by.len();
    let mut given = input.properties().equivalence_properties().oeq_class().iter();
    let sorted = given.any(|ordering| {
        let keys: Vec<_> = ordering.iter().take(wanted).collect();
        let (of_partition, of_order) = keys.split_at(partition_by.len().min(keys.len()));
        of_partition.len() == partition_by.len()
            && of_partition.iter().all(|key| partition_by.iter().any(|p| p.eq(&key.expr)))
            && of_order.len() == order_by.len()
            && of_order.iter().zip(order_by).all(|(key, by)| *key == by)
    });
    let alone = partition_by.len() == 1 && order_by.is_empty();
    let same = windows.iter().all(|w| w.partition_by() == partition_by && w.order_by() == order_by);
    let functions: Option<Vec<Function>> = windows.iter().map(function).collect();
    match functions {
        Some(functions) if same && (sorted || alone) => Ok(Some(Arc::new(PersonWindow::new(
            Arc::clone(input),
            person,
            (partition_by.into(), order_by.iter().map(|key| Arc::clone(&key.expr)).collect()),
            functions.into(),
            node.schema(),
        )))),
        _ => Ok(None),
    }
}

fn function(window: &Arc<dyn WindowExpr>) -> Option<Function> {
    let standard = window.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr();
    let function = function.as_any().downcast_ref::<WindowUDFExpr>()?;
    // There is no other way to ask. Whatever it says in another version is not taken for a no.
    if !format!("{function:?}").contains("ignore_nulls: false") {
        return None;
    }
    let args = function.args();
    let literal =
        |n: usize| args.get(n).map(|arg| arg.downcast_ref::<Literal>().map(Literal::value));
    let frame = window.get_window_frame();
    let from_first = matches!(&frame.start_bound, WindowFrameBound::Preceding(n) if n.is_null());
    let to_last = matches!(&frame.end_bound, WindowFrameBound::Following(n) if n.is_null());
    let value = || args.first().map(Arc::clone);
    match function.fun().name() {
        name @ ("lead" | "lag") => {
            let by = match literal(1) {
                None => 1,
                Some(by) => match by?.cast_to(&arrow_schema::DataType::Int64).ok()? {
                    ScalarValue::Int64(by) => by?,
                    _ => return None,
                },
            };
            let data_type = function_type(window)?;
            let instead = match literal(2) {
                None => ScalarValue::try_from(&data_type).ok()?,
                Some(instead) => instead?.cast_to(&data_type).ok()?,
            };
            let by = if name == "lead" { by } else { by.checked_neg()? };
            Some(Function::Shift { value: value()?, by, instead })
        }
        "first_value" if from_first => value().map(Function::First),
        "last_value" if to_last => value().map(Function::Last),
        "row_number" => Some(Function::RowNumber),
        "rank" => Some(Function::Rank),
        "dense_rank" => Some(Function::DenseRank),
        _ => None,
    }
}

fn function_type(window: &Arc<dyn WindowExpr>) -> Option<arrow_schema::DataType> {
    window.field().ok().map(|field| field.data_type().clone())
}

type Keys = (Arc<[Arc<dyn PhysicalExpr>]>, Arc<[Arc<dyn PhysicalExpr>]>);

impl PersonWindow {
    fn new(
        input: Arc<dyn ExecutionPlan>,
        person: usize,
        (partition_by, order_by): Keys,
        functions: Arc<[Function]>,
        schema: SchemaRef,
    ) -> Self {
        let orderings = input.properties().equivalence_properties().oeq_class().iter().cloned();
        let orderings: Vec<_> = orderings.collect();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), orderings),
            input.properties().output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { input, person, partition_by, order_by, functions, schema, properties }
    }

    /// The expressions that are computed over the input.
    pub(crate) fn computed(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let values = self.functions.iter().filter_map(|function| match function {
            Function::Shift { value, .. } | Function::First(value) | Function::Last(value) => {
                Some(value)
            }
            Function::RowNumber | Function::Rank | Function::DenseRank => None,
        });
        self.partition_by.iter().chain(self.order_by.iter()).chain(values)
    }

    fn with_windows(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let values = |exprs: &mut dyn Iterator<Item = &Arc<dyn PhysicalExpr>>| {
            exprs.map(|e| e.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<ArrayRef>>>()
        };
        let windows = partition(&values(&mut self.partition_by.iter())?)?.ranges();
        let mut columns = batch.columns().to_vec();
        let added = self.schema.fields().iter().skip(columns.len());
        for (function, field) in self.functions.iter().zip(added) {
            let column = match function {
                Function::Shift { value, by, instead } => {
                    let value = value.evaluate(batch)?.into_array(rows)?;
                    let mut from: Vec<Option<u32>> = Vec::with_capacity(rows);
                    for window in &windows {
                        from.extend(window.clone().map(|row| {
                            let row = i64::try_from(row).ok()?.checked_add(*by)?;
                            let row = usize::try_from(row).ok()?;
                            window.contains(&row).then_some(row as u32)
                        }));
                    }
                    let from = UInt32Array::from(from);
                    let shifted = take(&value, &from, None)?;
                    if instead.is_null() {
                        shifted
                    } else {
                        let there =
                            BooleanArray::from_iter((0..rows).map(|row| Some(from.is_valid(row))));
                        zip(&there, &shifted, &instead.to_scalar()?)?
                    }
                }
                Function::First(value) | Function::Last(value) => {
                    let value = value.evaluate(batch)?.into_array(rows)?;
                    let first = matches!(function, Function::First(_));
                    let from = windows.iter().flat_map(|window| {
                        let row = if first { window.start } else { window.end - 1 };
                        std::iter::repeat_n(row as u32, window.len())
                    });
                    take(&value, &UInt32Array::from_iter_values(from), None)?
                }
                Function::RowNumber => {
                    let numbers = windows.iter().flat_map(|window| 1..=window.len() as u64);
                    Arc::new(UInt64Array::from_iter_values(numbers))
                }
                Function::Rank | Function::DenseRank => {
                    let keys = &mut self.partition_by.iter().chain(self.order_by.iter());
                    let peers = partition(&values(keys)?)?.ranges();
                    let mut numbers = Vec::with_capacity(rows);
                    let (mut window, mut dense) = (windows.iter().peekable(), 0);
                    let mut start = 0;
                    for peers in peers {
                        if window.next_if(|window| window.start == peers.start).is_some() {
                            (start, dense) = (peers.start, 0);
                        }
                        dense += 1;
                        let rank = (peers.start - start + 1) as u64;
                        let number = if matches!(function, Function::Rank) { rank } else { dense };
                        numbers.extend(std::iter::repeat_n(number, peers.len()));
                    }
                    Arc::new(UInt64Array::from(numbers))
                }
            };
            columns.push(match column.data_type() == field.data_type() {
                true => column,
                false => cast(&column, field.data_type())?,
            });
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl DisplayAs for PersonWindow {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonWindow: {:?}", self.functions)
    }
}

impl ExecutionPlan for PersonWindow {
    fn name(&self) -> &'static str {
        "PersonWindow"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("a window has one input");
        };
        // Texts that are only handed on may have become codes.
        let own = self.schema.fields().iter().skip(input.schema().fields().len()).cloned();
        let fields: Vec<_> = input.schema().fields().iter().cloned().chain(own).collect();
        let metadata = self.schema.metadata().clone();
        let schema = arrow_schema::Schema::new_with_metadata(fields, metadata);
        let keys = (Arc::clone(&self.partition_by), Arc::clone(&self.order_by));
        let functions = Arc::clone(&self.functions);
        Ok(Arc::new(Self::new(input, self.person, keys, functions, Arc::new(schema))))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in self.computed() {
            if visit(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, n: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let chunks = Chunks::new(self.input.execute(n, context)?, self.person);
        let batches =
            stream::try_unfold((self.clone(), chunks), |(window, mut chunks)| async move {
                match chunks.next().await? {
                    Some(chunk) => Ok(Some((window.with_windows(&chunk.batch)?, (window, chunks)))),
                    None => Ok(None),
                }
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
