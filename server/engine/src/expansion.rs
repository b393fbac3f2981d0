//! How large a statement is once every CTE is written out where it is named.
//!
//! The planner writes CTEs out. Each that names the one before it twice doubles the plan: twenty of them, in
//! less than a page of text, are a million tables, and neither deadline nor memory limit stops a planner.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::ControlFlow;

use cordon_disclosure::{Code, Refusal};
use sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};

/// Most tables that a statement may read, written out.
const MAX_TABLES: u64 = 200;

/// Refuses what would be too large.
pub(crate) fn check(statement: &Statement) -> Result<(), Refusal> {
    let mut counted = Counted { frames: vec![Frame::default()] };
    let _ = statement.visit(&mut counted);
    match counted.frames.first() {
        Some(top) if top.tables <= MAX_TABLES => Ok(()),
        _ => Err(Refusal::new(
            Code::TooManyOperators,
            format!("with its CTEs written out, the statement reads more than {MAX_TABLES} tables"),
        )
        .instead("name each CTE once or twice, or ask in several statements")),
    }
}

#[derive(Default)]
struct Frame {
    /// CTEs of this query, by where their own queries stand in memory.
    ctes: HashMap<*const Query, String>,
    /// How many tables each that was visited reads.
    known: HashMap<String, u64>,
    tables: u64,
}

/// One frame for each query that is being visited, the statement's own first.
struct Counted {
    frames: Vec<Frame>,
}

impl Visitor for Counted {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let ctes = ctes
            .map(|cte| {
                (std::ptr::from_ref(cte.query.as_ref()), cte.alias.name.value.to_lowercase())
            })
            .collect();
        self.frames.push(Frame { ctes, ..Frame::default() });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(done) = self.frames.pop() else { return ControlFlow::Break(()) };
        if let Some(outer) = self.frames.last_mut() {
            // A CTE counts where it is named.
            match outer.ctes.get(&std::ptr::from_ref(query)).cloned() {
                Some(name) => {
                    // One that reads none is one as well: it doubles like any other.
                    outer.known.insert(name, done.tables.max(1));
                }
                None => outer.tables = outer.tables.saturating_add(done.tables),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor {
            let name = name.to_string().to_lowercase().replace('"', "");
            let read = self.frames.iter().rev().find_map(|f| f.known.get(&name)).copied();
            if let Some(frame) = self.frames.last_mut() {
                frame.tables = frame.tables.saturating_add(read.unwrap_or(1));
            }
        }
        ControlFlow::Continue(())
    }
}
