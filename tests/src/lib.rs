//! A whole house in one process: synthetic people in a store, agreements, a ledger, the engine; and the
//! same people in plain DataFusion, the truth that answers are compared with.

mod world;

pub use world::{EXACT, Loads, Plan, World, agreement, secret};
