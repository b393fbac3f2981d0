//! The end of an inner plan: rows of patients become groups with evidence. Nothing of DataFusion aggregates here.
//!
//! Each partition fills a table of its own, and the tables are put together at the end. Where the plan hands on whole
//! persons one after another ([`in_person_order`]), a person's rows add up in place and leave nothing behind but sums;
//! else every cell keeps a list of persons, and it is sorted before it is read. Both give the same evidence, to the
//! bit, whatever order rows come in. Codes of group columns are numbered as they come, so that a row costs a few
//! look-ups in small tables.

mod cells;
mod codes;
mod groups;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Int64Array, RecordBatch, RecordBatchOptions, UInt64Array,
    new_null_array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use cordon_disclosure::{Gathering, RawCell};
use cordon_store::PERSON;
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Aggregate;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use futures::StreamExt as _;
use tokio::task::JoinSet;

use cells::Cell;
use codes::Coder;
use groups::Grouper;

use crate::sides::somebodys;

/// What one figure gathers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) by: Gathering,
    /// Declared public bounds of one contribution, in its fixed point.
    pub(crate) bounds: Option<(i128, i128)>,
}

/// What is gathered from rows of keys, a person and one contribution for each figure, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gather {
    pub(crate) keys: usize,
    /// Which keys stand in each grouping set; none without grouping sets.
    pub(crate) sets: Option<Vec<Vec<usize>>>,
    pub(crate) figures: Vec<Figure>,
}

/// Groups with their evidence.
pub(crate) struct Gathered {
    /// One row for each group: its keys, null where a set leaves one out, and the id of its set where there are sets.
    pub(crate) keys: RecordBatch,
    /// For each figure one cell for each group.
    pub(crate) cells: Vec<Vec<RawCell>>,
}

/// Runs a plan and gathers from its rows. `schema` is that of the keys.
pub(crate) async fn gather(
    plan: Arc<dyn ExecutionPlan>,
    what: &Arc<Gather>,
    schema: &SchemaRef,
    context: Arc<TaskContext>,
) -> Result<Gathered> {
    let ordered = in_person_order(&plan, what.keys);
    let mut filling = JoinSet::new();
    for n in 0..plan.properties().output_partitioning().partition_count() {
        let rows = plan.execute(n, Arc::clone(&context))?;
        let table = Table::new(what, ordered, plan.schema());
        let memory = MemoryConsumer::new("gather").register(context.memory_pool());
        filling.spawn(async move { Ok((n, filled(table, rows, memory).await?)) });
    }
    let mut parts = Vec::new();
    while let Some(part) = filling.join_next().await {
        match part {
            Ok(Ok(part)) => parts.push(part),
            Ok(Err(error)) => return Err(error),
            Err(_) => return internal_err!("a panic while gathering"),
        }
    }
    // In the order of partitions, not of who was ready first.
    parts.sort_by_key(|(n, _)| *n);
    let mut whole = Table::new(what, ordered, plan.schema());
    let mut reserved = Vec::new();
    for (_, (part, memory)) in parts {
        reserved.push(memory);
        whole = if whole.is_empty() { part } else { whole.and(part)? };
    }
    whole.finish(schema)
}

async fn filled(
    mut table: Table,
    mut rows: SendableRecordBatchStream,
    memory: MemoryReservation,
) -> Result<(Table, MemoryReservation)> {
    while let Some(batch) = rows.next().await {
        table.add(&batch?)?;
        memory.try_resize(table.size())?;
    }
    Ok((table, memory))
}

