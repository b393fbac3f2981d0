//! Standard errors beside figures: the outer plan with the error of every figure carried along.
//!
//! Every released figure comes with its standard error. What is computed from figures gets one by the first
//! order of error propagation: f(a, b) has the error √((∂f/∂a · error of a)² + (∂f/∂b · error of b)²), as if
//! figures erred independently (JCGM 100:2008, "Guide to the expression of uncertainty in measurement",
//! section 5.1.2). Where that cannot be said (a rank, a median of figures, a figure as group key) there is none.
//!
//! Reads released tables only, as the outer plan does; so it decides nothing and can tell nothing.

mod derivative;

use std::sync::Arc;

use arrow_schema::DataType;
use cordon_disclosure::error_column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, TableReference, internal_err};
use datafusion::functions_aggregate::{count::count, sum::sum};
use datafusion::logical_expr::expr::{AggregateFunction, Case, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, Limit, LogicalPlan, Operator, Projection, Sort,
    SubqueryAlias, Union, Window, lit,
};
use datafusion::scalar::ScalarValue;

use crate::guard::{Figure, total};
use crate::released::ReleasedSource;

/// What hidden columns are called, before their number: no name of an analyst begins with `_`.
const HIDDEN: &str = "_se_";

/// Digits that an error is told with.
const DIGITS: u32 = 3;

/// The error of one column.
#[derive(Clone, Debug, PartialEq)]
enum Error {
    /// A key or a public value.
    Exact,
    /// In this column, in the figure's own unit.
    Known(Column),
    /// Cannot be said.
    Unknown,
}

/// A node with errors carried along: the columns of the original node first, in order, then hidden ones.
struct Carried {
    plan: LogicalPlan,
    /// One per column of the original node.
    errors: Vec<Error>,
}

/// The columns of the plan, then for each figure among them, in order, its standard error as Float64.
pub(crate) fn with_errors(outer: &LogicalPlan, figures: &[Figure]) -> Result<LogicalPlan> {
    let mut errors = Errors { names: 0 };
    let carried = errors.carry(outer)?;
    let mut exprs = columns_of(&carried.plan, carried.errors.len());
    for (index, figure) in figures.iter().enumerate() {
        let Some(value) = exprs.get(index).filter(|_| *figure != Figure::No).cloned() else {
            continue;
        };
        let numeric = value.get_type(carried.plan.schema())?.is_numeric();
        let error = match carried.errors.get(index) {
            Some(Error::Known(column)) if numeric => {
                // What is not shown has no error, and what cannot be computed is not told.
                let error = float(Expr::Column(column.clone()));
                let told = value.is_not_null().and(error.clone().lt(lit(f64::MAX)));
                total::Significant::call(Some(DIGITS), when(told, error))
            }
            _ => null(),
        };
        exprs.push(error.alias(errors.name()));
    }
    project(exprs, carried.plan)
}

struct Errors {
    names: usize,
}

