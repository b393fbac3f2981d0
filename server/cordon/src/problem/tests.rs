use tonic::metadata::{MetadataMap, MetadataValue};

use super::*;

const LINE: &str = "`pseudo_hesid` stands in the SELECT list; try: count(distinct pseudo_hesid) AS patients (CORDON-D110)";

fn status(code: tonic::Code, message: &str, problem: Option<&str>) -> Status {
    let mut beside = MetadataMap::new();
    if let Some(problem) = problem {
        beside.insert_bin("cordon-problem-bin", MetadataValue::from_bytes(problem.as_bytes()));
    }
    Status::with_metadata(code, message, beside)
}

#[test]
fn the_machine_part_gives_place_rule_and_remedy() {
    let json = r#"{"type":"x","code":"CORDON-D110","detail":"`pseudo_hesid` stands in the SELECT list",
        "rule":"the pseudonym is never shown","try":"count it","line":1,"column":8,"new":true}"#;
    let problem = Problem::from(&status(tonic::Code::InvalidArgument, LINE, Some(json)));
    assert_eq!(problem.exit, Exit::Disclosure);
    assert_eq!(
        problem.to_string(),
        "refused: `pseudo_hesid` stands in the SELECT list (CORDON-D110)\n  where  line 1, column 8\n  \
         rule   the pseudonym is never shown\n  try    count it"
    );
}

#[test]
fn without_it_the_line_and_the_codes_page_do() {
    for broken in [None, Some("no json")] {
        let problem = Problem::from(&status(tonic::Code::InvalidArgument, LINE, broken));
        let text = problem.to_string();
        assert_eq!(problem.exit, Exit::Disclosure);
        assert!(
            text.contains("refused: `pseudo_hesid`") && text.contains("try    count(distinct"),
            "{text}"
        );
        assert!(text.contains(Code::PseudonymShown.page().rule), "{text}");
    }
}

#[test]
fn failures_are_not_called_refusals() {
    let line = "internal error, error id 7; try: again (CORDON-X103)";
    let problem = Problem::from(&status(tonic::Code::Internal, line, None));
    assert_eq!(problem.exit, Exit::Unavailable);
    assert!(problem.to_string().starts_with("failed: internal error, error id 7 (CORDON-X103)"));
}

#[test]
fn other_servers_end_by_their_status() {
    for (code, exit) in [
        (tonic::Code::Unauthenticated, Exit::NotSignedIn),
        (tonic::Code::PermissionDenied, Exit::Agreement),
        (tonic::Code::InvalidArgument, Exit::Sql),
        (tonic::Code::DeadlineExceeded, Exit::Stopped),
        (tonic::Code::Cancelled, Exit::Stopped),
        (tonic::Code::Unavailable, Exit::Unavailable),
        (tonic::Code::Unimplemented, Exit::Unavailable),
    ] {
        assert_eq!(Problem::from(&status(code, "no", None)).exit, exit);
    }
}

#[test]
fn an_unknown_code_is_no_release() {
    let json = r#"{"code":"CORDON-Z999","detail":"d","try":"t"}"#;
    let problem = Problem::from(&status(tonic::Code::InvalidArgument, "x", Some(json)));
    assert_eq!(problem.exit, Exit::Unavailable);
}

#[test]
fn nothing_in_a_message_steers_the_terminal() {
    let problem = Problem::from(&status(tonic::Code::Internal, "\u{1b}[2Jgone", None));
    assert!(!problem.to_string().contains('\u{1b}'));
}
