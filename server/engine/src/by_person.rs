//! Work on one person at a time, without hashing: rows of the store come in the order of persons, and both sides of a
//! join on the person are split among partitions at the same persons.
//!
//! Where a plan proves that its rows are in that order, joins merge, windows and sorts look at one person's rows at a
//! time, and a person's rows are aggregated as they pass by. Nothing is dealt out to other partitions. Operators check
//! the order while rows pass: were the proof wrong, a query would fail, not answer.

mod chunks;
mod join;
mod sort;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use cordon_store::PERSON;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, Partitioning};

use crate::look_up::{LookUp, look_up};
use crate::sides::somebodys;

pub(crate) use join::PersonJoin;
pub(crate) use sort::PersonSort;
pub(crate) use window::PersonWindow;

/// The plan with work on one person at a time wherever it is proven that rows are in order.
pub(crate) fn by_person(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let ours = Arc::clone(&plan).transform_up(|node| {
        let other = match node.name() {
            "AggregateExec" => aggregated(&node)?,
            "HashJoinExec" => match look_up(&node) {
                None => joined(&node)?,
                join => join,
            },
            "SortExec" => sort::sorted(&node)?,
            "BoundedWindowAggExec" | "WindowAggExec" => window::windowed(&node)?,
            _ => None,
        };
        Ok(match other {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(node),
        })
    });
    let ours = ours.data()?;
    // DataFusion relied on rows that it dealt out by hash; some of them are where persons are now.
    Ok(if meets_whom_it_needs(&ours) { ours } else { plan })
}

/// Whether rows that must meet are in the same partition everywhere: dealt out by the same hash, or by proof that whole
/// persons are where the same persons of the other side are.
fn meets_whom_it_needs(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    let requirements = plan.input_distribution_requirements();
    let wanted: Vec<_> = children
        .iter()
        .enumerate()
        .filter_map(|(n, child)| match requirements.child_distribution(n)? {
            Distribution::KeyPartitioned(keys) => Some((*child, keys)),
            _ => None,
        })
        .collect();
    let partitioning =
        |child: &Arc<dyn ExecutionPlan>| child.properties().output_partitioning().clone();
    let alone = wanted.iter().all(|(child, _)| partitioning(child).partition_count() == 1);
    let key = |child: &Arc<dyn ExecutionPlan>, key: &Arc<dyn PhysicalExpr>| {
        key.downcast_ref::<Column>().and_then(|column| in_person_order(child, column.index()))
    };
    let keys = wanted.iter().map(|(_, keys)| keys.len()).min().unwrap_or(0);
    let proven = (0..keys).any(|n| {
        wanted.iter().all(|(child, keys)| keys.get(n).and_then(|k| key(child, k)).is_some())
    });
    let dealt = wanted.iter().all(|(child, keys)| match partitioning(child) {
        Partitioning::Hash(by, _) => by.len() == keys.len() && by.iter().eq(keys.iter()),
        _ => false,
    });
    (wanted.is_empty() || alone || proven || dealt) && children.into_iter().all(meets_whom_it_needs)
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Person,
    /// The person, or null in its place: the pseudonym, which people who cannot be found again lack.
    PersonOrNull,
}

