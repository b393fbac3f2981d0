use crate::tests::{AGREEMENT, read};

/// The usual agreement, and one more with these changes.
fn beside(changes: &[(&str, &str)]) -> Result<(), String> {
    let other = AGREEMENT
        .replace("DARS-NIC-12345-AAAAA", "DARS-NIC-12345-BBBBB")
        .replace("profile = \"nhs-sde\"", "profile = \"hes-publication\"");
    let other = changes.iter().fold(other, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    read(&[AGREEMENT.to_owned(), other]).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn exact_and_noisy_figures_of_the_same_rows_are_not_given_to_one_person() {
    let told = beside(&[]).unwrap_err();
    for part in ["hes-publication", "hes.stays", "cordon-local#anna", "DARS-NIC-12345-AAAAA"] {
        assert!(told.contains(part), "{told}");
    }
    // One person in common is enough, and so is one year.
    assert!(beside(&[("\"anna\", ", "")]).is_err());
    assert!(beside(&[("years = \"1819..2223\"", "years = \"2223..2324\"")]).is_err());
    assert!(beside(&[("years = \"1819..2223\"", "years = \"all\"")]).is_err());
    // What was given under one that has ended is known.
    assert!(beside(&[("status = \"active\"", "status = \"revoked\"")]).is_err());
}

#[test]
fn other_people_other_years_and_the_same_kind_of_profile_may_stand_beside_each_other() {
    let other = "people = [\"carl\"]";
    let people = AGREEMENT.lines().find(|line| line.starts_with("people")).unwrap();
    assert_eq!(beside(&[(people, other)]), Ok(()));
    assert_eq!(beside(&[("years = \"1819..2223\"", "years = \"1314..1718\"")]), Ok(()));
    assert_eq!(beside(&[("years = \"1819..2223\"", "years = \"9798..9899\"")]), Ok(()));
    assert_eq!(beside(&[("hes-publication", "guarded")]), Ok(()));
    assert_eq!(beside(&[("status = \"active\"", "status = \"draft\"")]), Ok(()));
}
