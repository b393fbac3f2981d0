use super::*;

#[test]
fn remarks_blanks_and_spaces_are_no_pseudonyms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opt-outs.txt");
    fs::write(&path, "\u{feff}# heading\n\n A1B2 \r\nC3D4\n#E5\n").unwrap();
    assert_eq!(read(&path).unwrap(), ["A1B2", "C3D4"]);
    fs::write(&path, NOBODY).unwrap();
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn a_missing_file_is_an_error_that_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(&folder.path().join("opt-outs.txt")).unwrap_err().to_string();
    assert!(error.contains("opt-outs.txt") && error.contains("an empty file"), "{error}");
}

#[test]
fn half_a_character_is_an_error_not_a_shorter_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opt-outs.txt");
    fs::write(&path, b"A1\n\xff\n").unwrap();
    assert!(read(&path).is_err());
}
