//! Things kept for a while for one person under one agreement, found again by an unguessable key:
//! prepared statements and results.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_agreements::{AgreementId, UserId};
use parking_lot::Mutex;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Things of one person; the oldest makes room.
    pub(crate) per_person: usize,
    /// Bytes of all people together; whoever keeps most makes room.
    pub(crate) bytes: usize,
    /// After this time a thing is gone.
    pub(crate) life: Duration,
}

/// Finds a thing again. Random, so that having it shows that it was given.
pub(crate) type Key = [u8; 32];

/// A thing cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error("larger than everything that may be kept")]
    TooLarge,
    #[error("the system has no random bytes")]
    Random(#[source] rand::rand_core::OsError),
}

pub(crate) struct Shelf<T> {
    limits: Limits,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    things: HashMap<Key, Thing<T>>,
    bytes: usize,
    next: u64,
}

struct Thing<T> {
    user: UserId,
    agreement: AgreementId,
    value: Arc<T>,
    bytes: usize,
    until: Instant,
    order: u64,
}

impl<T> Shelf<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        let kept = Kept { things: HashMap::new(), bytes: 0, next: 0 };
        Self { limits, kept: Mutex::new(kept) }
    }

    /// Keeps a thing of that size, and makes room for it if need be.
    pub(crate) fn keep(
        &self,
        user: &UserId,
        agreement: &AgreementId,
        value: T,
        bytes: usize,
        now: Instant,
    ) -> Result<Key, NotKept> {
        if bytes > self.limits.bytes {
            return Err(NotKept::TooLarge);
        }
        let mut key = Key::default();
        OsRng.try_fill_bytes(&mut key).map_err(NotKept::Random)?;

        let mut kept = self.kept.lock();
        kept.drop_where(|thing| thing.until <= now);
        while kept.count_of(user) >= self.limits.per_person {
            kept.drop_oldest_of(user);
        }
        while kept.bytes + bytes > self.limits.bytes {
            let Some(largest) = kept.largest_keeper() else { break };
            kept.drop_oldest_of(&largest);
        }
        let order = kept.next;
        kept.next += 1;
        kept.bytes += bytes;
        let thing = Thing {
            user: user.clone(),
            agreement: agreement.clone(),
            value: Arc::new(value),
            bytes,
            until: now + self.limits.life,
            order,
        };
        kept.things.insert(key, thing);
        Ok(key)
    }

    /// The thing, if it was kept for this person. Somebody else's key is an unknown key.
    pub(crate) fn find(
        &self,
        user: &UserId,
        key: &[u8],
        now: Instant,
    ) -> Option<(AgreementId, Arc<T>)> {
        let kept = self.kept.lock();
        let thing =
            kept.things.get(key).filter(|thing| thing.user == *user && now < thing.until)?;
        Some((thing.agreement.clone(), Arc::clone(&thing.value)))
    }

    /// Drops the thing, if it was kept for this person; whether it was there.
    pub(crate) fn drop_one(&self, user: &UserId, key: &[u8]) -> bool {
        let mut kept = self.kept.lock();
        let Some((own, _)) =
            kept.things.get_key_value(key).filter(|(_, thing)| thing.user == *user)
        else {
            return false;
        };
        let own = *own;
        kept.remove(&own);
        true
    }
}

impl<T> Kept<T> {
    fn remove(&mut self, key: &Key) {
        if let Some(thing) = self.things.remove(key) {
            self.bytes -= thing.bytes;
        }
    }

    fn drop_where(&mut self, gone: impl Fn(&Thing<T>) -> bool) {
        let bytes = &mut self.bytes;
        self.things.retain(|_, thing| {
            let stays = !gone(thing);
            *bytes -= if stays { 0 } else { thing.bytes };
            stays
        });
    }

    fn count_of(&self, user: &UserId) -> usize {
        self.things.values().filter(|thing| thing.user == *user).count()
    }

    fn drop_oldest_of(&mut self, user: &UserId) {
        let of_user = self.things.iter().filter(|(_, thing)| thing.user == *user);
        if let Some(key) = of_user.min_by_key(|(_, thing)| thing.order).map(|(key, _)| *key) {
            self.remove(&key);
        }
    }

    fn largest_keeper(&self) -> Option<UserId> {
        let mut bytes: HashMap<&UserId, usize> = HashMap::new();
        for thing in self.things.values() {
            *bytes.entry(&thing.user).or_default() += thing.bytes;
        }
        bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(user, _)| user.clone())
    }
}
