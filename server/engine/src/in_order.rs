//! Plans over released tables run in one order: what comes first may not tell which thread was ready first.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode, TreeNodeRecursion,
};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::LimitStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{TryStreamExt as _, stream};

/// The plan with partitions read one after another wherever they come together; refuses what deals rows out.
pub(crate) fn in_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if node.name() == "RepartitionExec" {
            return internal_err!("rows of a released table are dealt out");
        }
        Ok(match node.downcast_ref::<CoalescePartitionsExec>() {
            Some(together) => {
                let properties = Arc::clone(together.properties());
                let (input, fetch) = (Arc::clone(together.input()), together.fetch());
                Transformed::yes(Arc::new(InOrder { input, properties, fetch }) as _)
            }
            None => Transformed::no(node),
        })
    })
    .data()
}

/// Partitions one after another.
#[derive(Debug)]
struct InOrder {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    fetch: Option<usize>,
}

impl DisplayAs for InOrder {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InOrder")
    }
}

impl ExecutionPlan for InOrder {
    fn name(&self) -> &'static str {
        "InOrder"
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
            (Some(input), true) => Ok(Arc::new(Self {
                input,
                properties: Arc::clone(&self.properties),
                fetch: self.fetch,
            })),
            _ => internal_err!("partitions of one plan come together"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = Arc::clone(&self.input);
        let partitions = 0..input.properties().output_partitioning().partition_count();
        let rows = stream::iter(partitions.map(Ok))
            .and_then(move |n| {
                let opened = input.execute(n, Arc::clone(&context));
                async move { opened }
            })
            .try_flatten();
        let rows = RecordBatchStreamAdapter::new(self.schema(), rows);
        let rows: SendableRecordBatchStream = Box::pin(rows);
        let metrics = BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        Ok(match self.fetch {
            Some(most) => Box::pin(LimitStream::new(rows, 0, Some(most), metrics)),
            None => rows,
        })
    }
}
