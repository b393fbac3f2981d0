//! Where a released table will stand in a plan before it exists.

use arrow_schema::SchemaRef;
use datafusion::logical_expr::TableSource;

/// The table of one cut, to be put in after release. The physical planner does not take it.
#[derive(Debug)]
pub(crate) struct ReleasedSource {
    /// Which cut.
    pub(crate) cut: usize,
    pub(crate) schema: SchemaRef,
}

impl TableSource for ReleasedSource {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}
