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
mod pairs;
#[cfg(test)]
mod tests;

use std::ops::Range;
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
use cordon_disclosure::{Bounding, Gathering, RawCell, Unbounded};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Aggregate;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt as _;
use tokio::task::JoinSet;

use cells::{Cell, Open, Who};
use codes::Coder;
use groups::Grouper;
use pairs::{Pairs, Persons};

use crate::by_person::{Holds, in_person_order};

/// In a batch of so many rows and fewer, numbers of 32 bits add up to less than 2^63.
const MOST_SHORT: usize = 1 << 30;

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
    /// How much of one person goes in at most, where anything is bounded.
    pub(crate) bounding: Option<Bounding>,
}

/// Groups with their evidence.
pub(crate) struct Gathered {
    /// One row for each group: its keys, null where a set leaves one out, and the id of its set where there are sets.
    pub(crate) keys: RecordBatch,
    /// For each figure one cell for each group. Figures of the same contributions share them.
    pub(crate) cells: Vec<Arc<Vec<RawCell>>>,
}

/// What is gathered from some of the columns of a plan.
pub(crate) struct Wanted {
    pub(crate) what: Arc<Gather>,
    /// The first of these columns.
    pub(crate) from: usize,
    /// Of the keys.
    pub(crate) keys: SchemaRef,
    /// For each figure an earlier one that gathers the same contributions, told by the plan and never by the rows: how long
    /// it takes must not tell whether they differ for somebody.
    pub(crate) same: Vec<Option<usize>>,
}

impl Wanted {
    /// Keys, a person, and a contribution for each figure.
    fn columns(&self) -> Range<usize> {
        self.from..self.from + self.what.keys + 1 + self.what.figures.len()
    }

    fn in_order(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        let key = |figure: &Figure| figure.by.key;
        // One key hashes all of a table's people.
        let first = self.what.figures.first().map(key);
        // To be bounded, people are kept as they are until all is read.
        self.what.bounding.is_none()
            && self.what.figures.iter().all(|figure| Some(key(figure)) == first)
            && in_order(plan, self.from + self.what.keys)
    }
}

/// Runs a plan once and gathers from its rows whatever is wanted.
pub(crate) async fn gather(
    plan: Arc<dyn ExecutionPlan>,
    wanted: &Arc<[Wanted]>,
    context: Arc<TaskContext>,
) -> Result<Vec<Gathered>> {
    let ordered: Arc<[bool]> = wanted.iter().map(|wanted| wanted.in_order(&plan)).collect();
    let mut filling = JoinSet::new();
    for n in 0..plan.properties().output_partitioning().partition_count() {
        let rows = plan.execute(n, Arc::clone(&context))?;
        let memory = MemoryConsumer::new("gather").register(context.memory_pool());
        let (wanted, ordered) = (Arc::clone(wanted), Arc::clone(&ordered));
        filling.spawn(async move { Ok((n, filled(&wanted, &ordered, rows, memory).await?)) });
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
    let mut whole = tables(wanted, &ordered);
    let mut reserved = Vec::new();
    for (_, (part, memory)) in parts {
        reserved.push(memory);
        let both = whole.into_iter().zip(part);
        whole = both
            .map(|(whole, part)| if whole.is_empty() { Ok(part) } else { whole.and(part) })
            .collect::<Result<_>>()?;
    }
    whole.into_iter().map(Table::finish).collect()
}

fn tables(wanted: &[Wanted], ordered: &[bool]) -> Vec<Table> {
    let wanted = wanted.iter().zip(ordered);
    wanted
        .map(|(wanted, ordered)| Table::new(&wanted.what, *ordered, &wanted.keys, &wanted.same))
        .collect()
}

async fn filled(
    wanted: &[Wanted],
    ordered: &[bool],
    mut rows: SendableRecordBatchStream,
    memory: MemoryReservation,
) -> Result<(Vec<Table>, MemoryReservation)> {
    let mut tables = tables(wanted, ordered);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for (table, wanted) in tables.iter_mut().zip(wanted) {
            table.add(&batch.project(&wanted.columns().collect::<Vec<_>>())?)?;
        }
        memory.try_resize(tables.iter().map(Table::size).sum())?;
    }
    tables.iter_mut().for_each(Table::close);
    Ok((tables, memory))
}

