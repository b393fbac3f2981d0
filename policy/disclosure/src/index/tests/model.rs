//! Sets of people with their contributions, and the slow referee.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Kind, Near, Remembered};
use crate::key::{PeopleKey, Secret};
use crate::sketch::Sketch;

/// Person to contribution.
pub(super) type People = BTreeMap<i64, i128>;

/// One person more or less: a position among the people that there are, or among those in the set.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Add(usize),
    Remove(usize),
    Change(usize),
}

pub(super) fn edits(number: Range<usize>) -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (0usize..400).prop_map(Edit::Add),
        (0usize..400).prop_map(Edit::Remove),
        (0usize..400).prop_map(Edit::Change),
    ];
    vec(edit, number)
}

pub(super) fn edited(people: &People, width: usize, edits: &[Edit]) -> People {
    let mut people = people.clone();
    for edit in edits {
        let chosen = |at: &usize| people.keys().nth(at % people.len().max(1)).copied();
        match edit {
            Edit::Add(at) => {
                people.entry(person(width, *at)).or_insert(1);
            }
            Edit::Remove(at) => {
                chosen(at).map(|person| people.remove(&person));
            }
            Edit::Change(at) => {
                chosen(at).map(|person| people.entry(person).and_modify(|much| *much += 1));
            }
        }
    }
    people
}

/// In how many persons two sets differ: in one only, or with different contributions.
pub(super) fn differing_persons(one: &People, other: &People) -> usize {
    let all: BTreeSet<&i64> = one.keys().chain(other.keys()).collect();
    all.into_iter().filter(|person| one.get(person) != other.get(person)).count()
}

/// The same secret in every test, so that none fails by chance.
fn key() -> PeopleKey {
    Secret::new(&[7; 32]).unwrap().people()
}

pub(super) fn sketch(people: &People) -> Sketch {
    let key = key();
    let mut sketch = Sketch::default();
    for (person, contribution) in people {
        sketch.add(&key, &key.person(*person), *contribution);
    }
    sketch
}

pub(super) fn persons(persons: Range<i64>) -> People {
    persons.map(|person| (person, 1)).collect()
}

/// People who fall into the first `width` buckets by turns: few buckets make many of them share one.
pub(super) fn some_people(width: usize, first: usize, size: usize) -> People {
    (first..first + size).map(|at| (person(width, at), 1)).collect()
}

fn person(width: usize, at: usize) -> i64 {
    static BY_BUCKET: OnceLock<Vec<Vec<i64>>> = OnceLock::new();
    let by_bucket = BY_BUCKET.get_or_init(|| {
        let key = key();
        let mut by_bucket = vec![Vec::new(); 64];
        for person in 0..64 * 800 {
            by_bucket[usize::from(key.person(person).bucket)].push(person);
        }
        by_bucket
    });
    by_bucket[at % width][at / width]
}

/// Every remembered set.
pub(super) struct Linear(pub(super) Vec<Remembered>);

impl Linear {
    /// All that are near, the earliest first.
    pub(super) fn near(
        &self,
        kind: Kind,
        persons: usize,
        sketch: &Sketch,
        reach: impl Fn(u64) -> usize,
    ) -> Vec<Near> {
        let all = (0..).zip(&self.0).filter(|(_, set)| set.kind == kind);
        all.filter_map(|(number, set)| {
            let differing = set.sketch.differing(sketch);
            let reach = reach(u64::from(set.persons));
            // Between strangers nothing is copied.
            let strangers = match (set.sketch.few(), sketch.few()) {
                (Some(one), Some(other)) => !one.iter().any(|mark| other.contains(mark)),
                _ => false,
            };
            let near =
                !strangers && differing < reach && (set.persons as usize).abs_diff(persons) < reach;
            near.then_some(Near { outcome: set.outcome, differing, set: number })
        })
        .collect()
    }
}
