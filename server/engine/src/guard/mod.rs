//! Whose rows are these? Guard rebuilds the plan bottom-up, carries the person of every patient's row
//! along as a hidden column, and cuts the plan where rows of several persons are first put together.
//!
//! What it cannot follow it refuses. It sees no data: it decides on text, catalogue and permit alone.

mod cut;
mod domain;
mod join;
mod language;
mod listing;
mod measures;
mod open;
mod person;
pub(crate) mod relation;
mod scan;
mod second;
mod shapes;
mod sizes;
pub(crate) mod total;

use std::sync::Arc;

use cordon_agreements::Permit;
use cordon_catalogue::Catalogue;
use cordon_disclosure::{Code, PeopleKey, Refusal};
use cordon_store::Pinned;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, SubqueryAlias};
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use datafusion::optimizer::{
    decorrelate_lateral_join::DecorrelateLateralJoin,
    decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
    eliminate_cross_join::EliminateCrossJoin, extract_equijoin_predicate::ExtractEquijoinPredicate,
    replace_distinct_aggregate::ReplaceDistinctWithAggregate,
    rewrite_set_comparison::RewriteSetComparison, scalar_subquery_to_join::ScalarSubqueryToJoin,
};

pub(crate) use cut::Cut;
pub(crate) use domain::Domain;
use language::Language;
use listing::Listed;
pub(crate) use relation::Figure;
use relation::{Facts, Kind, Origin, Rel};
use shapes::unaliased;

use crate::authorise::{AuthorisedPlan, plan_refusal};
use crate::opt_outs::OptOutList;
use crate::parse::Spots;

/// What hidden columns are called, before their number.
const HIDDEN: &str = "_person_";

/// A plan that may run: inner plans that end in evidence, and an outer plan without a protected scan.
pub(crate) struct GuardedPlan {
    /// In the order in which they must run: later ones may read earlier ones.
    pub(crate) steps: Vec<Step>,
    /// Over released tables and public tables only.
    pub(crate) outer: LogicalPlan,
    /// One per column of the answer.
    pub(crate) columns: Vec<Figure>,
    /// Whether a join with at most one row stands somewhere: the only cross join there may be.
    pub(crate) one_row_joins: bool,
}

/// How the ids of placeholders begin that stand for the value of a subquery.
const SUBQUERY: &str = "$cordon";

/// What runs before the outer plan.
pub(crate) enum Step {
    /// An inner plan, released as one table.
    Cut(Arc<Cut>),
    /// A scalar subquery: an outer plan of its own, whose one value replaces a placeholder.
    Scalar {
        /// The placeholder's id.
        id: String,
        plan: LogicalPlan,
    },
}

impl Step {
    /// How many tables it is charged as.
    pub(crate) fn tables(&self) -> usize {
        match self {
            Self::Cut(cut) => cut.tables,
            Self::Scalar { .. } => 0,
        }
    }
}

/// What guard looks things up in.
pub(crate) struct World<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) pinned: &'a Pinned,
    pub(crate) state: &'a SessionState,
    pub(crate) partitions: usize,
    pub(crate) opt_outs: &'a OptOutList,
    /// What people are hashed with in sketches.
    pub(crate) people: PeopleKey,
}

pub(crate) struct Guard<'a> {
    catalogue: &'a Catalogue,
    pinned: &'a Pinned,
    state: &'a SessionState,
    partitions: usize,
    opt_outs: &'a OptOutList,
    people: PeopleKey,
    permit: &'a Permit,
    spots: &'a Spots,
    steps: Vec<Step>,
    cuts: usize,
    names: usize,
    listed: Listed,
    one_row_joins: bool,
}

