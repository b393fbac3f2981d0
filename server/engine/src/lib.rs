//! The crate that knows DataFusion: parse, authorise, guard, cut, execute, release, finish.
//!
//! One way only. Each stage consumes the last one's type. Text from DataFusion or Arrow stops here: it
//! may quote data.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod answer;
mod authorise;
mod by_person;
mod coded;
mod engine;
mod errors;
mod execute;
mod expansion;
mod failure;
mod finish;
mod functions;
mod gather;
mod guard;
mod in_order;
mod limits;
mod look_up;
mod opt_outs;
mod parse;
mod plans;
mod rehearse;
mod released;
mod session;
mod sides;
mod slots;
mod views;
mod whole;

pub use answer::{Answer, Failure, Note, Prepared, Stop};
pub use engine::{Engine, EngineSettings, OwnViews, QueryOptions, SubmittedSql, new_query_id};
pub use opt_outs::OptOuts;
