//! The scan: partitions are ranges of persons, rows come in storage order.
//!
//! A leaf that opens its files itself. DataFusion neither splits files by bytes nor moves them between
//! partitions here, because it never sees them: either would tear a person's rows apart and count people
//! twice. Runs of one bucket are merged while they are read; buckets follow each other.
//!
//! Text columns can be read as codes: numbers into the dictionary that the file holds anyway.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, SplitPoint, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory as _,
};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
    RangePartitioning,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as ObjectPath;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use crate::StoreError;
use crate::layout::Layout;
use crate::log::DataFile;
use crate::person::{BUCKET_SHIFT, PERSON};
use crate::verify::Verifier;

/// Unknown dates come last, as SQL has it for an ascending order.
const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// A file and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct ScanFile {
    location: ObjectPath,
    file: DataFile,
}

impl ScanFile {
    pub(crate) fn new(folder: &Path, file: DataFile) -> Result<Self, StoreError> {
        let location = ObjectPath::from_absolute_path(folder.join(&file.path))
            .map_err(|_| StoreError::Internal("naming a file"))?;
        Ok(Self { location, file })
    }

    /// Where the file lies on the disk.
    pub(crate) fn path(&self) -> PathBuf {
        // Locations are absolute, without the first stroke.
        Path::new("/").join(self.location.as_ref())
    }
}

/// Which buckets each partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split(Vec<Range<u32>>);

impl Split {
    /// Ranges of buckets with about as many rows each; none of them empty of buckets.
    pub(crate) fn balanced(rows: &[u64], partitions: usize) -> Self {
        let buckets = rows.len() as u32;
        let partitions = (partitions.max(1) as u32).min(buckets.max(1));
        // One row more in each bucket: with no rows at all buckets are still dealt out evenly.
        let total: u128 = rows.iter().map(|rows| u128::from(*rows) + 1).sum();
        let (mut ranges, mut from, mut passed) = (Vec::new(), 0, 0u128);
        for (bucket, rows) in (0..).zip(rows) {
            passed += u128::from(*rows) + 1;
            let made = ranges.len() as u32;
            let last = made + 1 == partitions;
            let full = passed * u128::from(partitions) >= total * u128::from(made + 1);
            let left = buckets - bucket - 1;
            if !last && (full || left < partitions - made) {
                ranges.push(from..bucket + 1);
                from = bucket + 1;
            }
        }
        ranges.push(from..buckets.max(1));
        Self(ranges)
    }

    /// The first person of every partition but the first.
    fn points(&self) -> Vec<SplitPoint> {
        let first =
            |range: &Range<u32>| ScalarValue::Int64(Some(i64::from(range.start) << BUCKET_SHIFT));
        self.0.iter().skip(1).map(|range| SplitPoint::new(vec![first(range)])).collect()
    }
}

/// Files that are read one after another, or merged.
#[derive(Clone, Debug)]
enum Segment {
    Chain(Vec<ScanFile>),
    Merge(Vec<ScanFile>),
}

/// Reads one version of one table.
#[derive(Clone)]
pub struct StoreScan {
    table: String,
    stored: SchemaRef,
    /// Which of these have few values, and so dictionaries in the files.
    few: Arc<[bool]>,
    projection: Option<Vec<usize>>,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    partitions: Vec<Vec<Segment>>,
    ordering: Option<LexOrdering>,
    properties: Arc<PlanProperties>,
    verifier: Arc<Verifier>,
}

