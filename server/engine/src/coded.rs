//! Codes stay codes: texts that a plan only compares, groups by or hands on are read as numbers into the dictionaries
//! that the files hold anyway. What is computed from one column of few values is computed once for each value: for each
//! entry of a dictionary, for each day or small number between the least and the greatest (`each.rs`).

mod each;

use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef};
use arrow_schema::{DataType, Schema, SchemaRef};
use cordon_store::StoreScan;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use crate::by_person::{PersonJoin, PersonSort, PersonWindow};
use crate::look_up::LookUp;

use each::Each;

/// An expression that grows beyond so many parts is not put together.
const MOST_PARTS: usize = 2_000;

/// The plan with codes for texts. `may` tells which columns of the answer may become codes; all others keep their type.
pub(crate) fn coded(plan: &Arc<dyn ExecutionPlan>, may: &[bool]) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<StoreScan>() {
        let schema = plan.schema();
        let texts = may.iter().zip(schema.fields()).enumerate();
        let texts: Vec<usize> = texts
            .filter(|(_, (may, field))| **may && field.data_type() == &DataType::Utf8)
            .map(|(n, _)| n)
            .collect();
        return Ok(Arc::new(scan.with_codes(&texts)?));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return projected(projection, may);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return filtered(filter, may);
    }
    if let Some(join) = plan.downcast_ref::<LookUp>() {
        return looked_up(join, may);
    }
    let children = plan.children();
    let below: Vec<Vec<bool>> = match (plan.downcast_ref::<HashJoinExec>(), plan.name()) {
        (Some(join), _) => joined(join, may).into(),
        (None, "CooperativeExec" | "Whole") => vec![may.to_vec()],
        (None, "PersonJoin" | "PersonSort" | "PersonWindow") => personal(plan, may),
        // What else a plan is made of works on texts.
        _ => children.iter().map(|child| vec![false; child.schema().fields().len()]).collect(),
    };
    let children = children.into_iter().zip(&below).map(|(child, may)| coded(child, may));
    let children = children.collect::<Result<Vec<_>>>()?;
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(children, options)
}

fn projected(projection: &ProjectionExec, may: &[bool]) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(one) = put_together(projection)? {
        return projected(&one, may);
    }
    let mut uses = Uses::of(&projection.input().schema());
    for (expr, may) in projection.expr().iter().zip(may) {
        match expr.expr.downcast_ref::<Column>() {
            Some(column) => uses.handed_on(column.index(), *may),
            None => uses.within(&expr.expr),
        }
    }
    let input = coded(projection.input(), &uses.may())?;
    let schema = input.schema();
    let exprs = projection.expr().iter().zip(may).map(|(expr, may)| {
        let computed = match expr.expr.downcast_ref::<Column>() {
            Some(_) => Arc::clone(&expr.expr),
            None => over_codes(&expr.expr, &schema, *may)?,
        };
        Ok(ProjectionExpr::new(computed, expr.alias.clone()))
    });
    Ok(Arc::new(ProjectionExec::try_new(exprs.collect::<Result<Vec<_>>>()?, input)?))
}

/// A projection over a projection as one, where each of its expressions has a single column of few values, or was
/// computed from columns that were only handed on: nothing is computed more often than before.
fn put_together(upper: &ProjectionExec) -> Result<Option<ProjectionExec>> {
    let Some(lower) = upper.input().downcast_ref::<ProjectionExec>() else { return Ok(None) };
    let input = lower.input().schema();
    let below = |column: &Column| lower.expr().get(column.index()).map(|e| &e.expr);
    let mut exprs = Vec::new();
    for expr in upper.expr() {
        let columns = collect_columns(&expr.expr);
        let renamed = columns.iter().all(|c| below(c).is_some_and(|e| e.is::<Column>()));
        let whole = Arc::clone(&expr.expr)
            .transform_up(|part| {
                Ok(match part.downcast_ref::<Column>().and_then(&below) {
                    Some(below) => Transformed::yes(Arc::clone(below)),
                    None => Transformed::no(part),
                })
            })
            .data()?;
        let few =
            only_column(&whole).is_some_and(|column| has_few(input.field(column).data_type()));
        if !renamed && !whole.is::<Column>() && (!few || parts(&whole) > MOST_PARTS) {
            return Ok(None);
        }
        exprs.push(ProjectionExpr::new(whole, expr.alias.clone()));
    }
    Ok(Some(ProjectionExec::try_new(exprs, Arc::clone(lower.input()))?))
}

