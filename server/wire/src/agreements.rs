//! The agreements in force, shared with whoever reads the files again: a change holds from the next call.

use std::sync::Arc;

use cordon_agreements::Agreements;
use parking_lot::RwLock;

/// The agreements that doors look at. Clones share one list.
#[derive(Clone, Debug)]
pub struct AgreementsInForce(Arc<RwLock<Arc<Agreements>>>);

impl AgreementsInForce {
    /// Begins with this list.
    pub fn new(agreements: Agreements) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(agreements))))
    }

    /// Replaces the list; calls that are under way keep the old one.
    pub fn replace(&self, agreements: Agreements) {
        *self.0.write() = Arc::new(agreements);
    }

    /// The list as it stands.
    pub fn now(&self) -> Arc<Agreements> {
        Arc::clone(&self.0.read())
    }
}
