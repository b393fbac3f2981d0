//! Sketches: which people with which contributions are in a cell, in a few hundred bytes.
//!
//! Each person falls into one of 64 buckets and adds a keyed mark of itself and its contribution there.
//! Two cells that differ in d persons differ in at most d buckets, so fewer than k differing persons leave
//! more than 64 - k buckets equal: a search by equal buckets has no false negatives. The sums are linear:
//! those of disjoint sets of people add up.
//!
//! Of a few people the marks themselves are kept. Among ten people two often share a bucket, and a stranger
//! in one of the others' buckets would look like one of them: by their marks they are told apart.

use std::cmp::Ordering;

use crate::key::{HashedPerson, PeopleKey};

/// How many buckets a sketch has.
pub(crate) const BUCKETS: usize = 64;

/// Of how many people the marks are kept. More people than these fill more than nine buckets, but for one
/// set in 10^10.
pub(crate) const FEW: usize = 24;

/// The people behind a figure with what each contributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sketch {
    /// Marks added up by bucket.
    pub(crate) sums: [u16; BUCKETS],
    /// Bucket and mark of each person, in order, while they are few; then as many as there are.
    marks: [u32; FEW],
    /// How many people; more than [`FEW`]: the marks say nothing.
    people: u8,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { sums: [0; BUCKETS], marks: [0; FEW], people: 0 }
    }
}

impl Sketch {
    /// Adds one person, once, with its whole contribution to the cell.
    pub fn add(&mut self, key: &PeopleKey, person: &HashedPerson, contribution: i128) {
        self.put(u32::from(person.bucket) << 16 | u32::from(key.mark(person, contribution)));
    }

    /// Adds the people of another set, none of whom is in this one.
    pub(crate) fn merge(&mut self, other: &Self) {
        let few = usize::from(self.people) + usize::from(other.people) <= FEW;
        match other.few().filter(|_| few) {
            Some(marks) => marks.iter().for_each(|mark| self.put(*mark)),
            None => {
                for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
                    *sum = sum.wrapping_add(*more);
                }
                self.marks = [0; FEW];
                self.people = FEW as u8 + 1;
            }
        }
    }

    /// Adds a person by bucket and mark.
    pub(crate) fn put(&mut self, token: u32) {
        if let Some(sum) = self.sums.get_mut((token >> 16) as usize) {
            *sum = sum.wrapping_add(token as u16);
        }
        let people = usize::from(self.people);
        if let Some(marks) = self.marks.get_mut(..=people) {
            // In order, whatever order people come in.
            let place = marks.get(..people).unwrap_or_default().partition_point(|m| *m < token);
            marks.get_mut(place..).unwrap_or_default().rotate_right(1);
            if let Some(mark) = marks.get_mut(place) {
                *mark = token;
            }
            self.people += 1;
        } else if people == FEW {
            self.marks = [0; FEW];
            self.people += 1;
        }
    }

    /// Bucket (from bit 16) and mark of each person in order, where they are few.
    pub(crate) fn few(&self) -> Option<&[u32]> {
        self.marks.get(..usize::from(self.people))
    }

    /// In how many persons two sets differ at least: by their marks where both are few, else by how many
    /// buckets differ.
    pub fn differing(&self, other: &Self) -> usize {
        match (self.few(), other.few()) {
            (Some(one), Some(other)) => marks_apart(one, other),
            _ => self.sums.iter().zip(&other.sums).filter(|(a, b)| a != b).count(),
        }
    }

    /// The sums, little-endian: what noise is keyed by.
    pub(crate) fn key(&self) -> [u8; 2 * BUCKETS] {
        let mut bytes = [0; 2 * BUCKETS];
        for (two, sum) in bytes.chunks_exact_mut(2).zip(&self.sums) {
            two.copy_from_slice(&sum.to_le_bytes());
        }
        bytes
    }

    /// The order of [`Sketch::key`].
    pub(crate) fn cmp_key(&self, other: &Self) -> Ordering {
        let both = || self.sums.iter().zip(&other.sums);
        let differing = if self.sums == other.sums { None } else { both().find(|(a, b)| a != b) };
        // Little-endian: the low byte decides first.
        differing.map_or(Ordering::Equal, |(a, b)| a.swap_bytes().cmp(&b.swap_bytes()))
    }

    /// How many bytes [`Sketch::to_bytes`] gives.
    pub const BYTES: usize = 2 * BUCKETS + 4 * FEW + 1;

    /// All of it, little-endian.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let all = self.key().into_iter().chain(self.marks.iter().flat_map(|m| m.to_le_bytes()));
        for (byte, from) in bytes.iter_mut().zip(all.chain([self.people])) {
            *byte = from;
        }
        bytes
    }

    /// Reads [`Sketch::to_bytes`]; none when the length is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sums, rest) = bytes.split_at_checked(2 * BUCKETS)?;
        let (marks, people) = rest.split_at_checked(4 * FEW)?;
        let [people] = people else { return None };
        let mut sketch = Self::of_sums(sums.try_into().ok()?);
        for (mark, four) in sketch.marks.iter_mut().zip(marks.chunks_exact(4)) {
            *mark = u32::from_le_bytes(four.try_into().ok()?);
        }
        sketch.people = (*people).min(FEW as u8 + 1);
        Some(sketch)
    }

    /// A sketch of more than a few people by its sums.
    pub(crate) fn of_sums(bytes: [u8; 2 * BUCKETS]) -> Self {
        let mut sketch = Self { people: FEW as u8 + 1, ..Self::default() };
        for (sum, two) in sketch.sums.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sum = u16::from_le_bytes(*two);
        }
        sketch
    }
}

/// Sets who share nobody are as far apart as can be. Else in each bucket the larger number of marks that the other set lacks: a person whose contribution changed
/// has another mark in the same bucket, and is one person.
fn marks_apart(one: &[u32], other: &[u32]) -> usize {
    let (some, mut shared) = (one.len() + other.len() > 0, false);
    let (mut one, mut other) = (one.iter().copied().peekable(), other.iter().copied().peekable());
    let (mut apart, mut bucket, mut lacking) = (0, u32::MAX, (0, 0));
    loop {
        let (a, b) = (one.peek().copied(), other.peek().copied());
        let Some(next) = [a, b].into_iter().flatten().min() else { break };
        if next >> 16 != bucket {
            apart += lacking.0.max(lacking.1);
            (bucket, lacking) = (next >> 16, (0, 0));
        }
        let (ours, theirs) = (one.next_if_eq(&next), other.next_if_eq(&next));
        match (ours, theirs) {
            (Some(_), None) => lacking.0 += 1,
            (None, Some(_)) => lacking.1 += 1,
            _ => shared = true,
        }
    }
    if some && !shared { BUCKETS } else { apart + lacking.0.max(lacking.1) }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sketch(..)")
    }
}
