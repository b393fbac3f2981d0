//! Running plans. Figures leave this module only as `RawAggregates`, or out of plans that hold no
//! patient's row.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow_schema::{DataType, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use cordon_disclosure::{Measure, Profile, Question, RawAggregates, RawCell, RawMeasure};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};

use crate::by_person::by_person;
use crate::coded::coded;
use crate::gather::{Figure, Gather, Gathered, Wanted, gather};
use crate::guard::{Cut, Domain};
use crate::in_order::in_order;
use crate::released::ReleasedSource;
use crate::whole::{Unread, whole};

/// Most rows of a public domain that are emitted; beyond, only groups that pass are shown.
pub(crate) const MAX_DOMAIN: usize = 20_000;

/// Longest text that a scalar subquery may give, bytes.
const MOST_TEXT: usize = 1 << 16;

/// What earlier steps gave: released tables by cut, values by placeholder.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) tables: HashMap<usize, RecordBatch>,
    pub(crate) values: HashMap<String, ScalarValue>,
}

impl Given {
    /// What a plan reads of it, as text.
    pub(crate) fn read_by(&self, plan: &LogicalPlan) -> Vec<String> {
        let mut read = BTreeSet::new();
        let walked = plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(source) = scan.source.downcast_ref::<ReleasedSource>()
            {
                read.insert(format!("{}={:?}", source.cut, self.tables.get(&source.cut)));
            }
            node.apply_expressions(|e| {
                e.apply(|e| {
                    if let Expr::Placeholder(p) = e {
                        read.insert(format!("{}={:?}", p.id, self.values.get(&p.id)));
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        });
        debug_assert!(walked.is_ok(), "the visitor never fails");
        read.into_iter().collect()
    }

    /// The plan with released tables and values put in.
    pub(crate) fn fill(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let filled = plan.transform_up(|node| {
            let node = match node {
                LogicalPlan::TableScan(ref scan) => match scan
                    .source
                    .downcast_ref::<ReleasedSource>()
                {
                    Some(source) => {
                        let Some(batch) = self.tables.get(&source.cut) else {
                            return internal_err!("a released table is missing");
                        };
                        let table =
                            Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch.clone()]])?);
                        let scan = TableScanBuilder::new(
                            scan.table_name.clone(),
                            provider_as_source(table),
                        )
                        .build()?;
                        Transformed::yes(LogicalPlan::TableScan(scan))
                    }
                    None => Transformed::no(node),
                },
                other => Transformed::no(other),
            };
            node.transform_data(|n| {
                n.map_expressions(|e| {
                    e.transform_up(|e| {
                        Ok(match e {
                            Expr::Placeholder(ref p) => match self.values.get(&p.id) {
                                Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
                                None => Transformed::no(e),
                            },
                            other => Transformed::no(other),
                        })
                    })
                })
            })
        })?;
        filled.data.recompute_schema()
    }
}

/// Runs a plan over released tables; its rows come in the same order every time.
pub(crate) async fn released(
    plan: LogicalPlan,
    state: &SessionState,
    one_row_joins: bool,
) -> Result<Vec<RecordBatch>> {
    let physical = in_order(planned(plan, state, one_row_joins).await?)?;
    collected(physical, state).await
}

/// Runs a plan over patients' rows: how long it takes tells as little of them as may be.
async fn run(
    plan: LogicalPlan,
    state: &SessionState,
    one_row_joins: bool,
) -> Result<Vec<RecordBatch>> {
    let unread = Unread::default();
    let physical = whole(planned(plan, state, one_row_joins).await?, &unread)?;
    let rows = collected(physical, state).await?;
    unread.read().await?;
    Ok(rows)
}

async fn collected(
    physical: Arc<dyn ExecutionPlan>,
    state: &SessionState,
) -> Result<Vec<RecordBatch>> {
    // In the order of partitions, not of who is ready first.
    let parts = collect_partitioned(physical, state.task_ctx()).await?;
    Ok(parts.into_iter().flatten().collect())
}

/// Optimises and plans; refuses joins that cannot be stopped.
async fn planned(
    plan: LogicalPlan,
    state: &SessionState,
    one_row_joins: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let optimised = state.optimize(&plan)?;
    let physical = state.query_planner().create_physical_plan(&optimised, state).await?;
    check_physical(&physical, one_row_joins)?;
    Ok(physical)
}

