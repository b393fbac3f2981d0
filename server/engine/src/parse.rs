//! Text to exactly one SELECT. Decides nothing about tables, columns or people.

use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use cordon_disclosure::{Code, Place, Refusal};
use datafusion::common::ScalarValue;
use sqlparser::ast::{
    self, Distinct, Expr, GroupByExpr, Ident, ObjectName, Query, Select, SelectItem, SetExpr,
    SetQuantifier, Statement, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{expansion, functions, limits};

/// Exactly one SELECT, of constructs whose meaning for disclosure control is known.
#[derive(Clone, Debug)]
pub(crate) struct ParsedQuery {
    statement: Statement,
    spots: Spots,
    parameters: usize,
    own_views: bool,
}

/// Where the words stand that refusals point at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spots {
    words: Vec<(String, Place)>,
}

impl Spots {
    /// The place of a keyword or function name, when it stands only once: otherwise nobody could say which.
    pub(crate) fn only(&self, word: &str) -> Option<Place> {
        let mut found = self.words.iter().filter(|(w, _)| w == word);
        match (found.next(), found.next()) {
            (Some((_, place)), None) => Some(*place),
            _ => None,
        }
    }

    /// The place where a keyword or function name stands first.
    pub(crate) fn first(&self, word: &str) -> Option<Place> {
        self.words.iter().find(|(w, _)| w == word).map(|(_, place)| *place)
    }
}

impl ParsedQuery {
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    pub(crate) fn spots(&self) -> &Spots {
        &self.spots
    }

    /// Whether it may speak of `my` or `information_schema`: they are made only then.
    pub(crate) fn own_views(&self) -> bool {
        self.own_views
    }

    /// How many parameters (`?` or `$n`) await a value.
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    /// Puts values into the text's tree, as literals: what is planned afterwards is checked afresh.
    pub(crate) fn bind(mut self, row: Option<&RecordBatch>) -> Result<Self, Refusal> {
        let given = row.map_or(0, RecordBatch::num_columns);
        if given != self.parameters {
            return Err(Refusal::new(
                Code::BadParameters,
                format!(
                    "the statement has {} parameters and {given} values were bound",
                    self.parameters
                ),
            ));
        }
        let Some(row) = row else { return Ok(self) };
        if row.num_rows() != 1 {
            return Err(Refusal::new(
                Code::BadParameters,
                "a statement is run with one row of values",
            ));
        }
        let mut values = Vec::with_capacity(given);
        for column in row.columns() {
            let value = ScalarValue::try_from_array(column, 0)
                .ok()
                .and_then(|v| literal(&v))
                .ok_or_else(|| {
                    Refusal::new(
                        Code::BadParameters,
                        "a bound value has a type that SQL text cannot hold",
                    )
                })?;
            values.push(value);
        }
        let _: ControlFlow<()> = ast::visit_expressions_mut(&mut self.statement, |expr| {
            if let Some(n) = placeholder(expr)
                && let Some(value) = values.get(n)
            {
                *expr = value.clone();
            }
            ControlFlow::Continue(())
        });
        self.parameters = 0;
        Ok(self)
    }

    /// Replaces `current_date` by the day the data speak of, so that the same question stays the same.
    pub(crate) fn with_today(mut self, today: chrono::NaiveDate) -> Self {
        let _: ControlFlow<()> = ast::visit_expressions_mut(&mut self.statement, |expr| {
            if let Expr::Function(f) = expr
                && matches!(function_name(&f.name).as_str(), "current_date" | "today")
            {
                *expr = date(&today.to_string());
            }
            ControlFlow::Continue(())
        });
        self
    }
}

fn date(text: &str) -> Expr {
    Expr::TypedString(ast::TypedString {
        data_type: ast::DataType::Date,
        value: Value::SingleQuotedString(text.to_owned()).with_empty_span(),
        uses_odbc_syntax: false,
    })
}

/// `$3` is number 2.
fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::Placeholder(id) => id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &ScalarValue) -> Option<Expr> {
    let value = match value {
        ScalarValue::Dictionary(_, inner) => inner.as_ref(),
        other => other,
    };
    if value.is_null() {
        return Some(Expr::Value(Value::Null.with_empty_span()));
    }
    let plain = match value {
        ScalarValue::Boolean(Some(b)) => Value::Boolean(*b),
        ScalarValue::Utf8(Some(s))
        | ScalarValue::LargeUtf8(Some(s))
        | ScalarValue::Utf8View(Some(s)) => Value::SingleQuotedString(s.clone()),
        ScalarValue::Int8(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::Int64(_)
        | ScalarValue::UInt8(_)
        | ScalarValue::UInt16(_)
        | ScalarValue::UInt32(_)
        | ScalarValue::UInt64(_) => return Some(number(&value.to_string())),
        ScalarValue::Float32(Some(f)) if f.is_finite() => return Some(number(&format!("{f:?}"))),
        ScalarValue::Float64(Some(f)) if f.is_finite() => return Some(number(&format!("{f:?}"))),
        ScalarValue::Decimal128(..) => return Some(number(&value.to_string())),
        ScalarValue::Date32(_) | ScalarValue::Date64(_) => {
            return Some(date(&value.cast_to(&arrow_schema::DataType::Date32).ok()?.to_string()));
        }
        _ => return None,
    };
    Some(Expr::Value(plain.with_empty_span()))
}

fn number(text: &str) -> Expr {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let value = Expr::Value(Value::Number(unsigned.to_owned(), false).with_empty_span());
    if unsigned.len() == text.len() {
        value
    } else {
        Expr::Nested(Box::new(Expr::UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr: Box::new(value),
        }))
    }
}

