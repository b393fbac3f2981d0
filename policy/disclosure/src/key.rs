//! The secret of disclosure control, and what is drawn from it.
//!
//! It lives outside the data and never in an answer. Noise, jitter and weights are functions of it and of
//! the people in a cell: nobody who lacks it can tell one draw from another, and the same people always
//! receive the same draw (I3). A new secret draws everything anew: earlier answers no longer protect later ones.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::sabotage::{another, drawn_anew};

/// Fewest bytes of a secret: as many as the digest it keys.
const LEAST_BYTES: usize = 32;

/// The secret, as the state of the digest that it keys: keying costs as much as a draw. Not `Clone`; `Debug`
/// prints nothing of it.
pub struct Secret(Hmac<Sha256>);

/// A secret that is too short to be one.
#[derive(Debug, thiserror::Error)]
#[error("the secret of disclosure control has {found} bytes; it needs at least {LEAST_BYTES}")]
pub struct ShortSecret {
    found: usize,
}

impl Secret {
    /// A secret of at least 32 random bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn new(bytes: &[u8]) -> Result<Self, ShortSecret> {
        let short = ShortSecret { found: bytes.len() };
        // HMAC takes keys of any length.
        match Hmac::new_from_slice(bytes) {
            Ok(keyed) if bytes.len() >= LEAST_BYTES => Ok(Self(keyed)),
            _ => Err(short),
        }
    }

    /// Tells one secret from another, and nothing of either: part of a scope.
    pub fn id(&self) -> String {
        hex::encode(self.tag("id", &[]).get(..8).unwrap_or_default())
    }

    /// What the engine hashes people with while it counts them.
    pub fn people(&self) -> PeopleKey {
        let tag = self.tag("people", &[]);
        let part = |n: usize| {
            let bytes = tag.get(n * 8..n * 8 + 8).and_then(|b| b.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        PeopleKey([part(0), part(1), part(2), part(3)])
    }

    /// A number that is uniform over all secrets, the same for the same parts.
    pub(crate) fn uniform(&self, purpose: &str, parts: &[&[u8]]) -> u64 {
        if drawn_anew(purpose) {
            return another();
        }
        let tag = self.tag(purpose, parts);
        u64::from_le_bytes(tag.get(..8).and_then(|b| b.try_into().ok()).unwrap_or_default())
    }

    /// HMAC-SHA-256 over a purpose and parts, each with its length.
    fn tag(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The key by which people are hashed into sketches and weighted. `Debug` prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeopleKey([u64; 4]);

/// One person as sketches see it.
#[derive(Clone, Copy, Debug)]
pub struct HashedPerson {
    /// Which of the 64 buckets.
    pub(crate) bucket: u8,
    /// The mark of a contribution of 1, which counts are made of.
    pub(crate) one: u16,
    /// The person's weight, uniform in -32767..=32767: stands for e in -a..=a with variance a²/3.
    pub weight: i16,
    seed: u64,
}

impl PeopleKey {
    /// Hashes one person: the same in every cell, table and query under one secret.
    #[inline]
    pub fn person(&self, person: i64) -> HashedPerson {
        let [a, b, c, d] = self.0;
        let seed = folded(folded(person.cast_unsigned() ^ a, b) ^ c, d);
        let weight = i16::from_le_bytes([seed.to_le_bytes()[1], seed.to_le_bytes()[2]]);
        let bucket = (seed & 63) as u8;
        // -32768 would make the mean other than 0.
        let mut hashed = HashedPerson { bucket, one: 0, weight: weight.max(-i16::MAX), seed };
        hashed.one = self.mark_of(&hashed, 1);
        hashed
    }

    /// A number for a person and something named: evenly spread for whoever lacks the key.
    pub(crate) fn drawn(&self, person: i64, name: u64) -> u64 {
        let [a, b, c, d] = self.0;
        let seed = folded(folded(person.cast_unsigned() ^ c, d) ^ a, b);
        folded(folded(seed ^ b, name ^ d) ^ a, c)
    }

    /// What a person with this contribution adds to its bucket; never 0, so that nobody is invisible.
    #[inline]
    pub(crate) fn mark(&self, person: &HashedPerson, contribution: i128) -> u16 {
        if contribution == 1 { person.one } else { self.mark_of(person, contribution) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are looked at")]
    fn mark_of(&self, person: &HashedPerson, contribution: i128) -> u16 {
        let [a, b, c, d] = self.0;
        let (low, high) = (contribution as u64, (contribution >> 64) as u64);
        let mixed = folded(person.seed ^ a, folded(low ^ b, high ^ c) ^ d);
        ((mixed % 0xffff) as u16).wrapping_add(1)
    }
}

/// Both halves of a product: what wyhash and its kin mix with. Every person of every cell is hashed, and nobody ever
/// sees a hash: it need only be evenly spread for whoever lacks the key.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl fmt::Debug for PeopleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeopleKey(..)")
    }
}
