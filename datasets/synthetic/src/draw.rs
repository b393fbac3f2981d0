//! Seeded draws in whole numbers: the same on every machine and for ever, because nothing here depends on
//! floating point, on hashing order or on the sampling code of another crate.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::calendar::Day;

/// What a stream of draws is for. Each purpose has a stream of its own, so that a change to one leaves the
/// others as they were.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Person = 0,
    Pseudonym = 1,
    Spells = 2,
    Appointments = 3,
    AdmittedRows = 4,
    OutpatientRows = 5,
    World = 6,
    Attendances = 7,
    EmergencyRows = 8,
}

/// The draws of one person for one purpose.
pub(crate) struct Draw(ChaCha8Rng);

/// Where the points of a [`Draw::skewed`] table lie, in thousandths.
const POINTS: [u32; 8] = [0, 200, 400, 600, 750, 900, 970, 1000];

impl Draw {
    pub(crate) fn new(seed: u64, index: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..].copy_from_slice(b"cordon-synthetic");
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose as u64);
        Self(rng)
    }

    /// A number from 0 to `n - 1`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1).max(1) as u32) as i32
    }

    /// True so many times in a million.
    pub(crate) fn million(&mut self, chances: u32) -> bool {
        self.below(1_000_000) < chances
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, chances: u32) -> bool {
        self.below(100) < chances
    }

    /// One of several, by weight. An empty list is a mistake of the table and gives the first.
    pub(crate) fn weighted<T: Copy>(&mut self, list: &[(T, u32)]) -> T {
        let total = list.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        for (item, weight) in list {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        list[0].0
    }

    /// The position of one of several weights.
    pub(crate) fn position(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        0
    }

    /// A length from a table of its quantiles (see [`POINTS`]), straight lines between them.
    pub(crate) fn skewed(&mut self, quantiles: &[u16; 8]) -> Day {
        let u = self.below(1000);
        let mut i = 0;
        while i + 2 < POINTS.len() && u >= POINTS[i + 1] {
            i += 1;
        }
        let (low, high) = (u32::from(quantiles[i]), u32::from(quantiles[i + 1]));
        let share = (high - low) * (u - POINTS[i]) / (POINTS[i + 1] - POINTS[i]);
        (low + share) as Day
    }
}
