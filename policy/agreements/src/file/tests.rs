use proptest::prelude::*;

use super::*;
use crate::Agreements;
use crate::tests::{catalogue, local, read, written};

fn agreement(changes: &[(&str, &str)]) -> Agreements {
    read(&[written(changes)]).unwrap()
}

fn problem(old: &str, new: &str) -> String {
    read(&[written(&[(old, new)])]).unwrap_err().to_string()
}

#[test]
fn every_field_is_read() {
    let agreements = agreement(&[]);
    let agreement = agreements.get("DARS-NIC-12345-AAAAA").unwrap();
    assert_eq!(agreement.title(), "Stays of the old");
    assert_eq!(agreement.organisation(), "RX1");
    assert_eq!(agreement.controller(), "Example University");
    assert_eq!(agreement.purpose(), "research");
    assert_eq!(agreement.legal_basis(), "Health and Social Care Act 2012 s261(2)(b)(ii)");
    assert_eq!(agreement.territory(), Territory::EnglandAndWales);
    assert_eq!(agreement.status(), Status::Active);
    assert_eq!(agreement.opt_outs(), OptOuts::Applied);
    assert_eq!(agreement.opt_outs_reason(), "they apply");
    assert_eq!(agreement.profile().name(), "nhs-sde");
    let people: Vec<&str> = agreement.people().map(UserId::as_str).collect();
    assert_eq!(people, ["cordon-local#anna", "https://login.example#ben"]);
    assert_eq!(agreements.of(&local("anna")).count(), 1);
    assert_eq!(agreements.of(&local("carl")).count(), 0);
}

#[test]
fn references_follow_the_pattern() {
    for good in
        ["DARS-NIC-635697-P0C5M", "DARS-NIC-12345-AAAAA-v1.2", "DARS-NIC-12345-AAAAA-v10.25"]
    {
        assert!(is_reference(good), "{good}");
    }
    for bad in [
        "",
        "DARS-NIC-",
        "DARS-NIC-1234-AAAAA",
        "DARS-NIC-1234567-AAAAA",
        "DARS-NIC-12345-AAAA",
        "DARS-NIC-12345-aaaaa",
        "DARS-NIC-12345-AAAAA-v1",
        "DARS-NIC-12345-AAAAA-v.2",
        "DARS-NIC-12345-AAAAA-1.2",
        "DARS-NIC-12345-AAAAA-v1.2-x",
        " DARS-NIC-12345-AAAAA",
    ] {
        assert!(!is_reference(bad), "{bad}");
    }
}

#[test]
fn every_mistake_is_told_with_its_field_and_a_way_forward() {
    for (old, new, told) in [
        ("DARS-NIC-12345-AAAAA", "DARS-12", "`reference` is `DARS-12`; write it as"),
        ("\"RX1\"", "\"rx1\"", "`organisation` is `rx1`; write its ODS code"),
        ("Example University", " ", "`controller` is empty"),
        ("Stays of the old", "Stays\\u0007", "`title` is empty or holds control characters"),
        ("they apply", "", "`opt_outs.reason` is empty"),
        ("\"nhs-sde\"", "\"nhs\"", "`profile` is `nhs`, which is not known here"),
        ("end = 2027-03-31", "end = 2026-03-31", "`term.end` 2026-03-31 lies before `term.start`"),
        (
            "end = 2027-03-31",
            "end = 2027-03-31T10:00:00",
            "`term.end` is `2027-03-31T10:00:00`; write a day",
        ),
        ("end = 2027-03-31", "end = \"2027-03-31\"", "line 12"),
        ("\"anna\"", "\"anna\", \"cordon-local#anna\"", "names `cordon-local#anna` twice"),
        ("\"anna\"", "\"an na\"", "`people` holds `an na`"),
        ("\"anna\"", "\"#anna\"", "`people` holds `#anna`"),
        ("\"anna\"", "\"anna#\"", "`people` holds `anna#`"),
        ("\"research\"", "\"profit\"", "line 5: unknown variant `profit`"),
        ("\"EW\"", "\"Mars\"", "line 7: unknown variant `Mars`"),
        ("\"automatic\"", "\"checked\"", "line 10: unknown variant `checked`"),
        ("\"active\"", "\"Active\"", "line 8: unknown variant `Active`"),
        ("title =", "min_count = 3\ntitle =", "line 2: unknown field `min_count`"),
        ("rule = \"applied\", ", "", "missing field `rule`"),
    ] {
        let problem = problem(old, new);
        assert!(problem.starts_with("0.toml: "), "{problem}");
        assert!(problem.contains(told), "{told}\n{problem}");
    }
}

