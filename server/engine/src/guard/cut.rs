//! The cut: where rows of several persons are first put together, the plan ends in evidence, and what
//! stands above reads a released table.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cordon_disclosure::{
    Bounding, Code, Columns, Gathering, Measure, Protection, Refusal, RowsOf, error_column,
};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr::GroupingSet;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, lit};

use super::domain::Domain;
use super::measures::{Derivation, Request, Requests, ratio};
use super::open::GroupExprs;
use super::person::person_of;
use super::relation::{ColumnClass, Facts, Figure, Kind, Open, Origin, Personal, Rel};
use super::second::{SecondTable, beside};
use super::{Guard, HIDDEN, Step, internal, renamed, total};
use crate::gather::{Figure as Gathers, Gather, key_schema};
use crate::parse::{MOST_SETS, too_many_sets};
use crate::released::ReleasedSource;

/// Most group columns beside the period.
const MAX_KEYS: usize = 4;

/// Most of them that count as the period.
const MAX_PERIOD: usize = 2;

/// The group columns that count as the period: years, quarters, months, weeks or days of one date, and the
/// financial year.
#[derive(Default)]
struct Period {
    date: Option<Origin>,
    taken: usize,
}

impl Period {
    /// Whether a group column counts as the period.
    fn takes(&mut self, facts: &Facts, is_date: impl Fn(&Origin) -> bool) -> bool {
        let Some(column) = &facts.period else { return false };
        if self.taken >= MAX_PERIOD {
            return false;
        }
        if is_date(column) {
            if self.date.as_ref().is_some_and(|date| date != column) {
                return false;
            }
            self.date = Some(column.clone());
        }
        self.taken += 1;
        true
    }
}

impl Cut {
    /// Its columns as the question names them.
    pub(crate) fn columns(&self) -> Columns {
        let keys = (0..self.keys).map(|n| self.schema.field(n).clone()).collect();
        let figures = self.measures.iter().enumerate();
        let measures = figures
            .map(|(n, (measure, _))| (self.schema.field(self.keys + n).name().clone(), *measure))
            .collect();
        Columns { keys, measures }
    }
}

/// A contribution per row, its public bounds, and the decimals of a total.
type Gathered = (Expr, Option<(i128, i128)>, Option<u8>);

/// A released table as the outer plan reads it.
struct Table {
    id: usize,
    schema: SchemaRef,
    /// How many key columns it has, the grouping id among them.
    keys: usize,
}

impl Table {
    fn name(&self) -> String {
        format!("_cut{}", self.id)
    }

    fn scan(&self) -> DfResult<LogicalPlan> {
        let source = ReleasedSource { cut: self.id, schema: Arc::clone(&self.schema) };
        let scan = TableScanBuilder::new(self.name().as_str(), Arc::new(source)).build()?;
        Ok(LogicalPlan::TableScan(scan))
    }

    fn column(&self, index: usize) -> Column {
        Column::new(Some(self.name()), self.schema.field(index).name())
    }
}

/// One inner plan and what becomes of its figures.
pub(crate) struct Cut {
    pub(crate) id: usize,
    /// Keys `_g0…`, person `_p`, contributions `_v0…`; `_v0` is of every row.
    pub(crate) rows: LogicalPlan,
    /// What is gathered from these rows.
    pub(crate) gather: Arc<Gather>,
    /// The inner plan as text, with hidden names numbered anew: the same question has the same words.
    pub(crate) words: String,
    pub(crate) keys: usize,
    /// Whether a row that was counted is a base row.
    pub(crate) rows_of: RowsOf,
    /// Whether several rows of a patient were put beside several: how long that takes depends on who is there.
    pub(crate) meets: bool,
    /// Each measure with the number of the evidence it is read from.
    pub(crate) measures: Vec<(Measure, usize)>,
    /// How many tables it is charged as: one for each grouping set and measure.
    pub(crate) tables: usize,
    /// Name and type of the released table's columns.
    pub(crate) schema: SchemaRef,
    /// The complete list of possible keys, where it is public.
    pub(crate) domain: Option<Domain>,
}

