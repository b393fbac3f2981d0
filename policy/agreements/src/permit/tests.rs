use super::*;
use crate::tests::{day, local, read, written};

const TODAY: &str = "2026-11-22";

/// One agreement of Anna and Ben for each line: reference ending, status, first and last day.
fn agreements(of: &[(&str, &str, &str, &str)]) -> Agreements {
    let texts: Vec<String> = of
        .iter()
        .map(|(name, status, first, last)| {
            written(&[
                ("AAAAA", name),
                ("status = \"active\"", &format!("status = \"{status}\"")),
                ("2026-04-01", first),
                ("2027-03-31", last),
            ])
        })
        .collect();
    read(&texts).unwrap()
}

const IN_FORCE: (&str, &str, &str, &str) = ("AAAAA", "active", "2026-04-01", "2027-03-31");
const ENDED: (&str, &str, &str, &str) = ("BBBBB", "active", "2024-04-01", "2025-03-31");

fn asked(agreements: &Agreements, who: &UserId, wanted: Option<&str>) -> Result<String, Refusal> {
    permit(agreements, who, wanted, day(TODAY)).map(|permit| permit.agreement().to_string())
}

fn code(result: Result<String, Refusal>) -> &'static str {
    result.unwrap_err().code.id()
}

#[test]
fn one_agreement_in_force_needs_no_name() {
    let agreements = agreements(&[IN_FORCE]);
    assert_eq!(asked(&agreements, &local("anna"), None).unwrap(), "DARS-NIC-12345-AAAAA");
    let ben = UserId::new("https://login.example", "ben");
    assert_eq!(
        asked(&agreements, &ben, Some("DARS-NIC-12345-AAAAA")).unwrap(),
        "DARS-NIC-12345-AAAAA"
    );
}

#[test]
fn i5_an_agreement_that_names_others_looks_like_none() {
    let agreements = agreements(&[IN_FORCE]);
    let carl = local("carl");
    let told = |wanted| asked(&agreements, &carl, Some(wanted)).unwrap_err();
    let (exists, does_not) = (told("DARS-NIC-12345-AAAAA"), told("DARS-NIC-12345-ZZZZZ"));
    assert_eq!(exists.what.replace("AAAAA", "ZZZZZ"), does_not.what);
    assert_eq!((exists.code, exists.remedy), (does_not.code, does_not.remedy));
    assert_eq!(code(asked(&agreements, &carl, None)), "CORDON-A101");
}

#[test]
fn i5_others_agreements_that_are_not_in_force_look_like_none_too() {
    let agreements = agreements(&[ENDED, ("CCCCC", "draft", "2026-04-01", "2027-03-31")]);
    let carl = local("carl");
    for wanted in ["DARS-NIC-12345-BBBBB", "DARS-NIC-12345-CCCCC", "DARS-NIC-12345-ZZZZZ"] {
        assert_eq!(code(asked(&agreements, &carl, Some(wanted))), "CORDON-A101");
    }
}

#[test]
fn the_same_subject_of_another_issuer_is_somebody_else() {
    let agreements = agreements(&[IN_FORCE]);
    for who in [
        UserId::new("https://login.example", "anna"),
        local("ben"),
        UserId::new("", "anna"),
        UserId::new("cordon-local#anna", ""),
        UserId::new("https:", "//login.example#ben"),
        local("ANNA"),
        local("anna "),
    ] {
        assert_eq!(code(asked(&agreements, &who, None)), "CORDON-A101", "{who}");
    }
}

#[test]
fn a_divider_in_an_issuer_cannot_move_into_the_subject() {
    assert_ne!(UserId::new("a#b", "c"), UserId::new("a", "b#c"));
    assert_eq!(UserId::new("a", "b#c").as_str(), "a#b#c");
}

#[test]
fn several_in_force_are_listed_and_one_must_be_named() {
    let agreements =
        agreements(&[IN_FORCE, ("DDDDD", "active", "2026-01-01", "2026-12-31"), ENDED]);
    let refusal = asked(&agreements, &local("anna"), None).unwrap_err();
    assert_eq!(refusal.code.id(), "CORDON-A102");
    assert_eq!(
        refusal.what,
        "you are named in several agreements: `DARS-NIC-12345-AAAAA`, `DARS-NIC-12345-DDDDD`"
    );
    assert!(asked(&agreements, &local("anna"), Some("DARS-NIC-12345-DDDDD")).is_ok());
}

#[test]
fn an_ended_agreement_beside_one_in_force_is_not_ambiguous() {
    let agreements = agreements(&[ENDED, IN_FORCE]);
    assert_eq!(asked(&agreements, &local("anna"), None).unwrap(), "DARS-NIC-12345-AAAAA");
    let ended = asked(&agreements, &local("anna"), Some("DARS-NIC-12345-BBBBB")).unwrap_err();
    assert_eq!(ended.code.id(), "CORDON-A103");
    assert_eq!(ended.what, "agreement `DARS-NIC-12345-BBBBB` ended on 2025-03-31");
}

