//! A pinned table as DataFusion sees it. No statistics and no constraints: exact statistics would answer
//! `count(*)` past the row filters, and constraints would add and drop group keys.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
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

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, verifier) = (Arc::clone(&self.files), Arc::clone(&self.verifier));
        let projection = projection.cloned();
        Ok(Arc::new(StoreScan::try_new(&self.layout, files, &self.split, projection, verifier)?))
    }
}
