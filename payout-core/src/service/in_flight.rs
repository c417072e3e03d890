//! Which idempotency keys have a request running in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::idempotency::ScopedKey;

#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<ScopedKey>>>);

/// Ends with the request that it stands for.
pub(super) struct Running {
    in_flight: InFlight,
    key: ScopedKey,
}

impl InFlight {
    /// Marks the key as running; absent when it is already.
    pub(super) fn begin(&self, key: &ScopedKey) -> Option<Running> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.clone()).then(|| Running {
            in_flight: self.clone(),
            key: key.clone(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.in_flight
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
