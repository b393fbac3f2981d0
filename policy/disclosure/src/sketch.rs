//! Sketches: which people with which contributions are in a cell, in a few hundred bytes.
//!
//! Each person falls into one of 64 buckets and adds a keyed mark of itself and its contribution there.
//! Two cells that differ in d persons differ in at most d buckets, so fewer than k differing persons leave
//! more than 64 - k buckets equal: a search by equal buckets has no false negatives. The sums are linear:
//! those of disjoint sets of people add up.
//!
//! Of a few people the marks themselves are kept. Among ten people two often share a bucket, and a stranger
//! in one of the others' buckets would look like one of them: by their marks they are told apart.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::key::{HashedPerson, PeopleKey};

/// How many buckets a sketch has.
pub(crate) const BUCKETS: usize = 64;

/// Of how many people the marks are kept. More people than these fill more than nine buckets, but for one
/// set in 10^10.
pub(crate) const FEW: usize = 24;

/// The people behind a figure with what each contributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Sketch {
    /// How many people; more than [`FEW`]: many. First, beside what a cell holds before its sketch.
    people: u8,
    /// Of many people their marks added up by bucket. Of a few bucket and mark of each, in order: sums follow from
    /// them. What is not filled is 0.
    words: [u16; BUCKETS],
}

/// Stands for many people.
const MANY: u8 = FEW as u8 + 1;

impl Default for Sketch {
    fn default() -> Self {
        Self { words: [0; BUCKETS], people: 0 }
    }
}

impl Sketch {
    /// Adds one person, once, with its whole contribution to the cell.
    #[inline]
    pub fn add(&mut self, key: &PeopleKey, person: &HashedPerson, contribution: i128) {
        self.put([u16::from(person.bucket), key.mark(person, contribution)]);
    }

    /// Adds the people of another set, none of whom is in this one.
    pub(crate) fn merge(&mut self, other: &Self) {
        let few = usize::from(self.people) + usize::from(other.people) <= FEW;
        match other.few().filter(|_| few) {
            Some(marks) => marks.iter().for_each(|mark| self.put(*mark)),
            None => {
                self.become_many();
                for (sum, more) in self.words.iter_mut().zip(&other.sums()) {
                    *sum = sum.wrapping_add(*more);
                }
            }
        }
    }

    /// Adds a person by bucket and mark.
    #[inline]
    pub(crate) fn put(&mut self, [bucket, mark]: [u16; 2]) {
        if self.people == FEW as u8 {
            self.become_many();
        }
        if self.people == MANY {
            if let Some(sum) = self.words.get_mut(usize::from(bucket)) {
                *sum = sum.wrapping_add(mark);
            }
            return;
        }
        let people = usize::from(self.people);
        if let Some(marks) = self.words.as_chunks_mut::<2>().0.get_mut(..=people) {
            // In order, whatever order people come in.
            let before = marks.get(..people).unwrap_or_default();
            let place = before.partition_point(|m| *m < [bucket, mark]);
            marks.get_mut(place..).unwrap_or_default().rotate_right(1);
            if let Some(free) = marks.get_mut(place) {
                *free = [bucket, mark];
            }
            self.people += 1;
        }
    }

    fn become_many(&mut self) {
        (self.words, self.people) = (self.sums(), MANY);
    }

    /// Marks added up by bucket.
    pub(crate) fn sums(&self) -> [u16; BUCKETS] {
        let Some(marks) = self.few() else { return self.words };
        let mut sums = [0_u16; BUCKETS];
        for [bucket, mark] in marks {
            if let Some(sum) = sums.get_mut(usize::from(*bucket)) {
                *sum = sum.wrapping_add(*mark);
            }
        }
        sums
    }

    /// Bucket and mark of each person in order, where they are few.
    pub(crate) fn few(&self) -> Option<&[[u16; 2]]> {
        let people = Some(usize::from(self.people)).filter(|people| *people <= FEW)?;
        self.words.as_chunks::<2>().0.get(..people)
    }

