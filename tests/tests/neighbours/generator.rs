//! Statements made at random from the catalogue's columns and the people's values, the same for the same seed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use cordon_catalogue::Class;
use cordon_tests::World;
use datafusion::datasource::MemTable;
use futures::executor::block_on;

use super::statement::{Above, Piece, Statement};

/// Numbers that follow from a seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// In so many of a hundred cases.
    fn once_in(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// A column with values that occur in it; those of the people in whom the houses differ come first.
struct Column {
    name: String,
    values: Vec<String>,
    targets: usize,
}

/// The columns of a table by what can be done with them.
struct Table {
    name: &'static str,
    codes: Vec<Column>,
    numbers: Vec<Column>,
    dates: Vec<Column>,
}

/// What statements are made of.
pub(crate) struct Pool(Vec<Table>);

/// Of each column at most so many values.
const VALUES: usize = 12;

impl Pool {
    pub(crate) fn of(world: &World, targets: &[String]) -> Result<Self> {
        let mut tables = Vec::new();
        for name in ["hes.apc", "hes.op", "hes.ae"] {
            let described = world.engine.catalogue().table(&name.parse()?).context("a table")?;
            let provider = block_on(world.truth.table_provider(name))?;
            let rows = provider.downcast_ref::<MemTable>().context("rows in memory")?;
            let mut batches = Vec::new();
            for part in &rows.batches {
                batches.extend(block_on(part.read()).iter().cloned());
            }
            let mut table = Table { name, codes: vec![], numbers: vec![], dates: vec![] };
            for column in &described.columns {
                let values = values(&batches, column.name.as_str(), targets)?;
                if values.values.is_empty() {
                    continue;
                }
                let text = matches!(column.data_type, DataType::Utf8);
                match (&column.data_type, column.class) {
                    (_, Class::Pseudonym | Class::RecordKey | Class::DirectIdentifier) => {}
                    (DataType::Date32, _) => table.dates.push(values),
                    _ if text && column.groupable => table.codes.push(values),
                    _ if !text && column.bounds.is_some() => table.numbers.push(values),
                    _ => {}
                }
            }
            tables.push(table);
        }
        Ok(Self(tables))
    }
}

fn values(batches: &[RecordBatch], name: &str, targets: &[String]) -> Result<Column> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for batch in batches {
        let Some(column) = batch.column_by_name(name) else { continue };
        let people = batch.column_by_name("pseudo_hesid").context("people")?;
        let options = FormatOptions::default();
        let (values, people) = (
            ArrayFormatter::try_new(column, &options)?,
            ArrayFormatter::try_new(people, &options)?,
        );
        for row in (0..batch.num_rows()).filter(|row| column.is_valid(*row)) {
            let value = values.value(row).to_string();
            let list = if targets.contains(&people.value(row).to_string()) {
                &mut own
            } else {
                &mut others
            };
            if list.len() < VALUES && !list.contains(&value) {
                list.push(value);
            }
        }
    }
    let targets = own.len();
    own.append(&mut others);
    Ok(Column { name: name.to_owned(), values: own, targets })
}

/// A column of the row called `alias`, and one of its values.
struct Picked<'a> {
    column: &'a Column,
    alias: &'a str,
}

impl Picked<'_> {
    fn text(&self) -> String {
        format!("{}.{}", self.alias, self.column.name)
    }

    /// A value, mostly of the people in whom the houses differ.
    fn value(&self, draw: &mut Draw) -> (String, bool) {
        let targets = self.column.targets;
        let own = targets > 0 && draw.once_in(60);
        let place = if own { draw.below(targets) } else { draw.below(self.column.values.len()) };
        (self.column.values[place].replace('\'', "''"), own)
    }
}

fn quoted(value: &str) -> String {
    format!("'{value}'")
}

fn with_target(mut piece: Piece, own: bool) -> Piece {
    if own {
        piece.is.push("target's values");
    }
    piece
}