/// Whether every partition holds whole persons, each person's rows one after another: proven by the plan, or not
/// taken for granted. DataFusion knows the order of rows. That a person is in one partition only follows from the scan,
/// and from nodes above it of which each hands on the rows of its one input in that order and those partitions.
pub(crate) fn in_person_order(plan: &Arc<dyn ExecutionPlan>, person: usize) -> bool {
    let Some(field) = plan.schema().fields().get(person).cloned() else { return false };
    let by_person = PhysicalSortExpr::new_default(Arc::new(Column::new(field.name(), person)));
    let equal = plan.properties().equivalence_properties();
    equal.ordering_satisfy([by_person]).is_ok_and(|satisfied| satisfied)
        && whole_persons(plan, person)
}

fn whole_persons(plan: &Arc<dyn ExecutionPlan>, person: usize) -> bool {
    let below = match (plan.name(), plan.children().as_slice()) {
        ("StoreScan", []) => {
            let partitioning = plan.properties().output_partitioning();
            let is_person = plan.schema().fields().get(person).is_some_and(|f| f.name() == PERSON);
            return is_person
                && (matches!(partitioning, Partitioning::Range(_))
                    || partitioning.partition_count() == 1);
        }
        ("ProjectionExec", [_]) => plan.downcast_ref::<ProjectionExec>().and_then(|projection| {
            let expr = &projection.expr().get(person)?.expr;
            Some(expr.downcast_ref::<Column>()?.index())
        }),
        ("FilterExec", [_]) => {
            plan.downcast_ref::<FilterExec>().and_then(|filter| match filter.projection() {
                Some(columns) => columns.get(person).copied(),
                None => Some(person),
            })
        }
        ("CooperativeExec" | "Whole", [_]) => Some(person),
        ("HashJoinExec", [_, _]) => plan.downcast_ref::<HashJoinExec>().and_then(|join| {
            let passed =
                *join.partition_mode() == PartitionMode::CollectLeft && !somebodys(join.left());
            probed(join, person).filter(|_| passed)
        }),
        _ => None,
    };
    // Of a join the side that passes by, else the only one.
    let input = plan.children().last().map(|input| Arc::clone(input));
    below.zip(input).is_some_and(|(person, input)| whole_persons(&input, person))
}

/// Which column of a join's right side one of its own is, where that side's rows pass by in their order.
fn probed(join: &HashJoinExec, column: usize) -> Option<usize> {
    let column = match &join.projection {
        Some(columns) => *columns.get(column)?,
        None => column,
    };
    let right = join.right().schema().fields().len();
    let column = match join.join_type() {
        JoinType::Inner | JoinType::Right => {
            column.checked_sub(join.left().schema().fields().len())?
        }
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => column,
        _ => return None,
    };
    (column < right).then_some(column)
}

/// The groups of one partition, or of several put together.
struct Table {
    what: Arc<Gather>,
    ordered: bool,
    schema: SchemaRef,
    coders: Vec<Coder>,
    sets: Vec<Set>,
    last: i64,
    rows: u64,
    bytes: usize,
}

/// The groups of one grouping set.
struct Set {
    keys: Vec<usize>,
    grouper: Grouper,
    /// By figure, then by group.
    cells: Vec<Vec<Cell>>,
}

