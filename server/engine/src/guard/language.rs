//! What analysts may say over patients' rows: an allow-list over expressions.
//!
//! Comparisons, IN, BETWEEN, prefix LIKE, IS NULL, date parts and differences, linear arithmetic with
//! constants, bands by CASE. No modulus, hash, bits, middle of a string or non-linear arithmetic: those
//! draw arbitrary subsets. What is not known here is refused.

use std::collections::BTreeSet;

use arrow_cast::can_cast_types;
use arrow_schema::DataType;

use cordon_catalogue::Catalogue;
use cordon_disclosure::{Code, Refusal};
use datafusion::common::Column;
use datafusion::logical_expr::expr::{Case, InList, Like, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use super::listing::{self, Listed, Part};
use super::relation::{ColumnClass, Facts, Number, Origin, Rel};
use super::shapes::{
    first_column, interval_is_short, is_date_like, is_interval, is_parameter, literal_is,
    literal_number, unaliased, uncast,
};
use super::sizes;
use crate::authorise::span_place;
use crate::functions;
use crate::parse::{Spots, shorten};

/// Reads expressions over one relation of patients' rows.
pub(crate) struct Language<'a> {
    pub(crate) rel: &'a Rel,
    pub(crate) spots: &'a Spots,
    /// Combinations of three and more columns, over the whole statement.
    pub(crate) listed: &'a mut Listed,
    pub(crate) catalogue: &'a Catalogue,
    /// Why what was read may not stand here, once its combinations are counted.
    pub(crate) refused: Option<Refusal>,
}

type Answer<T> = Result<T, Refusal>;

/// Larger numbers are not added to others without rounding them.
const LARGE: f64 = 1e6;

/// Longest text, in bytes, that LIKE compares the beginning of a value with.
const LONGEST_PREFIX: usize = 100;

