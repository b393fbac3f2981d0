//! Whole loads on small tables, looked at through scans.

mod crash;
mod fixtures;
mod loads;
mod real;
mod scans;
mod speed;
