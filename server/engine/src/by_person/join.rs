//! A join on the person: both sides pass by in the order of persons, and meet one person at a time.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_ord::ord::make_comparator;
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::take::take;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, JoinType, NullEquality, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::stream;

use super::chunks::{Chunk, Chunks};
use super::{Holds, in_person_order};

/// Pairs of rows that are looked at together.
const BLOCK: usize = 1 << 14;

/// How rows of the main side come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With each partner.
    Inner,
    /// With each partner, or alone.
    Outer,
    /// Once, when there is a partner.
    Semi,
    /// When there is none.
    Anti,
}

/// One side of the join.
#[derive(Clone, Debug)]
struct Side {
    input: Arc<dyn ExecutionPlan>,
    person: usize,
    /// What else must be equal.
    keys: Vec<usize>,
}

/// The join. Every row of its main side is met in order, and so comes out in order.
#[derive(Clone, Debug)]
pub(crate) struct PersonJoin {
    kind: Kind,
    main: Side,
    other: Side,
    /// Whether the main side is the right one of the statement.
    main_is_right: bool,
    filter: Option<JoinFilter>,
    /// Where each column of the answer comes from: true is the main side.
    columns: Arc<[(bool, usize)]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PersonJoin {
    /// A hash join as this one; none for kinds of joins that this one does not know. `left` and `right` are in the
    /// order of persons, which the pair number `person` of its equalities compares.
    ///
    /// # Errors
    /// When the plan contradicts itself.
    pub(crate) fn of(
        join: &HashJoinExec,
        left: &Arc<dyn ExecutionPlan>,
        right: &Arc<dyn ExecutionPlan>,
        person: usize,
    ) -> Result<Option<Self>> {
        let (kind, main_is_right) = match join.join_type() {
            JoinType::Inner => (Kind::Inner, false),
            JoinType::Left => (Kind::Outer, false),
            JoinType::Right => (Kind::Outer, true),
            JoinType::LeftSemi => (Kind::Semi, false),
            JoinType::RightSemi => (Kind::Semi, true),
            JoinType::LeftAnti => (Kind::Anti, false),
            JoinType::RightAnti => (Kind::Anti, true),
            JoinType::Full | JoinType::LeftMark | JoinType::RightMark => return Ok(None),
        };
        if join.null_equality() != NullEquality::NullEqualsNothing {
            return Ok(None);
        }
        let column =
            |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().map(Column::index);
        let pairs: Option<Vec<(usize, usize)>> =
            join.on().iter().map(|(l, r)| column(l).zip(column(r))).collect();
        let Some(mut pairs) = pairs else { return Ok(None) };
        let (of_left, of_right) = pairs.remove(person);
        let side = |input: &Arc<dyn ExecutionPlan>, person, keys: Vec<usize>| Side {
            input: Arc::clone(input),
            person,
            keys,
        };
        let left_side = side(left, of_left, pairs.iter().map(|pair| pair.0).collect());
        let right_side = side(right, of_right, pairs.iter().map(|pair| pair.1).collect());
        let width = left.schema().fields().len();
        let one_side = matches!(kind, Kind::Semi | Kind::Anti);
        let from = |column: usize| match column.checked_sub(width) {
            _ if one_side => (true, column),
            Some(column) => (main_is_right, column),
            None => (!main_is_right, column),
        };
        let columns: Vec<(bool, usize)> = match &join.projection {
            Some(columns) => columns.iter().map(|column| from(*column)).collect(),
            None => (0..join.schema().fields().len()).map(from).collect(),
        };
        let (main, other) =
            if main_is_right { (right_side, left_side) } else { (left_side, right_side) };
        let made = Self::made(
            (kind, main, other, main_is_right),
            join.filter().cloned(),
            columns.into(),
            join.schema(),
        );
        Ok(Some(made))
    }

    fn made(
        (kind, main, other, main_is_right): (Kind, Side, Side, bool),
        filter: Option<JoinFilter>,
        columns: Arc<[(bool, usize)]>,
        schema: SchemaRef,
    ) -> Self {
        let holds = |column: &usize| {
            let from = columns.get(*column).filter(|(of_main, _)| *of_main);
            from.and_then(|(_, column)| in_person_order(&main.input, *column))
                == Some(Holds::Person)
        };
        let person = (0..columns.len()).find(holds).and_then(|column| {
            let name = schema.fields().get(column)?.name();
            LexOrdering::new([PhysicalSortExpr::new_default(Arc::new(Column::new(name, column)))])
        });
        let partitions = main.input.properties().output_partitioning().partition_count();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), person),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { kind, main, other, main_is_right, filter, columns, schema, properties }
    }

    /// Whether a column holds the person, rows being in order of it.
    pub(crate) fn holds(&self, column: usize) -> Option<Holds> {
        match *self.columns.get(column)? {
            (true, column) => in_person_order(&self.main.input, column),
            // The partner of an inner join is the same person.
            (false, column) if self.kind == Kind::Inner => {
                in_person_order(&self.other.input, column)
            }
            _ => None,
        }
    }

    /// Which columns of the left and the right input are compared or computed with.
    pub(crate) fn needed(&self) -> [Vec<usize>; 2] {
        let of = |side: &Side, which: JoinSide| {
            let computed = self.filter.iter().flat_map(|filter| filter.column_indices());
            let computed =
                computed.filter(|column| column.side == which).map(|column| column.index);
            side.keys.iter().copied().chain([side.person]).chain(computed).collect()
        };
        let (left, right) = self.in_statement_order(&self.main, &self.other);
        [of(left, JoinSide::Left), of(right, JoinSide::Right)]
    }

    /// Where a column of the answer comes from: the side, 0 for the left one, and the column there.
    pub(crate) fn from(&self, column: usize) -> Option<(usize, usize)> {
        let (of_main, column) = *self.columns.get(column)?;
        Some((usize::from(of_main == self.main_is_right), column))
    }

    fn in_statement_order<T>(&self, main: T, other: T) -> (T, T) {
        if self.main_is_right { (other, main) } else { (main, other) }
    }

    /// Rows of both sides that are the same person's, with everything else that must be equal.
    fn equal(&self, main: &Chunk, other: &Chunk) -> Result<Vec<Equal>> {
        let column = |chunk: &Chunk, n: usize| match chunk.batch.columns().get(n) {
            Some(column) => Ok(Arc::clone(column)),
            None => internal_err!("a join has its columns"),
        };
        let pairs = self.main.keys.iter().zip(&self.other.keys);
        let pairs = pairs.map(|(m, o)| {
            let (m, o) = (column(main, *m)?, column(other, *o)?);
            let compare = make_comparator(m.as_ref(), o.as_ref(), SortOptions::default())?;
            let nulls = (m.logical_nulls(), o.logical_nulls());
            Ok(Box::new(move |a: usize, b: usize| {
                let null = nulls.0.as_ref().is_some_and(|n| n.is_null(a))
                    || nulls.1.as_ref().is_some_and(|n| n.is_null(b));
                !null && compare(a, b).is_eq()
            }) as Equal)
        });
        pairs.collect()
    }
}

