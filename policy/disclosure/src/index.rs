//! The index: every set of people already answered in one scope, with its outcome (I4).
//!
//! Answers one question: which remembered set of the same kind is the earliest that is near to this one? The
//! nearest would tell which of two a person brings a set nearer to. It does not decide
//! what follows from that, and stores nothing durably: [`Index::bytes_since`] is what a store keeps.
//!
//! # How every near set is found
//!
//! A set's *tokens* are its non-zero buckets, each with number and value, in order of number. Two sets that
//! differ in fewer than k buckets have fewer than k tokens each that the other lacks. So if they share a
//! token at all, the first shared one stands among the first k of both: each set is posted under its first
//! k tokens, and a look-up reads the postings of its own first k. They do share one when either has k tokens
//! or more, which more than a few people have.
//!
//! The same holds of the marks of single people, by which sets of a few people are posted as well: two such
//! sets that differ in fewer than k persons share a mark when either has k persons or more. What is not
//! found are pairs of fewer than k persons each who share nobody: nothing is copied between strangers.
//!
//! # What is never near
//!
//! Sets whose numbers of persons differ by k or more differ in k or more persons. Most candidates are
//! rejected by that alone, without a look at their sketch. It needs numbers of persons that are exact, or
//! cut off at some most; an estimate would not do.

mod bytes;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::sketch::{BUCKETS, Sketch};
pub use bytes::DamagedIndex;

/// Nothing that differs by this much is near, however far a caller's reach: spares asking for it.
const FARTHEST: usize = BUCKETS / 2;

/// What kind of measure: 0 persons, 1 rows, 2 totals. Near sets of other kinds are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Kind(pub(crate) u8);

/// What became of a set: the whole outcome, as it is copied.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Outcome {
    /// The figure that is shown, or none: suppressed.
    pub(crate) figure: Option<i128>,
    /// Its standard error.
    pub(crate) spread: f32,
}

/// One remembered set. No `Debug`: the number of persons is never shown.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Remembered {
    pub(crate) kind: Kind,
    /// Saturating.
    pub(crate) persons: u32,
    pub(crate) sketch: Sketch,
    pub(crate) outcome: Outcome,
    /// The outcome of a near set: found again for this very set, and for no other.
    pub(crate) copied: bool,
}

/// An answered set that is near to another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Near {
    pub(crate) outcome: Outcome,
    /// In how many buckets the two differ; 0 is the same set.
    pub(crate) differing: usize,
    /// Its number.
    pub(crate) set: u32,
}

/// How much an index remembered at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(usize);

/// Every answered set of one scope.
pub struct Index {
    k: usize,
    /// In the order in which they were answered; a set's number is its place.
    sets: Vec<Remembered>,
    /// What rejects most candidates; one for each set.
    heads: Vec<Head>,
    /// The latest posting under each token: millions of short lists, so one vector holds them all.
    latest: HashMap<u32, u32, BuildHasherDefault<TokenHasher>>,
    postings: Vec<Posting>,
}

/// What a set is compared by before its sketch is looked at.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Head {
    /// Which buckets are not zero.
    mask: u64,
    persons: u32,
}

/// A set under a token, and the posting before it there.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Posting {
    set: u32,
    before: u32,
}

/// There is no posting before.
const NONE: u32 = u32::MAX;

/// Whether it is another set, its number, in how many buckets it differs: the least is the same set, else the
/// earliest.
type Found = Option<(bool, u32, usize)>;

impl Index {
    /// An empty index in which sets that differ in fewer than `k` persons are near: 2 to 12.
    pub fn new(k: usize) -> Self {
        Self {
            k: k.max(2),
            sets: Vec::new(),
            heads: Vec::new(),
            latest: HashMap::default(),
            postings: Vec::new(),
        }
    }

    /// How many sets are remembered.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The same set of the kind if it was answered, else the earliest near one.
    ///
    /// Every set that differs in fewer than k buckets, and in number of persons by fewer than k, is found.
    /// `reach` says for a candidate's number of persons how many differing buckets, or persons, are too
    /// many. Where it is more than k, a candidate that happens to be found counts too; less it cannot be.
    pub(crate) fn earliest(
        &self,
        kind: Kind,
        persons: u64,
        sketch: &Sketch,
        reach: impl Fn(u64) -> usize,
    ) -> Option<Near> {
        let persons = saturated(persons);
        let within = |candidate: u32, differing: usize| {
            differing < self.k || (differing < FARTHEST && differing < reach(u64::from(candidate)))
        };
        let (_, set, differing) = self.by_tokens(kind, persons, sketch, &within)?;
        Some(Near { outcome: self.set(set)?.outcome, differing, set })
    }

