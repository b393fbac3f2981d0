//! The doors: sign-in and Flight SQL.
//!
//! Nothing is decided here about data. Every call is authenticated in one place, before any method;
//! every answer is one that the engine released and recorded; every refusal is told in one form.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod agreements;
mod encode;
mod flight;
mod identity;
mod parameters;
mod questions;
mod server;
mod shelf;
mod sign_in;
mod status;
#[cfg(test)]
mod testing;

pub use agreements::AgreementsInForce;
pub use flight::KeepNotes;
pub use identity::{
    AUDIENCE, Identity, IdentityError, LONGEST_LIFE, LocalIssuer, LocalIssuerError, SignedIn,
    TokenFault, TrustedIssuer, Withdrawn, WithdrawnUnknown, install_crypto,
};
pub use server::{Doors, FlightSettings, ServeError, Serving, Tls, serve};