/// Joins without an equality do not yield to cancellation: only those with at most one row may run.
fn check_physical(plan: &Arc<dyn ExecutionPlan>, one_row_joins: bool) -> Result<()> {
    plan.apply(|node| match node.name() {
        "CrossJoinExec" | "NestedLoopJoinExec" if !one_row_joins => {
            Err(DataFusionError::Plan("a join without an equality".to_owned()))
        }
        "RecursiveQueryExec" | "UnnestExec" | "AnalyzeExec" | "ExplainExec" | "DataSinkExec" => {
            Err(DataFusionError::Plan("a node that is not offered".to_owned()))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// Whether two inner plans read the same rows, and nothing that was released before.
pub(crate) fn shares(one: &Cut, other: &Cut) -> bool {
    let alone = |cut: &Cut| Given::default().read_by(&cut.rows).is_empty();
    match (&one.rows, &other.rows) {
        (LogicalPlan::Projection(a), LogicalPlan::Projection(b)) => {
            a.input == b.input && alone(one) && alone(other)
        }
        _ => false,
    }
}

/// The inner plans of several cuts as one: the columns of one after those of another.
fn together(cuts: &[Arc<Cut>]) -> Result<LogicalPlan> {
    let [first, .., _] = cuts else {
        return match cuts {
            [one] => Ok(one.rows.clone()),
            _ => internal_err!("nothing is cut"),
        };
    };
    let mut exprs = Vec::new();
    for (n, cut) in cuts.iter().enumerate() {
        let LogicalPlan::Projection(projection) = &cut.rows else {
            return internal_err!("an inner plan ends in its columns");
        };
        let columns = projection.expr.iter().zip(projection.schema.fields());
        exprs.extend(
            columns.map(|(expr, field)| {
                expr.clone().unalias().alias(format!("_c{n}{}", field.name()))
            }),
        );
    }
    let LogicalPlan::Projection(below) = &first.rows else {
        return internal_err!("an inner plan ends in its columns");
    };
    Projection::try_new(exprs, Arc::clone(&below.input)).map(LogicalPlan::Projection)
}

/// Runs the inner plans of cuts that read the same rows, all at once, and reads figures and evidence of each.
pub(crate) async fn cuts(
    cuts: &[Arc<Cut>],
    given: &Given,
    state: &SessionState,
    one_row_joins: bool,
    questions: Vec<Question>,
    profile: &Profile,
) -> Result<Vec<RawAggregates>> {
    let unread = Unread::default();
    let rows = planned(given.fill(together(cuts)?)?, state, one_row_joins).await?;
    let (mut wanted, mut may) = (Vec::new(), Vec::new());
    for cut in cuts {
        let from = may.len();
        let columns = cut.rows.schema().fields().len();
        may.extend((0..columns).map(|column| column < cut.gather.keys));
        let keys = Arc::new(Schema::new(cut.columns().keys));
        let same = same_figures(&rows, &cut.gather, from);
        wanted.push(Wanted { what: Arc::clone(&cut.gather), from, keys, same });
    }
    let rows = whole(coded(&by_person(rows)?, &may)?, &unread)?;
    let gathered = gather(rows, &wanted.into(), state.task_ctx()).await?;
    unread.read().await?;
    let mut all = Vec::with_capacity(cuts.len());
    for ((cut, question), gathered) in cuts.iter().zip(questions).zip(gathered) {
        all.push(raw(cut, gathered, state, question, profile.clone()).await?);
    }
    Ok(all)
}

/// For each figure an earlier one that is computed by the same expression and gathered alike.
fn same_figures(rows: &Arc<dyn ExecutionPlan>, gather: &Gather, from: usize) -> Vec<Option<usize>> {
    let projection = rows.downcast_ref::<ProjectionExec>();
    let expr = |figure: usize| {
        let expr = projection?.expr().get(from + gather.keys + 1 + figure)?;
        Some((&expr.expr, gather.figures.get(figure)?))
    };
    (0..gather.figures.len())
        .map(|n| (0..n).find(|earlier| expr(n).is_some() && expr(n) == expr(*earlier)))
        .collect()
}

/// Figures and evidence of one cut.
async fn raw(
    cut: &Cut,
    Gathered { keys, cells }: Gathered,
    state: &SessionState,
    question: Question,
    profile: Profile,
) -> Result<RawAggregates> {
    let columns = cut.columns();
    let mut measures = Vec::new();
    for ((name, measure), (_, number)) in columns.measures.into_iter().zip(&cut.measures) {
        let Some(read) = cells.get(*number) else {
            return internal_err!("a measure has evidence");
        };
        let cells = match measure {
            Measure::Persons => Arc::new(read.iter().map(RawCell::of_people).collect()),
            Measure::Rows | Measure::Total { .. } => Arc::clone(read),
        };
        let most = cut.gather.figures.get(*number).and_then(Figure::most);
        measures.push(RawMeasure { name, measure, most, cells });
    }
    let Some(people) = cells.into_iter().next() else {
        return internal_err!("an inner plan has evidence");
    };
    let domain = match &cut.domain {
        Some(domain) => domain_rows(domain, &keys.schema(), state).await?,
        None => None,
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where figures meet their evidence"
    )]
    let raw = RawAggregates::new(question, profile, keys, (people, cut.rows_of), measures, domain);
    raw.map_err(|e| DataFusionError::External(Box::new(e)))
}

/// All combinations of the keys' public values, for every grouping set; none when they are too many.
async fn domain_rows(
    domain: &Domain,
    schema: &Arc<Schema>,
    state: &SessionState,
) -> Result<Option<RecordBatch>> {
    let mut lists = Vec::new();
    for plan in &domain.values {
        let batches = run(plan.clone(), state, false).await?;
        let list = match batches.first() {
            Some(first) => concat_batches(&first.schema(), &batches)?,
            None => RecordBatch::new_empty(Arc::new(plan.schema().as_arrow().clone())),
        };
        lists.push(Arc::clone(list.column(0)));
    }
    let grouping = schema.fields().len() > lists.len();
    let mut parts = Vec::new();
    let mut rows = 0usize;
    for set in &domain.sets {
        let Some(size) =
            set.iter().try_fold(1usize, |n, k| n.checked_mul(lists.get(*k).map_or(0, |l| l.len())))
        else {
            return Ok(None);
        };
        rows += size;
        if rows > MAX_DOMAIN {
            return Ok(None);
        }
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut repeat = size;
        for (k, list) in lists.iter().enumerate() {
            if set.contains(&k) && !list.is_empty() {
                repeat /= list.len();
                let picks: UInt32Array = (0..size)
                    .map(|row| u32::try_from((row / repeat.max(1)) % list.len()).ok())
                    .collect();
                columns.push(take(list, &picks, None)?);
            } else {
                columns.push(new_null_array(list.data_type(), size));
            }
        }
        if grouping {
            // DataFusion: one bit per key, the first key in the highest, set where the key is left out.
            let id = (0..lists.len()).fold(0u64, |id, k| (id << 1) | u64::from(!set.contains(&k)));
            let id =
                ScalarValue::UInt64(Some(id)).cast_to(schema.field(lists.len()).data_type())?;
            columns.push(id.to_array_of_size(size)?);
        }
        parts.push(RecordBatch::try_new(Arc::clone(schema), columns)?);
    }
    Ok(Some(concat_batches(schema, &parts)?))
}

/// The one value of a scalar subquery's outer plan; null when it gave no row.
pub(crate) async fn scalar(
    plan: LogicalPlan,
    given: &Given,
    state: &SessionState,
    one_row_joins: bool,
) -> Result<ScalarValue> {
    let data_type =
        plan.schema().fields().first().map_or(DataType::Null, |f| f.data_type().clone());
    let batches = released(given.fill(plan)?, state, one_row_joins).await?;
    let mut rows = batches.iter().filter(|b| b.num_rows() > 0);
    match (rows.next(), rows.next()) {
        (None, _) => ScalarValue::try_from(&data_type),
        (Some(batch), None) if batch.num_rows() == 1 => {
            let value = ScalarValue::try_from_array(batch.column(0), 0)?;
            // It is put into other expressions, which may repeat it, and again as the value of those.
            match value.try_as_str().flatten().map_or(0, str::len) {
                0..=MOST_TEXT => Ok(value),
                _ => Err(DataFusionError::Plan("a text of more than 64 KiB".to_owned())),
            }
        }
        _ => internal_err!("a scalar subquery gave several rows"),
    }
}