/// Guards an authorised plan.
pub(crate) fn guard(
    authorised: &AuthorisedPlan,
    world: &World<'_>,
) -> Result<GuardedPlan, Refusal> {
    let mut guard = Guard {
        catalogue: world.catalogue,
        pinned: world.pinned,
        state: world.state,
        partitions: world.partitions,
        opt_outs: world.opt_outs,
        people: world.people,
        permit: &authorised.permit,
        spots: &authorised.spots,
        steps: Vec::new(),
        cuts: 0,
        names: 0,
        listed: Listed::default(),
        one_row_joins: false,
    };
    let top = guard.whole(authorised.plan.clone())?;
    let columns = top.columns.iter().map(|c| c.figure).collect();
    check_outer(&top.plan)?;
    not_too_many_tables(&guard.steps)?;
    Ok(GuardedPlan {
        steps: guard.steps,
        outer: top.plan,
        columns,
        one_row_joins: guard.one_row_joins,
    })
}

/// Longest text that may stand in a statement, bytes.
const MOST_TEXT: usize = 1 << 16;

/// Most tables of one statement: one for each grouping set and figure column.
const MOST_TABLES: usize = 200;

fn not_too_many_tables(steps: &[Step]) -> Result<(), Refusal> {
    let tables: usize = steps.iter().map(Step::tables).sum();
    if tables > MOST_TABLES {
        return Err(Refusal::new(
            Code::TooManyKeys,
            format!(
                "grouping sets times figure columns are {tables}, and at most {MOST_TABLES} are offered"
            ),
        )
        .instead("name fewer grouping sets or figures, or ask in several statements"));
    }
    Ok(())
}

/// An error of DataFusion while we rebuild: never shown, since it may quote our own plan.
fn internal(error: DataFusionError) -> Refusal {
    tracing::warn!(kind = "guard", error = %error, "a plan could not be rebuilt");
    Refusal::new(Code::PlanNotOffered, "this statement's shape cannot be guarded")
}

/// The outer plan contains no protected scan.
fn check_outer(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut protected = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let schema = scan.source.schema();
            protected |= schema.fields().iter().any(|f| f.name() == cordon_store::PERSON);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(internal)?;
    if protected {
        Err(Refusal::new(Code::Records, "rows of patients stand outside an aggregate"))
    } else {
        Ok(())
    }
}

