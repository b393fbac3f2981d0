//! Whole-system tests: one binary.

mod docs;
mod edges;
mod errors;
mod golden;
mod hostile;
mod neighbours;
mod people;
mod permits;
mod privacy;
mod rows;
mod tidy;
mod versions;
