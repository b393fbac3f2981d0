//! Work on one person at a time gives what DataFusion's own operators give, over generated rows in generated batches.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, SplitPoint, internal_err};
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalSortExpr, RangePartitioning,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, PlanProperties, ReplaceChildrenOptions, collect, displayable,
};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::*;
use crate::sides::NobodyFirst;

/// Persons from here on are in the second partition.
const SPLIT: i64 = 12;

/// One row: whose it is, a day, a code, a number.
type Row = (i64, Option<i32>, Option<String>, Option<i64>);

fn row() -> impl Strategy<Value = Row> {
    let day = prop::option::weighted(0.9, 0_i32..6);
    (0_i64..24, day, prop::option::weighted(0.8, "[ab]"), prop::option::weighted(0.8, 0_i64..4))
}

/// The columns of a table, each of which knows whose it is.
fn schema(table: &str) -> SchemaRef {
    let column = |name: &str, data_type| {
        let of = std::collections::HashMap::from([("table".to_owned(), table.to_owned())]);
        Field::new(name, data_type, name != PERSON).with_metadata(of)
    };
    Arc::new(Schema::new(vec![
        column(PERSON, DataType::Int64),
        column("day", DataType::Date32),
        column("code", DataType::Utf8),
        column("n", DataType::Int64),
    ]))
}

/// Rows in storage order, in batches of so many, those of each partition by themselves.
fn stored(table: &str, mut rows: Vec<Row>, size: usize) -> Vec<Vec<RecordBatch>> {
    rows.sort_by_key(|(person, day, _, _)| (*person, day.unwrap_or(i32::MAX)));
    let batch = |rows: &[Row]| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.2.as_deref()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
        ];
        RecordBatch::try_new(schema(table), columns).unwrap()
    };
    let split = rows.partition_point(|row| row.0 < SPLIT);
    let (first, second) = rows.split_at(split);
    [first, second].map(|rows| rows.chunks(size).map(batch).collect()).into()
}

/// A leaf that hands on rows as the store's scan does.
#[derive(Debug)]
struct Leaf {
    parts: Vec<Vec<RecordBatch>>,
    columns: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl Leaf {
    fn new(parts: &[Vec<Vec<RecordBatch>>; 2], wanted: &SchemaRef) -> Self {
        let table = wanted.field(0).metadata()["table"].clone();
        let parts = parts[usize::from(table == "r")].clone();
        let columns: Vec<usize> =
            wanted.fields().iter().map(|f| schema(&table).index_of(f.name()).unwrap()).collect();
        let ordered = |name: &str| {
            let place = wanted.index_of(name).ok()?;
            let options = arrow_schema::SortOptions { descending: false, nulls_first: false };
            Some(PhysicalSortExpr::new(Arc::new(Column::new(name, place)), options))
        };
        let person = ordered(PERSON);
        let order = LexOrdering::new(person.clone().into_iter().chain(ordered("day")));
        let partitioning = match person.and_then(|person| LexOrdering::new([person])) {
            Some(by) => {
                let split = SplitPoint::new(vec![ScalarValue::Int64(Some(SPLIT))]);
                Partitioning::Range(RangePartitioning::try_new(by, vec![split]).unwrap())
            }
            None => Partitioning::UnknownPartitioning(2),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(wanted), order),
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { parts, columns: Some(columns), properties: Arc::new(properties) }
    }
}

impl DisplayAs for Leaf {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaf")
    }
}

impl ExecutionPlan for Leaf {
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
    fn execute(&self, n: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(batches) = self.parts.get(n) else { return internal_err!("two partitions") };
        let columns = self.columns.clone();
        Ok(Box::pin(MemoryStream::try_new(batches.clone(), self.schema(), columns)?))
    }
}

