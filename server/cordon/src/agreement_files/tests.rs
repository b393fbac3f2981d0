use std::fs;

use super::*;

const DEMO: [(&str, &str); 2] = [
    ("1.toml", include_str!("../../../../deploy/agreements/DARS-NIC-000001-DEMO1.toml")),
    ("2.toml", include_str!("../../../../deploy/agreements/DARS-NIC-000002-DEMO2.toml")),
];

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn ids(agreements: &Agreements) -> Vec<&str> {
    agreements.all().map(|agreement| agreement.id().as_str()).collect()
}

#[test]
fn drafts_of_editors_are_not_agreements() {
    let catalogue = Catalogue::built_in().unwrap();
    let folder = folder(&[DEMO[0], ("2.toml~", "x"), (".#2.toml", "x"), ("notes.txt", "x")]);
    let read = read(folder.path(), &catalogue).unwrap();
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    assert_eq!(ids(&read.agreements), ["DARS-NIC-000001-DEMO1"]);
}

#[test]
fn a_broken_file_takes_its_own_agreement_only() {
    let catalogue = Catalogue::built_in().unwrap();
    let broken = DEMO[0].1.replace("status = \"active\"", "status = \"activ\"");
    let read = read(folder(&[("1.toml", &broken), DEMO[1]]).path(), &catalogue).unwrap();
    assert_eq!(ids(&read.agreements), ["DARS-NIC-000002-DEMO2"]);
    assert_eq!(read.problems.len(), 1);
    assert_eq!(read.problems[0].file, "1.toml");
}

#[test]
fn two_files_of_one_reference_are_both_out_of_force() {
    let catalogue = Catalogue::built_in().unwrap();
    let read =
        read(folder(&[DEMO[0], ("copy.toml", DEMO[0].1), DEMO[1]]).path(), &catalogue).unwrap();
    assert_eq!(ids(&read.agreements), ["DARS-NIC-000002-DEMO2"]);
    assert_eq!(read.problems.len(), 2);
}

#[tokio::test]
async fn changes_are_noticed_and_a_lost_folder_grants_nothing() {
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    let folder = folder(&DEMO);
    let in_force = AgreementsInForce::new(Agreements::default());
    let following = follow(folder.path().to_owned(), catalogue, in_force.clone());
    let following = tokio::spawn(following);
    let becomes = async |expected: &[&str]| {
        for _ in 0..100 {
            if ids(&in_force.now()) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{:?} is not {expected:?}", ids(&in_force.now()));
    };
    becomes(&["DARS-NIC-000001-DEMO1", "DARS-NIC-000002-DEMO2"]).await;
    fs::write(folder.path().join("1.toml"), "reference =").unwrap();
    becomes(&["DARS-NIC-000002-DEMO2"]).await;
    fs::write(folder.path().join("1.toml"), DEMO[0].1).unwrap();
    becomes(&["DARS-NIC-000001-DEMO1", "DARS-NIC-000002-DEMO2"]).await;
    drop(folder);
    becomes(&[]).await;
    following.abort();
}
