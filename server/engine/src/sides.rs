//! Which side of a join is kept in memory: the one that holds nobody's rows.
//!
//! Reference tables and released figures are small, and patients' rows then pass by them as they come: in order, each
//! person whole, without being dealt out to other partitions. DataFusion would have to know sizes to see it, and scans of
//! the store tell none.

use std::sync::Arc;

use cordon_store::PERSON;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};

/// Runs before the distribution of rows is decided.
#[derive(Debug)]
pub(crate) struct NobodyFirst;

impl PhysicalOptimizerRule for NobodyFirst {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(node));
            };
            match (somebodys(join.left()), somebodys(join.right())) {
                (false, true) => {
                    let mode = PartitionMode::CollectLeft;
                    let kept = join.builder().with_partition_mode(mode).build()?;
                    Ok(Transformed::yes(Arc::new(kept) as _))
                }
                // NOT IN with its nulls has fixed sides.
                (true, false) if join.join_type().supports_swap() && !join.null_aware => {
                    join.swap_inputs(PartitionMode::CollectLeft).map(Transformed::yes)
                }
                _ => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "NobodyFirst"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether rows of patients are read below: their scans hold the person's number.
pub(crate) fn somebodys(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    if children.is_empty() {
        return plan.schema().column_with_name(PERSON).is_some();
    }
    children.into_iter().any(somebodys)
}
