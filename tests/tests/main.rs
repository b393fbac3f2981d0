//! Whole-system tests: one binary.

mod docs;
mod edges;
mod errors;
mod golden;
mod hostile;
mod people;
mod permits;
mod redteam;
mod rows;
mod tidy;
mod versions;
