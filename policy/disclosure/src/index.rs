//! The index: every set of people already answered in one scope, with its outcome (I4).
//!
//! Answers one question: which remembered set of the same kind is the earliest that is near to this one? The
//! nearest would tell which of two a person brings a set nearer to. Sets that are close come before those that
//! are only near, and there copied outcomes count too: whoever knows the outcome of a set and adds one person
//! must not see it change. Beyond, copies do not count, or chains of them would go on for ever. It does not decide
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
mod latest;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::sabotage::{Control, is_off};
use crate::sketch::{BUCKETS, FEW, Sketch};
pub use bytes::DamagedIndex;
use latest::{Latest, NONE};

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
    /// The outcome of a near set: found again for this very set and for close ones, and for no other.
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
    latest: Latest,
    postings: Vec<Posting>,
}

/// What a set is compared by before its sketch is looked at.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Head {
    /// Which buckets are not zero.
    filled: u64,
    /// Which buckets are odd: of two sets that are strangers about half of the buckets differ in that.
    odd: u64,
}

impl Head {
    fn of(sums: &[u16; BUCKETS]) -> Self {
        // Four buckets at a time: the lowest bit of each, put side by side by one multiplication.
        let four_bits = |lanes: u64| {
            (lanes & 0x0001_0001_0001_0001).wrapping_mul(0x0001_0002_0004_0008) >> 48 & 15
        };
        let (mut filled, mut odd) = (0, 0);
        for four in sums.as_chunks::<4>().0.iter().rev() {
            let lanes = four.iter().rev().fold(0, |lanes, sum| lanes << 16 | u64::from(*sum));
            // Whatever is not zero reaches the highest bit of its lane.
            let low = 0x7fff_7fff_7fff_7fff;
            filled = filled << 4 | four_bits((((lanes & low) + low) | lanes) >> 15);
            odd = odd << 4 | four_bits(lanes);
        }
        Self { filled, odd }
    }

    /// In how many buckets two sets differ at least.
    fn differing(&self, other: &Self) -> usize {
        ((self.filled ^ other.filled) | (self.odd ^ other.odd)).count_ones() as usize
    }
}

/// A set under a token, and the posting before it there. What rejects nearly all strangers stands here once more:
/// postings are read anyway, one from here and one from there.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Posting {
    set: u32,
    before: u32,
    persons: u32,
    /// The lower half of [`Head::odd`].
    odd: u32,
}

/// How near, number, in how many buckets it differs: the least is the same set, else the earliest next to it, else the
/// earliest close one, else the earliest near one.
type Found = Option<(Nearness, u32, usize)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Same,
    /// One bucket apart.
    Next,
    Close,
    Near,
}

impl Index {
    /// An empty index in which sets that differ in fewer than `k` persons are near: 2 to 12.
    pub fn new(k: usize) -> Self {
        Self {
            k: k.max(2),
            sets: Vec::new(),
            heads: Vec::new(),
            latest: Latest::default(),
            postings: Vec::new(),
        }
    }

    /// Makes room for so many sets to come, at once and not by and by.
    pub(crate) fn expect(&mut self, sets: usize) {
        self.sets.reserve(sets);
        self.heads.reserve(sets);
        self.postings.reserve(sets.saturating_mul(self.k));
        self.latest.expect(sets.saturating_mul(self.k));
    }

    /// How many sets are remembered.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// What a set of this kind is sought and remembered by.
    pub(crate) fn sought(&self, kind: Kind, sketch: &Sketch) -> Sought {
        Sought::new(kind, sketch, self.k)
    }

    /// The same set of the kind if it was answered, else the earliest that differs in one bucket, else the earliest
    /// that differs in fewer than `close`, else the earliest near one that is no copy.
    ///
    /// Every set that differs in fewer than k buckets, and in number of persons by fewer than k, is found.
    /// `reach` says for a candidate's number of persons how many differing buckets, or persons, are too
    /// many, and before it stands the most that it can say. Where it is more than k, a candidate that happens to be
    /// found counts too; less it cannot be. `close` and `reach` are asked only where a candidate depends on them.
    pub(crate) fn earliest(
        &self,
        sought: &Sought,
        persons: u64,
        sketch: &Sketch,
        close: impl Fn() -> usize,
        (farthest, reach): (usize, impl Fn(u64) -> usize),
    ) -> Option<Near> {
        let farthest = farthest.min(FARTHEST);
        let within = |candidate: Option<u32>, differing: usize| {
            let reached = |candidate: u32| differing < reach(u64::from(candidate));
            differing < self.k || (differing < farthest && candidate.is_none_or(reached))
        };
        let persons = saturated(persons);
        let (_, set, differing) = self.by_tokens(sought, (persons, sketch), &close, &within)?;
        Some(Near { outcome: self.set(set)?.outcome, differing, set })
    }

