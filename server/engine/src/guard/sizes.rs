//! How large an expression becomes once every column is written out, and how long a text it may give.

use cordon_disclosure::{Code, Refusal};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Operator};

use super::SUBQUERY;
use super::relation::Rel;
use super::shapes::unaliased;

/// Most nodes of an expression with every column written out: the optimizer writes them out.
const LARGEST: usize = 2_000;

/// How many nodes an expression has when every column is written out.
pub(super) fn size(rel: &Rel, expr: &Expr) -> Result<usize, Refusal> {
    let mut size = 0usize;
    let walked = expr.apply(|e| {
        let own = match e {
            Expr::Column(c) => rel.find(c).map_or(1, |(_, facts)| facts.size.max(1)),
            _ => 1,
        };
        size = size.saturating_add(own);
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    if size > LARGEST {
        return Err(Refusal::new(
            Code::TooManyOperators,
            format!("an expression has more than {LARGEST} parts when its columns are written out"),
        ));
    }
    Ok(size)
}

/// Longest text that is computed with for each row, in bytes.
const LONGEST: usize = 4_096;
/// What a value of a column takes as text if nothing else is known.
const SHORT: usize = 32;
/// Longest value of a subquery, and of texts that an aggregate put together.
const LONG: usize = 1 << 16;

/// How long the text may be that an expression gives, with every column written out. What takes long for one row, or
/// does not fit into memory, tells whether there is that row.
pub(super) fn bytes(rel: &Rel, expr: &Expr) -> Result<usize, Refusal> {
    let bytes = longest(rel, expr);
    let whole = matches!(unaliased(expr), Expr::Column(_) | Expr::AggregateFunction(_));
    if bytes > LONGEST && !(whole && rel.open().is_some()) {
        return Err(Refusal::new(
            Code::Predicate,
            format!("a text may become longer than {LONGEST} bytes"),
        )
        .instead("put fewer and shorter texts together"));
    }
    Ok(bytes)
}

fn longest(rel: &Rel, expr: &Expr) -> usize {
    let mut children = Vec::new();
    let walked = expr.apply_children(|child| {
        children.push(longest(rel, child));
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    let sum = || children.iter().fold(0_usize, |sum, more| sum.saturating_add(*more));
    match expr {
        Expr::Column(c) => rel.find(c).map_or(LONG, |(_, facts)| facts.bytes.max(SHORT)),
        Expr::Literal(value, _) => value.try_as_str().flatten().map_or(SHORT, str::len),
        Expr::Placeholder(p) if p.id.starts_with(SUBQUERY) => {
            let text = p.field.as_ref().is_none_or(|field| !field.data_type().is_numeric());
            if text { LONG } else { SHORT }
        }
        Expr::ScalarFunction(f) if f.func.name() == "concat" => sum(),
        // The separator stands between any two.
        Expr::ScalarFunction(f) if f.func.name() == "concat_ws" => {
            let separators = children.first().copied().unwrap_or(0).saturating_mul(children.len());
            sum().saturating_add(separators)
        }
        Expr::BinaryExpr(b) if b.op == Operator::StringConcat => sum(),
        Expr::AggregateFunction(f) if f.func.name() == "string_agg" => LONG,
        _ => children.into_iter().max().unwrap_or(0).max(SHORT),
    }
}
