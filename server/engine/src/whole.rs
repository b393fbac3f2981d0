//! Both sides of a join are read to their end, whatever the other side holds.
//!
//! A join without a row on one side need not read the other: how long an answer takes, and whether an error in what
//! is not read comes to light, would tell whether there is such a patient. So whatever a join leaves unread is read
//! all the same, and thrown away; an error there is an error of the query.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode, TreeNodeRecursion,
};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt as _};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// What is being read to its end.
type Reading = Mutex<JoinSet<Result<()>>>;

/// What joins left unread. Dropped with the query, all reading stops: plans and streams do not hold it.
#[derive(Debug, Default)]
pub(crate) struct Unread(Arc<Reading>);

impl Unread {
    /// Waits until all of it is read.
    ///
    /// # Errors
    /// The first error that was met.
    pub(crate) async fn read(&self) -> Result<()> {
        loop {
            // Reading may leave more unread: joins stand below joins.
            let mut reading = std::mem::take(&mut *self.0.lock());
            if reading.is_empty() {
                return Ok(());
            }
            while let Some(read) = reading.join_next().await {
                read.map_err(|_| DataFusionError::Internal("a panic in a join".to_owned()))??;
            }
        }
    }
}

/// The plan with every input of a join read to its end.
pub(crate) fn whole(
    plan: Arc<dyn ExecutionPlan>,
    unread: &Unread,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let children = node.children();
        if children.len() < 2 || node.name() == "UnionExec" {
            return Ok(Transformed::no(node));
        }
        let inputs = children.into_iter().map(|input| {
            let (input, unread) = (Arc::clone(input), Arc::downgrade(&unread.0));
            Arc::new(Whole { input, unread }) as Arc<dyn ExecutionPlan>
        });
        let inputs = inputs.collect();
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        node.replace_children(inputs, options).map(Transformed::yes)
    })
    .data()
}

/// Rows as they come; read to their end even when nobody wants them.
#[derive(Debug)]
struct Whole {
    input: Arc<dyn ExecutionPlan>,
    unread: Weak<Reading>,
}

impl DisplayAs for Whole {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whole")
    }
}

impl ExecutionPlan for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
            (Some(input), true) => Ok(Arc::new(Self { input, unread: Weak::clone(&self.unread) })),
            _ => internal_err!("one input is read to its end"),
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

    fn execute(&self, n: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = Some(self.input.execute(n, context)?);
        Ok(Box::pin(Rows { schema: self.schema(), rows, unread: Weak::clone(&self.unread) }))
    }
}

struct Rows {
    schema: SchemaRef,
    /// None at their end.
    rows: Option<SendableRecordBatchStream>,
    unread: Weak<Reading>,
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rows) = &mut self.rows else { return Poll::Ready(None) };
        let next = rows.as_mut().poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.rows = None;
        }
        next
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // Without a runtime the whole query is being dropped.
        let unread = self.unread.upgrade().zip(Handle::try_current().ok());
        if let (Some(mut rows), Some((unread, runtime))) = (self.rows.take(), unread) {
            let read = async move {
                while let Some(batch) = rows.next().await {
                    batch?;
                }
                Ok(())
            };
            unread.lock().spawn_on(read, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow_array::Int64Array;
    use arrow_schema::{DataType, Field, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::logical_expr::{Volatility, create_udf};
    use datafusion::physical_plan::{ColumnarValue, collect};
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// How many rows of the right side a join with an empty left side computes with, and whether it fails.
    async fn computed(join: &str, fails: bool, all: bool) -> Result<usize> {
        let context =
            SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, false)]));
        let batch = |rows: i64| {
            let rows = Arc::new(Int64Array::from_iter_values(0..rows));
            RecordBatch::try_new(Arc::clone(&schema), vec![rows])
        };
        let table = |parts: Vec<Vec<RecordBatch>>| MemTable::try_new(Arc::clone(&schema), parts);
        context.register_table("l", Arc::new(table(vec![vec![batch(0)?]])?))?;
        let many = vec![vec![batch(100)?, batch(100)?], vec![batch(100)?]];
        context.register_table("r", Arc::new(table(many)?))?;
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let counted = move |args: &[ColumnarValue]| match args {
            [ColumnarValue::Array(rows)] if !fails => {
                count.fetch_add(rows.len(), Ordering::Relaxed);
                Ok(ColumnarValue::Array(Arc::clone(rows)))
            }
            _ => internal_err!("a row that cannot be computed"),
        };
        let (int, volatile) = (DataType::Int64, Volatility::Volatile);
        context.register_udf(create_udf(
            "counted",
            vec![int.clone()],
            int,
            volatile,
            Arc::new(counted),
        ));
        let text =
            format!("SELECT l.k FROM l {join} JOIN (SELECT counted(k) AS k FROM r) r ON l.k = r.k");
        let mut plan = context.sql(&text).await?.create_physical_plan().await?;
        let unread = Unread::default();
        if all {
            plan = whole(plan, &unread)?;
        }
        collect(plan, context.task_ctx()).await?;
        unread.read().await?;
        Ok(seen.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn i1_what_an_empty_side_leaves_unread_is_read_and_its_errors_are_seen() {
        for join in ["INNER", "LEFT", "LEFT SEMI", "LEFT ANTI"] {
            assert_eq!(computed(join, false, true).await.ok(), Some(300), "{join}");
            assert!(computed(join, true, true).await.is_err(), "{join}");
            // Without it little is read, and nothing fails.
            assert!(computed(join, false, false).await.is_ok_and(|read| read < 300), "{join}");
        }
    }
}