impl Guard<'_> {
    /// A whole statement or a scalar subquery: rules, then the walk, then nothing of patients may be left.
    fn whole(&mut self, plan: LogicalPlan) -> Result<Rel, Refusal> {
        let plan = self.lift_scalars(plan)?;
        let plan = self.normalise(plan)?;
        let top = self.visit(&plan, true)?;
        match top.kind {
            Kind::Open(_) => Ok(top),
            Kind::Personal(_) => Err(self.records(&plan)),
        }
    }

    /// Exactly these rules: they turn subqueries into joins and DISTINCT into GROUP BY. The full
    /// optimizer runs after the cut, on each side by itself.
    fn normalise(&self, plan: LogicalPlan) -> Result<LogicalPlan, Refusal> {
        let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
            Arc::new(RewriteSetComparison::new()),
            Arc::new(ReplaceDistinctWithAggregate::new()),
            Arc::new(DecorrelatePredicateSubquery::new()),
            Arc::new(ScalarSubqueryToJoin::new()),
            Arc::new(DecorrelateLateralJoin::new()),
            Arc::new(ExtractEquijoinPredicate::new()),
            Arc::new(EliminateCrossJoin::new()),
        ];
        let context =
            OptimizerContext::new_with_config_options(Arc::clone(self.state.config_options()));
        Optimizer::with_rules(rules)
            .optimize(plan, &context, |_, _| {})
            .map_err(|e| plan_refusal(&e, self.spots))
    }

    /// Uncorrelated scalar subqueries are cuts of their own: they run first, and a placeholder stands
    /// for their value.
    fn lift_scalars(&mut self, plan: LogicalPlan) -> Result<LogicalPlan, Refusal> {
        let mut refused = None;
        let lifted = plan.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| {
                expr.transform_up(|e| match e {
                    Expr::ScalarSubquery(ref sub)
                        if sub.outer_ref_columns.is_empty() && refused.is_none() =>
                    {
                        match self.scalar(sub.subquery.as_ref().clone()) {
                            Ok(placeholder) => Ok(Transformed::yes(placeholder)),
                            Err(refusal) => {
                                refused = Some(refusal);
                                Ok(Transformed::no(e))
                            }
                        }
                    }
                    other => Ok(Transformed::no(other)),
                })
            })
        });
        match (refused, lifted) {
            (Some(refusal), _) => Err(refusal),
            (None, Ok(t)) => t.data.recompute_schema().map_err(internal),
            (None, Err(e)) => Err(internal(e)),
        }
    }

    fn scalar(&mut self, plan: LogicalPlan) -> Result<Expr, Refusal> {
        let top = self.whole(plan)?;
        let one_row =
            top.open().is_some_and(|o| o.keys.iter().any(std::collections::BTreeSet::is_empty));
        if !one_row {
            return Err(Refusal::new(
                Code::Subquery,
                "a subquery used as a value must give one row",
            )
            .instead("aggregate without GROUP BY inside it"));
        }
        check_outer(&top.plan)?;
        let field = Arc::clone(top.plan.schema().field(0)).as_ref().clone().with_nullable(true);
        let id = format!("{SUBQUERY}{}", self.steps.len());
        self.steps.push(Step::Scalar { id: id.clone(), plan: top.plan });
        Ok(Expr::Placeholder(Placeholder { id, field: Some(Arc::new(field)) }))
    }

    /// Rebuilds one node. `top`: only clauses that keep rows as they are stand above, so that a cut may
    /// show the whole public domain of its keys.
    fn visit(&mut self, plan: &LogicalPlan, top: bool) -> Result<Rel, Refusal> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(p) => self.projection(p, top),
            LogicalPlan::Filter(f) => self.filter(f, top),
            LogicalPlan::SubqueryAlias(a) => self.alias(a, top),
            LogicalPlan::Sort(s) => {
                let input = self.visit(&s.input, top && s.fetch.is_none())?;
                match input.kind {
                    Kind::Personal(_) if s.fetch.is_some() => Ok(limited(input)),
                    // The order of patients' rows says nothing once they are aggregated.
                    Kind::Personal(_) => Ok(input),
                    Kind::Open(_) => self.open_node(plan, vec![input]),
                }
            }
            LogicalPlan::Limit(l) => {
                // A LIMIT takes rows that say something, not the domain's empty ones.
                let input = self.visit(&l.input, false)?;
                match input.kind {
                    Kind::Personal(_) => Ok(limited(input)),
                    Kind::Open(_) => self.open_node(plan, vec![input]),
                }
            }
            LogicalPlan::Aggregate(a) => {
                let input = self.visit(&a.input, false)?;
                match input.kind {
                    Kind::Open(_) => self.open_aggregate(a, input),
                    Kind::Personal(_) => {
                        self.not_limited(&input)?;
                        if self.keeps_person(a, &input)? {
                            self.person_aggregate(a, input)
                        } else {
                            self.cut(a, &input, top)
                        }
                    }
                }
            }
            LogicalPlan::Window(w) => {
                let input = self.visit(&w.input, false)?;
                match input.kind {
                    Kind::Open(_) => self.open_node(plan, vec![input]),
                    Kind::Personal(_) => self.person_window(w, input),
                }
            }
            LogicalPlan::Join(j) => self.join(j),
            LogicalPlan::Union(u) => {
                let inputs =
                    u.inputs.iter().map(|i| self.visit(i, false)).collect::<Result<Vec<_>, _>>()?;
                self.union(plan, inputs)
            }
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
                let columns = vec![
                    Facts { constant: true, bytes: MOST_TEXT, ..Facts::default() };
                    plan.schema().fields().len()
                ];
                let one_row = matches!(plan, LogicalPlan::EmptyRelation(_));
                let keys =
                    if one_row { vec![std::collections::BTreeSet::new()] } else { Vec::new() };
                let open = relation::Open { keys, literal: true, ..relation::Open::default() };
                Ok(Rel { plan: plan.clone(), columns, kind: Kind::Open(open) })
            }
            LogicalPlan::Subquery(_) => {
                Err(Refusal::new(Code::Subquery, "a LATERAL subquery of this kind is not offered")
                    .at(self.spots.first("lateral")))
            }
            LogicalPlan::Unnest(_) => {
                Err(Refusal::new(Code::TableFunction, "`UNNEST` is not offered")
                    .at(self.spots.first("unnest")))
            }
            _ => {
                Err(Refusal::new(Code::PlanNotOffered, "a clause of this statement is not offered"))
            }
        }
    }

    fn projection(&mut self, p: &Projection, top: bool) -> Result<Rel, Refusal> {
        let input = self.visit(&p.input, top)?;
        if matches!(input.kind, Kind::Open(_)) {
            return self.open_projection(p, input);
        }
        let mut exprs = Vec::new();
        let mut columns = Vec::new();
        for (index, expr) in p.expr.iter().enumerate() {
            columns.push(self.read(&input, |l| l.facts(expr))?);
            let rewritten = total::total(expr.clone(), input.plan.schema()).map_err(internal)?;
            exprs.push(renamed(rewritten, p.schema.qualified_field(index)));
        }
        exprs.extend(input.person().map(Expr::Column));
        let plan = Projection::try_new(exprs, Arc::new(input.plan))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        Ok(Rel { plan, columns, kind: input.kind })
    }

    fn filter(&mut self, f: &Filter, top: bool) -> Result<Rel, Refusal> {
        let mut input = self.visit(&f.input, top)?;
        if matches!(input.kind, Kind::Open(_)) {
            return self.open_node(&LogicalPlan::Filter(f.clone()), vec![input]);
        }
        self.not_limited(&input)?;
        let facts = self.read(&input, |l| l.condition(&f.predicate))?;
        let found = restrictions(&f.predicate, &input);
        if let Kind::Personal(p) = &mut input.kind {
            p.restrictions.extend(found);
            p.chosen.by(&facts);
        }
        let predicate = total::total(f.predicate.clone(), input.plan.schema()).map_err(internal)?;
        let plan = Filter::try_new(predicate, Arc::new(input.plan))
            .map(LogicalPlan::Filter)
            .map_err(internal)?;
        Ok(Rel { plan, columns: input.columns, kind: input.kind })
    }

    fn alias(&mut self, a: &SubqueryAlias, top: bool) -> Result<Rel, Refusal> {
        let input = self.visit(&a.input, top)?;
        let plan = SubqueryAlias::try_new(Arc::new(input.plan), a.alias.clone())
            .map(LogicalPlan::SubqueryAlias)
            .map_err(internal)?;
        Ok(Rel { plan, columns: input.columns, kind: input.kind })
    }

    /// Runs a check of the language over one relation.
    fn read<T>(
        &mut self,
        rel: &Rel,
        check: impl FnOnce(&mut Language<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut language = Language {
            rel,
            spots: self.spots,
            listed: &mut self.listed,
            catalogue: self.catalogue,
            refused: None,
        };
        check(&mut language)
    }

    fn hidden_name(&mut self) -> String {
        self.names += 1;
        format!("{HIDDEN}{}", self.names)
    }

    fn not_limited(&self, rel: &Rel) -> Result<(), Refusal> {
        if rel.personal().is_some_and(|p| p.limited) {
            return Err(Refusal::new(Code::LimitBelowAggregate, "LIMIT stands below an aggregate")
                .at(self.spots.first("limit")));
        }
        Ok(())
    }

    /// An aggregate over a table that passes under this permit.
    fn example(&self, table: &str) -> Option<String> {
        let name: cordon_catalogue::TableName = table.parse().ok()?;
        let grant = self.permit.grant(&name)?;
        let cordon_catalogue::TableKind::Protected { person, year, .. } =
            &self.catalogue.table(&name)?.kind
        else {
            return None;
        };
        let people = if grant.columns.contains(person) {
            format!(", count(DISTINCT {person}) AS patients")
        } else {
            String::new()
        };
        Some(if grant.columns.contains(year) {
            format!(
                "SELECT {year}, count(*) AS rows{people} FROM {name} GROUP BY {year} ORDER BY {year}"
            )
        } else {
            format!("SELECT count(*) AS rows{people} FROM {name}")
        })
    }

    /// The refusal of a statement that asks for records, with an aggregate over the same table to paste.
    fn records(&self, plan: &LogicalPlan) -> Refusal {
        let mut table = None;
        let mut shown = false;
        let _ = plan.apply(|node| {
            match node {
                LogicalPlan::TableScan(scan) => table = Some(scan.table_name.to_string()),
                LogicalPlan::Projection(p) => {
                    shown |= p.expr.iter().any(
                        |e| matches!(unaliased(e), Expr::Column(c) if c.name == "pseudo_hesid"),
                    );
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        let named = self.spots.first("pseudo_hesid");
        // `SELECT *` shows it too, without naming it: then it stands at most behind FROM.
        let before = |a: cordon_disclosure::Place, b: cordon_disclosure::Place| {
            (a.line, a.column) < (b.line, b.column)
        };
        let listed = named.zip(self.spots.first("from")).is_some_and(|(a, b)| before(a, b));
        if shown && listed {
            return Refusal::new(
                Code::PseudonymShown,
                "`pseudo_hesid` stands in the SELECT list, where it would name single patients",
            )
            .at(named);
        }
        let refusal = Refusal::new(Code::Records, "the statement asks for rows of patients")
            .at(self.spots.first("select"));
        match table.and_then(|table| self.example(&table)) {
            Some(example) => refusal.instead(example),
            None => refusal,
        }
    }
}

fn limited(mut rel: Rel) -> Rel {
    if let Kind::Personal(p) = &mut rel.kind {
        p.limited = true;
    }
    rel
}

/// The expression under the name that the original node gave it.
fn renamed(
    expr: Expr,
    (qualifier, field): (Option<&datafusion::common::TableReference>, &arrow_schema::FieldRef),
) -> Expr {
    let expr = match expr {
        Expr::Alias(a) => *a.expr,
        other => other,
    };
    if let Expr::Column(Column { relation, name, .. }) = &expr
        && relation.as_ref() == qualifier
        && name == field.name()
    {
        return expr;
    }
    expr.alias_qualified(qualifier.cloned(), field.name())
}

/// The conjuncts that speak of one catalogued column and constants only.
fn restrictions(predicate: &Expr, input: &Rel) -> Vec<(Origin, Expr)> {
    datafusion::logical_expr::utils::split_conjunction(predicate)
        .into_iter()
        .filter_map(|conjunct| {
            let mut origins = conjunct
                .column_refs()
                .into_iter()
                .map(|c| input.find(c).and_then(|(_, f)| f.origin.clone()));
            let first = origins.next()??;
            if !origins.all(|o| o.as_ref() == Some(&first)) {
                return None;
            }
            let name = first.1.as_str().to_owned();
            let plain = conjunct
                .clone()
                .transform(|e| {
                    Ok(match e {
                        Expr::Column(_) => {
                            Transformed::yes(Expr::Column(Column::new_unqualified(name.clone())))
                        }
                        Expr::Cast(c) => {
                            Transformed::yes(total::try_cast(*c.expr, c.field.data_type()))
                        }
                        other => Transformed::no(other),
                    })
                })
                .ok()?
                .data;
            // A parameter or the value of a subquery is not known here.
            let mut known = true;
            let _ = plain.apply(|e| {
                known &= !matches!(e, Expr::Placeholder(_));
                Ok(TreeNodeRecursion::Continue)
            });
            known.then_some((first, plain))
        })
        .collect()
}
