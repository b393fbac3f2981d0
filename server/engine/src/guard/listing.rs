//! Lists of people. A combination of three and more columns is close to naming a person, so a statement
//! may put at most four of them together, in whatever spelling: OR, NOT over AND, CASE, IN over columns
//! strung together, figures per person with filters of their own, UNION ALL, joins that exclude.
//!
//! A *test* is one such combination, known by its words. An expression's tests are those of its columns
//! and of its smallest parts that combine three columns.
//!
//! Dates and numbers without a code list single people out by themselves: with how many constants a
//! statement may compare them is counted here too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cordon_catalogue::{Catalogue, TableKind};
use cordon_disclosure::{Code, Refusal};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator, lit};

use sha2::{Digest, Sha256};

use super::relation::{Facts, Origin, Rel};
use super::shapes::uncast;
use crate::parse::Spots;

/// Most combinations of three or more columns that a statement may list.
const MAX_LISTED: usize = 4;
/// Most branches of two columns that a statement may list, where rows are chosen by further columns.
pub(crate) const MAX_PAIRS: usize = 20;
/// Most constants that a statement may compare a date, or a number without a code list, with.
const MAX_CONSTANTS: usize = 40;
/// Most parts of one date that a statement may compare with constants.
const MAX_PARTS: usize = 2;
/// From how many columns on a combination is close to naming a person.
pub(crate) const WIDE: usize = 3;

/// A combination of three and more columns, by its words.
pub(crate) type Test = Arc<str>;

/// What rows of patients were chosen by so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    columns: BTreeSet<Origin>,
    words: BTreeSet<Test>,
    pairs: BTreeSet<Test>,
    /// As it came out of a union: its branches have been put together already.
    united: bool,
}

impl Chosen {
    /// By a condition.
    pub(crate) fn by(&mut self, condition: &Facts) {
        self.columns.extend(condition.tested.iter().cloned());
        self.words.insert(format!("{:016x}", condition.says).into());
        self.pairs.extend(condition.pairs.iter().cloned());
        self.united = false;
    }

    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.columns.extend(other.columns.iter().cloned());
        self.words.extend(other.words.iter().cloned());
        self.pairs.extend(other.pairs.iter().cloned());
        self.united = false;
        self
    }

    /// What the rows of a union were chosen by, and the tests it puts together.
    pub(crate) fn united<'a>(
        branches: impl IntoIterator<Item = &'a Self>,
        catalogue: &Catalogue,
    ) -> (Self, BTreeSet<Test>) {
        let (mut all, mut tests) = (Self::default(), BTreeSet::new());
        for branch in branches {
            if !branch.united {
                tests.extend(branch.test(catalogue));
            }
            all = all.and(branch);
        }
        (Self { united: true, ..all }, tests)
    }

    /// The branches of two and more columns that conditions listed.
    pub(crate) fn pairs(&self) -> &BTreeSet<Test> {
        &self.pairs
    }

    pub(crate) fn columns(&self) -> &BTreeSet<Origin> {
        &self.columns
    }

    /// The words of all conditions, as a digest.
    pub(crate) fn says(&self) -> u64 {
        digest(&self.words.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" AND "))
    }

    /// The test that being chosen is, where it combines three columns.
    pub(crate) fn test(&self, catalogue: &Catalogue) -> Option<Test> {
        (width(catalogue, &self.columns) >= WIDE)
            .then(|| self.words.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" AND "))
            .map(Test::from)
    }
}

/// How many columns these are, those of one code list being one.
pub(crate) fn width<'a>(
    catalogue: &Catalogue,
    columns: impl IntoIterator<Item = &'a Origin>,
) -> usize {
    let named = columns.into_iter().map(|origin| {
        let list = catalogue
            .table(&origin.0)
            .and_then(|t| t.column(origin.1.as_str()))
            .and_then(|c| c.list.clone());
        (origin.0.clone(), list.unwrap_or_else(|| origin.1.to_string()))
    });
    named.collect::<BTreeSet<_>>().len()
}

