//! Agreements: who may ask what, for which purpose, until when; agreement files become a [`Permit`].
//!
//! Pure: the day is a parameter, storage is elsewhere. What a permit does not name does not exist.

#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod agreement;
mod apart;
mod file;
mod permit;
#[cfg(test)]
mod tests;

pub use agreement::{
    Agreement, AgreementId, Agreements, LOCAL_ISSUER, OptOuts, Status, Territory, UserId,
};
pub use file::AgreementError;
pub use permit::{Permit, RowFilter, TableGrant, permit};
