use super::*;

fn refused(sql: &str) -> bool {
    let dialect = sqlparser::dialect::GenericDialect {};
    let mut parsed = sqlparser::parser::Parser::parse_sql(&dialect, sql).unwrap();
    check(&parsed.remove(0)).is_err()
}

/// Each CTE names the one before it twice.
fn doubled(levels: usize, quoted: bool) -> String {
    let name = |n: usize| if quoted { format!("\"A{n}\"") } else { format!("a{n}") };
    let ctes: Vec<String> = (1..=levels)
        .map(|n| {
            let before = name(n - 1);
            format!("{} AS (SELECT * FROM {before} UNION ALL SELECT * FROM {before})", name(n))
        })
        .collect();
    let first = name(0);
    format!(
        "WITH {first} AS (SELECT sex FROM hes.apc), {} SELECT count(*) FROM {}",
        ctes.join(", "),
        name(levels)
    )
}

#[test]
fn what_doubles_with_every_line_is_refused() {
    assert!(!refused(&doubled(7, false)));
    for levels in [8, 9, 20, 60] {
        assert!(refused(&doubled(levels, false)) && refused(&doubled(levels, true)));
    }
}

#[test]
fn ctes_count_where_they_are_named_joins_and_subqueries_too() {
    let many = vec!["a x"; 201];
    let aliases: Vec<String> = many.iter().enumerate().map(|(n, a)| format!("{a}{n}")).collect();
    let join = aliases.join(" CROSS JOIN ");
    assert!(refused(&format!("WITH a AS (SELECT 1) SELECT 1 FROM {join}")));
    // Named never, or from within another, or hidden by an inner one of the same name.
    assert!(!refused(&format!(
        "WITH a AS (SELECT 1), b AS (SELECT 1 FROM {join}) SELECT 1 FROM a"
    )));
    let large = "WITH b AS (SELECT 1 FROM t JOIN t u ON true JOIN t v ON true) ";
    let nested = format!("{large}SELECT 1 FROM (SELECT * FROM b) x WHERE 1 IN (SELECT 1 FROM b)");
    assert!(!refused(&nested));
    let hidden = format!(
        "{} WHERE EXISTS (WITH a8 AS (SELECT 1) SELECT 1 FROM a8)",
        doubled(8, false).replace("FROM a8", "FROM a1")
    );
    assert!(!refused(&hidden));
    assert!(refused(&format!("SELECT ({})", doubled(9, false))));
}