/// Whether every partition holds whole persons, one after another. DataFusion must say so too, as far as it can.
pub(crate) fn in_order(plan: &Arc<dyn ExecutionPlan>, person: usize) -> bool {
    let Some(field) = plan.schema().fields().get(person).cloned() else { return false };
    let by_person = PhysicalSortExpr::new_default(Arc::new(Column::new(field.name(), person)));
    let equal = plan.properties().equivalence_properties();
    equal.ordering_satisfy([by_person]).is_ok_and(|satisfied| satisfied)
        && in_person_order(plan, person) == Some(Holds::Person)
}

/// The groups of one partition, or of several put together.
struct Table {
    what: Arc<Gather>,
    ordered: bool,
    /// Of the keys.
    schema: SchemaRef,
    coders: Vec<Coder>,
    sets: Vec<Set>,
    /// See [`Wanted::same`]. Such a figure has no cells of its own.
    same: Vec<Option<usize>>,
    /// Of the last batch, and who came last.
    people: Persons,
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
    /// By figure.
    open: Vec<Open>,
    /// Of the last batch; kept, so that its memory need not be asked for anew.
    pairs: Pairs,
}

impl Table {
    fn new(what: &Arc<Gather>, ordered: bool, schema: &SchemaRef, same: &[Option<usize>]) -> Self {
        let all = || vec![(0..what.keys).collect::<Vec<_>>()];
        let sets = what.sets.clone().unwrap_or_else(all).into_iter().map(|keys| Set {
            grouper: Grouper::new(keys.len()),
            keys,
            cells: what.figures.iter().map(|_| Vec::new()).collect(),
            open: what.figures.iter().map(|_| Open::default()).collect(),
            pairs: Pairs::default(),
        });
        let keys = schema.fields().iter().take(what.keys);
        Self {
            coders: keys.map(|field| Coder::new(field.data_type())).collect(),
            sets: sets.collect(),
            same: same.to_vec(),
            what: Arc::clone(what),
            ordered,
            schema: SchemaRef::clone(schema),
            people: Persons::default(),
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
        if let Some(figure) = self.what.figures.first().filter(|_| self.ordered) {
            self.people.read(persons, &mut self.last, &figure.by.key)?;
        }
        let mut codes = Vec::with_capacity(self.coders.len());
        for (coder, array) in self.coders.iter_mut().zip(batch.columns()) {
            codes.push(coder.codes(array)?);
        }
        for set in &mut self.sets {
            let groups = set.grouper.groups(&set.keys, &codes, &largest(&self.coders), rows);
            let number = set.grouper.len();
            if self.ordered {
                set.pairs.read(&self.people, &groups, number);
            }
            let cells = set.cells.iter_mut().zip(&mut set.open);
            for (n, (figure, (cells, open))) in self.what.figures.iter().zip(cells).enumerate() {
                if self.same.get(n).is_some_and(Option::is_some) {
                    continue;
                }
                let Some(contributions) = column(self.what.keys + 1 + n) else {
                    return internal_err!("a figure has a contribution");
                };
                cells.resize_with(number, Cell::default);
                let order = self.ordered.then_some((self.people.who.as_slice(), &set.pairs));
                let into = Into { figure, persons, groups: &groups };
                self.bytes += into.fill(cells, open, order, contributions)?;
            }
        }
        Ok(())
    }

    /// The last person has no more rows.
    fn close(&mut self) {
        for set in &mut self.sets {
            let cells = set.cells.iter_mut().zip(&mut set.open);
            for (figure, (cells, open)) in self.what.figures.iter().zip(cells) {
                self.bytes += open.close(&figure.by, cells) + open.settle(&figure.by, cells);
                *open = Open::default();
            }
        }
    }

    fn size(&self) -> usize {
        let cells = self.sets.iter().flat_map(|set| &set.cells);
        let cells: usize = cells.map(|cells| cells.capacity() * size_of::<Cell>()).sum();
        let coders: usize = self.coders.iter().map(Coder::size).sum();
        let groups: usize = self.sets.iter().map(|set| set.grouper.size()).sum();
        let open = self.sets.iter().flat_map(|set| &set.open).map(Open::size).sum::<usize>();
        let pairs = self.sets.iter().map(|set| set.pairs.size()).sum::<usize>();
        // To be bounded, everybody is listed once more.
        let listed = if self.what.bounding.is_some() { self.bytes } else { 0 };
        self.bytes + listed + cells + coders + groups + open + pairs + self.people.size()
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
            let rows = theirs.grouper.len();
            let groups = set.grouper.groups(&set.keys, &codes, &largest(&self.coders), rows);
            let number = set.grouper.len();
            let figures = self.what.figures.iter().zip(&mut set.cells).zip(theirs.cells);
            for (((figure, cells), theirs), same) in figures.zip(&self.same) {
                if same.is_some() {
                    continue;
                }
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

    fn finish(mut self) -> Result<Gathered> {
        let schema = SchemaRef::clone(&self.schema);
        let mut parts = Vec::new();
        let same = std::mem::take(&mut self.same);
        let mut cells: Vec<Vec<RawCell>> = self.what.figures.iter().map(|_| Vec::new()).collect();
        let without_sets = self.what.sets.is_none();
        for set in &mut self.sets {
            // A table without group columns has one row, also of nobody.
            if without_sets && set.keys.is_empty() {
                set.grouper.groups(&[], &[], &[], 1);
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
            if let Some(bounding) = &self.what.bounding {
                let bounded = set.bounded(&self.what.figures, bounding, &columns)?;
                cells.iter_mut().zip(bounded).for_each(|(to, from)| to.extend(from));
            }
            let options = RecordBatchOptions::new().with_row_count(Some(groups));
            parts.push(RecordBatch::try_new_with_options(
                SchemaRef::clone(&schema),
                columns,
                &options,
            )?);
            let figures = self.what.figures.iter().zip(&mut set.cells).zip(&mut cells);
            for (((figure, from), to), same) in figures.zip(&same) {
                if same.is_some() {
                    continue;
                }
                to.extend(from.drain(..).map(|cell| cell.evidence(&figure.by, self.ordered)));
            }
        }
        let mut cells: Vec<_> = cells.into_iter().map(Arc::new).collect();
        for (n, of) in same.into_iter().enumerate() {
            if let Some(of) = of.and_then(|of| cells.get(of)).map(Arc::clone)
                && let Some(own) = cells.get_mut(n)
            {
                *own = of;
            }
        }
        Ok(Gathered { keys: together(&schema, parts)?, cells })
    }
}

impl Set {
    /// Takes the cells as evidence of which nobody is more than may be of one person.
    fn bounded(
        &mut self,
        figures: &[Figure],
        bounding: &Bounding,
        keys: &[ArrayRef],
    ) -> Result<Vec<Vec<RawCell>>> {
        let Some(first) = figures.first() else { return internal_err!("a table has evidence") };
        let unbounded = figures.iter().zip(&mut self.cells).map(|(figure, cells)| Unbounded {
            by: figure.by,
            most: figure.most(),
            groups: cells.drain(..).map(Cell::people).collect(),
        });
        Ok(bounding.cells(&first.by.key, keys, unbounded.collect())?)
    }
}

impl Figure {
    /// The most that one row can contribute, where that is public.
    pub(crate) fn most(&self) -> Option<u128> {
        self.bounds.map(|(least, most)| least.unsigned_abs().max(most.unsigned_abs()))
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

/// By column the largest code.
fn largest(coders: &[Coder]) -> Vec<u32> {
    coders.iter().map(Coder::len).collect()
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
    persons: &'a Int64Array,
    groups: &'a [u32],
}

impl Into<'_> {
    /// Adds contributions to cells; gives the bytes that these grew by.
    fn fill(
        &self,
        cells: &mut [Cell],
        open: &mut Open,
        order: Option<(&[Who], &Pairs)>,
        contributions: &ArrayRef,
    ) -> Result<usize> {
        match contributions.data_type() {
            DataType::Int64 => {
                let column = contributions.as_primitive::<Int64Type>();
                let values = column.values();
                let largest = values.iter().fold(0, |most, value| value.unsigned_abs().max(most));
                // Whatever of it is added up fits into 64 bits.
                let short = largest <= u64::from(u32::MAX) && values.len() <= MOST_SHORT;
                let short = short.then_some(values.as_ref());
                Ok(self.rows(cells, open, order, column, (|n| i128::from(column.value(n)), short)))
            }
            DataType::Decimal128(_, _) => {
                let column: &Decimal128Array = contributions.as_primitive::<Decimal128Type>();
                Ok(self.rows(cells, open, order, column, (|n| column.value(n), None)))
            }
            _ => internal_err!("a contribution is an Int64 or a Decimal128"),
        }
    }

    fn rows(
        &self,
        cells: &mut [Cell],
        open: &mut Open,
        order: Option<(&[Who], &Pairs)>,
        column: &impl Array,
        (value, short): (impl Fn(usize) -> i128, Option<&[i64]>),
    ) -> usize {
        let Figure { by, bounds } = self.figure;
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        let there = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        let contribution = |row: usize| match bounds {
            Some((least, most)) => value(row).clamp(*least, *most),
            None => value(row),
        };
        let Some((who, pairs)) = order else {
            let mut grown = 0;
            let rows = self.persons.values().iter().zip(self.groups).enumerate();
            for (row, (person, group)) in rows.filter(|(row, _)| self.persons.is_valid(*row)) {
                if let Some(cell) = cells.get_mut(*group as usize).filter(|_| there(row)) {
                    grown += cell.part(*person, contribution(row));
                }
            }
            return grown;
        };
        let seen = nulls.map(|_| pairs.sums(there, |a, b| a | b));
        let mut batch = Batch { by, cells, open, who, pairs, seen };
        match short.filter(|_| bounds.is_none()) {
            Some(short) => {
                let value = |row: usize| short.get(row).copied().unwrap_or(0);
                let there = |row: usize| if there(row) { value(row) } else { 0 };
                let sums = match nulls {
                    None => pairs.sums(value, |a, b| a + b),
                    Some(_) => pairs.sums(there, |a, b| a + b),
                };
                batch.put(sums.into_iter().map(i128::from))
            }
            // A total that leaves 2^127 is refused at release anyway.
            None => {
                let there = |row: usize| if there(row) { contribution(row) } else { 0 };
                batch.put(pairs.sums(there, i128::saturating_add).into_iter())
            }
        }
    }
}

/// The pairs of a batch on their way to the cells of one figure.
struct Batch<'a> {
    by: &'a Gathering,
    cells: &'a mut [Cell],
    open: &'a mut Open,
    who: &'a [Who],
    pairs: &'a Pairs,
    /// Which pairs have a row with something to contribute; none where all have.
    seen: Option<Vec<bool>>,
}

impl Batch<'_> {
    /// Each pair's sum goes to its cell; gives the bytes that cells grew by.
    fn put(&mut self, sums: impl Iterator<Item = i128>) -> usize {
        let (Some(first), Some(last)) = (self.who.first(), self.who.last()) else { return 0 };
        let most = self.who.len() - 1;
        // The first and the last person of a batch may have rows in others.
        let mut grown = self.open.begin(first, self.by, self.cells);
        let there = |n| self.seen.as_ref().is_none_or(|seen| seen.get(n) == Some(&true));
        let pairs = self.pairs.list().zip(sums).enumerate().filter(|(n, _)| there(*n));
        for (_, ((person, group), sum)) in pairs {
            match self.who.get(person as usize) {
                Some(who) if person > 0 && (person as usize) < most => {
                    grown += self.open.put(self.by, self.cells, (group, *who, sum));
                }
                Some(who) => {
                    grown += self.open.begin(who, self.by, self.cells);
                    self.open.add(group, sum);
                }
                None => {}
            }
        }
        // Whoever comes last is open even without a contribution, so that the one before is not taken for it.
        grown + self.open.begin(last, self.by, self.cells)
    }
}
