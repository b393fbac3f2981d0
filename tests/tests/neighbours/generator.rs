//! Statements made at random from the catalogue's columns and the people's values, the same for the same seed.

mod pieces;
mod pool;

use std::collections::BTreeMap;

use super::statement::{Above, Piece, Statement};
use pieces::{condition, figure, key, people};
use pool::{Column, Picked, Table};
pub(crate) use pool::{Draw, Pool};

/// Where rows come from; the place of the table whose columns are there under the alias `a`.
fn from(draw: &mut Draw, pool: &Pool) -> (Option<Piece>, Piece, usize) {
    let place = draw.below(pool.0.len());
    let table = &pool.0[place];
    let other = draw.of(&pool.0);
    let third = draw.of(&pool.0);
    let (name, date) = (table.name, &draw.of(&table.dates).name);
    let inner = condition(draw, table, "s");
    let once = |t: &Table| {
        format!("(SELECT pseudo_hesid, count(*) AS m FROM {} GROUP BY pseudo_hesid)", t.name)
    };
    let number = &draw.of(&table.numbers).name;
    let code = &draw.of(&table.codes).name;
    let (with, from, is): (_, _, &[&'static str]) = match draw.below(24) {
        8 => (
            None,
            format!("{} b RIGHT JOIN {name} a ON a.pseudo_hesid = b.pseudo_hesid", once(other)),
            &["right join", "per person"],
        ),
        9 => (
            None,
            format!(
                "{name} a JOIN (SELECT pseudo_hesid, max({number}) AS most, min({date}) AS first FROM {name} GROUP BY pseudo_hesid) b \
                 ON a.pseudo_hesid = b.pseudo_hesid AND a.{date} = b.first"
            ),
            &["join", "per person"],
        ),
        10 => (
            None,
            format!(
                "(SELECT * FROM {name} s WHERE {} UNION ALL SELECT * FROM {name} s WHERE s.{code} IS NULL) a",
                inner.text
            ),
            &["union of rows"],
        ),
        11 => (
            None,
            format!(
                "(SELECT * FROM {name} s WHERE s.{number} >= (SELECT avg({number}) FROM {name})) a"
            ),
            &["scalar subquery"],
        ),
        12 => (
            None,
            format!(
                "{name} a JOIN (SELECT {code} AS c, count(*) AS n FROM {name} GROUP BY 1) b ON a.{code} = b.c"
            ),
            &["join", "joined with figures"],
        ),
        13 => (
            None,
            format!(
                "(SELECT *, sum({number}) OVER (PARTITION BY pseudo_hesid ORDER BY {date} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM {name}) a"
            ),
            &["window per person"],
        ),
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
    (with, Piece::new(from, is), place)
}

fn above(draw: &mut Draw, keys: usize, table: &Table) -> Above {
    let around = |before: &str, after: &str, is: &[&'static str]| {
        Above::Around(Piece::new(format!("{before} FROM"), is), after.to_owned())
    };
    match draw.below(22) {
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
        9 if keys > 0 => {
            around("SELECT *, sum(f0) OVER (ORDER BY k0) AS so_far", "", &["window over figures"])
        }
        10 => around(
            "SELECT *",
            "QUALIFY rank() OVER (ORDER BY f0 DESC) <= 3",
            &["QUALIFY", "window over figures"],
        ),
        11 => around(
            "SELECT round(avg(f0), 3) AS mean, min(f0) AS least, count(f0) AS shown",
            "WHERE f0 > 0",
            &["figures of figures"],
        ),
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

/// What a clever analyst asks after that one: the same again, of fewer or more people, of the others, with other figures.
pub(crate) fn next(draw: &mut Draw, pool: &Pool, before: &Statement) -> Statement {
    if before.whole.is_some() {
        return hostile(draw, pool);
    }
    let mut next = before.clone();
    let table = &pool.0[before.table];
    match (draw.below(8), next.conditions.pop()) {
        (0, Some(condition)) => {
            let text = format!("NOT ({})", condition.text);
            next.conditions.push(Piece { text, ..condition });
        }
        // One condition less.
        (1..=2, Some(_)) => {}
        (3, last) => {
            next.conditions.extend(last);
            next.figures = vec![figure(draw, table, "a")];
        }
        (4, last) => {
            next.conditions.extend(last);
            next.keys.push(key(draw, table, "a"));
        }
        (5, last) => next.conditions.extend(last),
        (_, last) => {
            next.conditions.extend(last);
            next.conditions.push(condition(draw, table, "a"));
        }
    }
    next
}

pub(crate) fn plain(draw: &mut Draw, pool: &Pool) -> Statement {
    let (with, from, place) = from(draw, pool);
    let table = &pool.0[place];
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
        table: place,
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
