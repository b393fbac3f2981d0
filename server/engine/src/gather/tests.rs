//! Groups and evidence are those of one list of everybody, whatever order, partitions and batches rows come in; and
//! rows add up in place only where the plan proves that persons are whole.

use std::collections::BTreeMap;

use arrow_array::types::Int32Type;
use arrow_array::{Date32Array, DictionaryArray, StringArray};
use cordon_disclosure::{Part, Secret};
use cordon_store::PERSON;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, ScalarValue, SplitPoint};
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, RangePartitioning,
};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::expressions::lit;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use proptest::prelude::*;

use super::*;

/// One row: a code, a second one that comes as a dictionary, a day, whose it is, and two contributions. The third is the
/// first one, but for some days; the fourth is the first one, and told to be.
#[derive(Clone, Debug)]
struct Row {
    code: Option<String>,
    other: Option<String>,
    day: Option<i32>,
    person: Option<i64>,
    figures: [Option<i64>; 2],
}

fn row() -> impl Strategy<Value = Row> {
    let code = || prop_oneof![9 => "[ab]{0,2}".prop_map(Some), 1 => Just(None), 1 => "[a-c]{9}".prop_map(Some)];
    let day = prop::option::weighted(0.9, 18_000..18_004);
    let person = prop::option::weighted(0.95, 0_i64..60);
    let figure = || prop::option::weighted(0.9, -4_i64..90);
    (code(), code(), day, person, figure(), figure()).prop_map(
        |(code, other, day, person, one, two)| Row {
            code,
            other,
            day,
            person,
            figures: [one, two],
        },
    )
}

fn schema() -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("_g0", DataType::Utf8, true),
        Field::new("_g1", dictionary, true),
        Field::new("_g2", DataType::Date32, true),
        Field::new("_p", DataType::Int64, true),
        Field::new("_v0", DataType::Int64, true),
        Field::new("_v1", DataType::Decimal128(38, 0), true),
        Field::new("_v2", DataType::Int64, true),
        Field::new("_v3", DataType::Int64, true),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let other: DictionaryArray<Int32Type> = rows.iter().map(|row| row.other.as_deref()).collect();
    let second = rows.iter().map(|row| row.figures[1].map(i128::from));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.code.as_deref()).collect::<StringArray>()),
        Arc::new(other),
        Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|row| row.person).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.figures[0]).collect::<Int64Array>()),
        Arc::new(second.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(38, 0))),
        Arc::new(rows.iter().map(third).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.figures[0]).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn third(row: &Row) -> Option<i64> {
    row.figures[0].filter(|_| row.day != Some(18_003))
}

fn what(sets: Option<Vec<Vec<usize>>>) -> Arc<Gather> {
    let key = Secret::new(&[7; 32]).unwrap().people();
    let by = |decimals| Gathering { threshold: 4, decimals, key };
    let figures = vec![
        Figure { by: by(None), bounds: None },
        Figure { by: by(Some(0)), bounds: Some((0, 50)) },
        Figure { by: by(None), bounds: None },
        Figure { by: by(None), bounds: None },
    ];
    Arc::new(Gather { keys: 3, sets, figures, bounding: None })
}

/// A group as text: its keys and its set.
type Key = Vec<String>;

