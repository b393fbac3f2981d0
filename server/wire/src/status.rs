//! What a caller is told when there is no answer: one line, and the same as JSON beside it. Text of
//! other libraries never comes this far.

#[cfg(test)]
mod tests;

use cordon_disclosure::{Code, Family, Refusal};
use cordon_engine::{Failure, Stop};
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

/// Drivers cut long messages, and gRPC libraries drop answers whose headers pass 8 KiB: the text stands
/// there twice (line and JSON), once in base64.
const LONGEST: usize = 800;

/// What is told as JSON (RFC 9457).
#[derive(serde::Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    rule: &'a str,
    r#try: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// A refusal as gRPC tells it.
pub(crate) fn refused(refusal: &Refusal, query_id: Option<&str>) -> Status {
    let refusal = Refusal {
        what: one_line(&refusal.what),
        remedy: one_line(&refusal.remedy),
        ..refusal.clone()
    };
    let problem = Problem {
        line: refusal.place.map(|place| place.line),
        column: refusal.place.map(|place| place.column),
        query_id,
        ..problem(refusal.code, &refusal.what, &refusal.remedy)
    };
    told(refusal.code, refusal.line(), &problem)
}

/// A failure as gRPC tells it: the page's words and the error id, nothing of the cause.
pub(crate) fn failed(failure: &Failure, query_id: Option<&str>) -> Status {
    let page = failure.code.page();
    let problem = Problem {
        query_id,
        error_id: Some(&failure.error_id),
        retry_after_s: failure.retry_after.map(|after| after.as_secs()),
        ..problem(failure.code, page.title, page.remedy)
    };
    let what = format!("{}, error id {}", page.title.to_lowercase(), failure.error_id);
    told(failure.code, Refusal::new(failure.code, what).line(), &problem)
}

/// Either of the two, with the id of the question.
pub(crate) fn stopped(stop: &Stop, query_id: &str) -> Status {
    match stop {
        Stop::Refused(refusal) => refused(refusal, Some(query_id)),
        Stop::Failed(failure) => failed(failure, Some(query_id)),
    }
}

/// A fault of this house: the cause goes to the operator's log under the error id.
pub(crate) fn fault(cause: &(dyn std::error::Error + 'static)) -> Status {
    let error_id = uuid::Uuid::new_v4().to_string();
    tracing::error!(error_id, cause, "internal error at the door");
    failed(&Failure { code: Code::Internal, error_id, retry_after: None }, None)
}

fn told(code: Code, line: String, problem: &Problem<'_>) -> Status {
    let mut beside = MetadataMap::new();
    beside.insert("cordon-code", MetadataValue::from_static(code.id()));
    let texts =
        [("cordon-help", Some(problem.r#type.as_str())), ("cordon-query-id", problem.query_id)];
    for (name, text) in texts {
        if let Some(Ok(value)) = text.map(MetadataValue::try_from) {
            beside.insert(name, value);
        }
    }
    // Names, texts and numbers: nothing that JSON could not hold.
    let problem = serde_json::to_vec(problem).unwrap_or_default();
    beside.insert_bin("cordon-problem-bin", MetadataValue::from_bytes(&problem));
    Status::with_metadata(grpc(code), line, beside)
}

fn problem<'a>(code: Code, detail: &'a str, remedy: &'a str) -> Problem<'a> {
    Problem {
        r#type: help(code),
        title: code.page().title,
        status: http(code),
        detail,
        code: code.id(),
        rule: code.page().rule,
        r#try: remedy,
        line: None,
        column: None,
        query_id: None,
        error_id: None,
        retry_after_s: None,
    }
}

fn help(code: Code) -> String {
    format!("docs/refusals.md#{}", code.id().to_lowercase())
}

/// `FAILED_PRECONDITION` and `RESOURCE_EXHAUSTED` are never used: drivers turn them into "unknown" and
/// "internal".
fn grpc(code: Code) -> tonic::Code {
    match (code, code.family()) {
        (Code::NotSignedIn | Code::TokenExpired, _) => tonic::Code::Unauthenticated,
        (_, Family::Agreement) => tonic::Code::PermissionDenied,
        (_, Family::Disclosure | Family::Sql) => tonic::Code::InvalidArgument,
        (Code::DeadlineReached, _) => tonic::Code::DeadlineExceeded,
        (Code::Cancelled, _) => tonic::Code::Cancelled,
        (Code::ResultUnknown, _) => tonic::Code::NotFound,
        (Code::NotOffered, _) => tonic::Code::Unimplemented,
        (
            Code::LedgerUnavailable
            | Code::Overloaded
            | Code::DataUnavailable
            | Code::MemoryExhausted,
            _,
        ) => tonic::Code::Unavailable,
        (_, Family::Operational) => tonic::Code::Internal,
    }
}

fn http(code: Code) -> u16 {
    match grpc(code) {
        tonic::Code::Unauthenticated => 401,
        tonic::Code::PermissionDenied => 403,
        tonic::Code::InvalidArgument => 400,
        tonic::Code::NotFound => 404,
        tonic::Code::DeadlineExceeded => 504,
        tonic::Code::Cancelled => 499,
        tonic::Code::Unimplemented => 501,
        tonic::Code::Unavailable => 503,
        _ => 500,
    }
}

/// Words of the analyst stand in it, so it can hold anything.
fn one_line(text: &str) -> String {
    let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let (kept, cut) = text.split_at(end.unwrap_or(0));
    let mut line: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !cut.is_empty() {
        line.push('…');
    }
    line
}
