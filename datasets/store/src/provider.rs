//! A pinned table as DataFusion sees it. No statistics and no constraints: exact statistics would answer
//! `count(*)` past the row filters, and constraints would add and drop group keys.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::layout::Layout;
use crate::scan::{ScanFile, Split, StoreScan};
use crate::verify::Verifier;

/// Scans one version of one table.
pub(crate) struct Provider {
    layout: Layout,
    files: Arc<Vec<ScanFile>>,
    split: Split,
    verifier: Arc<Verifier>,
}

impl Provider {
    pub(crate) fn new(
        layout: Layout,
        files: Arc<Vec<ScanFile>>,
        split: Split,
        verifier: Arc<Verifier>,
    ) -> Self {
        Self { layout, files, split, verifier }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.layout.table.name)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.layout.stored)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Never exact: whoever filters keeps filtering.
        let push = |filter: &&Expr| match prunes(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(push).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = DFSchema::try_from(Arc::clone(&self.layout.stored))?;
        let predicate = conjunction(filters.iter().filter(|filter| prunes(filter)).cloned())
            .map(|filter| state.create_physical_expr(filter, &schema))
            .transpose()?;
        let (files, verifier) = (Arc::clone(&self.files), Arc::clone(&self.verifier));
        let projection = projection.cloned();
        Ok(Arc::new(StoreScan::try_new(
            &self.layout,
            files,
            &self.split,
            projection,
            predicate,
            verifier,
        )?))
    }
}

/// Whether row groups can be left out by it. An allow-list: a filter that is not pushed is merely slower.
fn prunes(filter: &Expr) -> bool {
    let mut plain = true;
    let walked = filter.apply(|part| {
        plain = matches!(
            part,
            Expr::Column(_)
                | Expr::Literal(..)
                | Expr::BinaryExpr(_)
                | Expr::Between(_)
                | Expr::InList(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::Not(_)
        );
        Ok(if plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && plain
}
