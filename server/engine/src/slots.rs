//! Places among the queries that run at once: so many together, and of one analyst no more than half of them, so that
//! nobody's slow queries keep all others out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cordon_disclosure::Code;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::answer::Stop;
use crate::failure;

/// All places.
pub(crate) struct Slots {
    all: Arc<Semaphore>,
    each: usize,
    /// By analyst, while one of them has a place or waits for one.
    analysts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place. Whatever works for a query holds it, also when nobody waits for it any more.
pub(crate) struct Slot {
    _own: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.max(1);
        Self {
            all: Arc::new(Semaphore::new(places)),
            each: places.div_ceil(2),
            analysts: Mutex::default(),
        }
    }

    /// Waits for a place until then or until the caller goes away.
    pub(crate) async fn take(
        &self,
        analyst: &str,
        most: Duration,
        cancel: &CancellationToken,
    ) -> Result<Arc<Slot>, Stop> {
        let own = self.of(analyst);
        let both = async {
            let own = own.acquire_owned().await.ok()?;
            let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Arc::new(Slot { _own: own, _one: one }))
        };
        tokio::select! {
            () = cancel.cancelled() => Err(failure::of(Code::Cancelled)),
            taken = tokio::time::timeout(most, both) => {
                taken.ok().flatten().ok_or_else(|| failure::of(Code::Overloaded))
            }
        }
    }

    fn of(&self, analyst: &str) -> Arc<Semaphore> {
        let mut analysts = self.analysts.lock();
        // Whoever has all places free, and nobody holds, is not there.
        analysts.retain(|_, own| Arc::strong_count(own) > 1);
        let own = analysts.entry(analyst.to_owned());
        Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_analyst_has_half_of_the_places_and_others_the_rest() {
        let slots = Slots::new(4);
        let going = CancellationToken::new();
        let soon = Duration::from_millis(20);
        let take = |who: &'static str| slots.take(who, soon, &going);
        let (one, two) = (take("a").await.ok(), take("a").await.ok());
        assert!(one.is_some() && two.is_some());
        assert!(take("a").await.is_err());
        let (three, four) = (take("b").await.ok(), take("c").await.ok());
        assert!(three.is_some() && four.is_some());
        assert!(take("d").await.is_err());
        drop(one);
        assert!(take("d").await.is_ok() && take("a").await.is_ok());
        drop((two, three, four));
        assert!(slots.of("e").available_permits() == 2 && slots.analysts.lock().len() == 1);
    }
}
