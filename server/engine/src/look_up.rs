//! Joins with reference tables and released figures, by a text: what holds nobody's rows is kept, and patients' rows
//! pass by in their order. A text that is read as a code is looked up once for each entry of its dictionary, and what
//! is found can be handed on as codes again: numbers of rows of the table that is kept.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{HashMap, JoinType, NullEquality, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::coded::is_same;
use crate::sides::somebodys;

/// So many dictionaries are remembered with what their entries find: one for each of a few partitions.
const REMEMBERED: usize = 4;

/// Rows of the answer that are made together. A row that finds more has all of them at once.
const BLOCK: usize = 1 << 15;

/// How rows that pass by come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With each row that is found.
    Inner,
    /// With each row that is found, or alone.
    Outer,
    /// When a row is found.
    Semi,
    /// When none is.
    Anti,
}

/// The join.
#[derive(Clone, Debug)]
pub(crate) struct LookUp {
    kind: Kind,
    kept: Arc<dyn ExecutionPlan>,
    passing: Arc<dyn ExecutionPlan>,
    /// The texts that are compared.
    kept_key: usize,
    key: usize,
    /// Where each column of the answer comes from; true is what passes by.
    columns: Arc<[(bool, usize)]>,
    /// Which of these are given as codes though they are kept as they are.
    codes: Arc<[bool]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    table: Arc<OnceCell<Table>>,
}

/// What is kept.
#[derive(Debug)]
struct Table {
    rows: RecordBatch,
    /// The numbers of rows, those with the same text together.
    order: Vec<u32>,
    /// For each text the first place among them, and how many there are.
    places: HashMap<Box<str>, Found>,
    remembered: Mutex<Vec<(ArrayRef, Arc<Vec<Found>>)>>,
    _memory: MemoryReservation,
}

/// The rows of one text: a place in the order, and how many.
type Found = (u32, u32);

/// A hash join as this one; none for others than of one text with what holds nobody's rows.
pub(crate) fn look_up(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let join = node.downcast_ref::<HashJoinExec>()?;
    let (kept, passing) = (join.left(), join.right());
    let kind = match join.join_type() {
        JoinType::Inner => Kind::Inner,
        JoinType::Right => Kind::Outer,
        JoinType::RightSemi => Kind::Semi,
        JoinType::RightAnti => Kind::Anti,
        _ => return None,
    };
    let plain = *join.partition_mode() == PartitionMode::CollectLeft
        && join.filter().is_none()
        && join.null_equality() == NullEquality::NullEqualsNothing
        && !join.null_aware
        && kept.properties().output_partitioning().partition_count() == 1;
    let [(kept_key, key)] = join.on() else { return None };
    let column = |expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>| {
        let column = expr.downcast_ref::<Column>()?.index();
        let text = input.schema().field(column).data_type() == &DataType::Utf8;
        text.then_some(column)
    };
    let (kept_key, key) = (column(kept_key, kept)?, column(key, passing)?);
    if !plain || somebodys(kept) || !somebodys(passing) {
        return None;
    }
    let width = kept.schema().fields().len();
    let one_side = matches!(kind, Kind::Semi | Kind::Anti);
    let from = |column: usize| match column.checked_sub(width) {
        _ if one_side => (true, column),
        Some(column) => (true, column),
        None => (false, column),
    };
    let columns: Vec<(bool, usize)> = match &join.projection {
        Some(columns) => columns.iter().map(|column| from(*column)).collect(),
        None => (0..join.schema().fields().len()).map(from).collect(),
    };
    let codes = vec![false; columns.len()].into();
    let sides = (Arc::clone(kept), Arc::clone(passing));
    let keys = (kept_key, key);
    Some(Arc::new(LookUp::new(kind, sides, keys, columns.into(), codes, join.schema())))
}

