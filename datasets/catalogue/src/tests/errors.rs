//! What is said of a description that cannot be right: the file, the place and what to do.

use super::{built_in, read};

/// A protected table that is right, but for what is added to it.
fn protected(columns: &str) -> String {
    format!(
        r#"
[[table]]
name = "reg.trial"
title = "Trial"
row = "One visit"
protected = {{ person = "patient", record = "visit", year = "fyear", date = "day" }}
columns = [
  {{ name = "patient", type = "Utf8", class = "pseudonym", meaning = "Token" }},
  {{ name = "visit", type = "Utf8", class = "record_key", meaning = "Number" }},
  {{ name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" }},
  {{ name = "day", type = "Date32", class = "quasi_identifier", meaning = "Day" }},
  {columns}
]
"#
    )
}

/// A public table with the given columns, keyed by `code`.
fn public(columns: &str) -> String {
    format!(
        r#"
[[table]]
name = "ref.thing"
title = "Things"
row = "One thing"
public = {{ key = ["code"] }}
columns = [ {columns} ]
"#
    )
}

const CODE: &str = r#"{ name = "code", type = "Utf8", class = "ordinary", meaning = "Code" }"#;

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let error = read(text).expect_err("a problem").to_string();
    for part in std::iter::once(&"test.toml: ").chain(parts) {
        assert!(error.contains(part), "`{error}` should contain `{part}`");
    }
}

#[track_caller]
fn column_refused(column: &str, problem: &str) {
    refused(&protected(column), &["table `reg.trial`, column `x`: ", problem]);
}

#[test]
fn the_plain_tables_of_these_tests_are_right() {
    assert!(read(&protected("")).is_ok());
    assert!(read(&public(CODE)).is_ok());
}

#[test]
fn unreadable_files_name_the_line() {
    refused("[[table]]\nname = \"ref.x\"\ncolour = 1\n", &["line 3: ", "unknown field `colour`"]);
    refused("[[table]]\nname = \"Ref.X\"\n", &["line 2: ", "is not a name"]);
    refused("[lists\n", &["line 1: "]);
}

#[test]
fn columns_name_what_is_wrong_with_them() {
    column_refused(
        r#"{ name = "x", type = "Text", class = "ordinary", meaning = "X" }"#,
        "type `Text` is not known; use Utf8",
    );
    column_refused(
        r#"{ name = "x", type = "Decimal128(16)", class = "ordinary", meaning = "X" }"#,
        "is not known",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary" }"#,
        "`type`, `class` and `meaning` are needed",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = " " }"#,
        "say in `meaning`",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "direct_identifier", meaning = "NHS number" }"#,
        "never stored here",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "pseudonym", meaning = "Mother", groupable = true }"#,
        "set `groupable = false`",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "record_key", meaning = "Number", groupable = true }"#,
        "never be grouped by",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "measure", meaning = "Kilometres" }"#,
        "its type must be a number",
    );
    column_refused(r#"{ name = "x", as_in = "reg.other" }"#, "`reg.other`, which is not described");
}

#[test]
fn codes_domains_and_bounds_fit_their_column() {
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", domain = "codes" }"#,
        "needs `codes`",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", codes = "unheard_of" }"#,
        "no code list is called `unheard_of`; state it under `[lists]`",
    );
    column_refused(
        r#"{ name = "x", type = "Int32", class = "ordinary", meaning = "X", codes = [["A", "a"]] }"#,
        "code `A` cannot stand in a column of this type",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", codes = [["A", "a"], ["A", "b"]] }"#,
        "code `A` stands twice",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", bounds = [0, 1] }"#,
        "bounds are for numbers",
    );
    column_refused(
        r#"{ name = "x", type = "Int32", class = "measure", meaning = "X", bounds = [1, 0] }"#,
        "the smallest first",
    );
    column_refused(
        r#"{ name = "x", type = "Int32", class = "measure", meaning = "X", bounds = [0, 1000], domain = "bounds" }"#,
        "at most 200 values",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", domain = "ref.none.code" }"#,
        "`ref.none`, which is not described",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", domain = "reg.trial.patient" }"#,
        "must be the key of a public table",
    );
    column_refused(
        r#"{ name = "x", type = "Utf8", class = "ordinary", meaning = "X", domain = "everything" }"#,
        "is not `codes`, `bounds` or a reference column",
    );
}

