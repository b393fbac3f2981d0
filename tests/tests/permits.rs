//! The permit matrix: analyst x agreement x column, one readable file. A change of policy is its diff.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use cordon_agreements::{Agreements, UserId, permit};
use cordon_catalogue::Catalogue;
use cordon_disclosure::Profile;

const PEOPLE: [&str; 4] = ["researcher", "commissioner", "output-checker", "stranger"];

#[test]
fn the_permit_matrix_is_as_written_down() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("../deploy/agreements"))? {
        let path = entry?.path();
        files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
    }
    files.sort();
    let agreements = Agreements::from_files(files, &catalogue, &Profile::built_in)?;
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).context("a day")?;
    let mut out = String::from("# analyst x agreement x column: + granted, . not there for them\n");
    let mut columns = Vec::new();
    for who in PEOPLE {
        for agreement in agreements.all() {
            let id = agreement.id().as_str();
            let answer = permit(&agreements, &UserId::new("cordon-local", who), Some(id), today);
            match answer {
                Ok(permit) => {
                    out.push_str(&format!(
                        "{who} under {id}: granted, profile {}\n",
                        permit.profile().name()
                    ));
                    columns.push((who, permit));
                }
                Err(refusal) => out.push_str(&format!("{who} under {id}: {}\n", refusal.code.id())),
            }
        }
    }
    for table in catalogue.tables().filter(|t| t.is_protected()) {
        out.push_str(&format!("\n{}\n", table.name));
        for (who, permit) in &columns {
            let grant = permit.grant(&table.name);
            let years = grant.and_then(|g| g.years.clone());
            let rows = grant.and_then(|g| g.rows.clone());
            out.push_str(&format!("  {who}: years {years:?}, rows {rows:?}\n"));
        }
        let heads: Vec<&str> = columns.iter().map(|(who, _)| *who).collect();
        out.push_str(&format!("  {:24} {}\n", "", heads.join(" ")));
        for column in &table.columns {
            let marks: Vec<String> = columns
                .iter()
                .map(|(who, permit)| {
                    let granted =
                        permit.grant(&table.name).is_some_and(|g| g.columns.contains(&column.name));
                    format!("{:<1$}", if granted { "+" } else { "." }, who.len())
                })
                .collect();
            let line = format!("  {:24} {}", column.name.as_str(), marks.join(" "));
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    let path = root.join("golden/permit-matrix.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &out)?;
    }
    let written = std::fs::read_to_string(&path)?;
    assert!(written == out, "the permits changed; read the diff after UPDATE_GOLDEN=1");
    Ok(())
}
