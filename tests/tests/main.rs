//! Whole-system tests: one binary.

mod docs;
mod golden;
mod people;
mod tidy;