fn context(parts: &[Vec<Vec<RecordBatch>>; 2]) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2).with_collect_statistics(false);
    let options = config.options_mut();
    options.optimizer.hash_join_single_partition_threshold = 0;
    options.optimizer.hash_join_single_partition_threshold_rows = 0;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_round_robin_repartition = false;
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(NobodyFirst)];
    rules.extend(PhysicalOptimizer::new().rules);
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_physical_optimizer_rules(rules);
    let context = SessionContext::new_with_state(state.build());
    // Nobody's: a code that stands twice, one that nobody has, one that is not known.
    let text = |name: &str| {
        let of = std::collections::HashMap::from([("table".to_owned(), "k".to_owned())]);
        Field::new(name, DataType::Utf8, true).with_metadata(of)
    };
    let codes: StringArray =
        [Some("a"), Some("z"), Some("a"), None, Some("c")].into_iter().collect();
    let labels: StringArray =
        [Some("A"), None, Some("AA"), Some("-"), Some("C")].into_iter().collect();
    let nobodys = Arc::new(Schema::new(vec![text("code"), text("label")]));
    let rows = RecordBatch::try_new(nobodys.clone(), vec![Arc::new(codes), Arc::new(labels)]);
    let table = MemTable::try_new(nobodys, vec![vec![rows.unwrap()]]).unwrap();
    context.register_table("k", Arc::new(table)).unwrap();
    for (name, parts) in ["l", "r"].into_iter().zip(parts) {
        let table = MemTable::try_new(schema(name), parts.clone()).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }
    context
}

/// The plan over leaves that say of themselves what the store's scan says.
fn over_leaves(
    plan: Arc<dyn ExecutionPlan>,
    parts: &[Vec<Vec<RecordBatch>>; 2],
) -> Arc<dyn ExecutionPlan> {
    plan.transform_up(|node| {
        Ok(match node.name() {
            "DataSourceExec" if node.schema().column_with_name(PERSON).is_some() => {
                Transformed::yes(Arc::new(Leaf::new(parts, &node.schema())) as _)
            }
            _ => Transformed::no(node),
        })
    })
    .data()
    .unwrap()
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            lines.push(cells.join("|"));
        }
    }
    lines.sort();
    lines
}