/// Whether a column holds the person and every partition whole persons, each person's rows one after another and persons
/// in order: proven by the plan, or not taken for granted. That a person is in one partition only follows from the scan,
/// and from nodes above it of which each hands on rows of its input in that order and those partitions.
pub(crate) fn in_person_order(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<Holds> {
    let children = plan.children();
    let [.., input] = children.as_slice() else {
        let partitioning = plan.properties().output_partitioning();
        let whole =
            matches!(partitioning, Partitioning::Range(_)) || partitioning.partition_count() == 1;
        let field = plan.schema().fields().get(column).cloned()?;
        return (plan.name() == "StoreScan" && field.name() == PERSON && whole)
            .then_some(Holds::Person);
    };
    let below = |column: usize| in_person_order(input, column);
    match plan.name() {
        "ProjectionExec" => {
            let projection = plan.downcast_ref::<ProjectionExec>()?;
            let expr = &projection.expr().get(column)?.expr;
            match (expr.downcast_ref::<Column>(), value_or_null(expr)) {
                (Some(column), _) => below(column.index()),
                (None, Some(column)) => below(column).map(|_| Holds::PersonOrNull),
                (None, None) => None,
            }
        }
        "FilterExec" => {
            let filter = plan.downcast_ref::<FilterExec>()?;
            match filter.projection() {
                Some(columns) => below(*columns.get(column)?),
                None => below(column),
            }
        }
        "CooperativeExec" | "Whole" | "PersonSort" => below(column),
        // Its own columns come after those of its input.
        "PersonWindow" => (column < input.schema().fields().len()).then(|| below(column)).flatten(),
        "AggregateExec" => {
            let aggregate = plan.downcast_ref::<AggregateExec>()?;
            let one_stage = matches!(aggregate.mode(), AggregateMode::SinglePartitioned);
            let group = aggregate.group_expr();
            let (expr, _) = group.expr().get(column)?;
            let ordered = match aggregate.input_order_mode() {
                InputOrderMode::Linear => false,
                InputOrderMode::PartiallySorted(by) => by.first().is_some_and(|first| {
                    let first = group.expr().get(*first).map(|(expr, _)| expr);
                    first.and_then(|e| e.downcast_ref::<Column>()).and_then(|c| below(c.index()))
                        == Some(Holds::Person)
                }),
                InputOrderMode::Sorted => group.expr().first().is_some_and(|(first, _)| {
                    first.downcast_ref::<Column>().and_then(|c| below(c.index()))
                        == Some(Holds::Person)
                }),
            };
            (one_stage && group.is_single() && ordered)
                .then(|| below(expr.downcast_ref::<Column>()?.index()))
                .flatten()
        }
        "HashJoinExec" => {
            let join = plan.downcast_ref::<HashJoinExec>()?;
            let passed =
                *join.partition_mode() == PartitionMode::CollectLeft && !somebodys(join.left());
            passed.then(|| below(probed(join, column)?)).flatten()
        }
        "LookUp" => below(plan.downcast_ref::<LookUp>()?.passed(column)?),
        "PersonJoin" => plan.downcast_ref::<PersonJoin>()?.holds(column),
        _ => None,
    }
}

/// The column whose value or null an expression gives: `CASE WHEN … THEN column END`.
fn value_or_null(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let case = expr.downcast_ref::<CaseExpr>()?;
    match (case.expr(), case.when_then_expr(), case.else_expr()) {
        (None, [(_, then)], None) => then.downcast_ref::<Column>().map(Column::index),
        _ => None,
    }
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

/// What is below, where rows are dealt out by hash.
fn before_dealing(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<RepartitionExec>() {
        Some(dealt) if matches!(dealt.partitioning(), Partitioning::Hash(_, _)) => dealt.input(),
        _ => plan,
    }
}

/// A person's groups are whole in one partition: one stage is enough, where DataFusion aggregates, deals out and
/// aggregates again.
fn aggregated(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
    if !matches!(last.mode(), AggregateMode::FinalPartitioned) {
        return Ok(None);
    }
    let below = before_dealing(last.input());
    let Some(first) = below.downcast_ref::<AggregateExec>() else { return Ok(None) };
    let input = first.input();
    let by_person = first.group_expr().expr().iter().any(|(expr, _)| {
        let column = expr.downcast_ref::<Column>().map(Column::index);
        column.and_then(|c| in_person_order(input, c)) == Some(Holds::Person)
    });
    let plain = first.group_expr().is_single()
        && first.limit_options().is_none()
        && last.limit_options().is_none()
        && matches!(first.mode(), AggregateMode::Partial);
    if !(by_person && plain) {
        return Ok(None);
    }
    let one = AggregateExec::try_new(
        AggregateMode::SinglePartitioned,
        first.group_expr().clone(),
        first.aggr_expr().to_vec(),
        first.filter_expr().to_vec(),
        Arc::clone(input),
        input.schema(),
    )?;
    let same = one.schema().fields() == last.schema().fields();
    Ok(same.then(|| Arc::new(one) as _))
}

/// A join on the person needs nothing dealt out.
fn joined(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(None) };
    if *join.partition_mode() != PartitionMode::Partitioned {
        return Ok(None);
    }
    let (left, right) = (before_dealing(join.left()), before_dealing(join.right()));
    let parts =
        |plan: &Arc<dyn ExecutionPlan>| plan.properties().output_partitioning().partition_count();
    if parts(left) != parts(right) || join.null_aware {
        return Ok(None);
    }
    let column = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().map(Column::index);
    let person = join.on().iter().position(|(l, r)| {
        let left = column(l).and_then(|column| in_person_order(left, column));
        left.is_some() && column(r).and_then(|column| in_person_order(right, column)).is_some()
    });
    let Some(person) = person else { return Ok(None) };
    match PersonJoin::of(join, left, right, person)? {
        Some(join) => Ok(Some(Arc::new(join))),
        // The same persons are in the same partitions.
        None => {
            let inputs = vec![Arc::clone(left), Arc::clone(right)];
            join.builder().with_new_children(inputs)?.build().map(|join| Some(Arc::new(join) as _))
        }
    }
}