/// A condition on one row.
fn condition(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let code = Picked { column: draw.of(&table.codes), alias };
    let number = Picked { column: draw.of(&table.numbers), alias };
    let date = Picked { column: draw.of(&table.dates), alias };
    let ((value, own), (other, _)) = (code.value(draw), code.value(draw));
    let (text, value, other) = (code.text(), quoted(&value), quoted(&other));
    let (n, n_own) = number.value(draw);
    let (day, day_own) = date.value(draw);
    match draw.below(14) {
        0 => with_target(Piece::new(format!("{text} = {value}"), &[]), own),
        1 => with_target(Piece::new(format!("{text} <> {value}"), &[]), own),
        2 => with_target(Piece::new(format!("{text} IN ({value}, {other})"), &["IN"]), own),
        3 => with_target(Piece::new(format!("NOT ({text} = {value})"), &["NOT"]), own),
        4 => with_target(Piece::new(format!("{text} = {value} OR {text} = {other}"), &["OR"]), own),
        5 => Piece::new(format!("{text} IS NULL"), &["NULL"]),
        6 => Piece::new(format!("{text} IS NOT NULL"), &["NULL", "NOT"]),
        7 => {
            let prefix: String = value.trim_matches('\'').chars().take(1).collect();
            with_target(Piece::new(format!("{text} LIKE '{prefix}%'"), &["LIKE"]), own)
        }
        8 => with_target(Piece::new(format!("{} <> {n}", number.text()), &[]), n_own),
        9 => with_target(
            Piece::new(format!("{} BETWEEN 0 AND {n}", number.text()), &["BETWEEN"]),
            n_own,
        ),
        10 => with_target(Piece::new(format!("{} > {n}", number.text()), &[]), n_own),
        11 => with_target(Piece::new(format!("{} <> DATE '{day}'", date.text()), &[]), day_own),
        12 => with_target(Piece::new(format!("{} <= DATE '{day}'", date.text()), &[]), day_own),
        _ => Piece::new(format!("CAST({} AS BIGINT) >= 0", number.text()), &["CAST"]),
    }
}

fn key(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let number = Picked { column: draw.of(&table.numbers), alias }.text();
    let date = Picked { column: draw.of(&table.dates), alias }.text();
    match draw.below(10) {
        0 => Piece::new(format!("date_part('year', {date})"), &["date part"]),
        1 => Piece::new(
            format!(
                "CASE WHEN {number} < 5 THEN 'low' WHEN {number} < 50 THEN 'middle' ELSE 'high' END"
            ),
            &["CASE"],
        ),
        2 => Piece::new(format!("{alias}.fyear"), &[]),
        3 if table.name == "hes.apc" => Piece::new(format!("{alias}.sex"), &[]),
        _ => Piece::new(Picked { column: draw.of(&table.codes), alias }.text(), &[]),
    }
}

fn figure(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let number = Picked { column: draw.of(&table.numbers), alias }.text();
    let code = Picked { column: draw.of(&table.codes), alias }.text();
    let date = Picked { column: draw.of(&table.dates), alias }.text();
    let which = condition(draw, table, alias);
    let with = |text: String, is: &[&'static str]| {
        let mut piece = Piece::new(text, is);
        piece.is.extend(&which.is);
        piece
    };
    match draw.below(22) {
        0..=3 => Piece::new("count(*)", &["count rows"]),
        4..=6 => Piece::new(
            format!("count(DISTINCT {alias}.pseudo_hesid)"),
            &["count persons", "DISTINCT"],
        ),
        7 => Piece::new(format!("count({code})"), &["count rows", "NULL"]),
        8..=9 => Piece::new(format!("sum({number})"), &["sum"]),
        10 => Piece::new(format!("avg({number})"), &["mean"]),
        11 => Piece::new(format!("median({number})"), &["median"]),
        12 => Piece::new(format!("stddev({number})"), &["deviation"]),
        13 => Piece::new(format!("count(DISTINCT {code})"), &["count codes", "DISTINCT"]),
        14..=15 => {
            with(format!("count(*) FILTER (WHERE {})", which.text), &["count rows", "FILTER"])
        }
        16 => with(format!("sum(CASE WHEN {} THEN {number} END)", which.text), &["sum", "CASE"]),
        17 => with(
            format!("sum(CASE WHEN {} THEN 1 ELSE 0 END)", which.text),
            &["count rows", "CASE"],
        ),
        18 => with(
            format!("count(DISTINCT CASE WHEN {} THEN {alias}.pseudo_hesid END)", which.text),
            &["count persons", "CASE", "DISTINCT"],
        ),
        _ => {
            let texts = [
                format!("max({number})"),
                format!("min({date})"),
                format!("array_agg({code})"),
                format!("sum({number} * 1000000)"),
                format!("sum(CASE WHEN {} THEN 1e9 ELSE 0 END)", which.text),
                format!("sum(CASE WHEN {} THEN CAST('NaN' AS DOUBLE) ELSE 0 END)", which.text),
                format!("sum(power({number}, 20))"),
                format!("sum(1 / ({number} - 3))"),
                format!("count(*) FILTER (WHERE 1 / ({number} - 3) = 1)"),
                format!("avg(CAST({code} AS INT))"),
                format!("first_value({code})"),
                "sum(random())".to_owned(),
                format!("bit_xor({number})"),
                format!("approx_distinct({code})"),
                format!("count(*) FILTER (WHERE {number} * 9000000000000000000 > 0)"),
            ];
            Piece::new(draw.of(&texts).clone(), &["hostile expression"])
        }
    }
}