impl Language<'_> {
    /// What an expression says, or why it may not stand over patients' rows. A pseudonym or record key
    /// passes only as a bare column: the caller knows whether it may stand there.
    pub(crate) fn facts(&mut self, expr: &Expr) -> Answer<Facts> {
        let facts = self.read(expr)?;
        self.listing(expr, facts)
    }

    /// Like [`Self::facts`], where a pseudonym or record key may not stand.
    pub(crate) fn value(&mut self, expr: &Expr) -> Answer<Facts> {
        let facts = self.read_value(expr)?;
        self.listing(expr, facts)
    }

    /// A condition that rows are chosen by.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Answer<Facts> {
        let facts = self.value(expr)?;
        self.listed.put(listing::tests_beside(self.catalogue, self.rel, expr), self.spots)?;
        Ok(facts)
    }

    /// Counts the combinations that an expression puts together.
    fn listing(&mut self, expr: &Expr, facts: Facts) -> Answer<Facts> {
        let tests = listing::tests(self.catalogue, self.rel, expr);
        if tests.len() > 1 {
            self.listed.put(tests.iter().cloned(), self.spots)?;
        }
        let pairs = listing::branches(self.catalogue, self.rel, expr);
        if listing::is_wide_beside(self.catalogue, self.rel, expr) {
            let before = self.rel.personal().map(|p| p.chosen.pairs());
            let all: BTreeSet<_> = before.into_iter().flatten().chain(&pairs).cloned().collect();
            if all.len() > 1 {
                self.listed.put_pairs(&all, self.spots)?;
            }
        }
        if let Some(refusal) = self.refused.take() {
            return Err(refusal);
        }
        let (size, bytes) = (sizes::size(self.rel, expr)?, sizes::bytes(self.rel, expr)?);
        Ok(Facts { tests, pairs, size, bytes, says: listing::says(self.rel, expr), ..facts })
    }

    /// Sides that are told apart, by each other or by constants.
    fn compared(&mut self, sides: &[(&Expr, &Facts)]) {
        let strung = sides.iter().find(|(_, facts)| facts.strung);
        let refusal = strung.map(|(expr, _)| strung_together(expr)).or(modulus(sides));
        let all = Facts::merged(sides.iter().map(|(_, facts)| *facts));
        // A list of one column that another one is compared with, element by element.
        let columns = sides.iter().filter(|(_, facts)| !facts.constant).count();
        let listed = columns > 1
            && all.constants.len() > listing::MAX_PAIRS
            && listing::width(self.catalogue, &all.sources) > 1;
        let refusal = refusal.or(listed.then(listing::too_many_pairs));
        let refusal = refusal.or(self.listed.compared(&all.scale, &all.constants));
        self.refused = self.refused.take().or(refusal);
    }

    /// Whether values made of these parts tell two columns apart.
    fn strings(&self, parts: &[Facts]) -> bool {
        let columns = parts.iter().filter(|p| !p.constant);
        let figures = columns.clone().any(|p| p.sources.is_empty()) && columns.count() > 1;
        figures || listing::width(self.catalogue, parts.iter().flat_map(|p| &p.sources)) > 1
    }

    pub(crate) fn read(&mut self, expr: &Expr) -> Answer<Facts> {
        match expr {
            Expr::Alias(a) => self.read(&a.expr),
            Expr::Column(c) => self.column(c),
            // Of a constant with 38 digits the next operation fails, on whichever row it meets.
            Expr::Literal(value, _) if is_decimal(&value.data_type()) => {
                Err(self.outside("a decimal constant is not offered over patients' rows", expr))
            }
            Expr::Literal(value, _) if value.is_null() => {
                Ok(Facts::constant(literal_number(value)))
            }
            Expr::Literal(value, _) => Ok(named(literal_number(value), &value.to_string())),
            Expr::Placeholder(p) if p.field.as_ref().is_some_and(|f| is_decimal(f.data_type())) => {
                Err(self.outside("a decimal value is not offered over patients' rows", expr))
            }
            // Parameters of a statement that is only prepared, or the value of a subquery: any constant.
            Expr::Placeholder(p) => Ok(named(Number::Other, &p.id)),
            Expr::BinaryExpr(b) => self.binary(b),
            Expr::Like(l) => self.like(l),
            Expr::Not(e)
            | Expr::IsTrue(e)
            | Expr::IsFalse(e)
            | Expr::IsUnknown(e)
            | Expr::IsNotTrue(e)
            | Expr::IsNotFalse(e)
            | Expr::IsNotUnknown(e) => Ok(self.read_value(e)?.flag()),
            Expr::IsNull(e) | Expr::IsNotNull(e) => {
                // Whether a joined row was found is no value of it.
                let inner = self.read(e)?;
                Ok(Facts { class: ColumnClass::Plain, ..inner }.flag())
            }
            Expr::Negative(e) => {
                let inner = self.read_value(e)?;
                if !e.get_type(self.rel.plan.schema()).is_ok_and(|t| t.is_numeric()) {
                    return Err(self.outside("only numbers are negated over patients' rows", e));
                }
                Ok(Facts { origin: None, number: Number::Other, period: None, ..inner })
            }
            Expr::Between(b) => {
                let parts = [
                    self.read_value(self.operand(&b.expr))?,
                    self.read_value(self.operand(&b.low))?,
                    self.read_value(self.operand(&b.high))?,
                ];
                self.compared(&[
                    (&*b.expr, &parts[0]),
                    (&*b.low, &parts[1]),
                    (&*b.high, &parts[2]),
                ]);
                Ok(Facts::merged(&parts).flag())
            }
            Expr::InList(l) => self.in_list(l),
            Expr::Case(c) => self.case(c),
            Expr::Cast(c) => self.cast(&c.expr, c.field.data_type()),
            Expr::TryCast(c) => self.cast(&c.expr, c.field.data_type()),
            Expr::ScalarFunction(f) => self.function(f),
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => Err(Refusal::new(
                Code::Subquery,
                "this subquery cannot be turned into a join by person",
            )
            .at(self.spots.only("exists"))),
            _ => Err(Refusal::new(
                Code::Predicate,
                "an expression of this kind is not offered over patients' rows",
            )),
        }
    }

    fn read_value(&mut self, expr: &Expr) -> Answer<Facts> {
        let facts = self.read(expr)?;
        self.not_a_key(expr, &facts)?;
        Ok(facts)
    }

    pub(crate) fn not_a_key(&self, expr: &Expr, facts: &Facts) -> Answer<()> {
        let name = match unaliased(expr) {
            Expr::Column(c) => format!("`{}`", shorten(&c.name)),
            _ => "a key".to_owned(),
        };
        let place = first_column(expr).and_then(|c| span_place(c.spans()));
        match &facts.class {
            ColumnClass::Plain => Ok(()),
            ColumnClass::Pseudonym => Err(Refusal::new(
                Code::PseudonymShown,
                format!("{name} stands where it would name or pick single patients"),
            )
            .at(place)),
            ColumnClass::RecordKey(_) => Err(Refusal::new(
                Code::RecordKeyShown,
                format!("{name} stands where it would name or pick single records"),
            )
            .at(place)),
        }
    }

    fn column(&self, column: &Column) -> Answer<Facts> {
        match self.rel.find(column) {
            Some((_, facts)) => Ok(facts.clone()),
            None => Err(Refusal::new(
                Code::PlanNotOffered,
                format!("`{}` cannot be followed to its table", shorten(&column.name)),
            )),
        }
    }

    fn outside(&self, what: &str, expr: &Expr) -> Refusal {
        Refusal::new(Code::Predicate, what.to_owned())
            .at(first_column(expr).and_then(|c| span_place(c.spans())))
    }

    fn binary(&mut self, b: &BinaryExpr) -> Answer<Facts> {
        let whole = Expr::BinaryExpr(b.clone());
        match b.op {
            Operator::And | Operator::Or => {
                let parts = [self.read_value(&b.left)?, self.read_value(&b.right)?];
                Ok(Facts::merged(&parts).flag())
            }
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => {
                let parts = [self.operand(&b.left), self.operand(&b.right)];
                let parts = [self.read(parts[0])?, self.read(parts[1])?];
                if parts[0].class != parts[1].class || b.op != Operator::Eq {
                    self.not_a_key(&b.left, &parts[0])?;
                    self.not_a_key(&b.right, &parts[1])?;
                }
                self.compared(&[(&*b.left, &parts[0]), (&*b.right, &parts[1])]);
                Ok(Facts::merged(&parts).flag())
            }
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide => {
                self.arithmetic(b, &whole)
            }
            Operator::StringConcat => {
                let parts = [self.read_value(&b.left)?, self.read_value(&b.right)?];
                let merged = Facts::merged(&parts);
                Ok(Facts { strung: merged.strung || self.strings(&parts), scaled: true, ..merged })
            }
            _ => {
                Err(self.outside(&format!("`{}` is not offered over patients' rows", b.op), &whole))
            }
        }
    }

    fn arithmetic(&mut self, b: &BinaryExpr, whole: &Expr) -> Answer<Facts> {
        let (left, right) = (self.read_value(&b.left)?, self.read_value(&b.right)?);
        let merged = Facts::merged([&left, &right]);
        let scaling = matches!(b.op, Operator::Multiply | Operator::Divide);
        // Beside a large number a small one is rounded.
        let rounding = !scaling
            && [(&b.left, &left), (&b.right, &right)].iter().any(|(side, facts)| {
                facts.constant
                    && !is_interval(side, self.rel)
                    && !is_date_like(side, self.rel)
                    && !literal_is(side, |number| number.abs() <= LARGE)
            });
        if b.op == Operator::Divide && !right.constant {
            return Err(
                self.outside("division by a column is not offered over patients' rows", whole)
            );
        }
        if scaling && !left.constant && !right.constant {
            return Err(
                self.outside("a product of two columns is not offered over patients' rows", whole)
            );
        }
        if merged.sources.len() > 2 {
            return Err(self.outside(
                "arithmetic over three or more columns is not offered over patients' rows",
                whole,
            ));
        }
        for side in [&b.left, &b.right] {
            if is_interval(side, self.rel) && (scaling || !interval_is_short(side)) {
                return Err(self
                    .outside(
                        "an interval over patients' rows is a constant of at most 100 years",
                        whole,
                    )
                    .instead("column + INTERVAL '30' DAY, or column + 30 for days"));
            }
        }
        let number = if b.op == Operator::Minus && !left.constant && !right.constant {
            // A difference of two dates is a measure of its own; of two numbers it is not a plain sum.
            if is_date_like(&b.left, self.rel) && is_date_like(&b.right, self.rel) {
                Number::Derived
            } else {
                Number::Other
            }
        } else {
            Number::Other
        };
        let value_of = |side: &Facts, column: &(Origin, Part)| {
            column.1 == Part::Value && side.scale.contains(column)
        };
        let itself = left.scale.iter().any(|c| value_of(&left, c) && value_of(&right, c));
        if !scaling && merged.scaled && itself {
            return Err(of_itself(whole));
        }
        // Added up after scaling, two columns can be told from the sum.
        let dates = is_date_like(&b.left, self.rel) && is_date_like(&b.right, self.rel);
        let strung = !left.constant
            && !right.constant
            && !dates
            && merged.scaled
            && self.strings(&[left, right]);
        Ok(Facts {
            number,
            scaled: merged.scaled || scaling || rounding,
            strung: merged.strung || strung,
            ..merged
        })
    }

    fn like(&mut self, l: &Like) -> Answer<Facts> {
        let whole = Expr::Like(l.clone());
        let inner = self.read_value(&l.expr)?;
        let pattern = match unaliased(&l.pattern) {
            Expr::Literal(v, _) => v.try_as_str().flatten().map(str::to_owned),
            parameter if is_parameter(parameter) => Some(String::new()),
            _ => None,
        };
        let prefix_only = pattern.is_some_and(|p| {
            let body = p.strip_suffix('%').unwrap_or(&p);
            l.escape_char.is_none() && body.len() <= LONGEST_PREFIX && !body.contains(['%', '_'])
        });
        if !prefix_only {
            return Err(self
                .outside("LIKE takes a prefix only over patients' rows", &whole)
                .instead("a pattern such as 'I21%'"));
        }
        let pattern = self.read_value(&l.pattern)?;
        self.compared(&[(&*l.expr, &inner), (&*l.pattern, &pattern)]);
        Ok(Facts::merged([&inner]).flag())
    }

    fn in_list(&mut self, l: &InList) -> Answer<Facts> {
        let mut parts = vec![self.read_value(self.operand(&l.expr))?];
        for item in &l.list {
            let item_facts = self.read_value(self.operand(item))?;
            if !item_facts.constant {
                return Err(self
                    .outside("an IN list over patients' rows holds constants", item)
                    .instead("compare each column: diag_3_01 = 'E11' OR diag_3_02 = 'E11'"));
            }
            parts.push(item_facts);
        }
        let sides: Vec<_> = std::iter::once(&*l.expr).chain(&l.list).zip(&parts).collect();
        self.compared(&sides);
        Ok(Facts::merged(&parts).flag())
    }

    fn case(&mut self, c: &Case) -> Answer<Facts> {
        let mut conditions = Vec::new();
        if let Some(base) = &c.expr {
            conditions.push(self.read_value(base)?);
        }
        let mut values = Vec::new();
        for (when, then) in &c.when_then_expr {
            let facts = self.read_value(when)?;
            if let (Some(base), Some(base_facts)) = (&c.expr, conditions.first()) {
                self.compared(&[(&**base, base_facts), (&**when, &facts)]);
            }
            conditions.push(facts);
            values.push(self.read(then)?);
        }
        if let Some(otherwise) = &c.else_expr {
            values.push(self.read(otherwise)?);
        }
        // A key inside CASE stays a key: `count(distinct case when … then pseudo_hesid end)`.
        let class = values
            .iter()
            .map(|v| &v.class)
            .find(|c| **c != ColumnClass::Plain)
            .cloned()
            .unwrap_or_default();
        if class != ColumnClass::Plain {
            // Beside a key only null: any other value could be somebody else's number.
            let branches = c.when_then_expr.iter().map(|(_, then)| then).chain(&c.else_expr);
            for (value, facts) in branches.zip(&values) {
                if facts.class != class
                    && !matches!(uncast(value), Expr::Literal(v, _) if v.is_null())
                {
                    let key = Facts { class: class.clone(), ..Facts::default() };
                    self.not_a_key(value, &key)?;
                }
            }
        }
        let banded = values.iter().all(|v| v.constant);
        // What it was banded by is no value of it; constants of bands could be weights.
        let conditions: Vec<Facts> = conditions.into_iter().map(Facts::counted).collect();
        let merged = Facts::merged(conditions.iter().chain(&values));
        let number = values
            .iter()
            .filter(|v| !(v.constant && v.number != Number::Flag))
            .map(|v| v.number.clone())
            .reduce(|a, b| match (a, b) {
                (a, b) if a == b => a,
                (Number::Flag, Number::Derived) | (Number::Derived, Number::Flag) => {
                    Number::Derived
                }
                _ => Number::Other,
            })
            .unwrap_or_default();
        // A constant that is neither 0 nor 1 would pad a sum by an amount of the analyst's choice.
        let odd_constant = values.iter().any(|v| v.constant && v.number == Number::Other);
        let number = if odd_constant { Number::Other } else { number };
        Ok(Facts {
            class,
            number,
            singles_out: merged.singles_out && !banded,
            scaled: merged.scaled || odd_constant,
            constant: merged.constant,
            origin: None,
            ..merged
        })
    }

    /// What is compared. Coercion compares unsigned with signed numbers as decimals: those go nowhere else.
    fn operand<'e>(&self, expr: &'e Expr) -> &'e Expr {
        let (inner, to) = match expr {
            Expr::Cast(c) => (&*c.expr, c.field.data_type()),
            Expr::TryCast(c) => (&*c.expr, c.field.data_type()),
            _ => return expr,
        };
        match to {
            DataType::Decimal128(20.., 0) if self.is_integer(inner) => inner,
            _ => expr,
        }
    }

    fn cast(&mut self, inner: &Expr, to: &DataType) -> Answer<Facts> {
        let facts = self.read(inner)?;
        if facts.class != ColumnClass::Plain {
            self.not_a_key(inner, &facts)?;
        }
        self.readable(inner, to)?;
        let from = inner.get_type(self.rel.plan.schema()).unwrap_or(DataType::Null);
        if !can_cast_types(&from, to) {
            return Err(Refusal::new(Code::PlanError, format!("{from} cannot be read as {to}"))
                .at(first_column(inner).and_then(|c| span_place(c.spans()))));
        }
        if matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            && (from.is_floating() || facts.scaled && from.is_numeric())
        {
            return Err(self
                .outside("a computed number is not read as a text over patients' rows", inner)
                .instead("compare and group the number itself, or band it with CASE"));
        }
        match to {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Boolean
            | DataType::Null => {}
            // Which day a number is, or how long a text lasts, could be anything: only what stands in the text.
            DataType::Date32 | DataType::Timestamp(_, None)
                if facts.constant || !from.is_numeric() => {}
            DataType::Interval(_) | DataType::Duration(_) if facts.constant => {}
            t if t.is_integer() || t.is_floating() => {}
            // Of decimals the next operation could fail, on whichever row has a large one.
            _ => {
                return Err(
                    self.outside("a cast to this type is not offered over patients' rows", inner)
                );
            }
        }
        // A truth value of what is strung together is a comparison; a date as a number is so many seconds.
        if matches!(to, DataType::Boolean) {
            self.compared(&[(inner, &facts)]);
        }
        let from_date = from.is_temporal();
        // Wider numbers say the same; a text that is read as a number does not.
        let keeps = to.is_numeric();
        let origin = if keeps { facts.origin.clone() } else { None };
        Ok(Facts {
            number: if keeps { facts.number.clone() } else { Number::Other },
            origin,
            // A narrow number rounds a wide one.
            scaled: facts.scaled
                || (from_date && keeps)
                || matches!(to, DataType::Float16 | DataType::Float32) && from != *to,
            ..facts
        })
    }

    /// A constant that cannot be read as what it is compared with would be null for every row, and its answer look
    /// like few people.
    pub(crate) fn readable(&self, constant: &Expr, to: &DataType) -> Answer<()> {
        let Expr::Literal(value, _) = unaliased(constant) else { return Ok(()) };
        let is_day = |t: &DataType| matches!(t, DataType::Date32 | DataType::Timestamp(..));
        let read = value.cast_to(to).is_ok_and(|read| !read.is_null());
        if value.is_null() || (read && !(is_day(to) && value.data_type().is_numeric())) {
            return Ok(());
        }
        let text = shorten(&value.to_string());
        let refusal = match to {
            t if is_day(t) => Refusal::new(Code::PlanError, format!("`{text}` is not a date"))
                .instead("write DATE '2022-04-01'"),
            _ => Refusal::new(Code::PlanError, format!("`{text}` cannot be read as {to}"))
                .instead("write a constant of the column's own type; DESCRIBE shows it"),
        };
        Err(refusal)
    }

    fn is_integer(&self, expr: &Expr) -> bool {
        expr.get_type(self.rel.plan.schema()).is_ok_and(|t| t.is_integer())
    }

    fn function(&mut self, f: &ScalarFunction) -> Answer<Facts> {
        let name = f.func.name();
        let place = self.spots.first(name);
        if !functions::PERSONAL_SCALAR.contains(&name) {
            let refusal = Refusal::new(
                Code::FunctionNotOffered,
                format!("`{name}` is not offered over patients' rows"),
            )
            .at(place);
            return Err(functions::otherwise(name).into_iter().fold(refusal, Refusal::instead));
        }
        let mut parts = Vec::new();
        for arg in &f.args {
            if arg.get_type(self.rel.plan.schema()).is_ok_and(|t| t == DataType::Null) {
                return Err(Refusal::new(
                    Code::PlanError,
                    format!("`{name}` is given a NULL of no type"),
                )
                .at(place)
                .instead("leave it out, or CAST(NULL AS VARCHAR)"));
            }
            parts.push(self.read_value(arg)?);
        }
        let constant_from = |from: usize| parts.iter().skip(from).all(|p| p.constant);
        let fits = match name {
            "date_trunc" | "date_part" => {
                not_a_part(f).map_or(Ok(()), |refusal| Err(refusal.at(place)))?;
                parts.first().is_some_and(|p| p.constant)
                    && f.args.get(1).is_some_and(|date| is_date_like(date, self.rel))
            }
            "left" => {
                constant_from(1)
                    && f.args.get(1).is_some_and(|n| literal_is(n, |v| (0.0..=100.0).contains(&v)))
            }
            "substr" | "substring" => {
                constant_from(1)
                    && f.args.get(1).is_some_and(|n| literal_is(n, |v| v == 1.0))
                    && f.args.get(2).is_none_or(|n| literal_is(n, |v| (0.0..=100.0).contains(&v)))
            }
            "starts_with" => constant_from(1),
            // Of letters of one's choice they would read the middle of a text.
            "btrim" | "trim" | "ltrim" | "rtrim" => f.args.len() == 1,
            // Digits before the point could carry a number out of its type.
            "round" => f.args.get(1).is_none_or(|n| literal_is(n, |v| (0.0..=15.0).contains(&v))),
            "character_length" | "char_length" | "length" | "upper" | "lower" | "concat"
            | "concat_ws" | "coalesce" | "nullif" | "greatest" | "least" | "abs" | "floor"
            | "ceil" => true,
            _ => false,
        };
        if !fits {
            let instead = match name {
                "date_trunc" => "date_trunc('month', column)",
                "date_part" => "date_part('year', column), extract(year FROM column)",
                "round" => {
                    "round(column, n) with n from 0 to 15; band it with CASE for tens and hundreds"
                }
                "btrim" | "trim" | "ltrim" | "rtrim" => "trim(column)",
                _ => "take a prefix: left(column, n), substr(column, 1, n)",
            };
            let what = match name {
                "btrim" | "trim" | "ltrim" | "rtrim" => "takes off blanks only",
                _ => "takes constants for all but its column",
            };
            return Err(Refusal::new(
                Code::Predicate,
                format!("`{name}` {what} over patients' rows"),
            )
            .at(place)
            .instead(instead));
        }
        if matches!(name, "nullif" | "starts_with" | "greatest" | "least") {
            let sides: Vec<_> = f.args.iter().zip(&parts).collect();
            self.compared(&sides);
        }
        let merged = Facts::merged(&parts);
        let number = match name {
            // coalesce(x, 0) is a sum of x.
            "coalesce" if f.args.iter().skip(1).all(|e| literal_is(e, |v| v == 0.0)) => {
                parts.first().map(|p| p.number.clone()).unwrap_or_default()
            }
            _ => Number::Other,
        };
        let merged = Facts { number, ..merged };
        Ok(match name {
            "concat" | "concat_ws" => {
                Facts { strung: merged.strung || self.strings(&parts), scaled: true, ..merged }
            }
            "date_part" | "date_trunc" => of_a_date(f, &parts, merged),
            _ => merged,
        })
    }

    /// How many columns expressions are computed from, those of one code list being one.
    pub(crate) fn width(&self, exprs: &[&Expr]) -> usize {
        let columns = exprs.iter().flat_map(|e| e.column_refs());
        let facts = columns.filter_map(|c| self.rel.find(c));
        listing::width(self.catalogue, facts.flat_map(|(_, facts)| &facts.sources))
    }
}