pub(crate) fn too_many_pairs() -> Refusal {
    Refusal::new(
        Code::TooManyBranches,
        format!(
            "the statement lists more than {MAX_PAIRS} combinations of two columns beside further columns"
        ),
    )
}

/// What of a date or number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Itself, or what is as fine as it is.
    Value,
    /// Year, quarter and month.
    Calendar,
    /// The week of the year.
    Week,
    /// The day of the month.
    Day,
    /// The day of the week.
    Weekday,
}

impl Part {
    /// What `date_part` takes out of a date.
    pub(crate) fn named(part: &str) -> Self {
        match part {
            "year" | "isoyear" | "quarter" | "month" => Self::Calendar,
            "week" => Self::Week,
            "day" => Self::Day,
            "dow" | "isodow" => Self::Weekday,
            _ => Self::Value,
        }
    }
}

/// What dates, and numbers without a code list, were compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    constants: BTreeMap<Origin, BTreeSet<Arc<str>>>,
    parts: BTreeMap<Origin, BTreeSet<Part>>,
}

impl Named {
    /// The values of `scale` are compared with `constants`.
    pub(crate) fn by(&mut self, scale: &BTreeSet<(Origin, Part)>, constants: &BTreeSet<Arc<str>>) {
        if constants.is_empty() {
            return;
        }
        for (origin, part) in scale {
            if *part == Part::Value {
                let known = self.constants.entry(origin.clone()).or_default();
                known.extend(constants.iter().cloned());
            } else {
                self.parts.entry(origin.clone()).or_default().insert(*part);
            }
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (origin, constants) in &other.constants {
            let known = self.constants.entry(origin.clone()).or_default();
            known.extend(constants.iter().cloned());
        }
        for (origin, parts) in &other.parts {
            self.parts.entry(origin.clone()).or_default().extend(parts);
        }
    }

    fn too_many(&self) -> Option<Refusal> {
        let constants = self.constants.iter().find(|(_, c)| c.len() > MAX_CONSTANTS);
        let parts = self.parts.iter().find(|(_, p)| p.len() > MAX_PARTS);
        let what = match (constants, parts) {
            (Some((column, _)), _) => {
                format!("`{}` is compared with more than {MAX_CONSTANTS} constants", column.1)
            }
            (None, Some((column, _))) => {
                format!("more than {MAX_PARTS} parts of `{}` are compared with constants", column.1)
            }
            (None, None) => return None,
        };
        Some(Refusal::new(Code::TooManyConstants, what))
    }
}

/// What a statement has put together so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    tests: BTreeSet<Test>,
    pairs: BTreeSet<Test>,
    named: Named,
}

impl Listed {
    pub(crate) fn put(
        &mut self,
        tests: impl IntoIterator<Item = Test>,
        spots: &Spots,
    ) -> Result<(), Refusal> {
        self.tests.extend(tests);
        if self.tests.len() <= MAX_LISTED {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TooManyBranches,
            "the statement puts together more than 4 combinations of three or more columns",
        )
        .at(["or", "union", "case"].iter().find_map(|word| spots.first(word))))
    }

    /// Branches of two columns, where rows are chosen by further ones.
    pub(crate) fn put_pairs(
        &mut self,
        pairs: &BTreeSet<Test>,
        spots: &Spots,
    ) -> Result<(), Refusal> {
        self.pairs.extend(pairs.iter().cloned());
        if self.pairs.len() <= MAX_PAIRS {
            return Ok(());
        }
        Err(too_many_pairs().at(["or", "case"].iter().find_map(|word| spots.first(word))))
    }

    /// Dates and numbers that are compared with constants.
    pub(crate) fn name(&mut self, named: &Named) -> Result<(), Refusal> {
        self.named.extend(named);
        self.named.too_many().map_or(Ok(()), Err)
    }

    pub(crate) fn compared(
        &mut self,
        scale: &BTreeSet<(Origin, Part)>,
        constants: &BTreeSet<Arc<str>>,
    ) -> Option<Refusal> {
        self.named.by(scale, constants);
        self.named.too_many()
    }

    pub(crate) fn named(self) -> Named {
        self.named
    }
}