impl Errors {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("{HIDDEN}{}", self.names)
    }

    fn carry(&mut self, node: &LogicalPlan) -> Result<Carried> {
        match node {
            LogicalPlan::TableScan(scan) => match scan.source.downcast_ref::<ReleasedSource>() {
                Some(_) => self.released(node),
                None => Ok(all(Error::Exact, node)),
            },
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Ok(all(Error::Exact, node)),
            LogicalPlan::Projection(p) => self.projection(p),
            LogicalPlan::Filter(f) => {
                let input = self.carry(&f.input)?;
                let filter = Filter::try_new(f.predicate.clone(), Arc::new(input.plan))?;
                Ok(Carried { plan: LogicalPlan::Filter(filter), errors: input.errors })
            }
            LogicalPlan::Sort(s) => {
                let input = self.carry(&s.input)?;
                let sort = Sort { input: Arc::new(input.plan), ..s.clone() };
                Ok(Carried { plan: LogicalPlan::Sort(sort), errors: input.errors })
            }
            LogicalPlan::Limit(l) => {
                let input = self.carry(&l.input)?;
                let limit = Limit { input: Arc::new(input.plan), ..l.clone() };
                Ok(Carried { plan: LogicalPlan::Limit(limit), errors: input.errors })
            }
            LogicalPlan::SubqueryAlias(a) => self.alias(a),
            LogicalPlan::Aggregate(a) => self.aggregate(a),
            LogicalPlan::Window(w) => self.window(w),
            LogicalPlan::Join(j) => self.join(j),
            LogicalPlan::Union(u) => self.union(u),
            // Nothing is known of another node: its figures stand without an error.
            _ => Ok(all(Error::Unknown, node)),
        }
    }

    /// A released table: beside each figure stands its error, in units of its last digit.
    fn released(&mut self, scan: &LogicalPlan) -> Result<Carried> {
        let width = scan.schema().fields().len();
        let mut exprs = columns_of(scan, width);
        let mut errors = Vec::new();
        for index in 0..width {
            let (qualifier, field) = scan.schema().qualified_field(index);
            let beside = Column::new(qualifier.cloned(), error_column(field.name()));
            if scan.schema().maybe_index_of_column(&beside).is_none() {
                errors.push(Error::Exact);
                continue;
            }
            let unit = match field.data_type() {
                DataType::Decimal128(_, scale) => 10f64.powi(i32::from(*scale)),
                _ => 1.0,
            };
            let name = self.name();
            exprs.push((Expr::Column(beside) / lit(unit)).alias(&name));
            errors.push(Error::Known(Column::new_unqualified(name)));
        }
        Ok(Carried { plan: project(exprs, scan.clone())?, errors })
    }

    fn projection(&mut self, p: &Projection) -> Result<Carried> {
        let input = self.carry(&p.input)?;
        let mut exprs = p.expr.clone();
        let mut errors = Vec::new();
        for expr in &p.expr {
            let error = input.error_of(expr);
            errors.push(self.kept(error, &mut exprs));
        }
        Ok(Carried { plan: project(exprs, input.plan)?, errors })
    }

    /// Adds an error under a name of its own.
    fn kept(&mut self, error: Option<Expr>, exprs: &mut Vec<Expr>) -> Error {
        match error {
            Some(Expr::Literal(..)) => Error::Exact,
            Some(error) => {
                let name = self.name();
                exprs.push(error.alias(&name));
                Error::Known(Column::new_unqualified(name))
            }
            None => Error::Unknown,
        }
    }

    fn alias(&mut self, a: &SubqueryAlias) -> Result<Carried> {
        let input = self.carry(&a.input)?;
        let plan = SubqueryAlias::try_new(Arc::new(input.plan), a.alias.clone())?;
        let renamed = |error| match error {
            Error::Known(column) => Error::Known(Column::new(Some(a.alias.clone()), column.name)),
            other => other,
        };
        let errors = input.errors.into_iter().map(renamed).collect();
        Ok(Carried { plan: LogicalPlan::SubqueryAlias(plan), errors })
    }

    /// Sums and means of figures; the error of another aggregate cannot be said.
    fn aggregate(&mut self, a: &Aggregate) -> Result<Carried> {
        let input = self.carry(&a.input)?;
        let visible = a.schema.fields().len();
        let keys = visible.saturating_sub(a.aggr_expr.len());
        let mut aggregates = a.aggr_expr.clone();
        let mut found = Vec::new();
        for expr in &a.aggr_expr {
            let Expr::AggregateFunction(f) = unaliased(expr) else {
                found.push(None);
                continue;
            };
            let Some((name, argument, squared)) =
                summed(f.func.name(), &f.params.args, &input).filter(|_| !f.params.distinct)
            else {
                found.push(None);
                continue;
            };
            let mut more = |aggregate: Expr| -> Result<Expr> {
                let Expr::AggregateFunction(mut made) = aggregate else {
                    return internal_err!("an aggregate function is one");
                };
                made.params.filter.clone_from(&f.params.filter);
                let name = self.name();
                aggregates.push(Expr::AggregateFunction(made).alias(&name));
                Ok(Expr::Column(Column::new_unqualified(name)))
            };
            let root = derivative::sqrt(more(sum(squared))?);
            let error = if name == "sum" { root } else { root / float(more(count(argument))?) };
            found.push(Some(error));
        }
        let input_errors: Vec<Error> =
            a.group_expr.iter().map(|e| input.of_key(e)).collect::<Vec<_>>();
        let plan = Aggregate::try_new(Arc::new(input.plan), a.group_expr.clone(), aggregates)?;
        let plan = LogicalPlan::Aggregate(plan);
        let mut exprs = columns_of(&plan, visible);
        // Grouping sets show more keys than there are expressions.
        let mut errors: Vec<Error> =
            (0..keys).map(|key| input_errors.get(key).cloned().unwrap_or(Error::Exact)).collect();
        for error in found {
            errors.push(self.kept(error, &mut exprs));
        }
        Ok(Carried { plan: project(exprs, plan)?, errors })
    }

    /// Running sums and means, and figures of other rows.
    fn window(&mut self, w: &Window) -> Result<Carried> {
        let input = self.carry(&w.input)?;
        let before = input.errors.len();
        let mut windows = w.window_expr.clone();
        let mut errors = input.errors.clone();
        let mut pending = Vec::new();
        for expr in &w.window_expr {
            let Expr::WindowFunction(f) = unaliased(expr) else {
                pending.push(None);
                continue;
            };
            let mut more = |function: Option<Expr>, argument: Expr| -> Expr {
                let mut made: WindowFunction = f.as_ref().clone();
                if let Some(Expr::AggregateFunction(AggregateFunction { func, .. })) = function {
                    made.fun =
                        datafusion::logical_expr::WindowFunctionDefinition::AggregateUDF(func);
                }
                made.params.args = std::iter::once(argument)
                    .chain(f.params.args.iter().skip(1).cloned())
                    .collect();
                let name = self.name();
                windows.push(Expr::WindowFunction(Box::new(made)).alias(&name));
                Expr::Column(Column::new_unqualified(name))
            };
            let name = f.fun.name().to_owned();
            let error = match name.as_str() {
                "lag" | "lead" | "first_value" | "last_value" | "nth_value" => {
                    f.params.args.first().and_then(|argument| input.error_of(argument)).map(
                        |error| match error {
                            exact @ Expr::Literal(..) => exact,
                            error => more(None, error),
                        },
                    )
                }
                _ => summed(&name, &f.params.args, &input).filter(|_| !f.params.distinct).map(
                    |(name, argument, squared)| {
                        let root = derivative::sqrt(more(Some(sum(lit(1.0))), squared));
                        if name == "sum" {
                            root
                        } else {
                            root / float(more(Some(count(lit(1))), argument))
                        }
                    },
                ),
            };
            pending.push(error);
        }
        let hidden = columns_of(&input.plan, input.plan.schema().fields().len()).split_off(before);
        let all_before = input.plan.schema().fields().len();
        let plan = LogicalPlan::Window(Window::try_new(windows, Arc::new(input.plan))?);
        let everything = columns_of(&plan, plan.schema().fields().len());
        let visible = everything.iter().take(before);
        let new = everything.iter().skip(all_before).take(w.window_expr.len());
        let mut exprs: Vec<Expr> = visible.chain(new).cloned().collect();
        exprs.extend(hidden);
        for error in pending {
            let error = self.kept(error, &mut exprs);
            errors.push(error);
        }
        Ok(Carried { plan: project(exprs, plan)?, errors })
    }

    fn join(&mut self, j: &Join) -> Result<Carried> {
        let (left, right) = (self.carry(&j.left)?, self.carry(&j.right)?);
        let (l, r) = (left.errors.len(), right.errors.len());
        let (l_all, r_all) =
            (left.plan.schema().fields().len(), right.plan.schema().fields().len());
        let join = Join { left: Arc::new(left.plan), right: Arc::new(right.plan), ..j.clone() };
        let plan = LogicalPlan::Join(join).recompute_schema()?;
        let columns = columns_of(&plan, plan.schema().fields().len());
        let width = j.schema.fields().len();
        // Inner and outer joins show both sides, semi and anti joins one, mark joins one and a mark.
        let (order, errors): (Vec<usize>, Vec<Error>) = if width == l + r {
            let order = (0..l)
                .chain(l_all..l_all + r)
                .chain(l..l_all)
                .chain(l_all + r..l_all + r_all)
                .collect();
            (order, left.errors.into_iter().chain(right.errors).collect())
        } else if width == l && columns.len() == l_all {
            ((0..l_all).collect(), left.errors)
        } else if width == r && columns.len() == r_all {
            ((0..r_all).collect(), right.errors)
        } else if width == l + 1 && columns.len() == l_all + 1 {
            let order = (0..l).chain([l_all]).chain(l..l_all).collect();
            (order, left.errors.into_iter().chain([Error::Exact]).collect())
        } else {
            return Ok(all(Error::Unknown, &LogicalPlan::Join(j.clone())));
        };
        let exprs = order.into_iter().filter_map(|at| columns.get(at).cloned()).collect();
        Ok(Carried { plan: project(exprs, plan)?, errors })
    }

    fn union(&mut self, u: &Union) -> Result<Carried> {
        let inputs =
            u.inputs.iter().map(|input| self.carry(input)).collect::<Result<Vec<Carried>>>()?;
        let width = u.schema.fields().len();
        let mut errors = Vec::new();
        let mut names = Vec::new();
        for index in 0..width {
            let of = |input: &Carried| input.errors.get(index).cloned().unwrap_or(Error::Unknown);
            let found: Vec<Error> = inputs.iter().map(of).collect();
            errors.push(if found.iter().all(|e| *e == Error::Exact) {
                Error::Exact
            } else {
                let name = self.name();
                names.push((index, name.clone()));
                Error::Known(Column::new_unqualified(name))
            });
        }
        let branch = |input: Carried| -> Result<Arc<LogicalPlan>> {
            let mut exprs = columns_of(&input.plan, width);
            for (expr, at) in exprs.iter_mut().zip(0..) {
                let (_, field) = u.schema.qualified_field(at);
                *expr = expr.clone().alias(field.name());
            }
            for (index, name) in &names {
                let error = match input.errors.get(*index) {
                    Some(Error::Known(column)) => float(Expr::Column(column.clone())),
                    Some(Error::Exact) => lit(0.0),
                    _ => null(),
                };
                exprs.push(error.alias(name));
            }
            project(exprs, input.plan).map(Arc::new)
        };
        let inputs = inputs.into_iter().map(branch).collect::<Result<Vec<_>>>()?;
        let plan = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        // The names that the original node gave its columns.
        let columns = columns_of(&plan, plan.schema().fields().len());
        let exprs = columns.into_iter().enumerate().map(|(at, column)| {
            if at >= width {
                return column;
            }
            let (qualifier, field) = u.schema.qualified_field(at);
            column.alias_qualified(qualifier.cloned(), field.name())
        });
        Ok(Carried { plan: project(exprs.collect(), plan)?, errors })
    }
}