    /// The earliest of the near sets that share a token among the first k.
    fn by_tokens(
        &self,
        kind: Kind,
        persons: u32,
        sketch: &Sketch,
        within: &impl Fn(u32, usize) -> bool,
    ) -> Found {
        let mask = mask(sketch);
        let mut found: Found = None;
        for token in tokens(kind, sketch, self.k) {
            for number in self.under(token) {
                let Some(head) = self.heads.get(number as usize) else { continue };
                // They differ at least where only one is zero.
                let least = (head.mask ^ mask).count_ones() as usize;
                if found.is_some_and(|found| found < (least > 0, number, 0))
                    || !within(head.persons, least.max(gap(head.persons, persons)))
                {
                    continue;
                }
                let Some(set) = self.set(number) else { continue };
                let differing = set.sketch.differing(sketch);
                if within(head.persons, differing) && (differing == 0 || !set.copied) {
                    let near = (differing > 0, number, differing);
                    found = Some(found.map_or(near, |found| found.min(near)));
                }
            }
            // Equal sketches share all tokens, so all of them stand in the first list.
            if found.is_some_and(|(other, ..)| !other) {
                return found;
            }
        }
        found
    }

    /// The sets under a token, the latest first.
    fn under(&self, token: u32) -> impl Iterator<Item = u32> {
        let first = self.latest.get(&token).copied().unwrap_or(NONE);
        let next = |at: u32| self.postings.get(at as usize);
        std::iter::successors(next(first), move |posting| next(posting.before)).map(|p| p.set)
    }

    /// Adds a set, whatever became of it. An exact repeat need not be added.
    pub(crate) fn remember(&mut self, set: Remembered) {
        // Numbers end at four thousand million postings, of which memory ends long before.
        let (Ok(number), Ok(next)) =
            (u32::try_from(self.sets.len()), u32::try_from(self.postings.len() + 2 * self.k))
        else {
            return;
        };
        for (token, at) in tokens(set.kind, &set.sketch, self.k).zip(next - 2 * self.k as u32..) {
            let before = self.latest.insert(token, at).unwrap_or(NONE);
            self.postings.push(Posting { set: number, before });
        }
        self.heads.push(Head { mask: mask(&set.sketch), persons: set.persons });
        self.sets.push(set);
    }

    /// The present moment, to come back to.
    pub fn mark(&self) -> Mark {
        Mark(self.sets.len())
    }

    /// Forgets what was remembered since: an unfinished decision is rolled back, the last set first.
    pub fn forget_since(&mut self, mark: Mark) {
        while self.sets.len() > mark.0
            && let Some(set) = self.sets.pop()
        {
            self.heads.pop();
            // The last set has the last postings, in the order of its tokens.
            let tokens: Vec<u32> = tokens(set.kind, &set.sketch, self.k).collect();
            for token in tokens.into_iter().rev() {
                match self.postings.pop() {
                    Some(Posting { before: NONE, .. }) | None => self.latest.remove(&token),
                    Some(Posting { before, .. }) => self.latest.insert(token, before),
                };
            }
        }
    }

    fn set(&self, number: u32) -> Option<&Remembered> {
        self.sets.get(number as usize)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({} sets)", self.sets.len())
    }
}

/// The first k tokens of the buckets, and where people are few the first k of their marks: the kind in 8
/// bits, which of both in 1, the bucket in 6, the value in 16, so that no two are alike.
fn tokens(kind: Kind, sketch: &Sketch, k: usize) -> impl Iterator<Item = u32> {
    let buckets = (0u32..).zip(&sketch.sums).filter(|(_, sum)| **sum != 0);
    let buckets = buckets.take(k).map(|(bucket, sum)| bucket << 16 | u32::from(*sum));
    let marks = sketch.few().unwrap_or_default().iter().take(k).map(|mark| 1 << 22 | *mark);
    buckets.chain(marks).map(move |token| u32::from(kind.0) << 23 | token)
}

/// Which buckets are not zero.
fn mask(sketch: &Sketch) -> u64 {
    sketch.sums.iter().rev().fold(0, |mask, value| mask << 1 | u64::from(*value != 0))
}

/// By how much two numbers of persons differ.
fn gap(a: u32, b: u32) -> usize {
    a.abs_diff(b) as usize
}

fn saturated(persons: u64) -> u32 {
    u32::try_from(persons).unwrap_or(u32::MAX)
}

/// For tokens: they hold keyed marks, so nobody can choose them to collide.
#[derive(Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, token: u32) {
        // The map takes its place from the low bits and a tag from the high ones.
        let product = (self.0 ^ u64::from(token)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
