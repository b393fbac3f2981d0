use std::os::unix::fs::PermissionsExt as _;

use super::population::check;
use super::*;

fn made(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("store")).unwrap();
    fs::write(folder.path().join("store/demo.json"), text).unwrap();
    folder
}

#[test]
fn other_people_than_the_folder_has_are_named_both() {
    let folder = made(r#"{"people":2000,"seed":42}"#);
    let store = folder.path().join("store");
    assert!(check(&store, None).is_ok());
    assert!(check(&store, NonZeroU64::new(2000)).is_ok());
    let text = check(&store, NonZeroU64::new(500)).unwrap_err().to_string();
    assert!(text.contains("--people 2000") && text.contains("--people 500"), "{text}");
}

#[test]
fn a_store_that_somebody_else_made_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("store")).unwrap();
    let text = check(&folder.path().join("store"), None).unwrap_err().to_string();
    assert!(text.contains("was not made by `cordon demo`"), "{text}");
    assert!(folder.path().join("store").exists());
}

#[test]
fn tokens_are_for_their_owner_only_and_one_for_each_role() {
    let folder = tempfile::tempdir().unwrap();
    let house = Folder::new(folder.path());
    let path = write_tokens(&house).unwrap();
    let first = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let tokens: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&first).unwrap();
    for role in ROLES {
        assert_eq!(tokens[role].as_str().unwrap().split('.').count(), 3);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    write_tokens(&house).unwrap();
    assert_ne!(fs::read_to_string(&path).unwrap(), first);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn agreements_are_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let house = Folder::new(folder.path());
    ensure_agreements(&house).unwrap();
    let changed = house.agreements().join(AGREEMENTS[0].0);
    fs::write(&changed, "mine").unwrap();
    ensure_agreements(&house).unwrap();
    assert_eq!(fs::read_to_string(&changed).unwrap(), "mine");
    assert_eq!(fs::read_dir(house.agreements()).unwrap().count(), AGREEMENTS.len());
}

#[test]
fn the_example_survives_odd_folder_names() {
    let text = welcome("127.0.0.1:1", r#"/tmp/a "b"/tokens.json"#);
    assert!(text.starts_with("cordon is ready\n"));
    assert!(text.contains(r#"open("/tmp/a \"b\"/tokens.json")"#), "{text}");
}