/// A subquery of people who have a row like this.
fn people(draw: &mut Draw, table: &Table, alias: &str) -> Piece {
    let inner = condition(draw, table, "s");
    let name = table.name;
    let (text, is) = match draw.below(3) {
        0 => (
            format!(
                "{alias}.pseudo_hesid IN (SELECT s.pseudo_hesid FROM {name} s WHERE {})",
                inner.text
            ),
            "semi join",
        ),
        1 => (
            format!(
                "EXISTS (SELECT 1 FROM {name} s WHERE s.pseudo_hesid = {alias}.pseudo_hesid AND ({}))",
                inner.text
            ),
            "semi join",
        ),
        _ => (
            format!(
                "NOT EXISTS (SELECT 1 FROM {name} s WHERE s.pseudo_hesid = {alias}.pseudo_hesid AND ({}))",
                inner.text
            ),
            "anti join",
        ),
    };
    let mut piece = Piece::new(text, &[is]);
    piece.is.extend(inner.is);
    piece
}

/// Where rows come from; the table whose columns are there under the alias `a`.
fn from<'p>(draw: &mut Draw, pool: &'p Pool) -> (Option<Piece>, Piece, &'p Table) {
    let table = draw.of(&pool.0);
    let other = draw.of(&pool.0);
    let third = draw.of(&pool.0);
    let (name, date) = (table.name, &draw.of(&table.dates).name);
    let inner = condition(draw, table, "s");
    let once = |t: &Table| {
        format!("(SELECT pseudo_hesid, count(*) AS m FROM {} GROUP BY pseudo_hesid)", t.name)
    };
    let (with, from, is): (_, _, &[&'static str]) = match draw.below(16) {
        0 => (
            None,
            format!("{name} a JOIN {} b ON a.pseudo_hesid = b.pseudo_hesid", once(other)),
            &["join", "per person"],
        ),
        1 => (
            None,
            format!("{name} a LEFT JOIN {} b ON a.pseudo_hesid = b.pseudo_hesid", once(other)),
            &["left join", "per person"],
        ),
        2 => (
            None,
            format!(
                "{name} a JOIN {name} b ON a.pseudo_hesid = b.pseudo_hesid AND b.{date} > a.{date}"
            ),
            &["join", "self join"],
        ),
        3 => (
            None,
            format!(
                "{name} a JOIN {} b ON a.pseudo_hesid = b.pseudo_hesid JOIN {} c ON a.pseudo_hesid = c.pseudo_hesid",
                once(other),
                once(third)
            ),
            &["join", "three tables", "per person"],
        ),
        4 => (
            Some(Piece::new(
                format!("WITH w AS (SELECT * FROM {name} s WHERE {})", inner.text),
                &["CTE"],
            )),
            "w a".to_owned(),
            &["CTE"],
        ),
        5 => (
            None,
            format!(
                "(SELECT *, row_number() OVER (PARTITION BY pseudo_hesid ORDER BY {date}) AS nth FROM {name}) a"
            ),
            &["window per person"],
        ),
        6 => (
            None,
            format!(
                "(SELECT *, lag({date}) OVER (PARTITION BY pseudo_hesid ORDER BY {date}) AS before FROM {name}) a"
            ),
            &["window per person"],
        ),
        7 if name == "hes.apc" => (
            None,
            format!("{name} a JOIN ref.icd10 r ON a.diag_3_01 = r.code"),
            &["join", "reference table"],
        ),
        _ => (None, format!("{name} a"), &[]),
    };
    (with, Piece::new(from, is), table)
}

fn above(draw: &mut Draw, keys: usize, table: &Table) -> Above {
    let around = |before: &str, after: &str, is: &[&'static str]| {
        Above::Around(Piece::new(format!("{before} FROM"), is), after.to_owned())
    };
    match draw.below(18) {
        0 => around(
            "SELECT *, rank() OVER (ORDER BY f0 DESC) AS place",
            "",
            &["window over figures"],
        ),
        1 if keys > 0 => around(
            "SELECT *, sum(f0) OVER (PARTITION BY k0) AS together",
            "",
            &["window over figures"],
        ),
        2 => around(
            "SELECT count(*) AS groups, sum(f0) AS together, max(f0) AS most",
            "",
            &["figures of figures"],
        ),
        3 => around("SELECT *", "CROSS JOIN (VALUES (1), (2)) v(x)", &["VALUES"]),
        4 => around(
            "SELECT *",
            "WHERE f0 > (SELECT count(*) FROM hes.apc) / 50",
            &["scalar subquery"],
        ),
        5 => around("SELECT DISTINCT f0", "", &["DISTINCT", "figures of figures"]),
        6 => Above::Beside(Piece::new("UNION ALL", &["UNION ALL"]), condition(draw, table, "a")),
        7 => Above::Beside(Piece::new("EXCEPT", &["EXCEPT"]), condition(draw, table, "a")),
        8 => Above::Beside(Piece::new("INTERSECT", &["INTERSECT"]), condition(draw, table, "a")),
        _ => Above::Nothing,
    }
}

/// What a clever, patient analyst would try, with the values of one person.
fn hostile(draw: &mut Draw, pool: &Pool) -> Statement {
    let table = draw.of(&pool.0);
    let name = table.name;
    let (code, second) = (draw.of(&table.codes), draw.of(&table.codes));
    let (number, date) = (&draw.of(&table.numbers).name, draw.of(&table.dates));
    let value = |draw: &mut Draw, c: &Column| Picked { column: c, alias: "" }.value(draw).0;
    let (v, w, d) = (value(draw, code), value(draw, second), value(draw, date));
    let (code, second, date) = (&code.name, &second.name, &date.name);
    let target = format!("{code} = '{v}' AND {second} = '{w}' AND {date} = DATE '{d}'");
    let texts = [
        format!("SELECT * FROM {name}"),
        format!("SELECT pseudo_hesid FROM {name} WHERE {target}"),
        format!("SELECT count(*) FROM {name} WHERE {target}"),
        format!("SELECT count(*) FROM {name} WHERE NOT ({target})"),
        format!("SELECT {code}, count(*) FROM {name} WHERE NOT ({target}) GROUP BY 1"),
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {name} WHERE {target}) THEN 'a' ELSE 'b' END AS x"
        ),
        format!("SELECT 1 / (SELECT count(*) FROM {name} WHERE {target}) AS x"),
        format!(
            "SELECT count(*) FROM (SELECT * FROM {name} WHERE {target} UNION ALL SELECT * FROM {name}) t"
        ),
        format!("SELECT {code}, count(*) AS n FROM {name} GROUP BY 1 HAVING count(*) = 3"),
        format!("SELECT {code}, count(*) AS n FROM {name} GROUP BY 1 HAVING max({number}) > 50"),
        format!(
            "SELECT {code}, count(*) AS n FROM {name} GROUP BY 1 ORDER BY max({number}) LIMIT 1"
        ),
        format!("SELECT {code}, count(*) AS n FROM {name} GROUP BY 1 ORDER BY n LIMIT 1"),
        format!(
            "SELECT {code}, count(*) AS n FROM {name} GROUP BY 1 ORDER BY n DESC, 1 LIMIT 3 OFFSET 2"
        ),
        format!(
            "SELECT count(*) FROM {name} CROSS JOIN (VALUES (1), (2), (3)) v(x) WHERE {target}"
        ),
        format!("SELECT count(DISTINCT p) FROM (SELECT row_number() OVER () AS p FROM {name}) t"),
        format!("SELECT count(*) FROM {name} WHERE random() < 0.5"),
        format!("SELECT count(*) FROM {name} WHERE pseudo_hesid LIKE 'A%'"),
        format!("SELECT substr(pseudo_hesid, 1, 2) AS p, count(*) FROM {name} GROUP BY 1"),
        format!(
            "SELECT sum(n * n) AS s FROM (SELECT {code}, count(*) AS n FROM {name} GROUP BY 1) t"
        ),
        format!(
            "SELECT sum(n) AS s FROM (SELECT pseudo_hesid, count(*) AS n FROM {name} WHERE {target} GROUP BY 1) t"
        ),
        format!(
            "SELECT n, count(*) AS people FROM (SELECT pseudo_hesid, count(*) AS n FROM {name} GROUP BY 1) t GROUP BY n"
        ),
        format!("EXPLAIN ANALYZE SELECT count(*) FROM {name} WHERE {target}"),
        format!("EXPLAIN SELECT count(*) FROM {name} WHERE {target}"),
        format!("SELECT arrow_typeof(count(*)) AS t FROM {name} WHERE {target}"),
        format!("SELECT count(*) FROM {name} WHERE CAST({code} AS INT) = 5"),
        format!("SELECT count(*) FROM {name} WHERE {number} / ({number} - {number}) > 0"),
        format!(
            "SELECT repeat('x', CASE WHEN EXISTS (SELECT 1 FROM {name} WHERE {target}) THEN 9999999 ELSE 1 END) AS r"
        ),
        format!(
            "SELECT count(*) FROM {name} a LEFT JOIN (SELECT * FROM {name} WHERE {target}) b ON a.pseudo_hesid = b.pseudo_hesid WHERE b.pseudo_hesid IS NULL"
        ),
        format!("SELECT count(*) FROM {name} a JOIN {name} b ON a.{code} = b.{code}"),
        format!("SELECT corr({number}, CASE WHEN {target} THEN 1 ELSE 0 END) AS c FROM {name}"),
        format!("COPY (SELECT * FROM {name}) TO '/tmp/x.csv'"),
        "SELECT * FROM information_schema.tables".to_owned(),
        format!("SELECT (SELECT count(*) FROM {name} WHERE {target}) = 1 AS x"),
        format!("SELECT count(*) - count({code}) AS missing FROM {name} WHERE {second} = '{w}'"),
        format!(
            "SELECT {code}, count(*) AS n, count(*) FILTER (WHERE NOT ({target})) AS m FROM {name} GROUP BY 1"
        ),
        format!(
            "SELECT sum(CASE WHEN {target} THEN {number} END) AS s, sum({number}) AS a FROM {name}"
        ),
        format!(
            "SELECT * FROM (SELECT {code}, count(*) AS n FROM {name} GROUP BY 1) t WHERE n IS NULL"
        ),
        format!("SELECT count(*) FROM {name} TABLESAMPLE BERNOULLI (50)"),
    ];
    let text = draw.of(&texts).clone();
    Statement { whole: Some(Piece::new(text, &["hostile statement"])), ..plain(draw, pool) }
}

