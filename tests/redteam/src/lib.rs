//! The red team: attacks on disclosure control, published ones and our own, scored against the truth.
//!
//! An attacker here sees what [`House`] tells: figures of sets of people with their errors, decided by
//! `cordon_disclosure::release` over its real index and meter. People are made up. How sets are said in SQL, and what the
//! doors refuse, is tested where the engine is (`tests/tests/redteam`); nothing here is tuned to what the rules do.

mod attacks;
mod house;
mod report;
mod rules;
mod run;
mod score;
mod solve;
#[cfg(test)]
mod tests;

pub use attacks::{ATTACKS, Attack, Goal, Setting};
pub use house::{Asking, House, Told, Without};
pub use report::write;
pub use rules::Rules;
pub use run::{BUDGETS, Curve, Scale, questions, run};
pub use score::Tally;