#[test]
fn only_active_agreements_inside_their_term_are_in_force() {
    for (status, first, last, told) in [
        ("active", "2026-11-23", "2027-03-31", "starts on 2026-11-23"),
        ("active", "2026-04-01", "2026-11-21", "ended on 2026-11-21"),
        ("suspended", "2026-04-01", "2027-03-31", "is suspended"),
        ("revoked", "2026-04-01", "2027-03-31", "was revoked"),
        ("draft", "2026-04-01", "2027-03-31", "is not signed yet"),
    ] {
        let agreements = agreements(&[("AAAAA", status, first, last)]);
        for wanted in [None, Some("DARS-NIC-12345-AAAAA")] {
            let refusal = asked(&agreements, &local("anna"), wanted).unwrap_err();
            assert_eq!(refusal.code.id(), "CORDON-A103");
            assert!(refusal.what.ends_with(told), "{}", refusal.what);
        }
    }
}

#[test]
fn the_first_and_the_last_day_belong_to_the_term() {
    for (first, last) in [(TODAY, "2027-03-31"), ("2026-04-01", TODAY), (TODAY, TODAY)] {
        let agreements = agreements(&[("AAAAA", "active", first, last)]);
        assert!(asked(&agreements, &local("anna"), None).is_ok(), "{first} to {last}");
    }
}

#[test]
fn several_of_which_none_is_in_force() {
    let agreements = agreements(&[ENDED, ("EEEEE", "revoked", "2026-04-01", "2027-03-31")]);
    assert_eq!(code(asked(&agreements, &local("anna"), None)), "CORDON-A103");
}

#[test]
fn what_is_no_reference_is_not_repeated() {
    let agreements = agreements(&[IN_FORCE]);
    for wanted in ["", "x\r\ny", "<script>", "dars nic", &"A".repeat(1000), "DARS-NIC-12345-AAAAA "]
    {
        let refusal = asked(&agreements, &local("anna"), Some(wanted)).unwrap_err();
        assert_eq!(refusal.code.id(), "CORDON-A101");
        assert_eq!(refusal.what, "no agreement of the reference sent names you");
    }
}

#[test]
fn the_permit_holds_what_the_agreement_grants_and_nothing_else() {
    let agreements = agreements(&[IN_FORCE]);
    let permit = permit(&agreements, &local("anna"), None, day(TODAY)).unwrap();
    assert_eq!(permit.grants().count(), 1);
    assert_eq!(permit.grant(&"hes.visits".parse().unwrap()), None);
    let grant = permit.grant(&"hes.stays".parse().unwrap()).unwrap();
    let columns: Vec<&str> = grant.columns.iter().map(ColumnName::as_str).collect();
    assert_eq!(columns, ["days", "diag_01", "diag_02", "diag_03", "fyear", "person"]);
    assert_eq!(permit.analyst(), &local("anna"));
}

#[test]
fn the_fingerprint_follows_what_is_seen_and_not_who_sees_it() {
    let of = |changes: &[(&str, &str)]| {
        let agreements = read(&[written(changes)]).unwrap();
        permit(&agreements, &local("anna"), None, day(TODAY)).unwrap().fingerprint()
    };
    let plain = of(&[]);
    assert_eq!(plain, of(&[("AAAAA", "CCCCC"), ("Stays of the old", "Another title")]));
    for change in [
        ("1819..2223", "1819..2122"),
        (", \"diag_01..03\"", ", \"diag_01..02\""),
        ("[\"1\", \"2\"]", "[\"1\"]"),
        ("rule = \"applied\"", "rule = \"not_applied\""),
        ("\"nhs-sde\"", "\"hes-publication\""),
    ] {
        assert_ne!(plain, of(&[change]), "{change:?}");
    }
}

#[test]
fn the_fingerprint_follows_the_numbers_of_a_profile_too() {
    let of = |threshold: u64| {
        let text = format!(
            "name = \"nhs-sde\"\nthreshold = {threshold}\nrounding = 5\nclip = \"none\"\n\
             zeros = \"suppressed\"\nsymbol = \"[c]\""
        );
        let profiles = |_: &str| Profile::from_toml("test", &text).ok();
        let files = [("a.toml".to_owned(), written(&[]))];
        let agreements =
            Agreements::from_files(files, &crate::tests::catalogue(), &profiles).unwrap();
        permit(&agreements, &local("anna"), None, day(TODAY)).unwrap().fingerprint()
    };
    assert_eq!(of(10), of(10));
    assert_ne!(of(10), of(20));
}
