use cordon_disclosure::Code;

use super::*;

#[test]
fn numbers_are_the_published_ones() {
    let all = [
        Exit::Done,
        Exit::Incomplete,
        Exit::Usage,
        Exit::Agreement,
        Exit::Disclosure,
        Exit::Sql,
        Exit::NotSignedIn,
        Exit::Stopped,
        Exit::Unavailable,
    ];
    for (number, exit) in (0..).zip(all) {
        assert_eq!(exit.number(), number);
        assert!(HELP.contains(&format!("\n  {number}  ")), "{number} is not in the help");
    }
}

#[test]
fn every_code_ends_as_its_family_does() {
    for code in Code::ALL {
        let expected = match (code.id(), code.id().as_bytes()[7]) {
            ("CORDON-A201" | "CORDON-A202", _) => 6,
            (_, b'A') => 3,
            (_, b'D') => 4,
            (_, b'S') => 5,
            (_, _) if matches!(code, Code::Cancelled | Code::DeadlineReached) => 7,
            _ => 8,
        };
        assert_eq!(Exit::of(*code).number(), expected, "{}", code.id());
    }
}
