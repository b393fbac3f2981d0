//! What a caller is told when there is no answer: one line, and the same as JSON beside it. Text of
//! other libraries never comes this far.

#[cfg(test)]
mod tests;

use cordon_disclosure::{Code, Family, Refusal};
use cordon_engine::{Failure, Stop};
use serde_json::json;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

/// Drivers cut long messages, and gRPC libraries drop answers whose headers pass 8 KiB: the text stands
/// there twice (line and JSON), once in base64.
const LONGEST: usize = 800;

/// A refusal as gRPC tells it.
pub(crate) fn refused(refusal: &Refusal, query_id: Option<&str>) -> Status {
    let refusal = Refusal {
        what: one_line(&refusal.what),
        remedy: one_line(&refusal.remedy),
        ..refusal.clone()
    };
    let page = refusal.code.page();
    let mut problem = problem(refusal.code, &refusal.what, &refusal.remedy);
    problem["rule"] = page.rule.into();
    if let Some(place) = refusal.place {
        problem["line"] = place.line.into();
        problem["column"] = place.column.into();
    }
    told(refusal.code, refusal.line(), problem, query_id)
}

/// A failure as gRPC tells it: the page's words and the error id, nothing of the cause.
pub(crate) fn failed(failure: &Failure) -> Status {
    let page = failure.code.page();
    let what = format!("{}, error id {}", page.title.to_lowercase(), failure.error_id);
    let mut problem = problem(failure.code, page.title, page.remedy);
    problem["error_id"] = failure.error_id.clone().into();
    if let Some(after) = failure.retry_after {
        problem["retry_after_s"] = after.as_secs().into();
    }
    let line = Refusal::new(failure.code, what).line();
    told(failure.code, line, problem, None)
}

/// Either of the two.
pub(crate) fn stopped(stop: &Stop) -> Status {
    match stop {
        Stop::Refused(refusal) => refused(refusal, None),
        Stop::Failed(failure) => failed(failure),
    }
}

/// A fault of this house: the cause goes to the operator's log under the error id.
pub(crate) fn fault(cause: &(dyn std::error::Error + 'static)) -> Status {
    let error_id = uuid::Uuid::new_v4().to_string();
    tracing::error!(error_id, cause, "internal error at the door");
    failed(&Failure { code: Code::Internal, error_id, retry_after: None })
}

fn told(
    code: Code,
    line: String,
    mut problem: serde_json::Value,
    query_id: Option<&str>,
) -> Status {
    let mut beside = MetadataMap::new();
    beside.insert("cordon-code", MetadataValue::from_static(code.id()));
    if let Ok(help) = MetadataValue::try_from(help(code)) {
        beside.insert("cordon-help", help);
    }
    if let Some(id) = query_id {
        problem["query_id"] = id.into();
        if let Ok(id) = MetadataValue::try_from(id) {
            beside.insert("cordon-query-id", id);
        }
    }
    let problem = MetadataValue::from_bytes(problem.to_string().as_bytes());
    beside.insert_bin("cordon-problem-bin", problem);
    Status::with_metadata(grpc(code), line, beside)
}

/// RFC 9457.
fn problem(code: Code, detail: &str, remedy: &str) -> serde_json::Value {
    json!({
        "type": help(code),
        "title": code.page().title,
        "status": http(code),
        "detail": detail,
        "code": code.id(),
        "try": remedy,
    })
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