/// The tests of a condition that further conditions may be added to. A conjunction of narrow parts is one
/// choice, not a list; what stands beside it under AND may be the complement of a list. Where its parts
/// combine three columns together, every pair that one of them lists is a combination of three.
pub(crate) fn tests_beside(catalogue: &Catalogue, rel: &Rel, condition: &Expr) -> BTreeSet<Test> {
    let parts = split_conjunction(condition);
    let mut found: BTreeSet<Test> =
        parts.iter().flat_map(|part| tests(catalogue, rel, part)).collect();
    let before = rel.personal().map(|p| p.chosen.columns()).into_iter().flatten();
    let all = before.chain(tested(rel, &[condition])).filter(|c| !is_year(catalogue, c));
    if width(catalogue, all) >= WIDE {
        for part in parts.iter().filter(|part| width(catalogue, tested(rel, &[part])) > 1) {
            let pairs = pairs(catalogue, rel, part);
            if pairs.len() > 1 {
                found.extend(pairs);
            }
        }
    }
    found
}

/// The branches of two and more columns that an expression lists.
fn pairs(catalogue: &Catalogue, rel: &Rel, expr: &Expr) -> BTreeSet<Test> {
    let mut found = BTreeSet::new();
    let walked = expr.apply(|e| {
        match e {
            Expr::BinaryExpr(b) if matches!(b.op, Operator::Or | Operator::And) => {
                for side in [&*b.left, &*b.right] {
                    let connective = matches!(side, Expr::BinaryExpr(inner) if inner.op == b.op);
                    if !connective && width(catalogue, tested(rel, &[side])) > 1 {
                        found.insert(test(rel, &[side]));
                    }
                }
            }
            Expr::Case(case) => {
                found.extend(case.when_then_expr.iter().map(|(w, t)| {
                    let base = case.expr.iter().map(AsRef::as_ref);
                    test(rel, &base.chain([w.as_ref(), t.as_ref()]).collect::<Vec<_>>())
                }));
            }
            Expr::InList(list) if width(catalogue, tested(rel, &[&list.expr])) > 1 => {
                found.extend(list.list.iter().map(|item| test(rel, &[&list.expr, item])));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    found
}

/// The branches of an expression that combine two and more columns each.
pub(crate) fn branches(catalogue: &Catalogue, rel: &Rel, expr: &Expr) -> BTreeSet<Test> {
    let wide = |exprs: &[&Expr]| width(catalogue, tested(rel, exprs)) > 1;
    let arms = |case: &Case| -> Vec<Vec<Expr>> {
        case.when_then_expr
            .iter()
            .map(|(w, t)| {
                let base = case.expr.iter().map(|e| e.as_ref().clone());
                base.chain([w.as_ref().clone(), t.as_ref().clone()]).collect()
            })
            .collect()
    };
    let mut found = BTreeSet::new();
    let walked = expr.apply(|e| {
        match e {
            Expr::BinaryExpr(b) if b.op == Operator::Or => {
                for side in [&*b.left, &*b.right] {
                    let or = matches!(side, Expr::BinaryExpr(inner) if inner.op == Operator::Or);
                    if !or && wide(&[side]) {
                        found.insert(test(rel, &[side]));
                    }
                }
            }
            // The complement: one clause each, or NOT (a AND b).
            Expr::BinaryExpr(b) if b.op == Operator::And => {
                for side in [&*b.left, &*b.right] {
                    let or = matches!(side, Expr::BinaryExpr(inner) if inner.op == Operator::Or);
                    if or && wide(&[side]) {
                        found.insert(test(rel, &[side]));
                    }
                }
            }
            Expr::Not(inner) if wide(&[inner]) => {
                found.insert(test(rel, &[inner]));
            }
            // A column that is compared with a list by another column.
            Expr::BinaryExpr(b) if wide(&[e]) => {
                for side in [&*b.left, &*b.right] {
                    if let Expr::Case(case) = uncast(side) {
                        for arm in arms(case) {
                            found.insert(test(
                                rel,
                                &std::iter::once(e).chain(&arm).collect::<Vec<_>>(),
                            ));
                        }
                    }
                }
            }
            Expr::Case(case) => {
                for arm in arms(case) {
                    let arm: Vec<&Expr> = arm.iter().collect();
                    if wide(&arm) {
                        found.insert(test(rel, &arm));
                    }
                }
            }
            Expr::Column(c) => {
                found.extend(rel.find(c).into_iter().flat_map(|(_, f)| f.pairs.clone()));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    found
}

/// Whether an expression, with what its rows were chosen by, tells of three and more columns.
pub(crate) fn is_wide_beside(catalogue: &Catalogue, rel: &Rel, expr: &Expr) -> bool {
    let before = rel.personal().map(|p| p.chosen.columns()).into_iter().flatten();
    let all = before.chain(tested(rel, &[expr])).filter(|c| !is_year(catalogue, c));
    width(catalogue, all) >= WIDE
}

/// The tests of an expression.
pub(crate) fn tests(catalogue: &Catalogue, rel: &Rel, expr: &Expr) -> BTreeSet<Test> {
    let expr = uncast(expr);
    if let Expr::Column(c) = expr {
        return rel.find(c).map(|(_, facts)| facts.tests.clone()).unwrap_or_default();
    }
    // A value that three columns make up is told from others by every comparison anew.
    let told_apart = |expr: &Expr| width(catalogue, sources(rel, expr)) >= WIDE;
    let mut found = BTreeSet::new();
    match expr {
        Expr::Case(case) => found.extend(arms(catalogue, rel, case)),
        Expr::InList(list) if told_apart(&list.expr) => {
            return list.list.iter().map(|item| test(rel, &[&list.expr, item])).collect();
        }
        _ => {
            let walked = expr.apply_children(|child| {
                found.extend(tests(catalogue, rel, child));
                Ok(TreeNodeRecursion::Continue)
            });
            debug_assert!(walked.is_ok(), "the visitor never fails");
        }
    }
    if compares(expr) && told_apart(expr) {
        // Instead of what its parts say: the value itself is no test.
        let values = values(rel, expr);
        found.retain(|t| !values.contains(t));
        found.insert(test(rel, &[expr]));
    }
    if found.is_empty() && is_wide(catalogue, rel, &[expr]) {
        found.insert(test(rel, &[expr]));
    }
    found
}

/// Whether an expression tells values apart.
fn compares(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(b) => b.op.supports_propagation() || b.op == Operator::NotEq,
        Expr::Like(_) | Expr::Between(_) | Expr::InList(_) | Expr::Case(_) => true,
        Expr::ScalarFunction(f) => {
            matches!(f.func.name(), "nullif" | "starts_with" | "greatest" | "least" | "coalesce")
        }
        _ => false,
    }
}

/// The tests that the compared values themselves carry.
fn values(rel: &Rel, comparison: &Expr) -> BTreeSet<Test> {
    let mut carried: BTreeSet<Test> = BTreeSet::new();
    let walked = comparison.apply_children(|child| {
        let child = uncast(child);
        match child {
            Expr::Column(c) => {
                carried.extend(rel.find(c).into_iter().flat_map(|(_, f)| f.tests.clone()))
            }
            other if compares(other) => {}
            other => {
                carried.insert(test(rel, &[other]));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    carried
}

/// Each arm of a CASE is a branch: its condition with its value.
fn arms(catalogue: &Catalogue, rel: &Rel, case: &Case) -> BTreeSet<Test> {
    let mut found = BTreeSet::new();
    let told_apart =
        case.expr.as_ref().is_some_and(|base| width(catalogue, sources(rel, base)) >= WIDE);
    for (when, then) in &case.when_then_expr {
        let parts: Vec<&Expr> =
            case.expr.iter().map(AsRef::as_ref).chain([when.as_ref(), then.as_ref()]).collect();
        let inside: BTreeSet<Test> =
            parts.iter().flat_map(|part| tests(catalogue, rel, part)).collect();
        if told_apart || (inside.is_empty() && is_wide(catalogue, rel, &parts)) {
            found.insert(test(rel, &parts));
        }
        found.extend(inside);
    }
    found.extend(case.else_expr.iter().flat_map(|e| tests(catalogue, rel, e)));
    found
}

/// Whether expressions combine several columns that tell of three and more between them.
fn is_wide(catalogue: &Catalogue, rel: &Rel, exprs: &[&Expr]) -> bool {
    let columns: BTreeSet<_> = exprs.iter().flat_map(|e| e.column_refs()).collect();
    columns.len() > 1 && width(catalogue, tested(rel, exprs)) >= WIDE
}

/// The catalogued columns that expressions tell something about.
fn tested<'a>(rel: &'a Rel, exprs: &[&Expr]) -> BTreeSet<&'a Origin> {
    let columns = exprs.iter().flat_map(|e| e.column_refs());
    columns.filter_map(|c| rel.find(c)).flat_map(|(_, facts)| &facts.tested).collect()
}

/// The catalogued columns that an expression's value is computed from.
fn sources<'a>(rel: &'a Rel, expr: &Expr) -> BTreeSet<&'a Origin> {
    let columns = expr.column_refs().into_iter();
    columns.filter_map(|c| rel.find(c)).flat_map(|(_, facts)| &facts.sources).collect()
}

/// Which year a row is of is the period, which every question names.
fn is_year(catalogue: &Catalogue, column: &Origin) -> bool {
    let table = catalogue.table(&column.0);
    table.is_some_and(|t| matches!(&t.kind, TableKind::Protected { year, .. } if *year == column.1))
}

/// The test that expressions put together, by their words down to the catalogued columns: a name that the
/// text gives to something else is not taken for it.
fn test(rel: &Rel, exprs: &[&Expr]) -> Test {
    let words: Vec<String> = exprs.iter().map(|e| format!("{:016x}", says(rel, e))).collect();
    words.join(" ").into()
}

/// The words of an expression down to the catalogued columns, as a digest.
pub(crate) fn says(rel: &Rel, expr: &Expr) -> u64 {
    if let Expr::Column(c) = uncast(expr) {
        return rel.find(c).map_or(0, |(_, facts)| facts.says);
    }
    let resolved = expr.clone().transform(|e| {
        Ok(match e {
            Expr::Column(ref c) => {
                let says = rel.find(c).map_or(0, |(_, facts)| facts.says);
                Transformed::yes(lit(says))
            }
            Expr::Alias(a) => Transformed::yes(*a.expr),
            other => Transformed::no(other),
        })
    });
    let words = resolved.map_or_else(|_| expr.to_string(), |t| t.data.to_string());
    digest(&words)
}

/// A digest of words; collisions would only make two tests count as one.
pub(crate) fn digest(words: &str) -> u64 {
    let digest = Sha256::digest(words.as_bytes());
    u64::from_le_bytes(
        digest.as_slice().get(..8).and_then(|b| b.try_into().ok()).unwrap_or_default(),
    )
}

/// Whether an expression can spell a list: by CASE, IN or OR.
pub(crate) fn spells(expr: &Expr) -> bool {
    let mut spells = false;
    let walked = expr.apply(|e| {
        spells |= matches!(e, Expr::Case(_) | Expr::InList(_))
            || matches!(e, Expr::BinaryExpr(b) if b.op == Operator::Or);
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    spells
}
