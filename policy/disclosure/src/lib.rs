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

mod cell_key;
mod decide;
mod gather;
mod groups;
mod index;
mod key;
mod ledger;
mod meter;
mod noise;
mod privacy;
mod profile;
mod raw;
mod refusal;
mod release;
mod rules;
pub mod sabotage;
mod sketch;
mod stored;
#[cfg(test)]
mod tests;

pub use gather::{Gathered, Gathering, Part};
pub use index::{DamagedIndex, Index, Mark};
pub use key::{HashedPerson, PeopleKey, Secret, ShortSecret};
pub use ledger::{
    Asked, AuditEvent, AuditOutcome, Decide, Decided, Earlier, Fingerprint, Ledger, LedgerError,
    Recorded, Scope, Standing, Timestamp,
};
pub use meter::Charge;
pub use privacy::{Bounding, PrivacyError, PrivacyRule, Unbounded};
pub use profile::{Clip, NoiseRule, Profile, ProfileError, Protection, ZeroRule};
pub use raw::{Heavy, Measure, Question, RawAggregates, RawCell, RawError, RawMeasure, RowsOf};
pub use refusal::{Code, Family, Page, Place, Refusal};
pub use release::{
    CellStatus, Columns, Metered, Outcome, ReleaseError, ReleasedMeasure, ReleasedTable,
    error_column, most_charged, release, repeat, spent,
};
pub use sketch::Sketch;