impl StoreScan {
    pub(crate) fn try_new(
        layout: &Layout,
        files: Arc<Vec<ScanFile>>,
        split: &Split,
        projection: Option<Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        verifier: Arc<Verifier>,
    ) -> Result<Self> {
        let schema = match &projection {
            Some(columns) => Arc::new(layout.stored.project(columns)?),
            None => Arc::clone(&layout.stored),
        };
        let ordering = storage_ordering(layout, &schema);
        let partitions = split
            .0
            .iter()
            .map(|range| {
                segments(
                    files.iter().filter(|f| range.contains(&f.file.bucket)),
                    ordering.is_some(),
                )
            })
            .collect::<Vec<_>>();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), ordering.clone()),
            partitioning(split, &schema)?,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table: layout.table.name.to_string(),
            stored: Arc::clone(&layout.stored),
            few: few_values(layout),
            projection,
            predicate,
            partitions,
            ordering,
            properties: Arc::new(properties),
            verifier,
        })
    }

    /// The same rows, with these columns of its output as codes where they are texts of few values.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn with_codes(&self, columns: &[usize]) -> Result<Self> {
        let mut fields = self.stored.fields().to_vec();
        for column in columns {
            let place = match &self.projection {
                Some(projection) => projection.get(*column).copied(),
                None => Some(*column),
            };
            let Some((place, field)) = place.and_then(|n| Some((n, fields.get_mut(n)?))) else {
                return internal_err!("the scan has no column {column}");
            };
            if self.few.get(place) == Some(&true) {
                *field = coded_field(field);
            }
        }
        let stored = Arc::new(Schema::new(fields));
        let schema = match &self.projection {
            Some(columns) => Arc::new(stored.project(columns)?),
            None => Arc::clone(&stored),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, self.ordering.clone()),
            self.properties.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { stored, properties: Arc::new(properties), ..self.clone() })
    }

    async fn open(
        &self,
        segment: Segment,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (Segment::Chain(files) | Segment::Merge(files)) = &segment;
        let mut opened = Vec::with_capacity(files.len());
        for file in files {
            let verified = self.verifier.verify(&file.location, &file.file).await;
            verified.map_err(|error| DataFusionError::External(Box::new(error)))?;
            opened.push(self.partitioned(file, &context).await?);
        }
        match (segment, &self.ordering) {
            (Segment::Merge(_), Some(ordering)) => {
                let runs =
                    opened.into_iter().map(|file| self.read(vec![file], Arc::clone(&context)));
                let pool = context.memory_pool();
                StreamingMergeBuilder::new()
                    .with_streams(runs.collect::<Result<Vec<_>>>()?)
                    .with_schema(self.schema())
                    .with_expressions(ordering)
                    .with_batch_size(context.session_config().batch_size())
                    .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), partition))
                    .with_reservation(MemoryConsumer::new("StoreScan").register(pool))
                    // Equal rows come from the older run first, so that every scan gives the same rows.
                    .with_round_robin_tie_breaker(false)
                    .build()
            }
            (Segment::Chain(_) | Segment::Merge(_), _) => self.read(opened, context),
        }
    }

    fn factory(&self, context: &TaskContext) -> CachedParquetFileReaderFactory {
        let footers = context.runtime_env().cache_manager.get_file_metadata_cache();
        CachedParquetFileReaderFactory::new(Arc::clone(self.verifier.objects()), footers)
    }

    /// The file as the reader wants it named, with the types its columns are to be read in.
    async fn partitioned(&self, file: &ScanFile, context: &TaskContext) -> Result<PartitionedFile> {
        let named = PartitionedFile::new(file.location.clone(), file.file.bytes);
        let coded = |name: &str| {
            let field = self.stored.field_with_name(name);
            field.is_ok_and(|field| matches!(field.data_type(), DataType::Dictionary(_, _)))
        };
        if !self.stored.fields().iter().any(|field| coded(field.name())) {
            return Ok(named);
        }
        // A file may have fewer columns than are described today.
        let metrics = ExecutionPlanMetricsSet::new();
        let mut reader = self.factory(context).create_reader(0, named.clone(), None, &metrics)?;
        let footer = reader.get_metadata(None).await?;
        let footer = ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new())?;
        let fields = footer.schema().fields().iter();
        let fields = fields.map(|field| match coded(field.name()) {
            true => coded_field(field),
            false => Arc::clone(field),
        });
        Ok(named.with_arrow_schema(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
    }

    fn read(
        &self,
        files: Vec<PartitionedFile>,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut source = ParquetSource::new(Arc::clone(&self.stored))
            .with_parquet_file_reader_factory(Arc::new(self.factory(&context)))
            .with_enable_page_index(true)
            .with_pushdown_filters(false);
        if let Some(predicate) = &self.predicate {
            source = source.with_predicate(Arc::clone(predicate));
        }
        // The URL is never looked at: the reader above knows its own storage.
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_group(FileGroup::new(files))
                .with_preserve_order(true)
                .with_projection_indices(self.projection.clone())?
                .build();
        DataSourceExec::from_data_source(config).execute(0, context)
    }
}