    /// In how many persons two sets differ at least: by their marks where both are few, else by how many
    /// buckets differ.
    pub fn differing(&self, other: &Self) -> usize {
        let differing = |one: &[u16; BUCKETS], other: &[u16; BUCKETS]| {
            one.iter().zip(other).filter(|(a, b)| a != b).count()
        };
        match (self.few(), other.few()) {
            (Some(one), Some(other)) => marks_apart(one, other),
            (None, None) => differing(&self.words, &other.words),
            _ => differing(&self.sums(), &other.sums()),
        }
    }

    /// The sums, little-endian: what noise is keyed by.
    pub(crate) fn key(&self) -> [u8; 2 * BUCKETS] {
        let mut bytes = [0; 2 * BUCKETS];
        for (two, sum) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(&self.sums()) {
            *two = sum.to_le_bytes();
        }
        bytes
    }

    /// The order of [`Sketch::key`].
    pub(crate) fn cmp_key(&self, other: &Self) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        let (ours, theirs) = (self.sums(), other.sums());
        let differing = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        // Little-endian: the low byte decides first.
        differing.map_or(Ordering::Equal, |(a, b)| a.swap_bytes().cmp(&b.swap_bytes()))
    }

    /// How many bytes [`Sketch::to_bytes`] gives.
    pub const BYTES: usize = 2 * BUCKETS + 4 * FEW + 1;

    /// All of it, little-endian: the sums, of a few people their marks and buckets, and how many they are.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (sums, rest) = bytes.split_at_mut(2 * BUCKETS);
        sums.copy_from_slice(&self.key());
        let marks = self.few().unwrap_or_default();
        for (four, [bucket, mark]) in rest.as_chunks_mut::<4>().0.iter_mut().zip(marks) {
            *four = (u32::from(*bucket) << 16 | u32::from(*mark)).to_le_bytes();
        }
        if let Some(people) = rest.last_mut() {
            *people = self.people;
        }
        bytes
    }

    /// Reads [`Sketch::to_bytes`]; none when the length is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sums, rest) = bytes.split_at_checked(2 * BUCKETS)?;
        let (marks, people) = rest.split_at_checked(4 * FEW)?;
        let [people] = people else { return None };
        if *people > FEW as u8 {
            return Some(Self::of_sums(sums.try_into().ok()?));
        }
        let mut sketch = Self::default();
        for four in marks.as_chunks::<4>().0.iter().take(usize::from(*people)) {
            let token = u32::from_le_bytes(*four);
            sketch.put([(token >> 16) as u16, token as u16]);
        }
        Some(sketch)
    }

    /// A sketch of more than a few people by its sums.
    pub(crate) fn of_sums(bytes: [u8; 2 * BUCKETS]) -> Self {
        let mut sketch = Self { people: MANY, ..Self::default() };
        for (sum, two) in sketch.words.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sum = u16::from_le_bytes(*two);
        }
        sketch
    }
}

/// Sets who share nobody are as far apart as can be. Else in each bucket the larger number of marks that the other set
/// lacks: a person whose contribution changed has another mark in the same bucket, and is one person.
fn marks_apart(one: &[[u16; 2]], other: &[[u16; 2]]) -> usize {
    // Both are in order: the marks of one and the other by turns. In a bucket, what the first lacks less what the
    // second lacks says which number is the larger; only where that one grows does the sum.
    let (mut ours, mut theirs) = (one, other);
    let (mut apart, mut shared, mut bucket, mut surplus) = (0, false, u16::MAX, 0_i32);
    loop {
        let (next, step) = match (ours.split_first(), theirs.split_first()) {
            (Some((a, rest)), Some((b, rest_of_theirs))) if a == b => {
                (ours, theirs, shared) = (rest, rest_of_theirs, true);
                continue;
            }
            (Some((a, rest)), theirs) if theirs.is_none_or(|(b, _)| a < b) => {
                ours = rest;
                (a, 1)
            }
            (_, Some((b, rest))) => {
                theirs = rest;
                (b, -1)
            }
            _ => break,
        };
        let [its, _] = *next;
        if its != bucket {
            (bucket, surplus) = (its, 0);
        }
        apart += usize::from(surplus * step >= 0);
        surplus += step;
    }
    let strangers = !shared && one.len() + other.len() > 0;
    if strangers { BUCKETS } else { apart }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sketch(..)")
    }
}
