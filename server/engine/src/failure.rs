//! Errors become one of a few fixed codes; their text goes to the operator's log only.

use cordon_disclosure::{Code, LedgerError, Refusal, ReleaseError};
use cordon_store::StoreError;
use datafusion::common::DataFusionError;
use std::time::Duration;

use crate::answer::{Failure, Stop};

/// A failure without a cause worth logging.
pub(crate) fn of(code: Code) -> Stop {
    let retry_after =
        matches!(code, Code::Overloaded | Code::LedgerUnavailable).then(|| Duration::from_secs(5));
    Stop::Failed(Failure { code, error_id: uuid::Uuid::new_v4().simple().to_string(), retry_after })
}

fn logged(code: Code, kind: &'static str) -> Stop {
    let stop = of(code);
    if let Stop::Failed(failure) = &stop {
        tracing::error!(error_id = %failure.error_id, code = code.id(), kind, "a query failed");
    }
    stop
}

pub(crate) fn internal(kind: &'static str) -> Stop {
    logged(Code::Internal, kind)
}

/// An engine's error may quote data: only its kind is logged.
pub(crate) fn engine(error: &DataFusionError) -> Stop {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => logged(Code::MemoryExhausted, "memory"),
        DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_) => logged(Code::DataUnavailable, "reading"),
        DataFusionError::External(e) if e.downcast_ref::<StoreError>().is_some() => {
            logged(Code::DataUnavailable, "store")
        }
        DataFusionError::Plan(_) | DataFusionError::NotImplemented(_) => internal("planning"),
        DataFusionError::ArrowError(..) => internal("arrow"),
        DataFusionError::Execution(_) => internal("execution"),
        DataFusionError::SchemaError(..) => internal("schema"),
        DataFusionError::Internal(_) => internal("engine"),
        _ => internal("other"),
    }
}

/// An error over figures and public tables says nothing of anybody, so it is the analyst's to know: what was
/// written cannot be computed.
pub(crate) fn over_figures(error: &DataFusionError) -> Stop {
    match error.find_root() {
        DataFusionError::Plan(_)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::ArrowError(..)
        | DataFusionError::Execution(_)
        | DataFusionError::Internal(_) => {
            tracing::info!(kind = "over figures", "an expression cannot be computed");
            Refusal::new(Code::PlanError, "an expression over the figures cannot be computed")
                .instead("look for a division by 0, a root of a negative number, a length or offset below 0, a date out of range")
                .into()
        }
        _ => engine(error),
    }
}

pub(crate) fn store(error: &StoreError) -> Stop {
    let stop = of(Code::DataUnavailable);
    if let Stop::Failed(failure) = &stop {
        // A store's error names a file, never a value.
        tracing::error!(error_id = %failure.error_id, error = %error, "the store cannot be read");
    }
    stop
}

pub(crate) fn ledger(error: &LedgerError) -> Stop {
    let stop = of(Code::LedgerUnavailable);
    if let Stop::Failed(failure) = &stop {
        tracing::error!(error_id = %failure.error_id, action = error.action, cause = %error.source, "the ledger failed");
    }
    stop
}

pub(crate) fn release(error: &ReleaseError) -> Stop {
    match error {
        ReleaseError::Ledger(e) => ledger(e),
        _ => internal("release"),
    }
}