pub(crate) fn statement(draw: &mut Draw, pool: &Pool) -> Statement {
    if draw.once_in(12) { hostile(draw, pool) } else { plain(draw, pool) }
}

pub(crate) fn plain(draw: &mut Draw, pool: &Pool) -> Statement {
    let (with, from, table) = from(draw, pool);
    let mut keys: BTreeMap<String, Piece> = BTreeMap::new();
    for _ in 0..draw.below(4) {
        let key = key(draw, table, "a");
        keys.insert(key.text.clone(), key);
    }
    let keys: Vec<Piece> = keys.into_values().collect();
    let mut conditions: Vec<Piece> =
        (0..draw.below(3)).map(|_| condition(draw, table, "a")).collect();
    if draw.once_in(15) {
        let other = draw.of(&pool.0);
        conditions.push(people(draw, other, "a"));
    }
    let figures: Vec<Piece> = (0..=draw.below(3)).map(|_| figure(draw, table, "a")).collect();
    let sets = (!keys.is_empty() && draw.once_in(20)).then(|| {
        let sets = *draw.of(&["ROLLUP", "CUBE", "GROUPING SETS"]);
        Piece::new(sets, &[sets])
    });
    let having = (!keys.is_empty() && draw.once_in(12))
        .then(|| Piece::new(format!("count(*) > {}", draw.below(40)), &["HAVING"]));
    let above = above(draw, keys.len(), table);
    let alone = matches!(above, Above::Nothing);
    let order = (alone && draw.once_in(30)).then(|| {
        let direction = draw.of(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        Piece::new(format!("ORDER BY f0{direction}"), &["ORDER BY"])
    });
    let limit = (alone && draw.once_in(20)).then(|| match draw.once_in(50) {
        true => Piece::new("LIMIT 3", &["LIMIT"]),
        false => Piece::new("LIMIT 3 OFFSET 1", &["LIMIT", "OFFSET"]),
    });
    Statement {
        whole: None,
        with,
        from,
        conditions,
        keys,
        sets,
        figures,
        having,
        order,
        limit,
        above,
        with_status: draw.once_in(15),
        with_errors: draw.once_in(15),
        parameter: draw.once_in(6),
    }
}
