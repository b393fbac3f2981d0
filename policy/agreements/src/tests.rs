//! What the other tests share, and the example agreements that ship.

use chrono::NaiveDate;
use cordon_catalogue::{Catalogue, Class, TableName};
use cordon_disclosure::Profile;

use crate::{AgreementError, Agreements, OptOuts, Permit, UserId, permit};

const TABLES: &str = r#"
[[table]]
name = "hes.stays"
title = "Stays"
row = "One stay"
protected = { person = "person", record = "stay", year = "fyear", date = "began" }
columns = [
  { name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" },
  { name = "person", type = "Utf8", class = "pseudonym", meaning = "Person" },
  { name = "stay", type = "Utf8", class = "record_key", meaning = "Record" },
  { name = "began", type = "Date32", class = "quasi_identifier", meaning = "First day" },
  { name = "days", type = "Int32", class = "measure", meaning = "Days", bounds = [0, 400] },
  { name = "site", type = "Utf8", class = "ordinary", meaning = "Site" },
  { name = "way", type = "Utf8", class = "ordinary", meaning = "Way in", codes = [["1", "Planned"], ["2", "Emergency"]] },
  { name = "diag_01", type = "Utf8", class = "sensitive", meaning = "Diagnosis" },
  { name = "diag_02", type = "Utf8", class = "sensitive", meaning = "Diagnosis" },
  { name = "diag_03", type = "Utf8", class = "sensitive", meaning = "Diagnosis" },
]

[[table]]
name = "hes.visits"
title = "Visits"
row = "One visit"
protected = { person = "person", record = "visit", year = "fyear", date = "day" }
columns = [
  { name = "fyear", type = "Utf8", class = "ordinary", meaning = "Year" },
  { name = "person", type = "Utf8", class = "pseudonym", meaning = "Person" },
  { name = "visit", type = "Utf8", class = "record_key", meaning = "Record" },
  { name = "day", type = "Date32", class = "quasi_identifier", meaning = "Day" },
]

[[table]]
name = "ref.site"
title = "Sites"
row = "One site"
public = { key = ["code"] }
columns = [{ name = "code", type = "Utf8", class = "ordinary", meaning = "Code" }]
"#;

pub(crate) const AGREEMENT: &str = r#"reference = "DARS-NIC-12345-AAAAA"
title = "Stays of the old"
organisation = "RX1"
controller = "Example University"
purpose = "research"
legal_basis = "Health and Social Care Act 2012 s261(2)(b)(ii)"
territory = "EW"
status = "active"
profile = "nhs-sde"
egress = "automatic"
people = ["anna", "https://login.example#ben"]
term = { start = 2026-04-01, end = 2027-03-31 }
opt_outs = { rule = "applied", reason = "they apply" }

[[lines]]
table = "hes.stays"
years = "1819..2223"
columns = ["fyear", "person", "days", "diag_01..03"]
rows = { column = "way", one_of = ["1", "2"] }
"#;

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::from_toml([("tables.toml".to_owned(), TABLES.to_owned())]).unwrap()
}

/// The example with some of its text replaced: each pair is (old, new).
pub(crate) fn written(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(AGREEMENT.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "nothing to replace: {old}");
        text.replace(old, new)
    })
}

pub(crate) fn read(texts: &[String]) -> Result<Agreements, AgreementError> {
    let files = texts.iter().enumerate().map(|(at, text)| (format!("{at}.toml"), text.clone()));
    Agreements::from_files(files, &catalogue(), &Profile::built_in)
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn local(subject: &str) -> UserId {
    UserId::new(crate::LOCAL_ISSUER, subject)
}

fn shipped() -> Agreements {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/agreements");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    for (file, text) in &files {
        let reference = file.rsplit('/').next().unwrap().trim_end_matches(".toml");
        assert!(
            text.contains(&format!("reference = \"{reference}\"")),
            "{file} is named otherwise"
        );
    }
    Agreements::from_files(files, &Catalogue::built_in().unwrap(), &Profile::built_in).unwrap()
}

