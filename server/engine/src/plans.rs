//! Plans that were made before: a client prepares a statement and then runs it, and dashboards ask the same
//! again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

/// How many are kept.
const MOST: usize = 256;

/// Digest of everything a plan is made from: text, permit, versions, opt-outs, options.
pub(crate) type Key = [u8; 32];

/// The plans that were made last.
pub(crate) struct Plans<T>(Mutex<Kept<T>>);

struct Kept<T> {
    plans: HashMap<Key, Arc<T>>,
    /// The oldest first.
    order: VecDeque<Key>,
}

impl<T> Default for Plans<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { plans: HashMap::new(), order: VecDeque::new() }))
    }
}

impl<T> Plans<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.0.lock().plans.get(key).cloned()
    }

    /// Keeps a plan; the oldest makes room.
    pub(crate) fn keep(&self, key: Key, plan: &Arc<T>) {
        let mut kept = self.0.lock();
        if kept.plans.insert(key, Arc::clone(plan)).is_none() {
            kept.order.push_back(key);
        }
        if kept.order.len() > MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.plans.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_plan_makes_room() {
        let plans = Plans::default();
        let key = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            key
        };
        for n in 0..=MOST {
            plans.keep(key(n), &Arc::new(n));
            plans.keep(key(n), &Arc::new(n));
        }
        assert_eq!(plans.get(&key(0)), None);
        assert_eq!(plans.get(&key(1)).as_deref(), Some(&1));
        assert_eq!(plans.get(&key(MOST)).as_deref(), Some(&MOST));
    }
}