impl Table {
    fn new(what: &Arc<Gather>, ordered: bool, schema: SchemaRef) -> Self {
        let all = || vec![(0..what.keys).collect::<Vec<_>>()];
        let sets = what.sets.clone().unwrap_or_else(all).into_iter().map(|keys| Set {
            grouper: Grouper::new(keys.len()),
            keys,
            cells: what.figures.iter().map(|_| Vec::new()).collect(),
        });
        let keys = schema.fields().iter().take(what.keys);
        Self {
            coders: keys.map(|field| Coder::new(field.data_type())).collect(),
            sets: sets.collect(),
            what: Arc::clone(what),
            ordered,
            schema,
            last: i64::MIN,
            rows: 0,
            bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.rows += rows as u64;
        let column = |n: usize| batch.columns().get(n);
        let Some(persons) = column(self.what.keys).and_then(|c| c.as_primitive_opt::<Int64Type>())
        else {
            return internal_err!("a person is an Int64");
        };
        if self.ordered {
            self.still_in_order(persons)?;
        }
        let mut codes = Vec::with_capacity(self.coders.len());
        for (coder, array) in self.coders.iter_mut().zip(batch.columns()) {
            codes.push(coder.codes(array)?);
        }
        for set in &mut self.sets {
            let groups = set.grouper.groups(&set.keys, &codes, rows);
            let number = set.grouper.len();
            for (n, (figure, cells)) in self.what.figures.iter().zip(&mut set.cells).enumerate() {
                let Some(contributions) = column(self.what.keys + 1 + n) else {
                    return internal_err!("a figure has a contribution");
                };
                cells.resize_with(number, Cell::default);
                let into = Into { figure, ordered: self.ordered, persons, groups: &groups };
                self.bytes += into.fill(cells, contributions)?;
            }
        }
        Ok(())
    }

    /// The plan proved it; were it wrong, people would be counted twice.
    fn still_in_order(&mut self, persons: &Int64Array) -> Result<()> {
        let mut last = self.last;
        let in_order = if persons.null_count() == 0 {
            persons.values().iter().all(|person| std::mem::replace(&mut last, *person) <= *person)
        } else {
            persons.iter().flatten().all(|person| std::mem::replace(&mut last, person) <= person)
        };
        self.last = last;
        if in_order { Ok(()) } else { internal_err!("persons out of order") }
    }

    fn size(&self) -> usize {
        let cells = self.sets.iter().flat_map(|set| &set.cells);
        let cells: usize = cells.map(|cells| cells.capacity() * size_of::<Cell>()).sum();
        let coders: usize = self.coders.iter().map(Coder::size).sum();
        let groups: usize = self.sets.iter().map(|set| set.grouper.size()).sum();
        self.bytes + cells + coders + groups
    }

    /// With the groups of another partition.
    fn and(mut self, other: Self) -> Result<Self> {
        self.rows += other.rows;
        self.bytes += other.bytes;
        // Their numbers of codes in our numbers.
        let mut ours = Vec::with_capacity(self.coders.len());
        for (coder, theirs) in self.coders.iter_mut().zip(&other.coders) {
            ours.push(coder.codes_of(theirs)?);
        }
        for (set, theirs) in self.sets.iter_mut().zip(other.sets) {
            let mut codes = vec![Vec::new(); self.coders.len()];
            for (key, column) in theirs.keys.iter().zip(theirs.grouper.columns()) {
                if let (Some(codes), Some(ours)) = (codes.get_mut(*key), ours.get(*key)) {
                    *codes = column
                        .into_iter()
                        .map(|code| ours.get(code as usize).copied().unwrap_or(0))
                        .collect();
                }
            }
            let groups = set.grouper.groups(&set.keys, &codes, theirs.grouper.len());
            let number = set.grouper.len();
            let figures = self.what.figures.iter().zip(&mut set.cells).zip(theirs.cells);
            for ((figure, cells), theirs) in figures {
                cells.resize_with(number, Cell::default);
                for (group, cell) in groups.iter().zip(theirs) {
                    if let Some(ours) = cells.get_mut(*group as usize) {
                        ours.merge(&figure.by, self.ordered, cell);
                    }
                }
            }
        }
        Ok(self)
    }

    fn finish(mut self, schema: &SchemaRef) -> Result<Gathered> {
        let mut parts = Vec::new();
        let mut cells: Vec<Vec<RawCell>> = self.what.figures.iter().map(|_| Vec::new()).collect();
        let without_sets = self.what.sets.is_none();
        for set in &mut self.sets {
            // A table without group columns has one row, also of nobody.
            if without_sets && set.keys.is_empty() {
                set.grouper.groups(&[], &[], 1);
                set.cells.iter_mut().for_each(|cells| cells.resize_with(1, Cell::default));
            }
            let groups = set.grouper.len();
            let mut columns: Vec<ArrayRef> =
                self.schema.fields().iter().take(self.what.keys).map(|f| null(f, groups)).collect();
            for (key, codes) in set.keys.iter().zip(set.grouper.columns()) {
                if let (Some(column), Some(coder)) = (columns.get_mut(*key), self.coders.get(*key))
                {
                    *column = coder.values(&codes)?;
                }
            }
            if !without_sets {
                // One bit for each key, the first in the highest, set where the key is left out.
                let id = (0..self.what.keys)
                    .fold(0_u64, |id, key| (id << 1) | u64::from(!set.keys.contains(&key)));
                let ids: ArrayRef = Arc::new(UInt64Array::from(vec![id; groups]));
                columns.push(cast(&ids, schema.field(self.what.keys).data_type())?);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(groups));
            parts.push(RecordBatch::try_new_with_options(
                SchemaRef::clone(schema),
                columns,
                &options,
            )?);
            let figures = self.what.figures.iter().zip(&mut set.cells).zip(&mut cells);
            for ((figure, from), to) in figures {
                to.extend(from.drain(..).map(|cell| cell.evidence(&figure.by, self.ordered)));
            }
        }
        Ok(Gathered { keys: together(schema, parts)?, cells })
    }
}

fn together(schema: &SchemaRef, mut parts: Vec<RecordBatch>) -> Result<RecordBatch> {
    match (parts.pop(), parts.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            parts.push(last);
            Ok(concat_batches(schema, &parts)?)
        }
        (None, _) => internal_err!("a table has a grouping set"),
    }
}

