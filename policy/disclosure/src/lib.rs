//! Disclosure control: decides, cell by cell, what may leave. [`release`] is the only way out.
//!
//! Pure: no network, no clock, no randomness of its own, no SQL engine. Figures come in as
//! [`RawAggregates`] with their evidence; a [`ReleasedTable`] goes out, already recorded.
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests build what only one place may build")
)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod groups;
mod ledger;
mod profile;
mod raw;
mod refusal;
mod release;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub use ledger::{
    AuditEvent, AuditOutcome, Decided, Earlier, Fingerprint, Ledger, LedgerError, Recorded, Scope,
    Timestamp,
};
pub use profile::{Clip, Profile, ProfileError, ZeroRule};
pub use raw::{Measure, Question, RawAggregates, RawCell, RawError, RawMeasure};
pub use refusal::{Code, Family, Page, Place, Refusal};
pub use release::{CellStatus, Outcome, ReleaseError, ReleasedMeasure, ReleasedTable, release};