/// What cannot be grouped by, record keys and joined lists, differs from row to row.
fn few_values(layout: &Layout) -> Arc<[bool]> {
    let described = |name: &str| layout.table.columns.iter().find(|c| c.name.as_str() == name);
    let few = |field: &Arc<Field>| described(field.name()).is_some_and(|c| c.groupable);
    layout.stored.fields().iter().map(few).collect()
}

/// A text as codes; anything else as it is.
fn coded_field(field: &Arc<Field>) -> Arc<Field> {
    match field.data_type() {
        DataType::Utf8 => {
            let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(codes))
        }
        _ => Arc::clone(field),
    }
}

/// By person and date as far as both are read.
fn storage_ordering(layout: &Layout, schema: &SchemaRef) -> Option<LexOrdering> {
    let clustered = layout.clustered.as_ref()?;
    let sorted = |name: &str| {
        let place = schema.index_of(name).ok()?;
        Some(PhysicalSortExpr::new(Arc::new(Column::new(name, place)), ASCENDING))
    };
    let date = layout.stored.field(clustered.date).name();
    LexOrdering::new(std::iter::once(sorted(PERSON)?).chain(sorted(date)))
}

fn partitioning(split: &Split, schema: &SchemaRef) -> Result<Partitioning> {
    let count = split.0.len();
    let Some((place, _)) = schema.column_with_name(PERSON).filter(|_| count > 1) else {
        return Ok(Partitioning::UnknownPartitioning(count));
    };
    // Never `Hash`: DataFusion takes any two of them for co-partitioned.
    let person = PhysicalSortExpr::new(Arc::new(Column::new(PERSON, place)), ASCENDING);
    match LexOrdering::new([person]) {
        Some(ordering) => {
            Ok(Partitioning::Range(RangePartitioning::try_new(ordering, split.points())?))
        }
        None => internal_err!("an ordering of one column is empty"),
    }
}

fn segments<'f>(files: impl Iterator<Item = &'f ScanFile>, ordered: bool) -> Vec<Segment> {
    let files: Vec<ScanFile> = files.cloned().collect();
    if !ordered {
        return if files.is_empty() { Vec::new() } else { vec![Segment::Chain(files)] };
    }
    let mut segments = Vec::new();
    for runs in files.chunk_by(|a, b| a.file.bucket == b.file.bucket) {
        match (runs, segments.last_mut()) {
            ([single], Some(Segment::Chain(chain))) => chain.push(single.clone()),
            ([single], _) => segments.push(Segment::Chain(vec![single.clone()])),
            (runs, _) => segments.push(Segment::Merge(runs.to_vec())),
        }
    }
    segments
}

impl fmt::Debug for StoreScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreScan({})", self.table)
    }
}

impl DisplayAs for StoreScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreScan: table={}, partitions={}", self.table, self.partitions.len())
    }
}

impl ExecutionPlan for StoreScan {
    fn name(&self) -> &'static str {
        "StoreScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.predicate.as_ref().map_or(Ok(TreeNodeRecursion::Continue), visit)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(segments) = self.partitions.get(partition).cloned() else {
            return internal_err!("the scan has no partition {partition}");
        };
        let scan = self.clone();
        let batches = stream::iter(segments)
            .then(move |segment| {
                let (scan, context) = (scan.clone(), Arc::clone(&context));
                async move { scan.open(segment, partition, context).await }
            })
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