/// A row of the main side and one of the other.
type Pair = (u32, u32);

/// Whether two rows agree in something.
type Equal = Box<dyn Fn(usize, usize) -> bool + Send + Sync>;

impl DisplayAs for PersonJoin {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonJoin: kind={:?}, columns={:?}", self.kind, self.columns)?;
        self.filter.iter().try_for_each(|filter| write!(f, ", filter={}", filter.expression()))
    }
}

impl ExecutionPlan for PersonJoin {
    fn name(&self) -> &'static str {
        "PersonJoin"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        let (left, right) = self.in_statement_order(&self.main.input, &self.other.input);
        vec![left, right]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return internal_err!("a join has two sides");
        };
        // Texts may have become codes.
        let mut fields = Vec::with_capacity(self.columns.len());
        for (field, (of_main, column)) in self.schema.fields().iter().zip(self.columns.iter()) {
            let input = if *of_main == self.main_is_right { &right } else { &left };
            let data_type = input.schema().field(*column).data_type().clone();
            fields.push(field.as_ref().clone().with_data_type(data_type));
        }
        let schema =
            arrow_schema::Schema::new_with_metadata(fields, self.schema.metadata().clone());
        let (main, other) = self.in_statement_order(left, right);
        let main = Side { input: main, ..self.main.clone() };
        let other = Side { input: other, ..self.other.clone() };
        Ok(Arc::new(Self::made(
            (self.kind, main, other, self.main_is_right),
            self.filter.clone(),
            Arc::clone(&self.columns),
            Arc::new(schema),
        )))
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
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let filter = self.filter.as_ref();
        filter.map_or(Ok(TreeNodeRecursion::Continue), |filter| visit(filter.expression()))
    }

    fn execute(&self, n: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let open = |side: &Side| {
            let rows = side.input.execute(n, Arc::clone(&context))?;
            Ok::<_, datafusion::error::DataFusionError>(Chunks::new(rows, side.person))
        };
        let running = Running {
            join: self.clone(),
            main: Passing::new(open(&self.main)?),
            other: Passing::new(open(&self.other)?),
            meeting: None,
        };
        let batches = stream::try_unfold(running, |mut running| async move {
            Ok(running.next().await?.map(|batch| (batch, running)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// Rows of one side that were not met yet.
struct Passing {
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// The first row of the chunk that was not met.
    from: usize,
}

impl Passing {
    fn new(chunks: Chunks) -> Self {
        Self { chunks, chunk: None, from: 0 }
    }

    /// The last person at hand; none when there are no more rows.
    async fn last(&mut self) -> Result<Option<i64>> {
        if self.chunk.as_ref().is_none_or(|chunk| self.from >= chunk.persons.len()) {
            self.chunk = self.chunks.next().await?;
            self.from = 0;
        }
        Ok(self.chunk.as_ref().and_then(|chunk| chunk.persons.last().copied()))
    }

    /// All rows up to a person.
    fn up_to(&mut self, person: i64) -> Option<Chunk> {
        let chunk = self.chunk.as_ref()?;
        let rest = chunk.persons.get(self.from..)?;
        let rows = rest.partition_point(|p| *p <= person);
        let taken = Chunk {
            batch: chunk.batch.slice(self.from, rows),
            persons: rest.get(..rows)?.to_vec(),
        };
        self.from += rows;
        Some(taken)
    }
}

/// A join of one partition as it runs.
struct Running {
    join: PersonJoin,
    main: Passing,
    other: Passing,
    meeting: Option<Meeting>,
}

/// Rows of both sides of the same persons.
struct Meeting {
    main: Chunk,
    other: Chunk,
    equal: Vec<Equal>,
    /// The first row of the main side that was not met, and the first of the other side that may be its partner.
    at: usize,
    partner: usize,
}

impl Running {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(meeting) = &mut self.meeting {
                if let Some(batch) = meeting.block(&self.join)? {
                    return Ok(Some(batch));
                }
                self.meeting = None;
            }
            let (main, other) = (self.main.last().await?, self.other.last().await?);
            // Without rows of one side all of the other are met. They are read to their end in any case.
            let Some(up_to) = main.into_iter().chain(other).min() else { return Ok(None) };
            let both = (self.main.up_to(up_to), self.other.up_to(up_to));
            if let (Some(main), other) = both
                && !main.persons.is_empty()
            {
                let nobody = || Chunk {
                    batch: RecordBatch::new_empty(self.join.other.input.schema()),
                    persons: Vec::new(),
                };
                let other = other.unwrap_or_else(nobody);
                let equal = self.join.equal(&main, &other)?;
                self.meeting = Some(Meeting { main, other, equal, at: 0, partner: 0 });
            }
        }
    }
}

impl Meeting {
    /// The next rows of the answer; none when all have met. May be without rows.
    fn block(&mut self, join: &PersonJoin) -> Result<Option<RecordBatch>> {
        if self.at >= self.main.persons.len() {
            return Ok(None);
        }
        let (pairs, rows) = self.pairs(join)?;
        let pairs = match &join.filter {
            Some(filter) => self.passing(join, filter, pairs)?,
            None => pairs,
        };
        let mut picked = Picked::default();
        let mut next = pairs.into_iter().peekable();
        for row in rows {
            let row = row as u32;
            let mut met = false;
            while let Some((_, partner)) = next.next_if(|(main, _)| *main == row) {
                if matches!(join.kind, Kind::Inner | Kind::Outer) {
                    picked.add(row, Some(partner));
                }
                met = true;
            }
            match join.kind {
                Kind::Outer | Kind::Anti if !met => picked.add(row, None),
                Kind::Semi if met => picked.add(row, None),
                _ => {}
            }
        }
        self.answer(join, picked).map(Some)
    }

    /// Pairs of rows with the same person, for some rows of the main side; a row with more partners than a block has
    /// all of them at once.
    fn pairs(&mut self, join: &PersonJoin) -> Result<(Vec<Pair>, Range<usize>)> {
        let column = |chunk: &Chunk, side: &Side| chunk.batch.columns().get(side.person).cloned();
        let (Some(mine), Some(theirs)) =
            (column(&self.main, &join.main), column(&self.other, &join.other))
        else {
            return internal_err!("a join has its columns");
        };
        let start = self.at;
        let mut pairs = Vec::new();
        while let Some(person) = self.main.persons.get(self.at) {
            if pairs.len() >= BLOCK {
                break;
            }
            let others = &self.other.persons;
            while others.get(self.partner).is_some_and(|other| other < person) {
                self.partner += 1;
            }
            if mine.is_valid(self.at) {
                let same = others.iter().enumerate().skip(self.partner);
                for (row, _) in same.take_while(|(_, other)| *other == person) {
                    if theirs.is_valid(row) && self.equal.iter().all(|equal| equal(self.at, row)) {
                        pairs.push((self.at as u32, row as u32));
                    }
                }
            }
            self.at += 1;
        }
        Ok((pairs, start..self.at))
    }

    /// The pairs for which the rest of the condition holds.
    fn passing(
        &self,
        join: &PersonJoin,
        filter: &JoinFilter,
        pairs: Vec<Pair>,
    ) -> Result<Vec<Pair>> {
        if pairs.is_empty() {
            return Ok(pairs);
        }
        let main = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.0));
        let other = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.1));
        let columns = filter.column_indices().iter().map(|column| {
            let of_main = (column.side == JoinSide::Right) == join.main_is_right;
            let (chunk, rows) = if of_main { (&self.main, &main) } else { (&self.other, &other) };
            Ok(take(chunk.batch.column(column.index), rows, None)?)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        let schema = Arc::clone(filter.schema());
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let holds = filter.expression().evaluate(&batch)?.into_array(pairs.len())?;
        let Some(holds) = holds.as_boolean_opt() else {
            return internal_err!("a condition is true or false");
        };
        let holds = holds.iter().map(|holds| holds == Some(true));
        Ok(pairs.into_iter().zip(holds).filter(|(_, holds)| *holds).map(|(pair, _)| pair).collect())
    }

    fn answer(&self, join: &PersonJoin, picked: Picked) -> Result<RecordBatch> {
        let rows = picked.main.len();
        let main = UInt32Array::from(picked.main);
        let other = UInt32Array::from(picked.other);
        let columns = join.columns.iter().zip(join.schema.fields()).map(|((of_main, n), field)| {
            if *of_main {
                return Ok(take(self.main.batch.column(*n), &main, None)?);
            }
            if self.other.persons.is_empty() {
                return Ok(new_null_array(field.data_type(), rows));
            }
            Ok(take(self.other.batch.column(*n), &other, None)?)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&join.schema), columns, &options)?)
    }
}

/// Rows of the main side with their partners.
#[derive(Default)]
struct Picked {
    main: Vec<u32>,
    other: Vec<Option<u32>>,
}

impl Picked {
    fn add(&mut self, row: u32, partner: Option<u32>) {
        self.main.push(row);
        self.other.push(partner);
    }
}