fn null(field: &Arc<Field>, rows: usize) -> ArrayRef {
    new_null_array(field.data_type(), rows)
}

/// The schema of a table's keys: those of its rows, and the id of the grouping set where there are several.
pub(crate) fn key_schema(rows: &Schema, gather: &Gather) -> SchemaRef {
    let keys = rows.fields().iter().take(gather.keys);
    let mut fields: Vec<Field> =
        keys.map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    if gather.sets.is_some() {
        let data_type = Aggregate::grouping_id_type(gather.keys, 0);
        fields.push(Field::new(Aggregate::INTERNAL_GROUPING_ID, data_type, true));
    }
    Arc::new(Schema::new(fields))
}

/// Where the rows of a batch belong.
struct Into<'a> {
    figure: &'a Figure,
    ordered: bool,
    persons: &'a Int64Array,
    groups: &'a [u32],
}

impl Into<'_> {
    /// Adds contributions to cells; gives the bytes that these grew by.
    fn fill(&self, cells: &mut [Cell], contributions: &ArrayRef) -> Result<usize> {
        match contributions.data_type() {
            DataType::Int64 => {
                let column = contributions.as_primitive::<Int64Type>();
                Ok(self.rows(cells, column, |n| i128::from(column.value(n))))
            }
            DataType::Decimal128(_, _) => {
                let column: &Decimal128Array = contributions.as_primitive::<Decimal128Type>();
                Ok(self.rows(cells, column, |n| column.value(n)))
            }
            _ => internal_err!("a contribution is an Int64 or a Decimal128"),
        }
    }

    fn rows(&self, cells: &mut [Cell], column: &dyn Array, value: impl Fn(usize) -> i128) -> usize {
        let Figure { by, bounds } = self.figure;
        let mut grown = 0;
        let none = column.null_count() == 0 && self.persons.null_count() == 0;
        for (row, (person, group)) in self.persons.values().iter().zip(self.groups).enumerate() {
            if !none && (self.persons.is_null(row) || column.is_null(row)) {
                continue;
            }
            let contribution = match bounds {
                Some((least, most)) => value(row).clamp(*least, *most),
                None => value(row),
            };
            if let Some(cell) = cells.get_mut(*group as usize) {
                grown += cell.add(by, self.ordered, *person, contribution);
            }
        }
        grown
    }
}
