//! Nodes over reference tables and released figures: post-processing. Any deterministic expression may
//! stand here; what is computed from a suppressed figure is null.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cordon_disclosure::{Code, Refusal};
use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Case, GroupingSet, ScalarFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, LogicalPlan, Operator, Projection, WindowFunctionDefinition, lit,
};
use datafusion::scalar::ScalarValue;

use super::language::{Language, not_a_part};
use super::listing::{self, Chosen, Listed};
use super::relation::{Facts, Figure, Kind, Open, Personal, Rel};
use super::shapes::unaliased;
use super::sizes;
use super::{Guard, internal, renamed, total};
use crate::functions;

impl Guard<'_> {
    pub(super) fn open_projection(&mut self, p: &Projection, input: Rel) -> Result<Rel, Refusal> {
        let mut open = input.open().cloned().unwrap_or_default();
        let mut exprs = Vec::new();
        let mut columns = Vec::new();
        for (index, expr) in p.expr.iter().enumerate() {
            let mut facts = self.open_facts(expr, &input)?;
            let computed = !matches!(unaliased(expr), Expr::Column(_));
            let told = self.told(expr, &input);
            facts.outside |= told.outside;
            open.named.extend(&told.named);
            let expr = total::total(expr.clone(), input.plan.schema()).map_err(internal)?;
            let expr = if computed && facts.figure != Figure::No {
                null_with_its_parts(&expr, &input)
            } else {
                expr
            };
            exprs.push(renamed(expr, p.schema.qualified_field(index)));
            columns.push(facts);
        }
        // A key survives where all its columns do.
        let place = |old: usize| {
            p.expr.iter().position(|e| matches!(unaliased(e), Expr::Column(c) if input.find(c).is_some_and(|(i, _)| i == old)))
        };
        open.keys = open
            .keys
            .iter()
            .filter_map(|key| key.iter().map(|old| place(*old)).collect())
            .collect();
        let plan = Projection::try_new(exprs, Arc::new(input.plan))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }

    /// Filter, Sort, Limit, Window: the node as it is over the rebuilt input.
    pub(super) fn open_node(
        &mut self,
        node: &LogicalPlan,
        inputs: Vec<Rel>,
    ) -> Result<Rel, Refusal> {
        let Some(input) = inputs.first().cloned() else {
            return Err(Refusal::new(
                Code::PlanNotOffered,
                "a clause without input is not offered",
            ));
        };
        let mut columns = input.columns.clone();
        let mut open = input.open().cloned().unwrap_or_default();
        for expr in node.expressions() {
            self.open_facts(&expr, &input)?;
            let told = self.told(&expr, &input);
            open.outside |= told.outside;
            open.named.extend(&told.named);
        }
        if let LogicalPlan::Window(w) = node {
            for expr in &w.window_expr {
                let facts = self.open_facts(expr, &input)?;
                if let Expr::WindowFunction(f) = unaliased(expr) {
                    self.frame(f.fun.name(), &f.params.window_frame)?;
                }
                let figure = if input.open().is_some_and(|o| o.released) {
                    Figure::Derived
                } else {
                    Figure::No
                };
                columns.push(Facts { figure, origin: None, ..facts });
            }
        }
        if let LogicalPlan::Limit(l) = node
            && matches!(
                l.get_fetch_type(),
                Ok(datafusion::logical_expr::FetchType::Literal(Some(0 | 1)))
            )
        {
            open.keys.push(BTreeSet::new());
        }
        // Total, though these are nobody's rows: whether they are read at all may depend on patients.
        let mut exprs = Vec::new();
        for (n, expr) in node.expressions().into_iter().enumerate() {
            let made = total::total(expr, input.plan.schema()).map_err(internal)?;
            exprs.push(match node {
                LogicalPlan::Window(w) => {
                    renamed(made, w.schema.qualified_field(input.columns.len() + n))
                }
                _ => made,
            });
        }
        let plans = inputs.into_iter().map(|r| r.plan).collect();
        let plan = node
            .with_new_exprs(exprs, plans)
            .and_then(LogicalPlan::recompute_schema)
            .map_err(internal)?;
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }

    pub(super) fn open_aggregate(&mut self, a: &Aggregate, input: Rel) -> Result<Rel, Refusal> {
        let mut open = input.open().cloned().unwrap_or_default();
        let released = open.released;
        let mut columns = Vec::new();
        let sets = matches!(a.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        for expr in a.group_expr_distinct()? {
            columns.push(Facts { singles_out: false, ..self.open_facts(expr, &input)? });
            open = open.and(&self.told(expr, &input));
        }
        if sets {
            columns.push(Facts::default());
        }
        let keys = columns.len();
        for expr in &a.aggr_expr {
            let facts = self.open_facts(expr, &input)?;
            let figure =
                if released || facts.figure != Figure::No { Figure::Derived } else { Figure::No };
            columns.push(Facts { figure, origin: None, ..facts });
            open = open.and(&self.told(expr, &input));
        }
        let made = |exprs: &[Expr], first: usize| -> Result<Vec<Expr>, Refusal> {
            let total = |(n, expr): (usize, &Expr)| {
                let made = total::total(expr.clone(), input.plan.schema()).map_err(internal)?;
                Ok(renamed(made, a.schema.qualified_field(first + n)))
            };
            exprs.iter().enumerate().map(total).collect()
        };
        let groups = if sets {
            a.group_expr.clone()
        } else {
            let distinct: Vec<Expr> = a.group_expr_distinct()?.into_iter().cloned().collect();
            made(&distinct, 0)?
        };
        let figures = made(&a.aggr_expr, keys)?;
        let plan = Aggregate::try_new(Arc::new(input.plan), groups, figures)
            .map(LogicalPlan::Aggregate)
            .map_err(internal)?;
        let open = Open { keys: vec![(0..keys).collect()], ..open };
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }

    pub(super) fn union(&mut self, node: &LogicalPlan, inputs: Vec<Rel>) -> Result<Rel, Refusal> {
        let personal = inputs.iter().filter(|r| r.personal().is_some()).count();
        let width = node.schema().fields().len();
        let columns = (0..width)
            .map(|index| {
                let parts: Vec<&Facts> =
                    inputs.iter().filter_map(|r| r.columns.get(index)).collect();
                union_facts(&parts)
            })
            .collect::<Vec<_>>();
        if personal > 0 && personal < inputs.len() {
            return Err(Refusal::new(
                Code::LiteralRows,
                "UNION ALL puts rows that belong to nobody beside rows of patients",
            )
            .at(self.spots.only("union")));
        }
        if personal == 0 {
            let open = inputs
                .iter()
                .filter_map(Rel::open)
                .fold(Open::default(), |all, branch| all.and(branch));
            let plans = inputs.into_iter().map(|r| r.plan).collect();
            let plan = node
                .with_new_exprs(vec![], plans)
                .and_then(LogicalPlan::recompute_schema)
                .map_err(internal)?;
            return Ok(Rel { plan, columns, kind: Kind::Open(open) });
        }
        for input in &inputs {
            self.not_limited(input)?;
        }
        // A key stands above a key of the same kind: anything else could be somebody else's number.
        for index in 0..width {
            let kinds: Vec<_> = inputs
                .iter()
                .filter_map(|r| r.columns.get(index))
                .map(|f| std::mem::discriminant(&f.class))
                .collect();
            if kinds.iter().any(|k| Some(k) != kinds.first()) {
                return Err(Refusal::new(
                    Code::PseudonymShown,
                    "UNION ALL puts a key and something else into one column",
                )
                .at(self.spots.only("union")));
            }
        }
        // Branches are put together as OR puts conditions together.
        let branches = inputs.iter().filter_map(|r| r.personal().map(|p| &p.chosen));
        let (chosen, tests) = Chosen::united(branches, self.catalogue);
        self.listed.put(tests, self.spots)?;
        let mut copies = BTreeMap::new();
        for branch in inputs.iter().filter_map(Rel::personal) {
            for (table, n) in &branch.copies {
                *copies.entry(table.clone()).or_default() += n;
            }
        }
        self.not_copied_often(&copies)?;
        let fans = inputs.iter().filter_map(|r| r.personal().map(|p| p.fans)).max();
        let meetings = inputs.iter().filter_map(|r| r.personal().map(|p| p.meetings)).sum();
        // The branches' persons get one name.
        let hidden = self.hidden_name();
        let mut plans = Vec::new();
        for input in inputs {
            let person = input
                .person()
                .ok_or_else(|| Refusal::new(Code::PlanNotOffered, "a branch without a person"))?;
            let mut exprs: Vec<Expr> = (0..width).map(|i| input.column(i)).collect();
            for (expr, index) in exprs.iter_mut().zip(0..) {
                *expr = renamed(expr.clone(), node.schema().qualified_field(index));
            }
            exprs.push(Expr::Column(person).alias(&hidden));
            let plan = Projection::try_new(exprs, Arc::new(input.plan))
                .map(LogicalPlan::Projection)
                .map_err(internal)?;
            plans.push(Arc::new(plan));
        }
        let union =
            datafusion::logical_expr::Union::try_new_with_loose_types(plans).map_err(internal)?;
        let kind = Kind::Personal(Personal {
            base: None,
            one_per_person: false,
            limited: false,
            restrictions: vec![],
            chosen,
            fans: fans.unwrap_or_default(),
            meetings,
            copies,
        });
        Ok(Rel { plan: LogicalPlan::Union(union), columns, kind })
    }

    /// What an expression over public rows tells, should these be joined with patients: whether it stays
    /// within the language for patients' rows, and which constants it names. Figures may be divided by
    /// each other besides.
    pub(super) fn told(&self, expr: &Expr, input: &Rel) -> Open {
        let mut told = Open::default();
        let is_figure =
            |c: &&Column| input.find(c).is_some_and(|(_, f)| f.figure != Figure::No && !f.outside);
        match expr {
            Expr::Column(_) | Expr::Literal(..) => {}
            Expr::Alias(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                let walked = expr.apply_children(|child| {
                    told = std::mem::take(&mut told).and(&self.told(child, input));
                    Ok(TreeNodeRecursion::Continue)
                });
                told.outside |= walked.is_err();
            }
            Expr::BinaryExpr(b) if matches!(b.op, Operator::And | Operator::Or) => {
                told = self.told(&b.left, input).and(&self.told(&b.right, input));
            }
            of_figures
                if of_figures.column_refs().iter().all(is_figure) && is_plain(of_figures) => {}
            other => {
                let mut named = Listed::default();
                let mut language = Language {
                    rel: input,
                    spots: self.spots,
                    listed: &mut named,
                    catalogue: self.catalogue,
                    refused: None,
                };
                told.outside = language.read(other).is_err();
                told.named = named.named();
            }
        }
        told
    }

    /// What an expression over public rows says; refuses functions that are not on the lists.
    pub(super) fn open_facts(&self, expr: &Expr, input: &Rel) -> Result<Facts, Refusal> {
        let mut refusal = None;
        let outcome = expr.apply(|e| {
            let name = match e {
                Expr::ScalarFunction(f) => {
                    let name = f.func.name();
                    if let Some(no) = not_a_part(f).or_else(|| lengthens(f)) {
                        refusal = Some(no.at(self.spots.first(name)));
                        return Ok(TreeNodeRecursion::Stop);
                    }
                    let known = functions::PERSONAL_SCALAR.contains(&name)
                        || functions::PUBLIC_SCALAR.contains(&name);
                    (!known).then(|| (Code::FunctionNotOffered, name.to_owned()))
                }
                Expr::AggregateFunction(f) => {
                    let name = f.func.name();
                    (!functions::OUTER_AGGREGATE.contains(&name))
                        .then(|| (Code::AggregateNotOffered, name.to_owned()))
                }
                Expr::WindowFunction(w) => {
                    let name = w.fun.name().to_owned();
                    let known = match &w.fun {
                        WindowFunctionDefinition::AggregateUDF(_) => {
                            functions::OUTER_WINDOW.contains(&name.as_str())
                        }
                        WindowFunctionDefinition::WindowUDF(_) => {
                            functions::WINDOW.contains(&name.as_str())
                        }
                    };
                    (!known).then_some((Code::FunctionNotOffered, name))
                }
                Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..) => Some((Code::Subquery, "a subquery".to_owned())),
                Expr::SimilarTo(_) => {
                    refusal = Some(
                        Refusal::new(Code::PlanNotOffered, "`SIMILAR TO` is not offered")
                            .at(self.spots.first("similar"))
                            .instead("use LIKE with % and _"),
                    );
                    return Ok(TreeNodeRecursion::Stop);
                }
                Expr::Unnest(_) => Some((Code::TableFunction, "unnest".to_owned())),
                Expr::ScalarVariable(..)
                | Expr::HigherOrderFunction(_)
                | Expr::Lambda(_)
                | Expr::LambdaVariable(_) => Some((Code::PlanNotOffered, "a variable".to_owned())),
                _ => None,
            };
            if let Some((code, name)) = name {
                refusal = Some(
                    Refusal::new(code, format!("`{name}` is not offered here"))
                        .at(self.spots.first(&name)),
                );
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        outcome.map_err(internal)?;
        if let Expr::Column(c) = unaliased(expr) {
            return Ok(input.find(c).map(|(_, f)| f.clone()).unwrap_or_default());
        }
        let parts: Vec<Facts> = expr
            .column_refs()
            .into_iter()
            .filter_map(|c| input.find(c).map(|(_, f)| f.clone()))
            .collect();
        let mut facts = Facts::merged(&parts);
        facts.constant &= parts.is_empty();
        facts.says = listing::says(input, expr);
        facts.size = sizes::size(input, expr)?;
        facts.bytes = sizes::bytes(input, expr)?;
        facts.spelled |= listing::spells(expr);
        Ok(facts)
    }
}

/// Texts that grow with each `replace` outgrow the memory of the process.
fn lengthens(f: &ScalarFunction) -> Option<Refusal> {
    let text = |n: usize| match f.args.get(n).map(unaliased) {
        Some(Expr::Literal(value, _)) => value.try_as_str().flatten().map(str::len),
        // A parameter is looked at again with its value.
        Some(Expr::Placeholder(p)) if !p.id.starts_with(super::SUBQUERY) => Some(0),
        _ => None,
    };
    match (f.func.name(), text(1), text(2)) {
        ("replace", Some(from), Some(to)) if to <= from => None,
        ("replace", ..) => Some(
            Refusal::new(Code::Predicate, "`replace` may not make a text longer")
                .instead("replace(x, 'long', 'short'), both written out"),
        ),
        _ => None,
    }
}

/// Arithmetic, comparisons and CASE, and functions that may stand over patients' rows.
fn is_plain(expr: &Expr) -> bool {
    let mut plain = true;
    let walked = expr.apply(|e| {
        plain &= match e {
            Expr::BinaryExpr(b) => {
                b.op.supports_propagation()
                    || matches!(
                        b.op,
                        Operator::NotEq
                            | Operator::And
                            | Operator::Or
                            | Operator::Plus
                            | Operator::Minus
                            | Operator::Multiply
                            | Operator::Divide
                    )
            }
            Expr::ScalarFunction(f) => functions::PERSONAL_SCALAR.contains(&f.func.name()),
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::Placeholder(_)
            | Expr::Negative(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_) => true,
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    plain && walked.is_ok()
}

/// Null as soon as one of the figures it is computed from is.
fn null_with_its_parts(expr: &Expr, input: &Rel) -> Expr {
    let missing = expr
        .column_refs()
        .into_iter()
        .filter(|c| input.find(c).is_some_and(|(_, f)| f.figure != Figure::No))
        .map(|c| Expr::Column(c.clone()).is_null())
        .reduce(Expr::or);
    match missing {
        None => expr.clone(),
        Some(missing) => Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(
                Box::new(missing.is_not_true()),
                Box::new(unaliased(expr).clone()),
            )],
            else_expr: Some(Box::new(lit(ScalarValue::Null))),
        }),
    }
}

fn union_facts(parts: &[&Facts]) -> Facts {
    let Some(first) = parts.first() else { return Facts::default() };
    let merged = Facts::merged(parts.iter().copied());
    let same = |read: &dyn Fn(&Facts) -> bool| parts.iter().all(|p| read(p));
    Facts {
        class: if same(&|p| p.class == first.class) {
            match &first.class {
                // No longer unique: rows of several branches.
                super::relation::ColumnClass::RecordKey(_) => {
                    super::relation::ColumnClass::RecordKey(None)
                }
                other => other.clone(),
            }
        } else {
            // A key beside something else stays a key.
            parts
                .iter()
                .map(|p| p.class.clone())
                .find(|c| *c != super::relation::ColumnClass::Plain)
                .unwrap_or_default()
        },
        origin: first.origin.clone().filter(|o| same(&|p| p.origin.as_ref() == Some(o))),
        number: if same(&|p| p.number == first.number) {
            first.number.clone()
        } else {
            super::relation::Number::Other
        },
        figure: parts.iter().map(|p| p.figure).max().unwrap_or_default(),
        period: first.period.clone().filter(|d| same(&|p| p.period.as_ref() == Some(d))),
        says: listing::digest(&parts.iter().map(|p| format!("{:x} ", p.says)).collect::<String>()),
        size: parts.iter().map(|p| p.size).max().unwrap_or_default(),
        ..merged
    }
}

/// The distinct group expressions of an aggregate, grouping sets unfolded, in the order of its schema.
pub(super) trait GroupExprs {
    fn group_expr_distinct(&self) -> Result<Vec<&Expr>, Refusal>;
}

impl GroupExprs for Aggregate {
    fn group_expr_distinct(&self) -> Result<Vec<&Expr>, Refusal> {
        match self.group_expr.as_slice() {
            [Expr::GroupingSet(set)] => {
                let found = set.distinct_expr();
                if stands_twice(set) || found.len() != self.keys_shown(1) {
                    return Err(Refusal::new(
                        Code::PlanNotOffered,
                        "a grouping set, or a column in one, stands twice",
                    )
                    .instead("name each grouping set and each of its columns once"));
                }
                Ok(found)
            }
            exprs if exprs.iter().any(|e| matches!(e, Expr::GroupingSet(_))) => Err(Refusal::new(
                Code::PlanNotOffered,
                "grouping sets beside other group columns are not offered",
            )),
            exprs => {
                // GROUP BY sex, sex is GROUP BY sex.
                let mut found: Vec<&Expr> = Vec::new();
                for expr in exprs {
                    if !found.contains(&expr) {
                        found.push(expr);
                    }
                }
                if found.len() == self.keys_shown(0) {
                    Ok(found)
                } else {
                    Err(Refusal::new(Code::PlanNotOffered, "a group column stands twice"))
                }
            }
        }
    }
}

trait KeysShown {
    /// How many key columns the schema has, beside so many that are not keys.
    fn keys_shown(&self, others: usize) -> usize;
}

impl KeysShown for Aggregate {
    fn keys_shown(&self, others: usize) -> usize {
        self.schema.fields().len().saturating_sub(self.aggr_expr.len() + others)
    }
}

/// Whether two sets have the same columns, or one has a column twice.
fn stands_twice(set: &GroupingSet) -> bool {
    let GroupingSet::GroupingSets(sets) = set else { return false };
    let same =
        |a: &[Expr], b: &[Expr]| a.iter().all(|e| b.contains(e)) && b.iter().all(|e| a.contains(e));
    sets.iter().enumerate().any(|(at, one)| {
        sets.iter().take(at).any(|other| same(one, other))
            || one.iter().enumerate().any(|(n, e)| one.iter().take(n).any(|o| o == e))
    })
}