/// Statements with the operators that they must come to.
const STATEMENTS: [(&str, &[&str]); 22] = [
    (
        "SELECT l._person, l.day, l.code, r.day, r.n FROM l JOIN r ON l._person = r._person",
        &["PersonJoin"],
    ),
    (
        "SELECT l._person, l.n, r.n FROM l LEFT JOIN r ON l._person = r._person AND r.day > l.day",
        &["PersonJoin"],
    ),
    (
        "SELECT r._person, l.n, r.n FROM l RIGHT JOIN r ON l._person = r._person AND r.day > l.day",
        &["PersonJoin"],
    ),
    (
        "SELECT l._person, l.n, r.n FROM l FULL JOIN r ON l._person = r._person AND r.day > l.day",
        &["HashJoinExec"],
    ),
    (
        "SELECT l._person, l.n, r.n FROM l JOIN r ON l._person = r._person AND l.code = r.code",
        &["PersonJoin"],
    ),
    (
        "SELECT _person, n FROM l WHERE EXISTS (SELECT 1 FROM r WHERE r._person = l._person AND r.n < l.n)",
        &["PersonJoin"],
    ),
    (
        "SELECT _person, n FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE r._person = l._person AND r.n < l.n)",
        &["PersonJoin"],
    ),
    (
        "SELECT _person, lead(n) OVER w, lag(code, 2) OVER w, row_number() OVER w, lead(n, 1, 9) OVER w FROM l \
         WINDOW w AS (PARTITION BY _person ORDER BY day, n, code)",
        &["PersonWindow", "PersonSort"],
    ),
    (
        "SELECT _person, rank() OVER w, dense_rank() OVER w, day, n FROM l \
         WINDOW w AS (PARTITION BY _person ORDER BY day, n)",
        &["PersonWindow", "PersonSort"],
    ),
    (
        "SELECT _person, first_value(n) OVER w, row_number() OVER w, day FROM l \
         WINDOW w AS (PARTITION BY _person, code ORDER BY day DESC, n)",
        &["PersonWindow", "PersonSort"],
    ),
    (
        // Among them one that is left to DataFusion.
        "SELECT _person, sum(n) OVER w, lag(n, 1) IGNORE NULLS OVER w FROM l \
         WINDOW w AS (PARTITION BY _person ORDER BY day, n, code)",
        &["PersonSort"],
    ),
    (
        "SELECT _person, count(*), min(day), max(code) FROM l GROUP BY _person",
        &["mode=SinglePartitioned"],
    ),
    ("SELECT code, _person, sum(n) FROM l GROUP BY code, _person", &["mode=SinglePartitioned"]),
    (
        "SELECT c._person, c.idx, r.day FROM (SELECT _person, min(day) AS idx FROM l GROUP BY _person) c \
         LEFT JOIN r ON r._person = c._person AND r.day > c.idx",
        &["PersonJoin", "mode=SinglePartitioned"],
    ),
    ("SELECT l._person, l.n, k.label FROM l JOIN k ON l.code = k.code", &["LookUp"]),
    ("SELECT l._person, l.n, k.label FROM l LEFT JOIN k ON l.code = k.code", &["LookUp"]),
    ("SELECT _person, n FROM l WHERE EXISTS (SELECT 1 FROM k WHERE k.code = l.code)", &["LookUp"]),
    (
        "SELECT _person, n FROM l WHERE NOT EXISTS (SELECT 1 FROM k WHERE k.code = l.code)",
        &["LookUp"],
    ),
    (
        // What is met was met before.
        "SELECT count(*) FROM l WHERE EXISTS (SELECT 1 FROM r WHERE r._person = l._person AND r.n < l.n) \
         AND EXISTS (SELECT 1 FROM l m WHERE m._person = l._person AND m.n > l.n)",
        &["PersonJoin"],
    ),
    (
        "SELECT a._person, a.n, c.many FROM l a JOIN r b ON a._person = b._person \
         JOIN (SELECT _person, count(*) AS many FROM r GROUP BY _person) c ON c._person = a._person \
         LEFT JOIN l d ON d._person = a._person AND d.code = b.code",
        &["PersonJoin", "mode=SinglePartitioned"],
    ),
    (
        // Beyond a join by another key nothing is in order.
        "SELECT a._person, c.n FROM l a JOIN r b ON a.n = b.n JOIN l c ON c._person = a._person",
        &["HashJoinExec"],
    ),
    (
        // The pseudonym, which some people lack.
        "SELECT l.p, l.n, r.n FROM (SELECT CASE WHEN _person % 3 > 0 THEN _person END AS p, n FROM l) l \
         LEFT JOIN (SELECT CASE WHEN _person % 3 > 0 THEN _person END AS p, n FROM r) r ON l.p = r.p",
        &["PersonJoin"],
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn one_person_at_a_time_gives_what_datafusion_gives(
        left in prop::collection::vec(row(), 0..120), right in prop::collection::vec(row(), 0..120),
        size in 1_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let many = left.len() > 60;
        runtime.block_on(async {
            let parts = [stored("l", left, size), stored("r", right, size)];
            let context = context(&parts);
            for (sql, operators) in STATEMENTS {
                // A join that has run remembers what it collected.
                let planned =
                    async || context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
                let expected = lines(&collect(planned().await, context.task_ctx()).await.unwrap());
                let plan = planned().await;
                let ours = by_person(over_leaves(plan, &parts)).unwrap();
                let shown = displayable(ours.as_ref()).indent(false).to_string();
                // Of a table with few rows DataFusion knows it, which it does not of the store's scan, and turns joins round.
                for operator in operators.iter().filter(|_| many) {
                    assert!(shown.contains(operator), "{sql}\n{shown}");
                }
                let found = lines(&collect(ours, context.task_ctx()).await.unwrap());
                assert_eq!(found, expected, "{sql}\n{shown}");
            }
        });
    }
}

/// The control: were a plan wrong about its order, no answer would come of it.
#[tokio::test]
async fn persons_out_of_order_are_an_error() {
    let rows = |people: &[i64]| people.iter().map(|p| (*p, None, None, None)).collect::<Vec<Row>>();
    let torn = |table: &str| {
        let first = stored(table, rows(&[1, 2, 3]), 8)[0][0].clone();
        let late = stored(table, rows(&[2]), 8)[0][0].clone();
        vec![vec![first, late], Vec::new()]
    };
    let parts = [torn("l"), torn("r")];
    let context = context(&parts);
    let (join, _) = STATEMENTS[0];
    let plan = context.sql(join).await.unwrap().create_physical_plan().await.unwrap();
    let ours = by_person(over_leaves(plan, &parts)).unwrap();
    assert!(collect(ours, context.task_ctx()).await.is_err());
}