#[test]
fn every_mistake_in_a_line_names_its_table() {
    for (old, new, told) in [
        (
            "table = \"hes.stays\"",
            "table = \"hes.nothing\"",
            "line `hes.nothing`: `table` is not in the catalogue",
        ),
        (
            "table = \"hes.stays\"",
            "table = \"ref.site\"",
            "line `ref.site`: `table` is reference data",
        ),
        ("\"days\"", "\"nights\"", "`columns` holds `nights`, which the catalogue does not know"),
        ("\"days\"", "\"days\", \"days\"", "`columns` holds `days` twice"),
        ("\"days\"", "\"diag_02\"", "`columns` holds `diag_02` twice"),
        (
            "diag_01..03",
            "diag_01..04",
            "`columns` holds `diag_04`, which the catalogue does not know",
        ),
        ("diag_01..03", "diag_03..01", "write a range as"),
        ("diag_01..03", "diag_01..", "write a range as"),
        ("diag_01..03", "..03", "write a range as"),
        ("diag_01..03", "diag_01..0a", "write a range as"),
        ("diag_01..03", "diag_01..99999999999", "write a range as"),
        (
            "[\"fyear\", \"person\", \"days\", \"diag_01..03\"]",
            "\"some\"",
            "`columns` is `some`; write a list",
        ),
        ("[\"fyear\", \"person\", \"days\", \"diag_01..03\"]", "[]", "`columns` is empty"),
        ("1819..2223", "1819", "`years` is `1819`, which is not a range"),
        ("1819..2223", "2018..2022", "which is not two financial years"),
        ("1819..2223", "1820..2223", "which is not two financial years"),
        ("1819..2223", "2223..1819", "which ends before it begins"),
        ("1819..2223", "9899..2223", "which reaches from one century into the next"),
        ("column = \"way\"", "column = \"person\"", "which names single patients or records"),
        ("column = \"way\"", "column = \"stay\"", "which names single patients or records"),
        ("column = \"way\"", "column = \"days\"", "which holds no codes"),
        ("column = \"way\"", "column = \"road\"", "`rows.column` holds `road`"),
        ("[\"1\", \"2\"]", "[\"1\", \"3\"]", "`rows.one_of` holds `3`, which is no code of `way`"),
        ("[\"1\", \"2\"]", "[\"1\", \"1\"]", "`rows.one_of` holds `1` twice"),
        ("[\"1\", \"2\"]", "[]", "`rows.one_of` is empty"),
        (
            "\"way\", one_of = [\"1\", \"2\"]",
            "\"site\", one_of = [\"A \"]",
            "write codes without blanks",
        ),
    ] {
        let problem = problem(old, new);
        assert!(problem.starts_with("0.toml: line `"), "{problem}");
        assert!(problem.contains(told), "{told}\n{problem}");
    }
}

#[test]
fn two_lines_for_one_table_and_two_files_for_one_reference_are_refused() {
    let again = "[[lines]]\ntable = \"hes.stays\"\nyears = \"all\"\ncolumns = \"all\"\n";
    let twice = read(&[format!("{}{again}", written(&[]))]).unwrap_err();
    assert!(twice.problem.contains("line `hes.stays` stands twice"), "{twice}");
    let same = read(&[written(&[]), written(&[])]).unwrap_err();
    assert_eq!(same.file, "1.toml");
    assert!(same.problem.contains("stands in another file too"), "{same}");
}

#[test]
fn all_columns_and_all_years() {
    let agreements = agreement(&[
        ("[\"fyear\", \"person\", \"days\", \"diag_01..03\"]", "\"all\""),
        ("\"1819..2223\"", "\"all\""),
    ]);
    let agreement = agreements.all().next().unwrap();
    let (_, grant) = agreement.grants().next().unwrap();
    assert_eq!(grant.columns.len(), 10);
    assert_eq!(grant.years, None);
}

#[test]
fn a_direct_identifier_is_never_granted() {
    // The catalogue does not let such a column in; if it ever did, no agreement could grant it.
    let mut table = (**catalogue().table(&"hes.stays".parse().unwrap()).unwrap()).clone();
    let site = table.columns.iter_mut().find(|column| column.name.as_str() == "site").unwrap();
    site.class = cordon_catalogue::Class::DirectIdentifier;
    let listed = lines::ColumnsFile::List(vec!["fyear".to_owned(), "site".to_owned()]);
    let problem = lines::columns(listed, &table).unwrap_err();
    assert!(problem.contains("`site`, a direct identifier, which is never granted"), "{problem}");
    let all = lines::columns(lines::ColumnsFile::Word("all".to_owned()), &table).unwrap();
    assert_eq!(all.len(), 9);
    assert!(!all.iter().any(|column| column.as_str() == "site"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail_otherwise_than_by_saying_so(
        at in 0_usize..900, cut in 0_usize..60, new in "[\\x20-\\x7eé\\n]{0,12}",
    ) {
        let text = written(&[]);
        let start = text.floor_char_boundary(at.min(text.len()));
        let end = text.floor_char_boundary((start + cut).min(text.len()));
        let changed = format!("{}{new}{}", &text[..start], &text[end..]);
        if let Ok(agreements) = read(&[changed]) {
            for agreement in agreements.all() {
                prop_assert!(is_reference(agreement.id().as_str()));
                prop_assert!(agreement.term().0 <= agreement.term().1);
                prop_assert!(agreement.grants().all(|(_, grant)| !grant.columns.is_empty()));
            }
        }
    }
}