/// Everybody's contributions by group, looked at at once.
fn slowly(rows: &[Row], what: &Gather) -> BTreeMap<Key, Vec<RawCell>> {
    let mut groups: BTreeMap<Key, Vec<BTreeMap<i64, i128>>> = BTreeMap::new();
    let whole = vec![(0..3).collect::<Vec<_>>()];
    for set in what.sets.as_ref().unwrap_or(&whole) {
        for row in rows {
            let key = [row.code.clone(), row.other.clone(), row.day.map(|day| day.to_string())];
            let shown = |n: usize| set.contains(&n).then(|| key[n].clone()).flatten();
            let mut key: Key = (0..3).map(|n| shown(n).unwrap_or("-".into())).collect();
            if what.sets.is_some() {
                let bits = (0..3).fold(0, |id, n| id << 1 | u8::from(!set.contains(&n)));
                key.push(bits.to_string());
            }
            let group = groups.entry(key).or_insert_with(|| vec![BTreeMap::new(); 4]);
            for (n, people) in group.iter_mut().enumerate() {
                let much = match n {
                    0 | 1 => row.figures[n],
                    2 => third(row),
                    _ => row.figures[0],
                };
                if let (Some(person), Some(much)) = (row.person, much) {
                    let much = if n == 1 { much.clamp(0, 50) } else { much };
                    *people.entry(person).or_default() += i128::from(much);
                }
            }
        }
    }
    let cell = |(people, figure): (BTreeMap<i64, i128>, &Figure)| {
        let part = |(person, contribution)| Part { person, contribution };
        RawCell::of_parts(&people.into_iter().map(part).collect::<Vec<_>>(), &figure.by)
    };
    let cells = |all: Vec<_>| all.into_iter().zip(&what.figures).map(cell).collect();
    groups.into_iter().map(|(key, all)| (key, cells(all))).collect()
}

fn by_group(gathered: Gathered) -> BTreeMap<Key, Vec<RawCell>> {
    let columns: Vec<StringArray> = gathered
        .keys
        .columns()
        .iter()
        .map(|column| {
            let numbers = match column.data_type() {
                DataType::Date32 => cast(column, &DataType::Int32).unwrap(),
                _ => Arc::clone(column),
            };
            cast(&numbers, &DataType::Utf8).unwrap().as_string::<i32>().clone()
        })
        .collect();
    let text = |column: &StringArray, n: usize| {
        if column.is_null(n) { "-".to_owned() } else { column.value(n).to_owned() }
    };
    let rows = gathered.keys.num_rows();
    let groups: BTreeMap<Key, Vec<RawCell>> = (0..rows)
        .map(|n| {
            let key = columns.iter().map(|column| text(column, n)).collect();
            (key, gathered.cells.iter().map(|cells| cells[n].clone()).collect())
        })
        .collect();
    assert_eq!(groups.len(), rows, "a group stands twice");
    groups
}

fn gathered(parts: &[Vec<Row>], what: &Arc<Gather>, ordered: bool, size: usize) -> Gathered {
    let keys = key_schema(&schema(), what);
    let mut whole = Table::new(what, ordered, &keys, &[None, None, None, Some(0)]);
    for part in parts {
        let mut table = Table::new(what, ordered, &keys, &[None, None, None, Some(0)]);
        for some in part.chunks(size) {
            table.add(&batch(some)).unwrap();
        }
        table.close();
        whole = if whole.is_empty() { table } else { whole.and(table).unwrap() };
    }
    whole.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn groups_and_evidence_are_those_of_one_list(
        rows in prop::collection::vec(row(), 0..400), size in 1_usize..120, partitions in 1_i64..4,
        sets in prop::sample::select(vec![
            None, Some(vec![vec![0, 1, 2], vec![0], vec![]]), Some(vec![vec![2], vec![1, 2]]),
        ]),
    ) {
        let what = what(sets);
        let expected = slowly(&rows, &what);
        let disorder: Vec<Vec<Row>> =
            rows.chunks(rows.len().div_ceil(partitions as usize).max(1)).map(<[Row]>::to_vec).collect();
        prop_assert_eq!(&by_group(gathered(&disorder, &what, false, size)), &expected);
        let range = |n: i64| {
            let mine = |row: &&Row| row.person.unwrap_or(0) * partitions / 60 == n;
            let mut rows: Vec<Row> = rows.iter().filter(mine).cloned().collect();
            rows.sort_by_key(|row| row.person);
            rows
        };
        let order: Vec<Vec<Row>> = (0..partitions).map(range).collect();
        prop_assert_eq!(&by_group(gathered(&order, &what, true, size)), &expected);
    }
}