    /// The earliest of the near sets that share a token among the first k.
    fn by_tokens(
        &self,
        sought: &Sought,
        (persons, sketch): (u32, &Sketch),
        close: &impl Fn() -> usize,
        within: &impl Fn(Option<u32>, usize) -> bool,
    ) -> Found {
        let asked = sought.head;
        let nearness = |differing: usize| match differing {
            0 => Nearness::Same,
            1 => Nearness::Next,
            some if some < close() => Nearness::Close,
            _ => Nearness::Near,
        };
        // Who shares one token often shares others: the sets that were looked at last, each in its place.
        let mut seen = [NONE; 1 << 6];
        // The better of what was found and a candidate.
        let mut better = |found: Found, posting: &Posting| -> Found {
            let gap = gap(posting.persons, persons);
            let least = (posting.odd ^ asked.odd as u32).count_ones() as usize;
            if !within(None, least.max(gap)) {
                return found;
            }
            let number = posting.set;
            let last = seen.get_mut(number as usize % (1 << 6))?;
            if std::mem::replace(last, number) == number {
                return found;
            }
            let least = self.heads.get(number as usize)?.differing(&asked);
            if !within(None, least) || found.is_some_and(|f| f < (nearness(least), number, 0)) {
                return found;
            }
            let set = self.set(number)?;
            let differing = set.sketch.differing(sketch);
            let apart = differing.max(least).max(gap);
            if !within(None, apart) || !within(Some(posting.persons), apart) {
                return found;
            }
            let nearness = nearness(differing);
            if nearness == Nearness::Near && set.copied {
                return found;
            }
            let near = (nearness, number, differing);
            Some(found.map_or(near, |found| found.min(near)))
        };
        // Lists are begun together and read together: memory answers many at once as fast as one.
        let mut lists = self.latest.all(&sought.tokens);
        let lists = lists.get_mut(..sought.number)?;
        self.touch(lists);
        let (first, others) = lists.split_first_mut()?;
        let mut found = None;
        while let Some(posting) = self.next(first) {
            found = better(found, posting);
        }
        // Equal sketches share all tokens, so all of them stand in the first list.
        if found.is_some_and(|(nearness, ..)| nearness == Nearness::Same) {
            return found;
        }
        while others.iter().any(|list| *list != NONE) {
            for list in others.iter_mut() {
                if let Some(posting) = self.next(list) {
                    found = better(found, posting);
                }
            }
            self.touch(others);
        }
        found
    }

    /// Asks memory for the postings that lists begin with, none after another.
    fn touch(&self, lists: &[u32]) {
        // Of a list that is at its end the last posting of all, rather than a branch that nobody can foretell.
        let last = self.postings.len().saturating_sub(1);
        let begins = lists.iter().filter_map(|list| self.postings.get((*list as usize).min(last)));
        std::hint::black_box(begins.fold(0, |all, posting| all ^ posting.before));
    }

    /// The posting that a list begins with; the list begins with the one before it from now on.
    fn next(&self, list: &mut u32) -> Option<&Posting> {
        let posting = self.postings.get(*list as usize)?;
        *list = posting.before;
        Some(posting)
    }

    /// The sets under a token, the latest first.
    #[cfg(test)]
    fn under(&self, token: u32) -> impl Iterator<Item = u32> {
        let mut list = self.latest.get(token);
        std::iter::from_fn(move || self.next(&mut list).map(|posting| posting.set))
    }

    /// Adds a set, whatever became of it, and gives its number. An exact repeat need not be added.
    pub(crate) fn remember(&mut self, set: Remembered) -> Option<u32> {
        let sought = self.sought(set.kind, &set.sketch);
        self.remember_sought(set, &sought)
    }

    /// Adds a set that was sought.
    pub(crate) fn remember_sought(&mut self, set: Remembered, sought: &Sought) -> Option<u32> {
        // Numbers end at four thousand million postings, of which memory ends long before.
        let (Ok(number), Ok(next)) =
            (u32::try_from(self.sets.len()), u32::try_from(self.postings.len() + 2 * self.k))
        else {
            return None;
        };
        let (persons, odd) = (set.persons, sought.head.odd as u32);
        for (token, at) in sought.tokens().iter().zip(next - 2 * self.k as u32..) {
            let before = self.latest.put(*token, at);
            self.postings.push(Posting { set: number, before, persons, odd });
        }
        self.heads.push(sought.head);
        self.sets.push(set);
        Some(number)
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
            for token in self.sought(set.kind, &set.sketch).tokens().iter().rev() {
                let before = self.postings.pop().map_or(NONE, |posting| posting.before);
                self.latest.put(*token, before);
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

/// What a set of people is sought and remembered by.
pub(crate) struct Sought {
    /// The first k tokens of the buckets, and where people are few the first k of their marks: the kind in 8
    /// bits, which of both in 1, the bucket in 6, the value in 16, so that no two are alike.
    tokens: [u32; BUCKETS + FEW],
    number: usize,
    head: Head,
}

impl Sought {
    fn new(kind: Kind, sketch: &Sketch, k: usize) -> Self {
        let sums = sketch.sums();
        let buckets = (0u32..).zip(&sums).filter(|(_, sum)| **sum != 0);
        let k = if is_off(Control::Bands) { 1 } else { k };
        let buckets = buckets.take(k).map(|(bucket, sum)| bucket << 16 | u32::from(*sum));
        let marks = sketch.few().unwrap_or_default().iter().take(k);
        let marks =
            marks.map(|[bucket, mark]| 1 << 22 | u32::from(*bucket) << 16 | u32::from(*mark));
        let mut sought = Self { tokens: [0; BUCKETS + FEW], number: 0, head: Head::of(&sums) };
        for (place, token) in sought.tokens.iter_mut().zip(buckets.chain(marks)) {
            *place = u32::from(kind.0) << 23 | token;
            sought.number += 1;
        }
        sought
    }

    fn tokens(&self) -> &[u32] {
        self.tokens.get(..self.number).unwrap_or_default()
    }
}

/// By how much two numbers of persons differ.
fn gap(a: u32, b: u32) -> usize {
    a.abs_diff(b) as usize
}

fn saturated(persons: u64) -> u32 {
    u32::try_from(persons).unwrap_or(u32::MAX)
}
