//! Lists of people. A combination of three and more columns is close to naming a person, so a statement
//! may put at most four of them together, in whatever spelling: OR, NOT over AND, CASE, IN over columns
//! strung together, figures per person with filters of their own, UNION ALL, joins that exclude.
//!
//! A *test* is one such combination, known by its words. An expression's tests are those of its columns
//! and of its smallest parts that combine three columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use cordon_catalogue::Catalogue;
use cordon_disclosure::{Code, Refusal};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::split_conjunction;

use super::language::uncast;
use super::relation::{Origin, Rel};
use crate::parse::Spots;

/// Most combinations of three or more columns that a statement may list.
const MAX_LISTED: usize = 4;
/// From how many columns on a combination is close to naming a person.
pub(crate) const WIDE: usize = 3;

/// A combination of three and more columns, by its words.
pub(crate) type Test = Arc<str>;

/// What rows of patients were chosen by so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    columns: BTreeSet<Origin>,
    words: BTreeSet<Test>,
    /// As it came out of a union: its branches have been put together already.
    united: bool,
}

impl Chosen {
    pub(crate) fn by(&mut self, condition: &Expr, columns: &BTreeSet<Origin>) {
        self.columns.extend(columns.iter().cloned());
        self.words.insert(condition.to_string().into());
        self.united = false;
    }

    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.columns.extend(other.columns.iter().cloned());
        self.words.extend(other.words.iter().cloned());
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

    pub(crate) fn columns(&self) -> &BTreeSet<Origin> {
        &self.columns
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

/// The tests that a statement has put together so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed(BTreeSet<Test>);

impl Listed {
    pub(crate) fn put(
        &mut self,
        tests: impl IntoIterator<Item = Test>,
        spots: &Spots,
    ) -> Result<(), Refusal> {
        self.0.extend(tests);
        if self.0.len() <= MAX_LISTED {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TooManyBranches,
            "the statement puts together more than 4 combinations of three or more columns",
        )
        .at(["or", "union", "case"].iter().find_map(|word| spots.first(word))))
    }
}

/// The tests of a condition that further conditions may be added to. A conjunction of narrow parts is one
/// choice, not a list; what stands beside it under AND may be the complement of a list.
pub(crate) fn tests_beside(catalogue: &Catalogue, rel: &Rel, condition: &Expr) -> BTreeSet<Test> {
    split_conjunction(condition).into_iter().flat_map(|c| tests(catalogue, rel, c)).collect()
}

/// The tests of an expression.
pub(crate) fn tests(catalogue: &Catalogue, rel: &Rel, expr: &Expr) -> BTreeSet<Test> {
    let expr = uncast(expr);
    if let Expr::Column(c) = expr {
        return rel.find(c).map(|(_, facts)| facts.tests.clone()).unwrap_or_default();
    }
    let mut found = BTreeSet::new();
    if let Expr::Case(case) = expr {
        found.extend(arms(catalogue, rel, case));
    } else {
        let walked = expr.apply_children(|child| {
            found.extend(tests(catalogue, rel, child));
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "the visitor never fails");
    }
    if let Expr::InList(list) = expr
        && (!found.is_empty() || is_wide(catalogue, rel, &[&list.expr]))
    {
        // Each value of columns strung together is a combination of its own.
        return list
            .list
            .iter()
            .map(|item| Test::from(format!("{} = {item}", list.expr)))
            .collect();
    }
    if found.is_empty() && is_wide(catalogue, rel, &[expr]) {
        found.insert(expr.to_string().into());
    }
    found
}

/// Each arm of a CASE is a branch: its condition with its value.
fn arms(catalogue: &Catalogue, rel: &Rel, case: &Case) -> BTreeSet<Test> {
    let mut found = BTreeSet::new();
    for (when, then) in &case.when_then_expr {
        let parts: Vec<&Expr> =
            case.expr.iter().map(AsRef::as_ref).chain([when.as_ref(), then.as_ref()]).collect();
        let inside: BTreeSet<Test> =
            parts.iter().flat_map(|part| tests(catalogue, rel, part)).collect();
        if inside.is_empty() && is_wide(catalogue, rel, &parts) {
            let words: Vec<String> = parts.iter().map(ToString::to_string).collect();
            found.insert(words.join(" THEN ").into());
        }
        found.extend(inside);
    }
    found.extend(case.else_expr.iter().flat_map(|e| tests(catalogue, rel, e)));
    found
}

/// Whether expressions combine several columns that tell of three and more between them.
fn is_wide(catalogue: &Catalogue, rel: &Rel, exprs: &[&Expr]) -> bool {
    let columns: BTreeSet<_> = exprs.iter().flat_map(|e| e.column_refs()).collect();
    let tested = columns.iter().filter_map(|c| rel.find(c)).flat_map(|(_, facts)| &facts.tested);
    columns.len() > 1 && width(catalogue, tested) >= WIDE
}