fn granted(permit: &Permit, table: &str) -> Vec<String> {
    let table: TableName = table.parse().unwrap();
    let grant = permit.grant(&table).unwrap();
    grant.columns.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_agreements_are_valid_and_each_person_has_one_in_force() {
    let agreements = shipped();
    let ids: Vec<&str> = agreements.all().map(|agreement| agreement.id().as_str()).collect();
    assert_eq!(ids, ["DARS-NIC-000001-DEMO1", "DARS-NIC-000002-DEMO2", "DARS-NIC-000003-DEMO3"]);
    let today = day("2026-11-22");

    let researcher = permit(&agreements, &local("researcher"), None, today).unwrap();
    assert_eq!(researcher.agreement().as_str(), "DARS-NIC-000001-DEMO1");
    let stays = granted(&researcher, "hes.apc");
    for column in ["fyear", "epikey", "pseudo_hesid", "diag_3_20", "diag_4_01", "opertn_4_01"] {
        assert!(stays.iter().any(|granted| granted == column), "{column}");
    }
    for column in ["lsoa11", "lsoa01", "mydob", "opertn_4_02", "ccg_responsibility"] {
        assert!(!stays.iter().any(|granted| granted == column), "{column}");
    }
    let grant = researcher.grant(&"hes.op".parse().unwrap()).unwrap();
    assert_eq!(grant.years, Some(("1819".to_owned(), "2223".to_owned())));
    assert_eq!(grant.rows, None);
    assert_eq!(researcher.opt_outs(), OptOuts::Applied);
    assert_eq!(researcher.profile().name(), "nhs-sde");

    let commissioner = permit(&agreements, &local("commissioner"), None, today).unwrap();
    assert_eq!(commissioner.agreement().as_str(), "DARS-NIC-000002-DEMO2");
    for (table, grant) in commissioner.grants() {
        let rows = grant.rows.as_ref().unwrap();
        assert_eq!(rows.column.as_str(), "ccg_responsibility", "{table}");
        assert_eq!(rows.one_of.len(), 5);
    }
}

#[test]
fn all_columns_never_means_a_direct_identifier() {
    let agreements = shipped();
    let catalogue = Catalogue::built_in().unwrap();
    for agreement in agreements.all() {
        for (table, grant) in agreement.grants() {
            let description = catalogue.table(table).unwrap();
            for column in &grant.columns {
                let class = description.column(column.as_str()).unwrap().class;
                assert_ne!(class, Class::DirectIdentifier, "{table}.{column}");
            }
        }
    }
}

#[test]
fn the_shipped_expired_agreement_is_refused_by_name() {
    let agreements = shipped();
    let expired = Some("DARS-NIC-000003-DEMO3");
    let refusal =
        permit(&agreements, &local("researcher"), expired, day("2026-11-22")).unwrap_err();
    assert_eq!(refusal.code.id(), "CORDON-A103");
}

/// Renewals, extensions and versions count where the first of them counts.
#[test]
fn agreements_that_follow_one_another_have_one_meter() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/agreements");
    let text = std::fs::read_to_string(format!("{folder}/DARS-NIC-000001-DEMO1.toml")).unwrap();
    let of = |files: &[(&str, Option<&str>)]| {
        let one = |(reference, follows): &(&str, Option<&str>)| {
            let mut text = text.replace("\"DARS-NIC-000001-DEMO1\"", &format!("\"{reference}\""));
            if let Some(follows) = follows {
                text = format!("follows = \"{follows}\"\n{text}");
            }
            ((*reference).to_owned(), text)
        };
        let files: Vec<_> = files.iter().map(one).collect();
        Agreements::from_files(files, &Catalogue::built_in().unwrap(), &Profile::built_in)
    };
    let [a, b, c] = ["DARS-NIC-000001-AAAAA", "DARS-NIC-000002-BBBBB", "DARS-NIC-000003-CCCCC"];
    let [a1, b1, b2] = [format!("{a}-v1.0"), format!("{b}-v1.0"), format!("{b}-v2.1")];
    // The first has no file any more: its name is enough.
    let lines = [(b1.as_str(), Some(a1.as_str())), (b2.as_str(), None), (c, Some(b2.as_str()))];
    let agreements = of(&lines).unwrap();
    for (reference, _) in lines {
        let agreement = agreements.get(reference).unwrap();
        assert_eq!(agreements.lineage(agreement.id()).as_str(), a, "{reference}");
    }
    // A circle has one meter too.
    let circle = [(a, Some(c)), (b, Some(a)), (c, Some(b))];
    let agreements = of(&circle).unwrap();
    for (reference, _) in circle {
        let agreement = agreements.get(reference).unwrap();
        assert_eq!(agreements.lineage(agreement.id()).as_str(), a, "{reference}");
    }
    for wrong in [a, "the one before"] {
        let problem = of(&[(a, Some(wrong))]).unwrap_err().to_string();
        assert!(problem.contains("`follows` is"), "{problem}");
    }
}
