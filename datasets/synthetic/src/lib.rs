//! Synthetic patients: made-up people with coherent lives, and the HES rows that hospitals would have sent about
//! them. Seeded, so that every machine makes the same ones; never derived from real rows.
//!
//! Rates, stays and codes are of the size and shape that published statistics show. Places, practices and trusts
//! are invented: their codes belong to no real organisation. The crate makes Arrow batches; it knows nothing of
//! tables on disk, users or queries.

mod appointments;
mod attendances;
mod calendar;
mod conditions;
mod draw;
mod error;
mod export;
mod pathways;
mod person;
mod population;
mod reference;
mod rows;
mod sheet;
mod spells;
mod world;

#[cfg(test)]
mod tests;

pub use error::SyntheticError;
pub use export::write_parquet;
pub use population::Population;
pub use reference::reference_table;
