//! Nodes that stay within one person: aggregates and windows whose keys include the person.

use std::sync::Arc;

use arrow_schema::DataType;
use cordon_disclosure::{Code, Refusal};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, GroupingSet, WindowFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, Window, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition,
};

use super::listing;
use super::open::GroupExprs;
use super::relation::{ColumnClass, Facts, Kind, Number, Personal, Rel};
use super::shapes::{literal_value, unaliased};
use super::sizes;
use super::{Guard, internal, renamed, total};
use crate::functions;

/// How far from its row a window reaches at most, in rows.
const MOST_ROWS: f64 = 10_000.0;

impl Guard<'_> {
    /// Whether every group of the aggregate belongs to one person: the person stands in every grouping set.
    pub(super) fn keeps_person(&self, a: &Aggregate, input: &Rel) -> Result<bool, Refusal> {
        let is_person = |e: &Expr| is_pseudonym(e, input);
        Ok(match a.group_expr.as_slice() {
            [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => {
                sets.iter().all(|set| set.iter().any(is_person))
            }
            [Expr::GroupingSet(_)] => false,
            exprs => exprs.iter().any(is_person),
        })
    }

    /// Personal in, Personal out.
    pub(super) fn person_aggregate(&mut self, a: &Aggregate, input: Rel) -> Result<Rel, Refusal> {
        let person = person_of(&input)?;
        let groups: Vec<Expr> = a.group_expr_distinct()?.into_iter().cloned().collect();
        let schema = Arc::clone(input.plan.schema());
        let mut columns = Vec::new();
        let mut below = Vec::new();
        for (n, group) in groups.iter().enumerate() {
            let facts = self.read(&input, |l| l.facts(group))?;
            if let ColumnClass::RecordKey(_) = facts.class {
                self.read(&input, |l| l.not_a_key(group, &facts))?;
            }
            columns.push(facts);
            below.push(
                total::total(group.clone(), &schema).map_err(internal)?.alias(format!("_g{n}")),
            );
        }
        let sets = match a.group_expr.as_slice() {
            [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => Some(sets),
            _ => None,
        };
        if sets.is_some() {
            columns.push(Facts::default());
        }
        let mut aggregates = Vec::new();
        for (n, expr) in a.aggr_expr.iter().enumerate() {
            let (rewritten, facts) = self.person_figure(expr, &input)?;
            aggregates.push(rewritten.alias(format!("_a{n}")));
            columns.push(facts);
        }
        // Every column the aggregates read goes through the lower projection unchanged.
        let width = schema.fields().len();
        below.extend((0..width).map(|i| input.column(i)));
        // A pseudonym that may be null in some of a person's rows makes more than one group of them: only one
        // that was copied from its table counts.
        let bare = |f: &Facts| f.class == ColumnClass::Pseudonym && f.origin.is_some();
        let one_per_person = sets.is_none() && columns.iter().take(groups.len()).all(bare);
        let before = input.personal().cloned().unwrap_or_default();
        let lower = Projection::try_new(below, Arc::new(input.plan))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        let key = |n: usize| Expr::Column(Column::new_unqualified(format!("_g{n}")));
        let number_of = |e: &Expr| groups.iter().position(|g| g == e);
        let group_expr = match sets {
            None => {
                let mut keys: Vec<Expr> = (0..groups.len()).map(key).collect();
                keys.push(Expr::Column(person.clone()));
                keys
            }
            Some(sets) => {
                let with_person = sets
                    .iter()
                    .map(|set| {
                        let mut keys: Vec<Expr> =
                            set.iter().filter_map(number_of).map(key).collect();
                        keys.push(Expr::Column(person.clone()));
                        keys
                    })
                    .collect();
                vec![Expr::GroupingSet(GroupingSet::GroupingSets(with_person))]
            }
        };
        let node = Aggregate::try_new(Arc::new(lower), group_expr, aggregates).map_err(internal)?;
        // Back to the order and the names of the original, the person last.
        let mut above = Vec::new();
        for index in 0..groups.len() {
            above.push(renamed(key(index), a.schema.qualified_field(index)));
        }
        if sets.is_some() {
            above.push(renamed(
                Expr::Column(Column::new_unqualified(Aggregate::INTERNAL_GROUPING_ID)),
                a.schema.qualified_field(groups.len()),
            ));
        }
        let first = above.len();
        for n in 0..a.aggr_expr.len() {
            let column = Expr::Column(Column::new_unqualified(format!("_a{n}")));
            above.push(renamed(column, a.schema.qualified_field(first + n)));
        }
        above.push(Expr::Column(person));
        let plan = Projection::try_new(above, Arc::new(LogicalPlan::Aggregate(node)))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        let copies = self.copied(before.copies, sets.map_or(1, Vec::len))?;
        // One row per person is multiplied no more.
        let fans = if one_per_person { 0 } else { before.fans };
        let kind = Kind::Personal(Personal {
            base: None,
            one_per_person,
            limited: false,
            fans,
            copies,
            ..before
        });
        Ok(Rel { plan, columns, kind })
    }

    /// One aggregate inside one person, made total.
    fn person_figure(&mut self, expr: &Expr, input: &Rel) -> Result<(Expr, Facts), Refusal> {
        let Expr::AggregateFunction(f) = unaliased(expr) else {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                "an aggregate of this kind is not offered",
            ));
        };
        let name = f.func.name().to_owned();
        if !functions::PERSON_AGGREGATE.contains(&name.as_str()) {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                format!("`{name}` is not offered within a person"),
            )
            .at(self.spots.first(&name)));
        }
        let counts = name == "count";
        let mut args = Vec::new();
        let mut parts = Vec::new();
        let mut chosen = input.personal().map(|p| p.chosen.clone()).unwrap_or_default();
        for arg in &f.params.args {
            parts.push(self.read(input, |l| if counts { l.facts(arg) } else { l.value(arg) })?);
            args.push(total::total(arg.clone(), input.plan.schema()).map_err(internal)?);
        }
        self.distinct(&name, f.params.distinct)?;
        self.typed(&name, &f.params.args, input)?;
        let ordered = matches!(name.as_str(), "first_value" | "last_value" | "nth_value");
        if !f.params.order_by.is_empty() && !ordered {
            return Err(Refusal::new(
                Code::AggregateNotOffered,
                format!("`{name}(… ORDER BY …)` is not offered"),
            )
            .at(self.spots.first(&name))
            .instead("leave ORDER BY out: it changes nothing here"));
        }
        let first = parts.first().cloned().unwrap_or_default();
        let filter = match &f.params.filter {
            Some(filter) => {
                let facts = self.read(input, |l| l.value(filter))?;
                chosen.by(&facts);
                parts.push(facts);
                Some(Box::new(
                    total::total(filter.as_ref().clone(), input.plan.schema()).map_err(internal)?,
                ))
            }
            None => None,
        };
        let mut order_by = f.params.order_by.clone();
        for sort in &mut order_by {
            parts.push(self.read(input, |l| l.facts(&sort.expr))?);
            sort.expr = total::total(sort.expr.clone(), input.plan.schema()).map_err(internal)?;
        }
        let data_type = expr.get_type(input.plan.schema()).unwrap_or(DataType::Null);
        let number = derived(&data_type, counts, &parts);
        let Facts { tested, tests, .. } = Facts::merged(&parts);
        let facts = Facts {
            class: ColumnClass::Plain,
            origin: None,
            number,
            constant: false,
            tested,
            tests,
            says: listing::says(input, expr),
            size: sizes::size(input, expr)?,
            bytes: sizes::bytes(input, expr)?,
            strung: parts.iter().any(|p| p.strung),
            period: first.period.clone().filter(|_| hands_on(&name)),
            ..first
        }
        .chosen(&chosen, self.catalogue);
        let facts = if counts { facts.counted() } else { facts };
        let params = AggregateFunctionParams {
            args,
            distinct: f.params.distinct,
            filter,
            order_by,
            null_treatment: f.params.null_treatment,
        };
        let call = Expr::AggregateFunction(datafusion::logical_expr::expr::AggregateFunction {
            func: Arc::clone(&f.func),
            params,
        });
        Ok((call, facts))
    }

    /// A window that stays within one person.
    pub(super) fn person_window(&mut self, w: &Window, input: Rel) -> Result<Rel, Refusal> {
        self.not_limited(&input)?;
        self.few_windows(&input, w.window_expr.len())?;
        let person = person_of(&input)?;
        let visible = input.columns.len();
        let mut columns = input.columns.clone();
        let mut windows = Vec::new();
        for (n, expr) in w.window_expr.iter().enumerate() {
            let Expr::WindowFunction(f) = unaliased(expr) else {
                return Err(Refusal::new(
                    Code::PlanNotOffered,
                    "a window of this kind is not offered",
                ));
            };
            let name = f.fun.name().to_owned();
            let known = match &f.fun {
                WindowFunctionDefinition::AggregateUDF(_) => {
                    functions::PERSON_AGGREGATE.contains(&name.as_str())
                        && functions::OUTER_WINDOW.contains(&name.as_str())
                }
                WindowFunctionDefinition::WindowUDF(_) => {
                    functions::WINDOW.contains(&name.as_str())
                }
            };
            if !known {
                return Err(Refusal::new(
                    Code::FunctionNotOffered,
                    format!("`{name}` is not offered as a window"),
                )
                .at(self.spots.first(&name)));
            }
            let p = &f.params;
            self.distinct(&name, p.distinct)?;
            self.typed(&name, &p.args, &input)?;
            if !p.partition_by.iter().any(|e| is_pseudonym(e, &input)) {
                return Err(Refusal::new(
                    Code::WindowAcrossPersons,
                    format!("the window of `{name}` reaches across patients"),
                )
                .at(self.spots.first(&name)));
            }
            self.frame(&name, &p.window_frame)?;
            let mut parts = Vec::new();
            let mut made_total =
                |guard: &mut Self, e: &Expr, key_allowed: bool| -> Result<Expr, Refusal> {
                    parts.push(
                        guard
                            .read(&input, |l| if key_allowed { l.facts(e) } else { l.value(e) })?,
                    );
                    total::total(e.clone(), input.plan.schema()).map_err(internal)
                };
            let mut partition_by = vec![Expr::Column(person.clone())];
            for e in &p.partition_by {
                if !is_pseudonym(e, &input) {
                    partition_by.push(made_total(self, e, false)?);
                }
            }
            let mut order_by = p.order_by.clone();
            for sort in &mut order_by {
                sort.expr = made_total(self, &sort.expr, true)?;
            }
            let mut args = Vec::new();
            let mut arguments = Vec::new();
            for (n, e) in p.args.iter().enumerate() {
                let facts = self.read(&input, |l| l.facts(e))?;
                if n > 0 && !facts.constant {
                    return Err(Refusal::new(
                        Code::Predicate,
                        format!("`{name}` takes constants for all but its column"),
                    )
                    .at(self.spots.first(&name)));
                }
                let place = n == 1 && matches!(name.as_str(), "lag" | "lead" | "nth_value");
                if place && literal_value(e).is_some_and(|rows| rows.abs() > MOST_ROWS) {
                    return Err(Refusal::new(
                        Code::Predicate,
                        format!("`{name}` reaches at most 10,000 rows far"),
                    )
                    .at(self.spots.first(&name)));
                }
                // What stands in for a row that is not there is a value of the column.
                if let (2, Some(column)) = (n, p.args.first()) {
                    let column = column.get_type(input.plan.schema()).map_err(internal)?;
                    self.read(&input, |l| l.readable(e, &column))?;
                }
                let tiles = literal_value(e).is_some_and(|n| n >= 1.0 && n.fract() == 0.0);
                if name == "ntile" && !tiles {
                    return Err(Refusal::new(
                        Code::Predicate,
                        "`ntile` takes a whole number from 1 on",
                    )
                    .at(self.spots.first(&name))
                    .instead("ntile(4) OVER (PARTITION BY pseudo_hesid ORDER BY …)"));
                }
                // How far away a row is says nothing about the value that is taken from it.
                let offset = n == 1 && matches!(name.as_str(), "lag" | "lead" | "nth_value");
                arguments.push(if offset { Facts::constant(Number::Flag) } else { facts });
                args.push(total::total(e.clone(), input.plan.schema()).map_err(internal)?);
            }
            let mut chosen = input.personal().map(|p| p.chosen.clone()).unwrap_or_default();
            let filter = match &p.filter {
                Some(e) => {
                    let facts = self.read(&input, |l| l.value(e))?;
                    chosen.by(&facts);
                    parts.push(facts);
                    Some(Box::new(
                        total::total(e.as_ref().clone(), input.plan.schema()).map_err(internal)?,
                    ))
                }
                None => None,
            };
            let facts = self.window_facts(&name, expr, &input, &arguments)?;
            let Facts { tested, tests, .. } = Facts::merged(parts.iter().chain(&arguments));
            let (says, size) = (listing::says(&input, expr), sizes::size(&input, expr)?);
            let bytes = sizes::bytes(&input, expr)?;
            columns.push(
                Facts { tested, tests, says, size, bytes, ..facts }.chosen(&chosen, self.catalogue),
            );
            let params = WindowFunctionParams {
                args,
                partition_by,
                order_by,
                window_frame: p.window_frame.clone(),
                filter,
                null_treatment: p.null_treatment,
                distinct: p.distinct,
            };
            let call =
                datafusion::logical_expr::expr::WindowFunction { fun: f.fun.clone(), params };
            windows.push(Expr::WindowFunction(Box::new(call)).alias(format!("_w{n}")));
        }
        let mut kind = input.kind.clone();
        if let Kind::Personal(personal) = &mut kind
            && personal.fans > 0
        {
            personal.meetings += w.window_expr.len();
        }
        let carried: Vec<Expr> = (0..visible).map(|i| input.column(i)).collect();
        let node = Window::try_new(windows, Arc::new(input.plan)).map_err(internal)?;
        let mut above = carried;
        for n in 0..w.window_expr.len() {
            let column = Expr::Column(Column::new_unqualified(format!("_w{n}")));
            above.push(renamed(column, w.schema.qualified_field(visible + n)));
        }
        above.push(Expr::Column(person));
        let plan = Projection::try_new(above, Arc::new(LogicalPlan::Window(node)))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        Ok(Rel { plan, columns, kind })
    }

    /// Most functions cannot leave out repeated values, and find that out only where there are rows.
    fn distinct(&self, name: &str, distinct: bool) -> Result<(), Refusal> {
        if !distinct || matches!(name, "count" | "sum" | "min" | "max") {
            return Ok(());
        }
        Err(Refusal::new(Code::AggregateNotOffered, format!("`{name}(DISTINCT …)` is not offered"))
            .at(self.spots.first(name))
            .instead("DISTINCT within count, sum, min and max"))
    }

    /// A null of no type is no number, date or text, and functions find that out only where there are rows.
    fn typed(&self, name: &str, args: &[Expr], input: &Rel) -> Result<(), Refusal> {
        let untyped =
            |arg: &Expr| arg.get_type(input.plan.schema()).is_ok_and(|t| t == DataType::Null);
        if name == "count" || !args.first().is_some_and(untyped) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::AggregateNotOffered,
            format!("`{name}` of this type is not offered"),
        )
        .at(self.spots.first(name)))
    }

    /// Which rows a window function looks at. Where a frame begins later than at a person's first row, rows are
    /// taken out of a figure again, which some functions cannot do; that is found out only where there are rows.
    pub(super) fn frame(&self, name: &str, frame: &WindowFrame) -> Result<(), Refusal> {
        let bounds = [&frame.start_bound, &frame.end_bound].map(|bound| match bound {
            WindowFrameBound::CurrentRow => Some(0.0),
            WindowFrameBound::Preceding(rows) if rows.is_null() => Some(f64::NEG_INFINITY),
            WindowFrameBound::Following(rows) if rows.is_null() => Some(f64::INFINITY),
            WindowFrameBound::Preceding(rows) => number(rows).map(|rows| -rows),
            WindowFrameBound::Following(rows) => number(rows),
        });
        let rows = match (frame.units, bounds) {
            // Values, not rows, are counted: checked with the expression they are added to.
            (WindowFrameUnits::Range, _) => true,
            (WindowFrameUnits::Rows, [Some(from), Some(to)]) => {
                from <= to && [from, to].iter().all(|n| n.is_infinite() || n.abs() <= MOST_ROWS)
            }
            _ => false,
        };
        let from_the_first =
            matches!(&frame.start_bound, WindowFrameBound::Preceding(rows) if rows.is_null());
        let slides = functions::WINDOW.contains(&name)
            || matches!(name, "count" | "sum" | "avg" | "mean" | "min" | "max");
        if rows && (slides || from_the_first) {
            return Ok(());
        }
        Err(Refusal::new(Code::Predicate, format!("this frame of `{name}` is not offered"))
            .at(self.spots.first(name))
            .instead("ROWS BETWEEN n PRECEDING AND CURRENT ROW, n up to 10,000, for count, sum, avg, min and max; others from UNBOUNDED PRECEDING"))
    }

    /// lag, lead and the like hand on a value of the same person; the others give a figure about it.
    fn window_facts(
        &self,
        name: &str,
        expr: &Expr,
        input: &Rel,
        arguments: &[Facts],
    ) -> Result<Facts, Refusal> {
        let data_type = expr.get_type(input.plan.schema()).unwrap_or(DataType::Null);
        let first = arguments.first().cloned().unwrap_or_default();
        let number = derived(&data_type, name == "count", arguments);
        Ok(match name {
            "lag" | "lead" | "first_value" | "last_value" | "nth_value" => {
                let class = match first.class {
                    ColumnClass::RecordKey(_) => ColumnClass::RecordKey(None),
                    ref other => other.clone(),
                };
                Facts { class, origin: None, number, constant: false, ..first }
            }
            "count" => Facts { number, constant: false, ..Facts::merged(arguments).counted() },
            _ => Facts {
                class: ColumnClass::Plain,
                origin: None,
                number,
                constant: false,
                period: first.period.filter(|_| hands_on(name)),
                ..Facts::merged(arguments)
            },
        })
    }
}

/// Whether an aggregate's value is one of the values it is given.
fn hands_on(name: &str) -> bool {
    matches!(name, "min" | "max" | "first_value" | "last_value")
}

/// A figure about one person is a number to be summed when it was counted, or comes from plain columns,
/// other such figures, 0 and 1. Any other constant would pad a sum by an amount of the analyst's choice.
fn derived(data_type: &DataType, counts: bool, parts: &[Facts]) -> Number {
    let plain = |f: &Facts| f.number != Number::Other;
    if data_type.is_numeric() && (counts || parts.iter().all(plain)) {
        Number::Derived
    } else {
        Number::Other
    }
}

/// Whether an expression is the pseudonym itself.
pub(super) fn is_pseudonym(expr: &Expr, input: &Rel) -> bool {
    match unaliased(expr) {
        Expr::Column(c) => input.find(c).is_some_and(|(_, f)| f.class == ColumnClass::Pseudonym),
        _ => false,
    }
}

pub(super) fn person_of(input: &Rel) -> Result<Column, Refusal> {
    input.person().ok_or_else(|| Refusal::new(Code::PlanNotOffered, "rows without a person"))
}

fn number(value: &ScalarValue) -> Option<f64> {
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number,
        _ => None,
    }
}
