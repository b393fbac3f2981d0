//! Remembered sets as bytes: what a store keeps of an [`Index`].
//!
//! ```text
//! version  1 byte
//! sets     4 bytes, how many
//! a set    kind 1, length of the figure 1 (0: suppressed; + 128: few people; + 64: copied), persons 4, spread 4,
//!          figure 1..=16, sketch: the sums 128, or of a few people how many 1 and their marks 3 each
//! check    8 bytes, SipHash of all before
//! ```
//!
//! All numbers little-endian. The check notices damage, not malice: whoever can write to the store is the
//! operator's to stop.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{Index, Kind, Mark, Outcome, Remembered};
use crate::sketch::{FEW, Sketch};

/// Changes when the form does.
const VERSION: u8 = 2;

/// Stands in a set's second byte when its people are few.
const FEW_PEOPLE: u8 = 128;
/// Stands there when its outcome is that of a near set.
const COPIED: u8 = 64;

/// Bytes that are not what [`Index::bytes_since`] wrote.
#[derive(Debug, thiserror::Error)]
#[error("the index of answered sets is damaged: {0}")]
pub struct DamagedIndex(&'static str);

impl Index {
    /// The sets that were remembered since, for a store to keep.
    pub fn bytes_since(&self, mark: Mark) -> Vec<u8> {
        let sets = self.sets.get(mark.0..).unwrap_or_default();
        let mut bytes = vec![VERSION];
        // There are no more sets than `u32` can number.
        bytes.extend((sets.len() as u32).to_le_bytes());
        for set in sets {
            write(set, &mut bytes);
        }
        bytes.extend(check(&bytes));
        bytes
    }

    /// Remembers the sets of [`Index::bytes_since`]: all of them, or none and an error.
    ///
    /// # Errors
    /// When the bytes are of another version, damaged or cut short.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DamagedIndex> {
        let before = self.mark();
        let read = self.read(bytes);
        if read.is_err() {
            self.forget_since(before);
        }
        read
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), DamagedIndex> {
        if bytes.first() != Some(&VERSION) {
            return Err(DamagedIndex("its form is unknown"));
        }
        let (body, told) = bytes.split_last_chunk().ok_or(DamagedIndex("it is cut short"))?;
        if *told != check(body) {
            return Err(DamagedIndex("its check does not fit"));
        }
        let mut rest = body.get(1..).unwrap_or_default();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let set = read(&mut rest)?;
            self.remember(set);
        }
        if rest.is_empty() { Ok(()) } else { Err(DamagedIndex("it has more than it says")) }
    }
}

fn write(set: &Remembered, bytes: &mut Vec<u8>) {
    let few = set.sketch.few();
    let figure = set.outcome.figure.map(i128::to_le_bytes);
    let figure = figure.as_ref().map(shortened).unwrap_or_default();
    bytes.push(set.kind.0);
    let marks = if few.is_some() { FEW_PEOPLE } else { 0 } | if set.copied { COPIED } else { 0 };
    bytes.push(figure.len() as u8 | marks);
    bytes.extend(set.persons.to_le_bytes());
    bytes.extend(set.outcome.spread.to_le_bytes());
    bytes.extend(figure);
    match few {
        Some(marks) => {
            bytes.push(marks.len() as u8);
            for [bucket, mark] in marks {
                bytes.extend(mark.to_le_bytes());
                bytes.push(*bucket as u8);
            }
        }
        None => bytes.extend(set.sketch.key()),
    }
}

fn read(rest: &mut &[u8]) -> Result<Remembered, DamagedIndex> {
    let [kind, form] = take(rest)?;
    let persons = u32::from_le_bytes(take(rest)?);
    let spread = f32::from_le_bytes(take(rest)?);
    let figure = take_some(rest, usize::from(form & !(FEW_PEOPLE | COPIED)))?;
    let figure = if figure.is_empty() { None } else { Some(lengthened(figure)?) };
    let sketch = if form & FEW_PEOPLE == 0 { Sketch::of_sums(take(rest)?) } else { few(rest)? };
    let (kind, copied) = (Kind(kind), form & COPIED != 0);
    Ok(Remembered { kind, persons, sketch, outcome: Outcome { figure, spread }, copied })
}

fn few(rest: &mut &[u8]) -> Result<Sketch, DamagedIndex> {
    let [people] = take(rest)?;
    if usize::from(people) > FEW {
        return Err(DamagedIndex("a few people are too many"));
    }
    let mut sketch = Sketch::default();
    for _ in 0..people {
        let [a, b, c] = take(rest)?;
        sketch.put([u16::from(c), u16::from_le_bytes([a, b])]);
    }
    Ok(sketch)
}

/// A figure without the bytes at its end that only repeat its sign; at least one byte.
fn shortened(figure: &[u8; 16]) -> &[u8] {
    let fill = if figure.last().is_some_and(|last| last & 128 != 0) { 255 } else { 0 };
    let mut short = figure.as_slice();
    while let [before @ .., next, last] = short
        && *last == fill
        && next & 128 == fill & 128
    {
        short = short.get(..before.len() + 1).unwrap_or_default();
    }
    short
}

fn lengthened(short: &[u8]) -> Result<i128, DamagedIndex> {
    let fill = if short.last().is_some_and(|last| last & 128 != 0) { 255 } else { 0 };
    let mut figure = [fill; 16];
    let start = figure.get_mut(..short.len()).ok_or(DamagedIndex("a figure is too long"))?;
    start.copy_from_slice(short);
    Ok(i128::from_le_bytes(figure))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DamagedIndex> {
    let (first, after) = rest.split_first_chunk().ok_or(DamagedIndex("it is cut short"))?;
    *rest = after;
    Ok(*first)
}

fn take_some<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], DamagedIndex> {
    let (first, after) = rest.split_at_checked(length).ok_or(DamagedIndex("it is cut short"))?;
    *rest = after;
    Ok(first)
}

pub(super) fn check(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}
