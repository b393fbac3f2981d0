//! `docs/sql.md` names the functions that the engine offers.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use cordon_tests::World;

use super::{read, same_or_rewritten};

const PAGE: &str = "docs/sql.md";
const LISTS: &[&str] =
    &["PERSON_AGGREGATE", "PUBLIC_SCALAR", "OUTER_AGGREGATE", "WINDOW", "VOLATILE"];

#[test]
fn the_lists_of_functions_are_those_of_the_engine() -> Result<()> {
    let source = read("server/engine/src/functions.rs")?;
    let mut page = read(PAGE)?;
    for list in LISTS {
        let (begin, end) = (format!("<!-- {list} -->\n"), "<!-- end -->");
        let (before, rest) =
            page.split_once(&begin).with_context(|| format!("no place for {list}"))?;
        let (_, after) = rest.split_once(end).with_context(|| format!("no end of {list}"))?;
        page = format!("{before}{begin}{}\n{end}{after}", shown(&source, list)?);
    }
    same_or_rewritten(PAGE, &page)
}

/// The names of one list, as the page shows them.
fn shown(source: &str, list: &str) -> Result<String> {
    let (_, rest) = source
        .split_once(&format!("const {list}: &[&str]"))
        .with_context(|| format!("the engine has no list {list}"))?;
    let (body, _) = rest.split_once("];").context("the end of a list")?;
    // Names that begin so are made by the engine, for itself.
    let names: BTreeSet<&str> =
        body.split('"').skip(1).step_by(2).filter(|name| !name.starts_with("cordon_")).collect();
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Ok(names.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_page_is_answered() -> Result<()> {
    let world = World::new(500).await?;
    let page = read(PAGE)?;
    let blocks = page.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let statements = blocks.flat_map(|block| block.split(';')).map(str::trim);
    let mut asked = 0;
    for statement in statements.filter(|statement| !statement.is_empty()) {
        asked += 1;
        if let Err(stop) = world.ask("researcher", statement).await? {
            bail!("{statement}\n{stop:?}");
        }
    }
    assert!(asked > 5, "the page has only {asked} examples");
    Ok(())
}
