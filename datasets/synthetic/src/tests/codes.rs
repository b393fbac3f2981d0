//! Codes are those that the catalogue lists; the few that are on no list are there on purpose, and rare.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use cordon_catalogue::{Catalogue, Domain, TableName};

use super::Table;
use crate::attendances::PROBLEMS;
use crate::pathways::PATHWAYS;
use crate::{Population, reference_table};

fn reference_codes(
    catalogue: &Catalogue,
    table: &TableName,
    column: &str,
) -> Result<BTreeSet<String>> {
    let rows =
        reference_table(catalogue, table).with_context(|| format!("no rows of `{table}`"))??;
    let codes = rows
        .column_by_name(column)
        .with_context(|| format!("no column `{column}` in `{table}`"))?;
    Ok(codes.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

/// Not known, not stated, not registered: codes beside the places of the reference tables.
const UNKNOWN: [&str; 4] = ["V81999", "V81997", "&", "Y"];

#[test]
fn values_lie_in_the_domains_of_their_columns() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    for name in Population::tables() {
        let description = catalogue.table(&name.parse()?).context("described")?;
        let table = Table::block(&Population::new(4_096, 2), name, 0)?;
        for column in &description.columns {
            let known: BTreeSet<String> = match &column.domain {
                Some(Domain::Codes) => column.codes.iter().map(|c| c.code.clone()).collect(),
                Some(Domain::Table { table, column }) => {
                    reference_codes(&catalogue, table, column.as_str())?
                }
                _ => continue,
            };
            let Some(values) = table.column(column.name.as_str()).as_string_opt::<i32>() else {
                continue;
            };
            let odd = values
                .iter()
                .flatten()
                .filter(|v| !known.contains(*v) && !UNKNOWN.contains(v))
                .count();
            assert!(odd * 1000 <= values.len(), "{name}.{}: {odd} values on no list", column.name);
        }
    }
    Ok(())
}

#[test]
fn clinical_codes_are_in_the_reference_tables() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    let known = |table: &str| reference_codes(&catalogue, &table.parse()?, "code");
    let (diagnoses, procedures, groups) =
        (known("ref.icd10")?, known("ref.opcs4")?, known("ref.hrg")?);
    for name in Population::tables() {
        let table = Table::block(&Population::new(4_096, 2), name, 0)?;
        for (column, list) in [
            ("diag_4_01", &diagnoses),
            ("diag_3_01", &diagnoses),
            ("diag_4_02", &diagnoses),
            ("diag_4_03", &diagnoses),
            ("diag_4_06", &diagnoses),
            ("opertn_4_01", &procedures),
            ("opertn_3_01", &procedures),
            ("opertn_4_02", &procedures),
            ("sushrg", &groups),
        ] {
            // A&E has diagnoses and treatments of its own.
            let rows = if table.0.column_by_name(column).is_some() { table.rows() } else { 0..0 };
            for row in rows {
                if let Some(code) = table.text(column, row).filter(|&code| code != "-") {
                    assert!(list.contains(code), "{name}.{column}: {code}");
                }
            }
        }
    }
    // Rare ones too.
    for pathway in &PATHWAYS {
        assert!(
            pathway.primary.iter().chain(pathway.also).all(|(code, _)| diagnoses.contains(*code))
        );
        assert!(
            pathway
                .procedures
                .iter()
                .flat_map(|(list, _)| *list)
                .all(|code| procedures.contains(*code))
        );
        assert!(pathway.groups.iter().all(|code| groups.contains(*code)));
    }
    Ok(())
}

#[test]
fn codes_of_emergency_care_are_listed_ones() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    let known = |list: &str| -> Result<BTreeSet<String>> {
        let codes = catalogue.code_list(list).with_context(|| format!("no list `{list}`"))?;
        Ok(codes.iter().map(|c| c.code.clone()).collect())
    };
    let table = Table::block(&Population::new(4_096, 2), "hes.ae", 0)?;
    let (diagnoses, treatments) = (known("ae_diagnosis")?, known("ae_treatment")?);
    let (investigations, parts) = (known("ae_investigation")?, known("ae_anatomy")?);
    for (column, list) in [
        ("diag2_01", &diagnoses),
        ("diag3_01", &diagnoses),
        ("diag3_02", &diagnoses),
        ("diaga_01", &parts),
        ("invest2_01", &investigations),
        ("invest2_04", &investigations),
        ("treat2_01", &treatments),
        ("treat3_01", &treatments),
        ("treat3_03", &treatments),
    ] {
        let mut some = false;
        for code in table.rows().filter_map(|row| table.text(column, row)) {
            assert!(list.contains(code), "{column}: {code}");
            some = true;
        }
        assert!(some, "{column} is empty");
    }
    // Rare ones too.
    for problem in &PROBLEMS {
        assert!(diagnoses.contains(problem.diagnosis));
        assert!(problem.body.iter().all(|(code, _)| parts.contains(*code)));
        assert!(problem.investigations.iter().all(|(code, _)| investigations.contains(*code)));
        assert!(problem.treatments.iter().all(|(code, _)| treatments.contains(*code)));
    }
    Ok(())
}

#[test]
fn odd_codes_and_dates_are_there_but_rare() -> Result<()> {
    let (mut methods, mut providers, mut dates, mut rows) = (0, 0, 0, 0);
    for table in Table::all(&Population::new(40_000, 4), "hes.apc")? {
        let raw = table.column("elecdate").as_primitive::<arrow_array::types::Date32Type>();
        for row in table.rows() {
            rows += 1;
            methods += usize::from(matches!(table.text("admimeth", row), Some("99" | "2Z")));
            providers += usize::from(table.text("procode3", row) == Some("X99"));
            dates += usize::from(raw.is_valid(row) && raw.value(row) == crate::calendar::NO_DATE);
        }
    }
    for (what, count) in [("methods", methods), ("providers", providers), ("dates", dates)] {
        assert!(count > 0 && count * 200 < rows, "{count} odd {what} of {rows}");
    }
    Ok(())
}
