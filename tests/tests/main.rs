//! Whole-system tests: one binary.

mod docs;
mod edges;
mod errors;
mod golden;
mod hostile;
#[cfg(feature = "sabotage")]
mod logic;
mod neighbours;
mod people;
mod permits;
mod privacy;
mod redteam;
mod rows;
mod tidy;
mod versions;