/// Most products and ratios in an expression of figures whose error is computed.
const MOST_PRODUCTS: usize = 16;

fn products(expr: &Expr) -> usize {
    let mut products = 0;
    let counted = expr.apply(|e| {
        let product = matches!(e, Expr::BinaryExpr(b) if matches!(b.op, Operator::Multiply | Operator::Divide));
        products += usize::from(product);
        Ok(TreeNodeRecursion::Continue)
    });
    if counted.is_ok() { products } else { usize::MAX }
}

/// For a sum or mean of figures: its name, its argument, and the square of the argument's error.
fn summed(name: &str, arguments: &[Expr], input: &Carried) -> Option<(&'static str, Expr, Expr)> {
    let name = match name {
        "sum" => "sum",
        "avg" | "mean" => "avg",
        _ => return None,
    };
    let [argument] = arguments else { return None };
    let error = input.error_of(argument)?;
    Some((name, argument.clone(), error.clone() * error))
}

impl Carried {
    fn error(&self, column: &Column) -> Error {
        let index = self.plan.schema().maybe_index_of_column(column);
        index.and_then(|at| self.errors.get(at)).cloned().unwrap_or(Error::Unknown)
    }

    /// Keys are exact or nothing is said of them: equal figures were put together.
    fn of_key(&self, key: &Expr) -> Error {
        let exact = key.column_refs().into_iter().all(|c| self.error(c) == Error::Exact);
        if exact { Error::Exact } else { Error::Unknown }
    }