impl Facts {
    /// A condition: true, false or null.
    fn flag(self) -> Self {
        Self { number: Number::Flag, origin: None, singles_out: false, ..self.counted() }
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

/// A constant of the text, by its words.
fn named(number: Number, words: &str) -> Facts {
    Facts { constants: [words.into()].into(), ..Facts::constant(number) }
}

/// A part of a date, or a date that was truncated.
fn of_a_date(f: &ScalarFunction, parts: &[Facts], merged: Facts) -> Facts {
    let part = match f.args.first().map(unaliased) {
        Some(Expr::Literal(part, _)) => part.try_as_str().flatten().unwrap_or_default(),
        _ => "",
    }
    .to_lowercase();
    let date = parts.get(1).cloned().unwrap_or_default();
    let plain = matches!(part.as_str(), "year" | "quarter" | "month" | "week" | "day");
    let period = date.period.filter(|_| plain);
    let constants = date.constants;
    if f.func.name() == "date_trunc" {
        return Facts { period, constants, ..merged };
    }
    let scale = date.scale.into_iter().map(|(origin, was)| match was {
        Part::Value => (origin, Part::named(&part)),
        other => (origin, other),
    });
    // Seconds since 1970 are a date that was scaled.
    let scaled = merged.scaled || !(plain || part.ends_with("dow") || part == "doy");
    Facts { period, constants, scale: scale.collect(), scaled, ..merged }
}

/// A column that is compared with a multiple of itself, by whatever it was computed.
pub(crate) fn modulus(sides: &[(&Expr, &Facts)]) -> Option<Refusal> {
    let scaled = sides.iter().any(|(_, facts)| facts.scaled);
    let (at, _) = sides.iter().enumerate().find(|(at, (_, one))| {
        let others = sides.iter().skip(at + 1);
        scaled && others.clone().any(|(_, other)| !one.scale.is_disjoint(&other.scale))
    })?;
    sides.get(at).map(|(expr, _)| of_itself(expr))
}

fn of_itself(expr: &Expr) -> Refusal {
    Refusal::new(
        Code::Predicate,
        "a column beside a multiple of itself is a modulus, which is not offered over patients' rows",
    )
    .at(first_column(expr).and_then(|c| span_place(c.spans())))
}

/// Two columns as one value, compared.
pub(crate) fn strung_together(expr: &Expr) -> Refusal {
    Refusal::new(
        Code::Predicate,
        "columns that are strung together are compared: each comparison names a combination",
    )
    .at(first_column(expr).and_then(|c| span_place(c.spans())))
    .instead("compare each column by itself: procode3 = 'RX1' AND sex = '1'")
}

/// Parts of a date that exist; those of a time of day come to 0.
const PARTS: [&str; 16] = [
    "year",
    "isoyear",
    "quarter",
    "month",
    "week",
    "day",
    "doy",
    "dow",
    "isodow",
    "epoch",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "nanosecond",
];

/// Of `date_part` and `date_trunc` with a part that does not exist: the refusal.
pub(crate) fn not_a_part(f: &ScalarFunction) -> Option<Refusal> {
    let name = f.func.name();
    if !matches!(name, "date_part" | "date_trunc") {
        return None;
    }
    let part = match f.args.first().map(unaliased) {
        Some(Expr::Literal(part, _)) => part.try_as_str().flatten().unwrap_or_default(),
        Some(parameter) if is_parameter(parameter) => return None,
        _ => "",
    };
    let lower = part.to_lowercase();
    let part_only = ["isoyear", "doy", "dow", "isodow", "epoch", "nanosecond"];
    let known = PARTS.contains(&lower.as_str());
    if known && (name == "date_part" || !part_only.contains(&lower.as_str())) {
        return None;
    }
    Some(
        Refusal::new(
            Code::PlanError,
            format!("`{}` is no part of a date for `{name}`", shorten(part)),
        )
        .instead("year, quarter, month, week or day"),
    )
}