fn function_name(name: &ObjectName) -> String {
    match name.0.last().and_then(|part| part.as_ident()) {
        Some(ident) if name.0.len() == 1 => ident.value.to_ascii_lowercase(),
        _ => name.to_string(),
    }
}

/// Parses a checked text.
pub(crate) fn parse(text: &str) -> Result<ParsedQuery, Refusal> {
    limits::check(text)?;
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|e| syntax("the text has a character that is not SQL", e.location))?;
    let spots = spots(&tokens)?;
    let mut statements = Parser::new(&dialect)
        .with_recursion_limit(limits::MAX_NESTING * 4)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|e| not_understood(&e))?;
    if statements.len() > 1 {
        return Err(Refusal::new(
            Code::SeveralStatements,
            format!("the text holds {} statements", statements.len()),
        ));
    }
    let mut own_views = ["my", "information_schema"].iter().any(|word| spots.first(word).is_some())
        || text.contains('"');
    let mut statement =
        statements.pop().ok_or_else(|| Refusal::new(Code::SyntaxError, "the text is empty"))?;
    match &statement {
        Statement::Query(_) => {}
        Statement::ShowTables { .. } => {
            own_views = true;
            statement = own(SHOW_TABLES)?;
        }
        Statement::ExplainTable { describe_alias, table_name, .. }
            if !matches!(describe_alias, ast::DescribeAlias::Explain) =>
        {
            own_views = true;
            statement = own(&describe(table_name)?)?;
        }
        other => {
            let verb =
                other.to_string().split_whitespace().next().unwrap_or("this").to_ascii_uppercase();
            let refusal = Refusal::new(Code::NotASelect, format!("`{verb}` is not offered"))
                .at(spots.first(&verb.to_ascii_lowercase()));
            return Err(match verb.as_str() {
                "EXPLAIN" => refusal
                    .instead("`cordon check` tells what a statement may cost, without running it"),
                "SHOW" => refusal.instead("SHOW TABLES, DESCRIBE hes.apc"),
                "SET" | "USE" => refusal.instead("leave it out: there is nothing to set"),
                _ => refusal,
            });
        }
    }
    let mut check = Check { spots: &spots, found: None };
    let _ = statement.visit(&mut check);
    if let Some(refusal) = check.found {
        return Err(refusal);
    }
    expansion::check(&statement)?;
    let mut numbering = Numbering { next: 0, highest: 0, bad: false };
    let _ = VisitMut::visit(&mut statement, &mut numbering);
    if numbering.bad || (numbering.next > 0 && numbering.highest > numbering.next) {
        return Err(Refusal::new(
            Code::BadParameters,
            "parameters are `?`, or `$1`, `$2` and so on, not both",
        ));
    }
    Ok(ParsedQuery { statement, spots, parameters: numbering.highest, own_views })
}

const SHOW_TABLES: &str = "SELECT table_schema, table_name, table_type, title FROM information_schema.tables \
     WHERE table_schema <> 'information_schema' ORDER BY table_schema, table_name";

fn describe(table: &ObjectName) -> Result<String, Refusal> {
    let parts: Vec<String> =
        table.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.to_lowercase()).collect();
    let [.., schema, name] = parts.as_slice() else {
        return Err(unknown_table(&table.to_string()));
    };
    let quote = |s: &str| s.replace('\'', "''");
    Ok(format!(
        "SELECT column_name, data_type, class, meaning FROM information_schema.columns \
         WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
        quote(schema),
        quote(name)
    ))
}

fn own(text: &str) -> Result<Statement, Refusal> {
    Parser::parse_sql(&GenericDialect {}, text)
        .ok()
        .and_then(|mut s| s.pop())
        .ok_or_else(|| Refusal::new(Code::SyntaxError, "the statement could not be rewritten"))
}

pub(crate) fn unknown_table(name: &str) -> Refusal {
    Refusal::new(Code::UnknownTable, format!("there is no table `{}`", shorten(name)))
}

