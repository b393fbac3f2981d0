//! Who calls, under which agreement, and what is recorded when the answer is no.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::Utc;
use cordon_agreements::{Permit, permit};
use cordon_disclosure::{AuditEvent, AuditOutcome, Code, Fingerprint, Refusal, Timestamp};
use cordon_engine::{Failure, QueryOptions};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Status};

use super::FlightDoor;
use crate::identity::SignedIn;
use crate::status;

/// Longest text and agreement reference that the audit log is given.
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_REFERENCE: usize = 100;

/// A signed-in person and what the call's headers ask for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) signed_in: SignedIn,
    /// `x-cordon-agreement`.
    pub(crate) agreement: Option<String>,
    /// `x-cordon-status-columns` and `x-cordon-error-columns`.
    pub(crate) options: QueryOptions,
}

impl Caller {
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let signed_in = request.extensions().get::<SignedIn>().ok_or_else(nobody)?.clone();
        let header = |name| {
            let value = request.metadata().get(name)?.as_bytes();
            Some(String::from_utf8_lossy(value).trim().to_owned()).filter(|text| !text.is_empty())
        };
        let wanted = |name| {
            header(name).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
        };
        Ok(Self {
            signed_in,
            agreement: header("x-cordon-agreement"),
            options: QueryOptions {
                status_columns: wanted("x-cordon-status-columns"),
                error_columns: wanted("x-cordon-error-columns"),
            },
        })
    }
}

/// A call that came past the sign-in: it is refused like one without a token.
pub(crate) fn nobody() -> Status {
    status::refused(&Refusal::new(Code::NotSignedIn, "no access token came with the call"), None)
}

impl FlightDoor {
    /// The caller's rights at this moment, under the agreement that a statement was prepared under, that
    /// the call names, or that is the caller's only one. `asked` is what a refusal is recorded with.
    pub(crate) async fn permit(
        &self,
        caller: &Caller,
        bound_to: Option<&str>,
        asked: &str,
    ) -> Result<Permit, Status> {
        let wanted = bound_to.or(caller.agreement.as_deref());
        let today = Utc::now().date_naive();
        match permit(&self.agreements.now(), &caller.signed_in.user, wanted, today) {
            Ok(permit) => Ok(permit),
            Err(refusal) => Err(self.refuse(caller, wanted.unwrap_or(""), asked, &refusal).await),
        }
    }

    /// Records a refusal that was made at this door (the engine records its own), then tells it.
    pub(crate) async fn refuse(
        &self,
        caller: &Caller,
        agreement: &str,
        asked: &str,
        refusal: &Refusal,
    ) -> Status {
        let asked = start_of(asked, LONGEST_TEXT);
        let event = AuditEvent {
            query_id: uuid::Uuid::now_v7().to_string(),
            analyst: caller.signed_in.user.as_str().to_owned(),
            agreement: start_of(agreement, LONGEST_REFERENCE).to_owned(),
            door: "flight".to_owned(),
            sql: asked.to_owned(),
            fingerprint: Fingerprint(Sha256::digest(asked).into()),
            versions: String::new(),
            outcome: AuditOutcome::Refused(refusal.code.id().to_owned()),
        };
        let query_id = event.query_id.clone();
        let ledger = Arc::clone(&self.ledger);
        let recorded = tokio::task::spawn_blocking(move || ledger.record(&event, now())).await;
        let error: &(dyn std::error::Error + 'static) = match &recorded {
            Ok(Ok(_)) => {
                tracing::info!(query_id, code = refusal.code.id(), "refused at the door");
                return status::refused(refusal, Some(&query_id));
            }
            Ok(Err(error)) => error,
            Err(error) => error,
        };
        // I6: what cannot be recorded is not even refused with its reason.
        let error_id = uuid::Uuid::new_v4().to_string();
        tracing::error!(error_id, query_id, error, "a refusal cannot be recorded");
        let failure = Failure { code: Code::LedgerUnavailable, error_id, retry_after: None };
        status::failed(&failure, None)
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn start_of(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}
