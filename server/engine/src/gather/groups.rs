//! The groups of one grouping set: combinations of codes, numbered as they come.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::codes::Mixed;

/// A table of pairs is no larger; beyond, they are hashed.
const MOST_DENSE: usize = 1 << 22;

/// Numbers combinations of codes: the first two columns' pairs, then pairs of these with the third column, and so on.
pub(super) struct Grouper {
    pairs: Vec<Pairs>,
    /// Without columns there is one group, once there is a row.
    any: bool,
}

impl Grouper {
    pub(super) fn new(columns: usize) -> Self {
        Self { pairs: (0..columns).map(|_| Pairs::default()).collect(), any: false }
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.pairs.last().map_or(usize::from(self.any), |last| last.all.len())
    }

    /// The group of each row, given the codes of all columns with the largest of each, and which of them this set has.
    pub(super) fn groups(
        &mut self,
        keys: &[usize],
        codes: &[Vec<u32>],
        largest: &[u32],
        rows: usize,
    ) -> Vec<u32> {
        self.any |= rows > 0;
        let mut groups = vec![0; rows];
        let mut numbers = 1;
        for (pairs, key) in self.pairs.iter_mut().zip(keys) {
            if let (Some(codes), Some(largest)) = (codes.get(*key), largest.get(*key)) {
                pairs.number(&mut groups, codes, (numbers, *largest as usize));
                numbers = pairs.all.len();
            }
        }
        groups
    }

    /// For each column the code of each group.
    pub(super) fn columns(&self) -> Vec<Vec<u32>> {
        let mut columns = Vec::with_capacity(self.pairs.len());
        let mut above: Vec<u32> = (0..self.len()).filter_map(|n| u32::try_from(n).ok()).collect();
        for pairs in self.pairs.iter().rev() {
            let of = |n: &u32| pairs.all.get(*n as usize).copied().unwrap_or_default();
            columns.push(above.iter().map(|n| of(n).1).collect());
            above = above.iter().map(|n| of(n).0).collect();
        }
        columns.reverse();
        columns
    }

    pub(super) fn size(&self) -> usize {
        let each = |pairs: &Pairs| pairs.all.len() * 32 + pairs.dense.len() * size_of::<u32>();
        self.pairs.iter().map(each).sum()
    }
}

/// Numbers pairs of small numbers.
#[derive(Default)]
struct Pairs {
    /// Number plus one by first, then second; 0 where there is none.
    dense: Vec<u32>,
    /// The first power of two above all seconds, as a shift.
    shift: u32,
    hashed: Option<HashMap<u64, u32, BuildHasherDefault<Mixed>>>,
    all: Vec<(u32, u32)>,
}

impl Pairs {
    /// Puts the number of each pair in the place of its first. There are so many firsts, and seconds up to that one.
    fn number(&mut self, firsts: &mut [u32], seconds: &[u32], most: (usize, usize)) {
        if self.hashed.is_none() && !self.fits(most.0.saturating_sub(1), most.1) {
            let all = self.all.iter().enumerate();
            self.hashed = Some(all.map(|(n, (a, b))| (key(*a, *b), n as u32)).collect());
            self.dense = Vec::new();
        }
        for (first, second) in firsts.iter_mut().zip(seconds) {
            let (a, b) = (*first, *second);
            *first = match &mut self.hashed {
                Some(hashed) => *hashed.entry(key(a, b)).or_insert_with(|| {
                    self.all.push((a, b));
                    (self.all.len() - 1) as u32
                }),
                None => {
                    let place = (a as usize) << self.shift | b as usize;
                    let Some(known) = self.dense.get_mut(place) else { continue };
                    if *known == 0 {
                        self.all.push((a, b));
                        *known = self.all.len() as u32;
                    }
                    *known - 1
                }
            };
        }
    }

    /// Makes the table large enough; false where it would be too large.
    fn fits(&mut self, first: usize, second: usize) -> bool {
        let shift = (second + 1).next_power_of_two().trailing_zeros().max(self.shift);
        let size = (first + 1).next_power_of_two() << shift;
        if size > MOST_DENSE || first > MOST_DENSE {
            return false;
        }
        if shift != self.shift || size > self.dense.len() {
            self.shift = shift;
            self.dense = vec![0; size.max(self.dense.len())];
            for (n, (a, b)) in (1..).zip(&self.all) {
                if let Some(known) = self.dense.get_mut((*a as usize) << shift | *b as usize) {
                    *known = n;
                }
            }
        }
        true
    }
}

fn key(a: u32, b: u32) -> u64 {
    u64::from(a) << 32 | u64::from(b)
}