/// User words in a message stay short and on one line.
pub(crate) fn shorten(word: &str) -> String {
    let clean: String = word.chars().filter(|c| !c.is_control() && *c != '`').take(80).collect();
    if clean.chars().count() < word.chars().count() { format!("{clean}…") } else { clean }
}

fn syntax(what: &str, at: sqlparser::tokenizer::Location) -> Refusal {
    Refusal::new(Code::SyntaxError, what).at(Some(Place { line: at.line, column: at.column }))
}

/// The parser's own sentence speaks of the text only; its ` at Line: L, Column: C` becomes the place.
fn not_understood(error: &sqlparser::parser::ParserError) -> Refusal {
    use sqlparser::parser::ParserError;
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Refusal::new(Code::NestedTooDeeply, "the text nests too deeply");
        }
        ParserError::TokenizerError(m) | ParserError::ParserError(m) => m,
    };
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, rest)) => {
            let mut numbers = rest.split(", Column: ").filter_map(|n| n.trim().parse::<u64>().ok());
            let place = match (numbers.next(), numbers.next()) {
                (Some(line), Some(column)) => Some(Place { line, column }),
                _ => None,
            };
            (what, place)
        }
        None => (message.as_str(), None),
    };
    let what = what.strip_prefix("sql parser error: ").unwrap_or(what);
    let mut what = shorten(what);
    if let Some(first) = what.get(..1).map(str::to_lowercase) {
        what.replace_range(..1, &first);
    }
    Refusal::new(Code::SyntaxError, what).at(place)
}

/// Collects the places of words and refuses names that begin with `_`.
fn spots(tokens: &[TokenWithSpan]) -> Result<Spots, Refusal> {
    let mut words = Vec::new();
    for t in tokens {
        let place = Place { line: t.span.start.line, column: t.span.start.column };
        if let Token::Word(word) = &t.token {
            if word.value.starts_with('_') {
                return Err(Refusal::new(
                    Code::ReservedName,
                    format!("`{}` begins with `_`", shorten(&word.value)),
                )
                .at(Some(place)));
            }
            if word.quote_style.is_none() {
                words.push((word.value.to_ascii_lowercase(), place));
            }
        }
    }
    Ok(Spots { words })
}

/// Numbers `?` from left to right.
struct Numbering {
    next: usize,
    highest: usize,
    bad: bool,
}

impl VisitorMut for Numbering {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(id) = &mut value.value {
            if id == "?" {
                self.next += 1;
                self.highest = self.highest.max(self.next);
                *id = format!("${}", self.next);
            } else {
                match id.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
                    Some(n @ 1..=100) => self.highest = self.highest.max(n),
                    _ => self.bad = true,
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// An allow-list over the tree: what is not known here is refused.
struct Check<'a> {
    spots: &'a Spots,
    found: Option<Refusal>,
}

impl Check<'_> {
    fn refuse(&mut self, refusal: Refusal) -> ControlFlow<()> {
        self.found.get_or_insert(refusal);
        ControlFlow::Break(())
    }

    fn unsupported(&mut self, what: &str, word: &str) -> ControlFlow<()> {
        let place = self.spots.first(word);
        self.refuse(
            Refusal::new(Code::UnsupportedSyntax, format!("`{what}` is not offered")).at(place),
        )
    }

    fn set_expr(&mut self, body: &SetExpr) -> ControlFlow<()> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {
                ControlFlow::Continue(())
            }
            SetExpr::SetOperation { left, right, set_quantifier, .. } => {
                if matches!(
                    set_quantifier,
                    SetQuantifier::ByName
                        | SetQuantifier::AllByName
                        | SetQuantifier::DistinctByName
                ) {
                    return self.unsupported("BY NAME", "by");
                }
                self.set_expr(left)?;
                self.set_expr(right)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.refuse(Refusal::new(
                    Code::NotASelect,
                    "a statement that changes data is not offered",
                ))
            }
            SetExpr::Table(_) => self.unsupported("TABLE", "table"),
        }
    }
}