    /// The error of an expression, as Float64; the literal 0 where it is exact.
    fn error_of(&self, expr: &Expr) -> Option<Expr> {
        let mut squares: Option<Expr> = None;
        let mut columns: Vec<&Column> = expr.column_refs().into_iter().collect();
        columns.sort();
        for column in columns {
            let error = match self.error(column) {
                Error::Exact => continue,
                Error::Unknown => return None,
                Error::Known(error) => Expr::Column(error),
            };
            if matches!(unaliased(expr), Expr::Column(_)) {
                return Some(error);
            }
            // Slopes of long products grow with the square of their length.
            if products(expr) > MOST_PRODUCTS {
                return None;
            }
            let Some(slope) = derivative::derivative(expr, column)? else { continue };
            let part = slope * error;
            let square = part.clone() * part;
            squares = Some(match squares {
                None => square,
                Some(before) => before + square,
            });
        }
        Some(squares.map_or_else(|| lit(0.0), derivative::sqrt))
    }
}

fn all(error: Error, node: &LogicalPlan) -> Carried {
    let errors = vec![error; node.schema().fields().len()];
    Carried { plan: node.clone(), errors }
}

/// The first columns of a plan, by their qualified names.
fn columns_of(plan: &LogicalPlan, width: usize) -> Vec<Expr> {
    (0..width)
        .map(|index| {
            let (qualifier, field) = plan.schema().qualified_field(index);
            let qualifier: Option<TableReference> = qualifier.cloned();
            Expr::Column(Column::new(qualifier, field.name()))
        })
        .collect()
}

fn project(exprs: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
    Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(a) => unaliased(&a.expr),
        other => other,
    }
}

fn when(condition: Expr, value: Expr) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(condition), Box::new(value))],
        else_expr: None,
    })
}

fn float(expr: Expr) -> Expr {
    total::try_cast(expr, &DataType::Float64)
}

fn null() -> Expr {
    Expr::Literal(ScalarValue::Float64(None), None)
}
