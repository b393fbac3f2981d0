//! Tables on disk, clustered by person.
//!
//! Delta gives atomic commits and versions; the Parquet is ours. Every row of a protected table begins with
//! `_person`, rows are sorted by it, and the scan hands whole persons to partitions, in order. So distinct
//! persons are counted by noticing change. This crate describes and fills; it knows nothing of users.
//!
//! **Invariant** Rows of one person are adjacent in every partition of a scan, and in one partition only.
//! **Invariant** A pseudonym has one number in all tables of a store, and stands in none of their files.
//! **Invariant** What a load writes is seen by nobody before its commit, and whole after it.
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests build what only one place may build")
)]

mod bucket;
mod compact;
mod disk;
mod error;
mod index;
mod input;
mod layout;
mod load;
mod log;
mod order;
mod parse;
mod person;
mod pin;
mod provider;
mod public;
mod rejects;
mod run;
mod scan;
mod scatter;
mod settings;
mod stage;
mod store;
mod verify;

#[cfg(test)]
mod tests;

pub use compact::CompactReport;
pub use error::StoreError;
pub use layout::QUALITY_BITS;
pub use load::{LoadOptions, LoadReport};
pub use parse::Reason;
pub use person::{ANONYMOUS, BUCKET_SHIFT, PERSON, QUALITY, WEIGHT, bucket_of, is_anonymous};
pub use pin::{AsOf, Pinned};
pub use scan::StoreScan;
pub use store::{DEFAULT_BUCKETS, Store};

/// Hears how far something has come.
pub trait Progress: Sync {
    /// So many rows are done, of so many if that is known.
    fn rows(&self, done: u64, of: Option<u64>);
    /// Another stage begins.
    fn stage(&self, name: &str);
}

/// Does not want to hear it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn rows(&self, _: u64, _: Option<u64>) {}
    fn stage(&self, _: &str) {}
}
