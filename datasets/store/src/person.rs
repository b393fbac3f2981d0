//! Person numbers: where a pseudonym's bucket comes from and how a number is put together.
//!
//! `_person` = bucket << 40 | sequence. A bucket is a keyed hash of the pseudonym, so that buckets are of
//! even size and nobody outside can tell who shares one. The sequence is dense within its bucket. A record
//! without a pseudonym is a person of its own: its sequence has bit 39 set, so that it never joins another's.

use sha2::{Digest as _, Sha256};

use crate::StoreError;

/// The hidden column that says whose row it is. Never shown.
pub const PERSON: &str = "_person";
/// The hidden column with the person's own weight. Never shown.
pub const WEIGHT: &str = "_weight";
/// The hidden column that says which dates were placeholders, see [`crate::QUALITY_BITS`].
pub const QUALITY: &str = "_quality";
/// How far the bucket stands from the sequence in a person number.
pub const BUCKET_SHIFT: u32 = 40;
/// Set in the number of a person who has no pseudonym.
pub const ANONYMOUS: i64 = 1 << 39;

/// Whether that person is a record without a pseudonym.
pub fn is_anonymous(person: i64) -> bool {
    person & ANONYMOUS != 0
}

/// The bucket of a person number.
pub fn bucket_of(person: i64) -> u32 {
    u32::try_from(person >> BUCKET_SHIFT).unwrap_or(u32::MAX)
}

/// What stands for a pseudonym inside the store: a keyed digest, wide enough that no two ever meet.
pub(crate) type Digest = [u8; 16];

/// The keyed hashes of one store.
#[derive(Clone)]
pub(crate) struct Keys {
    persons: Hmac,
    weights: Hmac,
}

impl Keys {
    pub(crate) fn new(secret: &[u8]) -> Self {
        let root = Hmac::new(secret);
        Self {
            persons: Hmac::new(&root.tag(b"cordon store persons")),
            weights: Hmac::new(&root.tag(b"cordon store weights")),
        }
    }

    pub(crate) fn digest(&self, pseudonym: &str) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(&self.persons.tag(pseudonym.as_bytes())[..16]);
        digest
    }

    pub(crate) fn weight(&self, person: i64) -> i16 {
        let tag = self.weights.tag(&person.to_le_bytes());
        i16::from_le_bytes([tag[0], tag[1]])
    }
}

/// The bucket of a digest.
pub(crate) fn bucket_of_digest(digest: &Digest, buckets: u32) -> u32 {
    let [a, b, c, d, ..] = *digest;
    // Multiply and shift: as even as the hash, for any number of buckets.
    ((u64::from(u32::from_le_bytes([a, b, c, d])) * u64::from(buckets)) >> 32) as u32
}

/// The number of the n-th person of a bucket, with or without a pseudonym.
pub(crate) fn number(bucket: u32, sequence: i64, anonymous: bool) -> Result<i64, StoreError> {
    if !(0..ANONYMOUS).contains(&sequence) {
        return Err(StoreError::NumbersExhausted { bucket });
    }
    let mark = if anonymous { ANONYMOUS } else { 0 };
    Ok((i64::from(bucket) << BUCKET_SHIFT) | mark | sequence)
}

/// HMAC-SHA-256 (RFC 2104) with the padded keys hashed once.
#[derive(Clone)]
struct Hmac {
    inner: Sha256,
    outer: Sha256,
}

impl Hmac {
    /// Keys here have 32 bytes, which is below the block size.
    fn new(key: &[u8]) -> Self {
        let mut block = [0u8; 64];
        let short: [u8; 32] = Sha256::digest(key).into();
        let key = if key.len() > block.len() { &short[..] } else { key };
        block[..key.len()].copy_from_slice(key);
        let pad = |with: u8| Sha256::new().chain_update(block.map(|byte| byte ^ with));
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    fn tag(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests;
