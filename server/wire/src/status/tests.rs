use std::time::Duration;

use cordon_disclosure::Place;
use serde_json::json;

use super::*;

fn problem_of(status: &Status) -> serde_json::Value {
    let bytes = status.metadata().get_bin("cordon-problem-bin").unwrap().to_bytes().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn every_code_reaches_drivers_as_a_status_that_they_know() {
    use tonic::Code as Grpc;
    for code in Code::ALL {
        let status = refused(&Refusal::new(*code, "what"), Some("q-1"));
        let expected = match code.id() {
            "CORDON-A201" | "CORDON-A202" => Grpc::Unauthenticated,
            id if id.starts_with("CORDON-A") => Grpc::PermissionDenied,
            id if id.starts_with("CORDON-D") || id.starts_with("CORDON-S") => Grpc::InvalidArgument,
            "CORDON-X101" => Grpc::DeadlineExceeded,
            "CORDON-X103" => Grpc::Internal,
            "CORDON-X105" => Grpc::Cancelled,
            "CORDON-X107" => Grpc::NotFound,
            "CORDON-X109" => Grpc::Unimplemented,
            _ => Grpc::Unavailable,
        };
        assert_eq!(status.code(), expected, "{}", code.id());
        assert!(status.message().ends_with(&format!("({})", code.id())));
        assert!(!status.message().contains('\n'));
        let beside = status.metadata();
        assert_eq!(beside.get("cordon-code").unwrap(), code.id());
        assert_eq!(beside.get("cordon-query-id").unwrap(), "q-1");
        assert!(
            beside.get("cordon-help").unwrap().to_str().unwrap().starts_with("docs/refusals.md#")
        );
        assert_eq!(problem_of(&status)["code"], code.id());
        // The whole answer is put into headers without a panic.
        let _: http::Response<tonic::body::Body> = status.into_http();
    }
}

#[test]
fn a_refusal_is_told_in_its_own_words() {
    let refusal = Refusal::new(Code::UnknownTable, "`hes.nothing` does not exist")
        .at(Some(Place { line: 2, column: 9 }))
        .instead("list them with SHOW TABLES");
    let status = refused(&refusal, None);
    assert_eq!(status.message(), refusal.line());
    let problem = problem_of(&status);
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(9)));
    assert_eq!(problem["detail"], "`hes.nothing` does not exist");
    assert!(status.metadata().get("cordon-query-id").is_none());
}

#[test]
fn odd_words_stay_one_short_line() {
    let odd = format!("`a\nb\r\u{0}\u{1b}[31mé😀`{}", "é".repeat(5000));
    let status = refused(&Refusal::new(Code::UnknownColumn, odd), None);
    assert!(!status.message().contains(char::is_control));
    assert!(status.message().contains("é😀"));
    assert!(status.message().len() < 1200, "{}", status.message().len());
    let response: http::Response<tonic::body::Body> = status.into_http();
    let bytes: usize = response.headers().values().map(http::HeaderValue::len).sum();
    assert!(bytes < 8000, "{bytes}");
}

#[test]
fn a_failure_tells_its_error_id_and_nothing_else() {
    let failure = Failure {
        code: Code::Overloaded,
        error_id: "e-1".into(),
        retry_after: Some(Duration::from_secs(3)),
    };
    let status = stopped(&Stop::Failed(failure), "q-1");
    assert!(status.message().starts_with("busy, error id e-1; try: "), "{}", status.message());
    assert_eq!(problem_of(&status)["retry_after_s"], 3);
    assert_eq!(status.metadata().get("cordon-query-id").unwrap(), "q-1");
    let status = fault(&std::io::Error::other("secret path"));
    assert!(!status.message().contains("secret"));
    assert!(!problem_of(&status).to_string().contains("secret"));
}
