//! `docs/refusals.md` is written from the codes.

use std::fmt::Write as _;

use anyhow::Result;
use cordon_disclosure::{Code, Family};
use cordon_engine::Stop;
use cordon_tests::World;

use super::same_or_rewritten;

const INTRODUCTION: &str = "\
# Refusals

A refusal is Cordon working: it names the rule, the place in the statement where that can be told, and what to
write instead. It never tells a count, a value, or which person or group was small. Small figures are no reason
to refuse: they are suppressed in the table.

Every refusal and failure ends with its code, on every door. A driver that shows one line shows

```text
`pseudo_hesid` stands in the SELECT list, where it would name single patients (line 1, column 8); try: count(distinct pseudo_hesid) AS patients (CORDON-D110)
```

and the same stands beside it in parts for programs: gRPC trailers `cordon-code`, `cordon-query-id` and
`cordon-problem-bin` (JSON).
";

const FAMILIES: &[(Family, &str, &str)] = &[
    (
        Family::Agreement,
        "Agreement and sign-in",
        "Who may ask, under which agreement, today. What an agreement does not grant is never refused here: it \
         does not exist for its analysts, and meets the same words as a name that was made up (CORDON-S201, \
         CORDON-S202). Over Flight SQL: `PERMISSION_DENIED`, or `UNAUTHENTICATED` without a valid token.",
    ),
    (
        Family::Sql,
        "SQL",
        "The text is not a statement that can be planned over the tables and columns that exist for you. Nothing \
         has been read from any table. Over Flight SQL: `INVALID_ARGUMENT`.",
    ),
    (
        Family::Disclosure,
        "Disclosure",
        "The statement can be understood, and its answer could tell about single people. These rules read the \
         statement, the catalogue and the agreement, never the data: the same statement is refused whatever \
         the tables hold. [What an analyst may write](sql.md) has the rules in one piece. Over Flight SQL: \
         `INVALID_ARGUMENT`.",
    ),
    (
        Family::Operational,
        "Operation",
        "The system could not, and nothing left. The cause stays in the operator's log, under the error id that \
         the message carries: the text of an engine's error may quote data.",
    ),
];

#[test]
fn every_code_has_its_page() -> Result<()> {
    same_or_rewritten("docs/refusals.md", &pages())
}

fn pages() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (family, title, introduction) in FAMILIES {
        let _ = write!(text, "\n## {title}\n\n{}\n", wrapped(introduction));
        for code in Code::ALL.iter().filter(|code| code.family() == *family) {
            let page = code.page();
            let _ = write!(
                text,
                "\n### {}\n\n**{}.** {}.\n\n- Example: {}\n- Try: {}\n",
                page.id,
                page.title,
                plain(&capital(page.rule)),
                plain(page.example),
                plain(page.remedy),
            );
        }
    }
    text
}

#[test]
fn no_family_is_left_out() {
    for code in Code::ALL {
        let family = code.family();
        assert!(FAMILIES.iter().any(|(known, ..)| *known == family), "{}", code.id());
    }
}

/// Where the example of a page is a whole statement, asking it gives the page's code.
#[tokio::test(flavor = "multi_thread")]
async fn every_example_that_is_a_statement_meets_its_code() -> Result<()> {
    let world = World::new(200).await?;
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let Some(statement) = statement(code.page().example) else { continue };
        let told = match world.ask("referee", statement).await? {
            Ok(_) => "an answer",
            Err(Stop::Refused(refusal)) => refusal.code.id(),
            Err(Stop::Failed(failure)) => failure.code.id(),
        };
        if told != code.id() {
            wrong.push(format!("{}: {statement} meets {told}", code.id()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The statement, when an example is one and nothing else.
fn statement(example: &str) -> Option<&str> {
    let text = example.strip_prefix('`')?.strip_suffix('`')?;
    let whole = ["SELECT ", "SELEC ", "INSERT ", "WITH "].iter().any(|verb| text.starts_with(verb));
    (whole && !text.contains('`') && !text.contains("...")).then_some(text)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Outside backticks, signs that Markdown would take for its own.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut code = false;
    for sign in text.chars() {
        code ^= sign == '`';
        if !code && matches!(sign, '*' | '<' | '[') {
            shown.push('\\');
        }
        shown.push(sign);
    }
    shown
}

/// Lines of at most 110 signs.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, String::len);
        if last > 0 && last + 1 + word.len() > 110 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