/// A plan as text. Hidden names carry a number that depends on what else the statement says: they are
/// numbered in the order in which they appear. A literal that looks like one keeps the text as it is.
fn words(plan: &LogicalPlan) -> DfResult<String> {
    let text = plan.display_indent_schema().to_string();
    let mut looks_hidden = false;
    plan.apply(|node| {
        node.apply_expressions(|e| {
            e.apply(|e| {
                looks_hidden |= matches!(e, Expr::Literal(v, _) if v.to_string().contains(HIDDEN));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if looks_hidden {
        return Ok(text);
    }
    let mut parts = text.split(HIDDEN);
    let mut words = parts.next().unwrap_or_default().to_owned();
    let mut numbers: Vec<&str> = Vec::new();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        let place = numbers.iter().position(|n| *n == number).unwrap_or_else(|| {
            numbers.push(number);
            numbers.len() - 1
        });
        words.push_str(&format!("{HIDDEN}{place}{rest}"));
    }
    Ok(words)
}

impl Cut {
    fn asks_the_same(&self, other: &Self) -> bool {
        self.words == other.words
            && self.measures == other.measures
            && self.rows_of == other.rows_of
            && self.schema == other.schema
            && self.domain == other.domain
    }
}

impl Guard<'_> {
    pub(super) fn cut(&mut self, a: &Aggregate, input: &Rel, top: bool) -> Result<Rel, Refusal> {
        let person = person_of(input)?;
        let groups: Vec<Expr> = a.group_expr_distinct()?.into_iter().cloned().collect();
        let keys = self.keys(&groups, input)?;
        let mut requests = Requests::default();
        let derivations = a
            .aggr_expr
            .iter()
            .map(|e| self.measure(e, input, &mut requests))
            .collect::<Result<Vec<_>, _>>()?;
        let sets = grouping_sets(a, &groups)?;
        self.one_set(input, sets.as_ref().map_or(1, Vec::len))?;
        let domain = if top && !derivations.is_empty() {
            self.domain(&keys, sets.as_deref(), input)
        } else {
            None
        };
        let first = self.table(input, &person, &groups, sets.as_deref(), &requests.all, domain)?;
        let mut further = Vec::new();
        for second in &requests.tables {
            let columns: Vec<&Expr> = std::iter::once(&second.column).chain(&groups).collect();
            self.width(&columns, input)?;
            // The further key first: it stands in every grouping set, so that their ids stay as they are.
            let groups: Vec<Expr> =
                std::iter::once(second.key.clone()).chain(groups.iter().cloned()).collect();
            let sets: Option<Vec<Vec<usize>>> = sets.as_ref().map(|sets| {
                let with = |set: &Vec<usize>| -> Vec<usize> {
                    std::iter::once(0).chain(set.iter().map(|key| key + 1)).collect()
                };
                sets.iter().map(with).collect()
            });
            let counted = std::slice::from_ref(&second.request);
            further.push(self.table(input, &person, &groups, sets.as_deref(), counted, None)?);
        }
        self.above(a, &first, &further, keys, &derivations)
    }

    /// One inner plan, to be released as one table; the same one where it stands already.
    fn table(
        &mut self,
        input: &Rel,
        person: &Column,
        groups: &[Expr],
        sets: Option<&[Vec<usize>]>,
        requests: &[Request],
        domain: Option<Domain>,
    ) -> Result<Table, Refusal> {
        let (evidence, measures) = evidence_of(requests);
        let rows = self.rows_below(input, person.clone(), groups, &evidence).map_err(internal)?;
        let by = |decimals| Gathering {
            threshold: self.permit.profile().threshold(),
            decimals,
            key: self.people,
        };
        let figures = evidence
            .iter()
            .map(|(_, bounds, decimals)| Gathers { by: by(*decimals), bounds: *bounds });
        let bounding = self.bounding(input, requests)?;
        let gather = Arc::new(Gather {
            keys: groups.len(),
            sets: sets.map(<[_]>::to_vec),
            figures: figures.collect(),
            bounding,
        });
        // Which groups there are is found out by a figure of its own, where no list says it.
        let finding = usize::from(bounding.is_some() && !groups.is_empty() && domain.is_none());
        let figures = (measures.len() + finding).max(usize::from(bounding.is_none()));
        let schema = released_schema(&rows, &gather, requests);
        let words = format!("{gather:?}\n{}", words(&rows).map_err(internal)?);
        let keys = groups.len() + usize::from(sets.is_some());
        let cut = Cut {
            id: self.cuts,
            rows,
            gather,
            words,
            keys,
            rows_of: input.personal().map_or(RowsOf::Joined, Personal::rows_of),
            meets: input.personal().is_some_and(|personal| personal.meetings > 0),
            tables: sets.map_or(1, <[_]>::len) * figures,
            measures,
            schema: Arc::clone(&schema),
            domain,
        };
        Ok(Table { id: self.once(cut), schema, keys })
    }

    /// Under differential privacy how much of one person goes in. Then each sum needs public bounds, and rows of one
    /// person may not multiply: how long that takes is nowhere bounded.
    fn bounding(&self, input: &Rel, requests: &[Request]) -> Result<Option<Bounding>, Refusal> {
        let Protection::Privacy(rule) = self.permit.profile().protection() else { return Ok(None) };
        if input.personal().is_some_and(|personal| personal.meetings > 0) {
            return Err(Refusal::new(
                Code::PlanNotOffered,
                "under differential privacy several rows of a person may not be put beside several",
            )
            .instead("count persons in a subquery with IN or EXISTS"));
        }
        let bounded =
            |r: &Request| !matches!(r.measure, Measure::Total { .. }) || r.bounds.is_some();
        if !requests.iter().all(bounded) {
            return Err(Refusal::new(
                Code::NotAPlainSum,
                "under differential privacy only columns with declared bounds can be added up",
            )
            .instead("bound it yourself, sum(least(greatest(x, 0), 30)), or count bands of it"));
        }
        Ok(Some(rule.bounding()))
    }

    /// The number of a cut; that of an earlier one where the statement asks the same thing twice.
    fn once(&mut self, cut: Cut) -> usize {
        let same = self.steps.iter().find_map(|step| match step {
            Step::Cut(earlier) if earlier.asks_the_same(&cut) => Some(earlier.id),
            _ => None,
        });
        same.unwrap_or_else(|| {
            self.cuts += 1;
            let id = cut.id;
            self.steps.push(Step::Cut(Arc::new(cut)));
            id
        })
    }

    /// Checks the group columns and says what they are.
    fn keys(&mut self, groups: &[Expr], input: &Rel) -> Result<Vec<Facts>, Refusal> {
        let mut keys = Vec::new();
        for group in groups {
            let facts = self.read(input, |l| l.value(group))?;
            if facts.singles_out {
                return Err(self.not_groupable(group));
            }
            keys.push(facts);
        }
        self.width(&groups.iter().collect::<Vec<_>>(), input)?;
        Ok(keys)
    }

    pub(super) fn not_groupable(&self, group: &Expr) -> Refusal {
        let name =
            group.column_refs().into_iter().map(|c| c.name.clone()).min().unwrap_or_default();
        let place = super::shapes::first_column(group)
            .and_then(|c| crate::authorise::span_place(c.spans()));
        Refusal::new(
            Code::NotGroupable,
            format!("`{}` is not for grouping", crate::parse::shorten(&name)),
        )
        .at(place)
    }

    /// Columns count, not expressions: five codes strung together are five group columns. What is computed
    /// counts by itself, since bands of one column can differ.
    fn width(&mut self, groups: &[&Expr], input: &Rel) -> Result<(), Refusal> {
        let mut period = Period::default();
        let (mut plain, mut computed) = (Vec::new(), 0);
        for group in groups {
            let facts = self.read(input, |l| l.value(group))?;
            if facts.constant || period.takes(&facts, |column| self.is_date(column)) {
                continue;
            }
            if facts.origin.is_some() {
                plain.push(*group);
            } else if !facts.sources.is_empty() && facts.sources.iter().all(|c| self.is_date(c)) {
                computed += 1;
            } else {
                computed += self.read(input, |l| Ok(l.width(&[group])))?.max(1);
            }
        }
        let counted = self.read(input, |l| Ok(l.width(&plain)))? + computed;
        if counted > MAX_KEYS {
            return Err(Refusal::new(
                Code::TooManyKeys,
                format!("the table has {counted} group columns beside the period"),
            )
            .at(self.spots.only("group")));
        }
        Ok(())
    }

    fn is_date(&self, (table, column): &Origin) -> bool {
        self.catalogue
            .table(table)
            .and_then(|t| t.column(column.as_str()))
            .is_some_and(|c| c.data_type == DataType::Date32)
    }

    /// Projection(keys, person, contributions).
    fn rows_below(
        &self,
        input: &Rel,
        person: Column,
        groups: &[Expr],
        evidence: &[Gathered],
    ) -> DfResult<LogicalPlan> {
        let schema = input.plan.schema();
        let mut below = Vec::new();
        for (n, group) in groups.iter().enumerate() {
            below.push(total::total(group.clone(), schema)?.alias(format!("_g{n}")));
        }
        below.push(Expr::Column(person).alias("_p"));
        for (n, (contribution, ..)) in evidence.iter().enumerate() {
            below.push(contribution.clone().alias(format!("_v{n}")));
        }
        Projection::try_new(below, Arc::new(input.plan.clone())).map(LogicalPlan::Projection)
    }

    /// A projection over the released table, and what is read off further ones, with the aggregate's own
    /// names and types.
    fn above(
        &mut self,
        a: &Aggregate,
        table: &Table,
        further: &[Table],
        keys: Vec<Facts>,
        derivations: &[Derivation],
    ) -> Result<Rel, Refusal> {
        let first = table.keys;
        let sets = first > keys.len();
        let column = |n: usize| Expr::Column(table.column(n));
        let mut plan = table.scan().map_err(internal)?;
        let mut exprs = Vec::new();
        let mut columns: Vec<Facts> = keys
            .into_iter()
            .map(|k| Facts {
                class: ColumnClass::Plain,
                number: super::relation::Number::Other,
                ..k
            })
            .collect();
        if sets {
            columns.push(Facts::default());
        }
        for index in 0..first {
            let wanted = a.schema.field(index).data_type();
            let have = table.schema.field(index).data_type();
            let key =
                if wanted == have { column(index) } else { total::try_cast(column(index), wanted) };
            exprs.push(renamed(key, a.schema.qualified_field(index)));
        }
        let digits = self.permit.profile().significant_digits();
        let groups: Vec<Column> = (0..first).map(|index| table.column(index)).collect();
        for (n, derivation) in derivations.iter().enumerate() {
            let wanted = a.schema.field(first + n).data_type();
            let alias = format!("_second{n}");
            let (figure, kind) = match derivation {
                Derivation::Plain(m) => (column(first + m), Figure::Direct),
                Derivation::Mean { total, rows } => {
                    let mean = ratio(column(first + total), column(first + rows));
                    (total::Significant::call(digits, mean), Figure::Direct)
                }
                Derivation::Moments(moments) => {
                    let value = moments.value(&|n| column(first + n));
                    (total::Significant::call(digits, value), Figure::Direct)
                }
                Derivation::Distinct(number) => {
                    let name = further.get(*number).map(Table::name).unwrap_or_default();
                    let second = self.second(further, *number, &name)?;
                    let read = second.distinct(&alias).map_err(internal)?;
                    plan = beside(plan, &groups, read, None).map_err(internal)?;
                    let codes = Expr::Column(Column::new(Some(alias), "_codes"));
                    // That none is shown does not say that there is none.
                    (nullif(codes, lit(0i64)), Figure::Derived)
                }
                Derivation::Quantile(quantile) => {
                    let name = further.get(quantile.table).map(Table::name).unwrap_or_default();
                    let second = self.second(further, quantile.table, &name)?;
                    let read = second.cumulated(&alias).map_err(internal)?;
                    let rows = column(first + quantile.rows);
                    let here = quantile.here(&alias, &rows);
                    plan = beside(plan, &groups, read, Some(here)).map_err(internal)?;
                    let persons = column(first + quantile.persons);
                    let threshold = self.permit.profile().threshold();
                    let value = quantile.value(&alias, &rows, &persons, threshold);
                    (total::Significant::call(digits, value), Figure::Derived)
                }
            };
            let have = figure.get_type(plan.schema()).map_err(internal)?;
            let figure = if *wanted == have { figure } else { total::try_cast(figure, wanted) };
            exprs.push(renamed(figure, a.schema.qualified_field(first + n)));
            let says = super::listing::digest(&format!("cut {}, figure {n}", table.id));
            columns.push(Facts { figure: kind, says, ..Facts::default() });
        }
        let plan = Projection::try_new(exprs, Arc::new(plan))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        let open = Open { keys: vec![(0..first).collect()], released: true, ..Open::default() };
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }

    fn second<'a>(
        &mut self,
        further: &[Table],
        number: usize,
        name: &'a str,
    ) -> Result<SecondTable<'a>, Refusal> {
        let Some(table) = further.get(number) else {
            return Err(Refusal::new(Code::PlanNotOffered, "a further table is missing"));
        };
        // Without groups the first table has one row, and so has what is joined to it.
        self.one_row_joins |= table.keys == 1;
        let scan = table.scan().map_err(internal)?;
        Ok(SecondTable { name, scan, keys: table.keys - 1, figure: table.keys })
    }
}

/// What must be gathered, each once, and which of it each measure is read from. The first is of every
/// row: it decides which groups are there at all.
fn evidence_of(requests: &[Request]) -> (Vec<Gathered>, Vec<(Measure, usize)>) {
    let mut evidence = vec![(lit(1i64), None, None)];
    let measures = requests
        .iter()
        .map(|Request { measure, contribution, bounds }| {
            let decimals = match measure {
                Measure::Total { decimals } => Some(*decimals),
                Measure::Persons | Measure::Rows => None,
            };
            let wanted = (contribution.clone(), *bounds, decimals);
            let number = evidence.iter().position(|e| *e == wanted).unwrap_or_else(|| {
                evidence.push(wanted);
                evidence.len() - 1
            });
            (*measure, number)
        })
        .collect();
    (evidence, measures)
}

/// Which group expressions stand in each grouping set; none without grouping sets.
fn grouping_sets(a: &Aggregate, groups: &[Expr]) -> Result<Option<Vec<Vec<usize>>>, Refusal> {
    let [Expr::GroupingSet(set)] = a.group_expr.as_slice() else { return Ok(None) };
    let number = |e: &Expr| groups.iter().position(|g| g == e);
    let sets: Option<Vec<Vec<usize>>> = match set {
        GroupingSet::GroupingSets(sets) => {
            sets.iter().map(|s| s.iter().map(number).collect()).collect()
        }
        GroupingSet::Rollup(exprs) => {
            (0..=exprs.len()).rev().map(|n| exprs.iter().take(n).map(number).collect()).collect()
        }
        GroupingSet::Cube(exprs) => (0..1usize << exprs.len().min(16))
            .map(|mask| {
                exprs
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| mask & (1 << n) == 0)
                    .map(|(_, e)| number(e))
                    .collect()
            })
            .collect(),
    };
    match sets {
        Some(sets) if sets.len() <= MOST_SETS => Ok(Some(sets)),
        _ => Err(too_many_sets()),
    }
}

fn released_schema(rows: &LogicalPlan, gather: &Gather, requests: &[Request]) -> SchemaRef {
    let keys = key_schema(rows.schema().as_arrow(), gather);
    let mut fields: Vec<Field> = keys.fields().iter().map(|key| key.as_ref().clone()).collect();
    for (n, request) in requests.iter().enumerate() {
        let data_type = match request.measure {
            Measure::Persons | Measure::Rows => DataType::Int64,
            Measure::Total { decimals } => DataType::Decimal128(38, decimals.cast_signed()),
        };
        fields.push(Field::new(format!("_m{n}"), data_type, true));
    }
    for n in 0..requests.len() {
        fields.push(Field::new(error_column(&format!("_m{n}")), DataType::Float64, true));
    }
    Arc::new(Schema::new(fields))
}