fn parts(expr: &Arc<dyn PhysicalExpr>) -> usize {
    1 + expr.children().into_iter().map(parts).sum::<usize>()
}

/// Whether columns of a type mostly have few values.
fn has_few(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Date32 | DataType::Int16 | DataType::Int32)
}

fn filtered(filter: &FilterExec, may: &[bool]) -> Result<Arc<dyn ExecutionPlan>> {
    let mut uses = Uses::of(&filter.input().schema());
    uses.within(filter.predicate());
    match filter.projection() {
        Some(columns) => {
            columns.iter().zip(may).for_each(|(column, may)| uses.handed_on(*column, *may));
        }
        None => may.iter().enumerate().for_each(|(column, may)| uses.handed_on(column, *may)),
    }
    let input = coded(filter.input(), &uses.may())?;
    let predicate = over_codes(filter.predicate(), &input.schema(), false)?;
    let builder = FilterExecBuilder::from(filter).with_predicate(predicate).with_input(input);
    Ok(Arc::new(builder.build()?))
}

/// A text that is looked up may be codes, and so may everything that is found.
fn looked_up(join: &LookUp, may: &[bool]) -> Result<Arc<dyn ExecutionPlan>> {
    let inputs = join.children();
    let [kept, passing] = inputs.as_slice() else {
        return datafusion::common::internal_err!("a join has two sides");
    };
    let mut uses = Uses::of(&passing.schema());
    uses.handed_on(join.key(), true);
    for (at, may) in may.iter().enumerate() {
        if let Some(column) = join.passed(at) {
            uses.handed_on(column, *may);
        }
    }
    let passing = coded(passing, &uses.may())?;
    let kept = coded(kept, &vec![false; kept.schema().fields().len()])?;
    Ok(Arc::new(join.with_codes(kept, passing, may)))
}

/// The same of work on one person at a time.
fn personal(plan: &Arc<dyn ExecutionPlan>, may: &[bool]) -> Vec<Vec<bool>> {
    let inputs = plan.children();
    let mut uses: Vec<Uses> = inputs.iter().map(|input| Uses::of(&input.schema())).collect();
    let mut handed_on = |side: usize, column: usize, may: bool| {
        if let Some(uses) = uses.get_mut(side) {
            uses.handed_on(column, may);
        }
    };
    let join = plan.downcast_ref::<PersonJoin>();
    for (at, may) in may.iter().enumerate() {
        match join {
            Some(join) => {
                if let Some((side, column)) = join.from(at) {
                    handed_on(side, column, *may);
                }
            }
            None => handed_on(0, at, *may),
        }
    }
    for (side, needed) in join.map(PersonJoin::needed).into_iter().flatten().enumerate() {
        needed.into_iter().for_each(|column| handed_on(side, column, false));
    }
    if let Some(sort) = plan.downcast_ref::<PersonSort>() {
        sort.needed().for_each(|column| handed_on(0, column, false));
    }
    for expr in plan.downcast_ref::<PersonWindow>().into_iter().flat_map(PersonWindow::computed) {
        collect_columns(expr).iter().for_each(|column| handed_on(0, column.index(), false));
    }
    uses.iter().map(Uses::may).collect()
}