impl LookUp {
    fn new(
        kind: Kind,
        (kept, passing): (Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>),
        (kept_key, key): (usize, usize),
        columns: Arc<[(bool, usize)]>,
        codes: Arc<[bool]>,
        schema: SchemaRef,
    ) -> Self {
        let place = |of: usize| columns.iter().position(|column| *column == (true, of));
        let orderings = passing.properties().equivalence_properties().oeq_class().iter();
        let orderings: Vec<LexOrdering> = orderings
            .filter_map(|ordering| {
                LexOrdering::new(ordering.iter().map_while(|key| {
                    let column = key.expr.downcast_ref::<Column>()?;
                    let column = Column::new(column.name(), place(column.index())?);
                    Some(PhysicalSortExpr::new(Arc::new(column), key.options))
                }))
            })
            .collect();
        let partitions = passing.properties().output_partitioning().partition_count();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), orderings),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        let table = Arc::default();
        Self { kind, kept, passing, kept_key, key, columns, codes, schema, properties, table }
    }

    /// Which column of what passes by one of its own is.
    pub(crate) fn passed(&self, column: usize) -> Option<usize> {
        let (passes, column) = *self.columns.get(column)?;
        passes.then_some(column)
    }

    /// The column that is compared, of what passes by.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// The same over another input, with these columns of its answer as codes where they come from what is kept.
    pub(crate) fn with_codes(
        &self,
        kept: Arc<dyn ExecutionPlan>,
        passing: Arc<dyn ExecutionPlan>,
        codes: &[bool],
    ) -> Self {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut coded = Vec::with_capacity(self.columns.len());
        for (at, (passes, column)) in self.columns.iter().enumerate() {
            let input = if *passes { &passing } else { &kept };
            let own = input.schema().field(*column).data_type().clone();
            let codes = !passes && codes.get(at) == Some(&true);
            let data_type = match codes {
                true => DataType::Dictionary(Box::new(DataType::Int32), Box::new(own)),
                false => own,
            };
            fields.push(self.schema.field(at).clone().with_data_type(data_type));
            coded.push(codes);
        }
        let schema = Schema::new_with_metadata(fields, self.schema.metadata().clone());
        let keys = (self.kept_key, self.key);
        let columns = Arc::clone(&self.columns);
        Self::new(self.kind, (kept, passing), keys, columns, coded.into(), Arc::new(schema))
    }

    async fn table(&self, context: Arc<TaskContext>) -> Result<&Table> {
        let read = async || {
            let kept: Vec<RecordBatch> =
                self.kept.execute(0, Arc::clone(&context))?.try_collect().await?;
            let rows = concat_batches(&self.kept.schema(), &kept)?;
            let memory = MemoryConsumer::new("look up").register(context.memory_pool());
            memory.try_grow(rows.get_array_memory_size())?;
            let Some(texts) = rows.column(self.kept_key).as_string_opt::<i32>() else {
                return internal_err!("a text is compared");
            };
            let mut order: Vec<u32> =
                (0..rows.num_rows() as u32).filter(|n| texts.is_valid(*n as usize)).collect();
            order.sort_by_key(|n| texts.value(*n as usize));
            let mut places: HashMap<Box<str>, Found> = HashMap::with_capacity(order.len());
            for (place, row) in order.iter().enumerate() {
                let text = texts.value(*row as usize);
                places.entry(text.into()).or_insert((place as u32, 0)).1 += 1;
            }
            let remembered = Mutex::default();
            Ok(Table { rows, order, places, remembered, _memory: memory })
        };
        self.table.get_or_try_init(read).await
    }

    /// The next rows of the answer, those of a batch's rows from `at` on; `at` moves behind those that were joined.
    fn joined(
        &self,
        table: &Table,
        (batch, found): (&RecordBatch, &[Found]),
        at: &mut usize,
    ) -> Result<RecordBatch> {
        let (mut rows, mut of_kept) = (Vec::with_capacity(found.len()), Vec::new());
        for (place, many) in found.iter().skip(*at).copied() {
            if rows.len() >= BLOCK {
                break;
            }
            let row = *at as u32;
            match (self.kind, many) {
                (Kind::Inner | Kind::Outer, 1..) => {
                    for place in place..place + many {
                        rows.push(row);
                        of_kept.push(table.order.get(place as usize).map(|row| *row as i32));
                    }
                }
                (Kind::Outer | Kind::Anti, 0) | (Kind::Semi, 1..) => {
                    rows.push(row);
                    of_kept.push(None);
                }
                (Kind::Inner | Kind::Semi, 0) | (Kind::Anti, 1..) => {}
            }
            *at += 1;
        }
        // Nearly always every row finds one.
        let same =
            rows.len() == batch.num_rows() && rows.iter().zip(0..).all(|(row, same)| *row == same);
        let (rows, of_kept) = (UInt32Array::from(rows), Int32Array::from(of_kept));
        let columns = self.columns.iter().zip(self.codes.iter()).map(|((passes, n), codes)| {
            Ok(match (passes, codes) {
                (true, _) if same => Arc::clone(batch.column(*n)),
                (true, _) => take(batch.column(*n), &rows, None)?,
                (false, true) => {
                    let values = Arc::clone(table.rows.column(*n));
                    Arc::new(DictionaryArray::try_new(with_nulls(&of_kept, &values), values)?)
                }
                (false, false) => take(table.rows.column(*n), &of_kept, None)?,
            })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Codes, with null where the value is.
fn with_nulls(codes: &Int32Array, values: &ArrayRef) -> Int32Array {
    if values.null_count() == 0 {
        return codes.clone();
    }
    let known = |code: &i32| usize::try_from(*code).is_ok_and(|code| values.is_valid(code));
    codes.iter().map(|code| code.filter(known)).collect()
}

impl Table {
    fn of_text(&self, text: &str) -> Found {
        self.places.get(text).copied().unwrap_or((0, 0))
    }

    /// What each row finds.
    fn found(&self, keys: &ArrayRef) -> Result<Vec<Found>> {
        let Some(keys) = keys.as_dictionary_opt::<Int32Type>() else {
            let Some(texts) = keys.as_string_opt::<i32>() else {
                return internal_err!("a text is compared");
            };
            let found = texts.iter().map(|text| text.map_or((0, 0), |text| self.of_text(text)));
            return Ok(found.collect());
        };
        let entries = self.of_entries(keys.values())?;
        let found = |key: &i32| entries.get(*key as usize).copied().unwrap_or((0, 0));
        let mut all: Vec<Found> = keys.keys().values().iter().map(found).collect();
        if let Some(nulls) = keys.keys().nulls() {
            for row in (!nulls.inner()).set_indices() {
                if let Some(found) = all.get_mut(row) {
                    *found = (0, 0);
                }
            }
        }
        Ok(all)
    }

    fn of_entries(&self, dictionary: &ArrayRef) -> Result<Arc<Vec<Found>>> {
        let known = self.remembered.lock();
        if let Some((_, found)) = known.iter().find(|(known, _)| is_same(known, dictionary)) {
            return Ok(Arc::clone(found));
        }
        drop(known);
        let Some(texts) = dictionary.as_string_opt::<i32>() else {
            return internal_err!("codes stand for texts");
        };
        let found = texts.iter().map(|text| text.map_or((0, 0), |text| self.of_text(text)));
        let found: Arc<Vec<Found>> = Arc::new(found.collect());
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED {
            remembered.remove(0);
        }
        remembered.push((Arc::clone(dictionary), Arc::clone(&found)));
        Ok(found)
    }
}

impl DisplayAs for LookUp {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookUp: kind={:?}, columns={:?}", self.kind, self.columns)
    }
}

impl ExecutionPlan for LookUp {
    fn name(&self) -> &'static str {
        "LookUp"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.kept, &self.passing]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) {
            Ok([kept, passing]) => Ok(Arc::new(self.with_codes(kept, passing, &self.codes))),
            Err(_) => internal_err!("a join has two sides"),
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
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, n: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.passing.execute(n, Arc::clone(&context))?;
        let running = (self.clone(), rows, None::<(RecordBatch, Vec<Found>, usize)>);
        let batches = stream::try_unfold(running, move |(join, mut rows, mut open)| {
            let context = Arc::clone(&context);
            async move {
                let table = join.table(context).await?;
                loop {
                    if let Some((batch, found, at)) = &mut open
                        && *at < found.len()
                    {
                        let batch = join.joined(table, (batch, found), at)?;
                        return Ok(Some((batch, (join, rows, open))));
                    }
                    let Some(batch) = rows.next().await else { return Ok(None) };
                    let batch = batch?;
                    let found = table.found(batch.column(join.key))?;
                    open = Some((batch, found, 0));
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