#[test]
fn a_table_without_keys_has_one_row_also_of_nobody() {
    let what = Arc::new(Gather { keys: 0, ..what(None).as_ref().clone() });
    let rows = batch(&[]).project(&[3, 4, 5, 6, 7]).unwrap();
    let table = Table::new(&what, true, &key_schema(&rows.schema(), &what), &[None; 4]);
    let gathered = table.finish().unwrap();
    assert_eq!(gathered.keys.num_rows(), 1);
    assert_eq!(*gathered.cells[0], [RawCell::default()]);
}

/// The control: were a plan wrong about its order, no answer would come of it.
#[test]
fn persons_out_of_order_are_an_error_where_order_was_proven() {
    let one = |person| Row {
        code: None,
        other: None,
        day: None,
        person: Some(person),
        figures: [Some(1), Some(1)],
    };
    let mut table = Table::new(&what(None), true, &key_schema(&schema(), &what(None)), &[None; 4]);
    assert!(table.add(&batch(&[one(1), one(4), one(4)])).is_ok());
    assert!(table.add(&batch(&[one(5), one(3)])).is_err());
    let mut table = Table::new(&what(None), true, &key_schema(&schema(), &what(None)), &[None; 4]);
    assert!(table.add(&batch(&[one(7)])).is_ok());
    assert!(table.add(&batch(&[one(6)])).is_err());
}

/// A leaf that says of itself what the store's scan says.
#[derive(Debug)]
struct Leaf(&'static str, Arc<PlanProperties>);

impl Leaf {
    fn plan(name: &'static str, ranges: bool, ordered: bool) -> Arc<dyn ExecutionPlan> {
        let column = |name| Field::new(name, DataType::Int64, true);
        let rows = Arc::new(Schema::new(vec![column(PERSON), column("_v0")]));
        let by_person =
            LexOrdering::new([PhysicalSortExpr::new_default(Arc::new(Column::new(PERSON, 0)))])
                .unwrap();
        let split = SplitPoint::new(vec![ScalarValue::Int64(Some(7))]);
        let partitioning = if ranges {
            Partitioning::Range(RangePartitioning::try_new(by_person.clone(), vec![split]).unwrap())
        } else {
            Partitioning::UnknownPartitioning(2)
        };
        let orderings = ordered.then_some(by_person);
        let equal = EquivalenceProperties::new_with_orderings(rows, orderings);
        let (emission, bounded) = (EmissionType::Incremental, Boundedness::Bounded);
        let properties = PlanProperties::new(equal, partitioning, emission, bounded);
        Arc::new(Self(name, Arc::new(properties)))
    }
}

impl DisplayAs for Leaf {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl ExecutionPlan for Leaf {
    fn name(&self) -> &str {
        self.0
    }
    fn properties(&self) -> &Arc<PlanProperties> {
        &self.1
    }
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }
    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }
    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }
    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("only looked at")
    }
}