#[test]
fn names_are_stated_once_and_templates_whole() {
    let twice = r#"{ name = "day", type = "Utf8", class = "ordinary", meaning = "Again" }"#;
    refused(&protected(twice), &["column `day` stands at positions 4 and 5; keep one"]);
    let no_repeat = r#"{ name = "x_{:02}", type = "Utf8", class = "ordinary", meaning = "X" }"#;
    refused(&protected(no_repeat), &["needs both a place for the number"]);
    let no_place =
        r#"{ name = "x", repeat = [1, 2], type = "Utf8", class = "ordinary", meaning = "X" }"#;
    refused(&protected(no_place), &["needs both a place for the number"]);
    let hidden = r#"{ name = "_x", type = "Utf8", class = "ordinary", meaning = "X" }"#;
    refused(&protected(hidden), &["`_x` is not a name"]);
    let list = r#"{ name = "a", type = "Utf8", class = "sensitive", meaning = "A", list = "l" },
                  { name = "b", type = "Int32", class = "sensitive", meaning = "B", list = "l" }"#;
    refused(&protected(list), &["`a` and `b` are positions of the list `l`"]);
}

#[test]
fn people_records_years_and_dates_are_what_they_should_be() {
    let right = protected("");
    let person = right.replace(r#"class = "pseudonym""#, r#"class = "ordinary""#);
    refused(&person, &["the person column `patient` must have class `pseudonym` and type `Utf8`"]);
    let record = right.replace(r#"record = "visit""#, r#"record = "stay""#);
    refused(&record, &["the record column `stay` is not among its columns"]);
    let date = right.replace("Date32", "Utf8");
    refused(&date, &["the date column `day` must have", "type `Date32`"]);
    let nobody = right.replace("protected =", "public = { key = [\"day\"] }\nprotected =");
    refused(&nobody, &["say whose rows these are"]);
}

#[test]
fn public_tables_have_a_key_and_nothing_about_people() {
    refused(&public(CODE).replace(r#"key = ["code"]"#, "key = []"), &["needs a `key`"]);
    refused(
        &public(CODE).replace(r#"key = ["code"]"#, r#"key = ["id"]"#),
        &["key column `id` is not among"],
    );
    let personal = format!(
        r#"{CODE}, {{ name = "who", type = "Utf8", class = "pseudonym", meaning = "Token" }}"#
    );
    refused(&public(&personal), &["column `who` is about single people"]);
    refused(&public(CODE).replace("ref.thing", "my.thing"), &["the group `my` is reserved"]);
}

#[test]
fn stated_rows_are_whole_and_unique() {
    let rows = |block: &str| format!("{}\n[[rows]]\ntable = \"ref.thing\"\n{block}", public(CODE));
    assert!(
        read(&rows(
            r#"columns = ["code"]
rows = [["A"], ["B"]]"#
        ))
        .is_ok()
    );
    refused(
        &rows("columns = [\"code\"]\nrows = [[\"A\"], [\"A\"]]"),
        &["the key `A` is empty or stands twice"],
    );
    refused(
        &rows("columns = [\"code\"]\nrows = [[\"A\", \"B\"]]"),
        &["begins with `A` has 2 values"],
    );
    refused(
        &rows("columns = [\"title\"]\nrows = [[\"A\"]]"),
        &["must name every column of the table once"],
    );
    refused(
        "[[rows]]\ntable = \"ref.x\"\ncolumns = []\nrows = []",
        &["describe the table along with its rows"],
    );
    let list = public(CODE).replace("public =", "rows_from = \"none\"\npublic =");
    refused(&list, &["no code list is called `none`"]);
}

#[test]
fn what_is_known_is_never_replaced() {
    for (text, problem) in [
        (public(CODE).replace("ref.thing", "ref.sex"), "table `ref.sex` is described already"),
        ("[lists]\nsex = [[\"1\", \"One\"]]".to_owned(), "list `sex` is stated already"),
        (
            "[[rows]]\ntable = \"ref.sex\"\ncolumns = []\nrows = []".to_owned(),
            "describe the table along with its rows",
        ),
    ] {
        let error =
            built_in().with([("more.toml".to_owned(), text)]).expect_err("a problem").to_string();
        assert!(error.starts_with("more.toml: ") && error.contains(problem), "{error}");
    }
}
