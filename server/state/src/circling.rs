//! Who asks again and again around the same few people: for governance, never for an answer.
//!
//! An attack on one patient needs many questions about nearly the same set of people: with and without the
//! patient, with one condition more or less. Each of them is near the first one that was answered, so they
//! meet at one remembered set. Ordinary work meets there as well, once or twice: a cohort that was mended, a
//! month that was loaded again.

use std::collections::{BTreeMap, BTreeSet};

use cordon_disclosure::Timestamp;

use crate::{SqliteState, StateError};

/// One remembered set of people with the questions that came near it without being about the same people.
/// Nothing in it says who they are or how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// Queries that came near, in order.
    pub queries: Vec<String>,
    /// Who asked.
    pub analysts: BTreeSet<String>,
    /// Under which agreements.
    pub agreements: BTreeSet<String>,
    /// When the first was asked.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// Of the question with the fewest: how many sets it came near to. Many in all of them are rather a whole
    /// table that was made again.
    pub fewest_sets: u64,
}

impl SqliteState {
    /// Remembered sets that at least so many questions came near, most questions first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn circles(&self, least: u64, since: Timestamp) -> Result<Vec<Circle>, StateError> {
        let reader = self.reader.lock();
        let mut near = reader.prepare_cached(
            "SELECT n.scope, n.sets, j.query_id, j.analyst, j.agreement, j.at_ms
             FROM near_sets n JOIN journal j ON j.position = n.position
             WHERE j.at_ms >= ?1 ORDER BY n.position",
        )?;
        let mut rows = near.query([since.0])?;
        let mut circles: BTreeMap<(String, u32), Circle> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (scope, sets): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let (query, analyst, agreement): (String, String, String) =
                (row.get(2)?, row.get(3)?, row.get(4)?);
            let at = Timestamp(row.get(5)?);
            let sets = sets.as_chunks::<4>().0;
            for set in sets {
                let key = (scope.clone(), u32::from_le_bytes(*set));
                let circle = circles.entry(key).or_insert_with(|| Circle {
                    queries: Vec::new(),
                    analysts: BTreeSet::new(),
                    agreements: BTreeSet::new(),
                    first: at,
                    last: at,
                    fewest_sets: u64::MAX,
                });
                // Tables of one statement are one question.
                if circle.queries.last() != Some(&query) {
                    circle.queries.push(query.clone());
                }
                circle.analysts.insert(analyst.clone());
                circle.agreements.insert(agreement.clone());
                circle.last = at;
                circle.fewest_sets = circle.fewest_sets.min(sets.len() as u64);
            }
        }
        let mut circles: Vec<Circle> =
            circles.into_values().filter(|c| c.queries.len() as u64 >= least).collect();
        circles.sort_by_key(|c| (std::cmp::Reverse(c.queries.len()), c.fewest_sets, c.first));
        Ok(circles)
    }
}