/// Every way in which rows of one person can get apart, or mixed with others', is seen in the plan.
#[test]
fn rows_add_up_in_place_only_where_the_plan_proves_whole_persons() {
    let scan = || Leaf::plan("StoreScan", true, true);
    let person = || Arc::new(Column::new(PERSON, 0)) as Arc<dyn PhysicalExpr>;
    let column = |expr, alias: &str| ProjectionExpr { expr, alias: alias.to_owned() };
    let by_person = || LexOrdering::new([PhysicalSortExpr::new_default(person())]).unwrap();
    let projected = |first: Arc<dyn PhysicalExpr>| -> Arc<dyn ExecutionPlan> {
        let second: Arc<dyn PhysicalExpr> = Arc::new(Column::new("_v0", 1));
        let columns = vec![column(first, "_p"), column(second, "_v0")];
        Arc::new(ProjectionExec::try_new(columns, scan()).unwrap())
    };
    let filtered: Arc<dyn ExecutionPlan> =
        Arc::new(FilterExec::try_new(lit(true), projected(person())).unwrap());
    for whole in [scan(), projected(person()), filtered] {
        assert!(in_order(&whole, 0), "{whole:?}");
    }
    let repartitioned = |how| -> Arc<dyn ExecutionPlan> {
        Arc::new(RepartitionExec::try_new(scan(), how).unwrap())
    };
    let preserved: Arc<dyn ExecutionPlan> = Arc::new(
        RepartitionExec::try_new(scan(), Partitioning::Hash(vec![person()], 3))
            .unwrap()
            .with_preserve_order(),
    );
    let union: Arc<dyn ExecutionPlan> = UnionExec::try_new(vec![scan(), scan()]).unwrap();
    let sorted = SortExec::new(by_person(), union.clone()).with_preserve_partitioning(true);
    let torn: Vec<Arc<dyn ExecutionPlan>> = vec![
        // Files moved between streams, or split by bytes: not the scan that hands on whole persons.
        Leaf::plan("DataSourceExec", true, true),
        Leaf::plan("StoreScan", false, true),
        Leaf::plan("StoreScan", true, false),
        repartitioned(Partitioning::RoundRobinBatch(2)),
        repartitioned(Partitioning::Hash(vec![person()], 2)),
        preserved,
        Arc::new(CoalescePartitionsExec::new(scan())),
        Arc::new(SortPreservingMergeExec::new(by_person(), scan())),
        union,
        Arc::new(sorted),
        // Another column in the person's place.
        projected(Arc::new(Column::new("_v0", 1))),
        projected(lit(1_i64)),
    ];
    for plan in torn {
        assert!(!in_order(&plan, 0), "{plan:?}");
    }
}

/// Patients' rows pass by a join in order only where the other side is kept whole and holds nobody's rows.
#[test]
fn rows_add_up_beyond_a_join_only_where_nobodys_rows_are_kept() {
    let nobody = || -> Arc<dyn ExecutionPlan> {
        let code = Field::new("code", DataType::Int64, true);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::new(vec![code]))),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Arc::new(Leaf("StoreScan", Arc::new(properties)))
    };
    let scan = || Leaf::plan("StoreScan", true, true);
    let join = |left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>, kind, mode| {
        let key = |plan: &Arc<dyn ExecutionPlan>| -> Arc<dyn PhysicalExpr> {
            let last = plan.schema().fields().len() - 1;
            Arc::new(Column::new(plan.schema().field(last).name(), last))
        };
        let on = vec![(key(&left), key(&right))];
        let equal = datafusion::common::NullEquality::NullEqualsNothing;
        HashJoinExec::try_new(left, right, on, None, &kind, None, mode, equal, false)
            .map(|join| Arc::new(join) as Arc<dyn ExecutionPlan>)
            .unwrap()
    };
    let (kept, dealt) = (PartitionMode::CollectLeft, PartitionMode::Partitioned);
    // The person's place: behind the columns of the kept side, or first.
    for (kind, person) in [
        (JoinType::Inner, 1),
        (JoinType::Right, 1),
        (JoinType::RightSemi, 0),
        (JoinType::RightAnti, 0),
        (JoinType::RightMark, 0),
    ] {
        assert!(in_order(&join(nobody(), scan(), kind, kept), person), "{kind}");
        assert!(!in_order(&join(nobody(), scan(), kind, dealt), person), "{kind}");
        let (place, plan) = (person * 2, join(scan(), scan(), kind, kept));
        assert!(!in_order(&plan, place), "{kind} of patients with patients");
    }
    // Unmatched rows of the kept side come last, whoever's they are.
    assert!(!in_order(&join(nobody(), scan(), JoinType::Left, kept), 1));
    assert!(!in_order(&join(scan(), nobody(), JoinType::Inner, kept), 0));
}
