//! The scan: partitions are ranges of persons, rows come in storage order.
//!
//! A leaf that opens its files itself. DataFusion neither splits files by bytes nor moves them between
//! partitions here, because it never sees them: either would tear a person's rows apart and count people
//! twice. Runs of one bucket are merged while they are read; buckets follow each other.
//!
//! Every row group is read, whatever is asked: files are sorted by person, so that statistics leave nothing out but for
//! what hardly anybody has, and then the time taken would tell of it.
//!
//! Text columns can be read as codes: numbers into the dictionary that the file holds anyway.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_cast::display::FormatOptions;
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, SplitPoint, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
    RangePartitioning,
};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as ObjectPath;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use crate::StoreError;
use crate::layout::Layout;
use crate::log::DataFile;
use crate::person::{BUCKET_SHIFT, PERSON};
use crate::verify::{Footer, Verifier};

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

    /// See [`Verifier::footer`].
    pub(crate) async fn footer(&self, verifier: &Verifier) -> Result<Arc<Footer>, StoreError> {
        verifier.footer(&self.location, &self.file).await
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
        let batch_size = context.session_config().batch_size();
        match (segment, &self.ordering) {
            (Segment::Merge(files), Some(ordering)) => {
                let mut runs = Vec::with_capacity(files.len());
                for file in &files {
                    runs.push(self.rows_of(file, batch_size).await?);
                }
                let pool = context.memory_pool();
                StreamingMergeBuilder::new()
                    .with_streams(runs)
                    .with_schema(self.schema())
                    .with_expressions(ordering)
                    .with_batch_size(batch_size)
                    .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), partition))
                    .with_reservation(MemoryConsumer::new("StoreScan").register(pool))
                    // Equal rows come from the older run first, so that every scan gives the same rows.
                    .with_round_robin_tie_breaker(false)
                    .build()
            }
            (Segment::Chain(files) | Segment::Merge(files), _) => {
                let scan = self.clone();
                let rows = stream::iter(files)
                    .then(move |file| {
                        let scan = scan.clone();
                        async move { scan.rows_of(&file, batch_size).await }
                    })
                    .try_flatten();
                Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
            }
        }
    }

    /// The rows of one file, in the columns and types of this scan.
    async fn rows_of(
        &self,
        file: &ScanFile,
        batch_size: usize,
    ) -> Result<SendableRecordBatchStream> {
        let failed = |error: StoreError| DataFusionError::External(Box::new(error));
        let footer = file.footer(&self.verifier).await.map_err(failed)?;
        let schema = self.schema();
        let is_coded = |field: &Arc<Field>| matches!(field.data_type(), DataType::Dictionary(_, _));
        let footer = match schema.fields().iter().any(is_coded) {
            true => footer.with_codes(&|name| self.has_few(name))?,
            false => footer.plain(),
        };
        let there = |field: &Arc<Field>| footer.schema().index_of(field.name()).ok();
        let columns = schema.fields().iter().filter_map(there);
        let columns = ProjectionMask::roots(footer.parquet_schema(), columns);
        let reader = self.verifier.reader(&file.location, &file.file)?;
        let rows = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer.clone())
            .with_projection(columns)
            .with_batch_size(batch_size)
            .build()?;
        let rows = rows.map(move |batch| as_described(&batch?, &schema));
        let rows = RecordBatchStreamAdapter::new(self.schema(), rows);
        Ok(make_cooperative(Box::pin(rows)))
    }

    fn has_few(&self, name: &str) -> bool {
        let place = self.stored.index_of(name).ok();
        place.and_then(|place| self.few.get(place)).copied().unwrap_or(false)
    }
}

const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// The columns in the order and with the types of today's description: what an older file lacks is null, and a number
/// that was narrower then is widened.
fn as_described(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        // What does not fit is an error, and never an unknown value.
        Some(column) => cast_with_options(column, field.data_type(), &EXACT),
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// What cannot be grouped by, record keys and joined lists, differs from row to row.
fn few_values(layout: &Layout) -> Arc<[bool]> {
    let described = |name: &str| layout.table.columns.iter().find(|c| c.name.as_str() == name);
    let few = |field: &Arc<Field>| described(field.name()).is_some_and(|c| c.groupable);
    layout.stored.fields().iter().map(few).collect()
}

/// A text as codes; anything else as it is.
pub(crate) fn coded_field(field: &Arc<Field>) -> Arc<Field> {
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
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
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
