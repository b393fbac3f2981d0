//! Rows that are in the order of persons already, and often of the date too, are put in order within each person.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_ord::partition::partition;
use arrow_select::take::take_record_batch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::stream;

use super::chunks::Chunks;
use super::{Holds, in_person_order};

/// The sort.
#[derive(Clone, Debug)]
pub(crate) struct PersonSort {
    input: Arc<dyn ExecutionPlan>,
    person: usize,
    by: LexOrdering,
    /// So many of the first of these are in order already.
    in_order: usize,
    properties: Arc<PlanProperties>,
}

/// A sort by person as this one.
pub(super) fn sorted(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(sort) = node.downcast_ref::<SortExec>() else { return Ok(None) };
    let input = super::before_dealing(sort.input());
    let by = sort.expr();
    let person = by.first().expr.downcast_ref::<Column>().map(Column::index);
    let Some(person) = person else { return Ok(None) };
    let ascending = !by.first().options.descending;
    let whole = in_person_order(input, person) == Some(Holds::Person);
    let columns = by.iter().all(|key| key.expr.is::<Column>());
    if !(sort.preserve_partitioning() && sort.fetch().is_none() && ascending && whole && columns) {
        return Ok(None);
    }
    Ok(Some(Arc::new(PersonSort::new(Arc::clone(input), person, by.clone())?)))
}

impl PersonSort {
    fn new(input: Arc<dyn ExecutionPlan>, person: usize, by: LexOrdering) -> Result<Self> {
        let equal = input.properties().equivalence_properties();
        let mut in_order = 1;
        while in_order < by.len()
            && equal.ordering_satisfy(by.iter().take(in_order + 1).cloned())?
        {
            in_order += 1;
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(input.schema(), Some(by.clone())),
            input.properties().output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { input, person, by, in_order, properties: Arc::new(properties) })
    }

    /// Which columns of the input are compared.
    pub(crate) fn needed(&self) -> impl Iterator<Item = usize> {
        self.by.iter().filter_map(|key| key.expr.downcast_ref::<Column>().map(Column::index))
    }

    fn in_order(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let column = |key: &PhysicalSortExpr| -> Result<ArrayRef> {
            key.expr.evaluate(&batch)?.into_array(batch.num_rows())
        };
        let known = self.by.iter().take(self.in_order).map(column).collect::<Result<Vec<_>>>()?;
        let runs = partition(&known)?.ranges();
        if runs.len() == batch.num_rows() || self.in_order == self.by.len() {
            return Ok(batch);
        }
        let keys = self.by.iter().skip(self.in_order).map(|key| {
            let values = column(key)?;
            Ok(make_comparator(&values, &values, key.options)?)
        });
        let keys = keys.collect::<Result<Vec<DynComparator>>>()?;
        let compare = |a: &u32, b: &u32| {
            let (a, b) = (*a as usize, *b as usize);
            keys.iter().map(|key| key(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut order: Vec<u32> = (0..batch.num_rows()).map(|row| row as u32).collect();
        let mut moved = false;
        for run in runs.into_iter().filter(|run| run.len() > 1) {
            let Some(rows) = order.get_mut(run) else { continue };
            if !rows.is_sorted_by(|a, b| compare(a, b).is_le()) {
                rows.sort_by(compare);
                moved = true;
            }
        }
        match moved {
            true => Ok(take_record_batch(&batch, &UInt32Array::from(order))?),
            false => Ok(batch),
        }
    }
}

impl DisplayAs for PersonSort {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonSort: by=[{}], in_order={}", self.by, self.in_order)
    }
}

impl ExecutionPlan for PersonSort {
    fn name(&self) -> &'static str {
        "PersonSort"
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
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.person, self.by.clone())?)),
            _ => internal_err!("one input is sorted"),
        }
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
        for key in self.by.iter() {
            if visit(&key.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, n: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let chunks = Chunks::new(self.input.execute(n, context)?, self.person);
        let batches = stream::try_unfold((self.clone(), chunks), |(sort, mut chunks)| async move {
            match chunks.next().await? {
                Some(chunk) => Ok(Some((sort.in_order(chunk.batch)?, (sort, chunks)))),
                None => Ok(None),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