/// Which columns of a join's sides may become codes: those that it only hands on.
fn joined(join: &HashJoinExec, may: &[bool]) -> [Vec<bool>; 2] {
    let (left, right) = (join.left().schema(), join.right().schema());
    let mut sides = [Uses::of(&left), Uses::of(&right)];
    let output = |column: usize| match join.join_type() {
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (1, column),
        _ => match column.checked_sub(left.fields().len()) {
            Some(column) => (1, column),
            None => (0, column),
        },
    };
    for (at, may) in may.iter().enumerate() {
        let column = join.projection.as_ref().map_or(Some(at), |all| all.get(at).copied());
        if let Some((side, column)) = column.map(output)
            && let Some(uses) = sides.get_mut(side)
        {
            uses.handed_on(column, *may);
        }
    }
    let [of_left, of_right] = &mut sides;
    for (left, right) in join.on() {
        collect_columns(left).iter().for_each(|column| of_left.handed_on(column.index(), false));
        collect_columns(right).iter().for_each(|column| of_right.handed_on(column.index(), false));
    }
    for column in join.filter().into_iter().flat_map(|filter| filter.column_indices()) {
        let uses = if column.side == JoinSide::Left { &mut *of_left } else { &mut *of_right };
        uses.handed_on(column.index, false);
    }
    sides.map(|uses| uses.may())
}

/// How the columns of an input are used.
struct Uses {
    wanted: Vec<bool>,
    needed: Vec<bool>,
}

impl Uses {
    fn of(input: &SchemaRef) -> Self {
        let none = vec![false; input.fields().len()];
        Self { wanted: none.clone(), needed: none }
    }

    /// The column is handed on, and may be codes there or not.
    fn handed_on(&mut self, column: usize, may: bool) {
        let list = if may { &mut self.wanted } else { &mut self.needed };
        if let Some(entry) = list.get_mut(column) {
            *entry = true;
        }
    }

    /// The columns of an expression. What has no other column can be computed for each value.
    fn within(&mut self, expr: &Arc<dyn PhysicalExpr>) {
        match (only_column(expr), expr.downcast_ref::<Column>()) {
            (Some(column), None) => self.handed_on(column, true),
            (_, Some(column)) => self.handed_on(column.index(), false),
            (None, None) => expr.children().into_iter().for_each(|child| self.within(child)),
        }
    }

    /// Which may become codes: those that somebody wants and nobody needs as they are.
    fn may(&self) -> Vec<bool> {
        self.wanted.iter().zip(&self.needed).map(|(wanted, needed)| *wanted && !needed).collect()
    }
}

fn only_column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let columns = collect_columns(expr);
    let mut columns = columns.iter();
    columns.next().filter(|_| columns.next().is_none()).map(Column::index)
}

/// The expression with every part that has only one column of few values computed for each value. `codes` tells
/// whether its own value may be codes.
fn over_codes(
    expr: &Arc<dyn PhysicalExpr>,
    input: &Schema,
    codes: bool,
) -> Result<Arc<dyn PhysicalExpr>> {
    let each = |part: &Arc<dyn PhysicalExpr>| {
        only_column(part).filter(|column| match input.field(*column).data_type() {
            DataType::Dictionary(_, _) => true,
            DataType::Date32 | DataType::Int16 | DataType::Int32 => is_costly(part),
            _ => false,
        })
    };
    let whole = Arc::clone(expr);
    Arc::clone(expr)
        .transform_down(|part| match each(&part) {
            Some(column) => {
                let codes = codes && Arc::ptr_eq(&part, &whole);
                let each = Each::new(&part, input.field(column), column, codes)?;
                Ok(Transformed::new(Arc::new(each) as _, true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(part)),
        })
        .data()
}

/// Whether computing it takes longer than looking it up.
fn is_costly(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.is::<CaseExpr>()
        || expr.is::<ScalarFunctionExpr>()
        || expr.children().into_iter().any(is_costly)
}

/// Whether two arrays lie in the same memory: batches of one row group share their dictionaries.
pub(crate) fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other) || one.to_data().ptr_eq(&other.to_data())
}