impl Visitor for Check<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Query {
            with,
            body,
            order_by: _,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if with.as_ref().is_some_and(|w| w.recursive) {
            let place = self.spots.first("recursive");
            return self.refuse(
                Refusal::new(Code::RecursiveCte, "`WITH RECURSIVE` is not offered").at(place),
            );
        }
        if fetch.is_some() {
            return self.unsupported("FETCH", "fetch");
        }
        if !locks.is_empty() || for_clause.is_some() {
            return self.unsupported("FOR", "for");
        }
        if settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return self.unsupported("SETTINGS, FORMAT or |>", "settings");
        }
        if let Some(ast::LimitClause::LimitOffset { limit_by, .. }) = limit_clause
            && !limit_by.is_empty()
        {
            return self.unsupported("LIMIT BY", "limit");
        }
        self.set_expr(body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(Distinct::On(_)) = &select.distinct {
            let place = self.spots.first("distinct");
            return self
                .refuse(Refusal::new(Code::DistinctOn, "`DISTINCT ON` is not offered").at(place));
        }
        let odd = [
            (select.top.is_some(), "TOP", "top"),
            (select.into.is_some(), "INTO", "into"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW", "lateral"),
            (select.prewhere.is_some(), "PREWHERE", "prewhere"),
            (!select.connect_by.is_empty(), "CONNECT BY", "connect"),
            (!select.cluster_by.is_empty(), "CLUSTER BY", "cluster"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY", "distribute"),
            (!select.sort_by.is_empty(), "SORT BY", "sort"),
            (select.value_table_mode.is_some(), "AS STRUCT", "struct"),
            (select.exclude.is_some(), "EXCLUDE", "exclude"),
            (select.select_modifiers.is_some(), "a SELECT modifier", "select"),
            (!select.optimizer_hints.is_empty(), "a hint", "select"),
        ];
        for (present, what, word) in odd {
            if present {
                return self.unsupported(what, word);
            }
        }
        if let GroupByExpr::Expressions(keys, modifiers) = &select.group_by {
            if modifiers.iter().any(|m| matches!(m, ast::GroupByWithModifier::Totals)) {
                return self.unsupported("WITH TOTALS", "totals");
            }
            if !modifiers.is_empty() && keys.len() > MOST_CUBED {
                return self.refuse(too_many_sets().at(self.spots.first("with")));
            }
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAliases { .. } = item {
                return self.unsupported("several aliases", "as");
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name,
                alias: _,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() || *with_ordinality {
                    let place = place_of(name);
                    return self.refuse(
                        Refusal::new(
                            Code::TableFunction,
                            format!("`{}` is a table function", shorten(&name.to_string())),
                        )
                        .at(place),
                    );
                }
                if version.is_some()
                    || sample.is_some()
                    || json_path.is_some()
                    || !with_hints.is_empty()
                    || !partitions.is_empty()
                    || !index_hints.is_empty()
                {
                    return self.unsupported("an extra clause behind a table name", "from");
                }
                ControlFlow::Continue(())
            }
            TableFactor::Derived { sample, .. } => {
                if sample.is_some() {
                    self.unsupported("TABLESAMPLE", "tablesample")
                } else {
                    ControlFlow::Continue(())
                }
            }
            TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            _ => {
                let place = ["unnest", "generate_series", "range", "table", "pivot", "unpivot"]
                    .iter()
                    .find_map(|w| self.spots.first(w));
                self.refuse(
                    Refusal::new(Code::TableFunction, "rows come from tables only").at(place),
                )
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let f = match expr {
            Expr::Function(f) => f,
            // The planner would write them all out.
            Expr::Cube(parts) if parts.len() > MOST_CUBED => {
                return self.refuse(too_many_sets().at(self.spots.first("cube")));
            }
            Expr::Rollup(parts) if parts.len() >= MOST_SETS => {
                return self.refuse(too_many_sets().at(self.spots.first("rollup")));
            }
            Expr::GroupingSets(sets) if sets.len() > MOST_SETS => {
                return self.refuse(too_many_sets().at(self.spots.first("grouping")));
            }
            _ => return ControlFlow::Continue(()),
        };
        let name = function_name(&f.name);
        let place = place_of(&f.name);
        if functions::VOLATILE.contains(&name.as_str()) {
            return self.refuse(
                Refusal::new(
                    Code::VolatileFunction,
                    format!("`{}` gives another answer each time", shorten(&name)),
                )
                .at(place),
            );
        }
        if matches!(name.as_str(), "unnest" | "generate_series" | "range") {
            return self.refuse(
                Refusal::new(Code::TableFunction, format!("`{name}` makes rows")).at(place),
            );
        }
        if !functions::is_known(&name) {
            let refusal = Refusal::new(
                Code::FunctionNotOffered,
                format!("there is no function `{}`", shorten(&name)),
            )
            .at(place);
            return self
                .refuse(functions::otherwise(&name).into_iter().fold(refusal, Refusal::instead));
        }
        ControlFlow::Continue(())
    }
}

/// Most grouping sets of one table.
pub(crate) const MOST_SETS: usize = 64;
/// So many columns have as many subsets.
const MOST_CUBED: usize = 6;

pub(crate) fn too_many_sets() -> Refusal {
    Refusal::new(
        Code::TooManyKeys,
        format!("the statement has more than {MOST_SETS} grouping sets"),
    )
}

fn place_of(name: &ObjectName) -> Option<Place> {
    let ident: &Ident = name.0.first()?.as_ident()?;
    let start = ident.span.start;
    (start.line > 0).then_some(Place { line: start.line, column: start.column })
}
