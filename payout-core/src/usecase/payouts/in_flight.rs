//! The idempotency keys of the requests that are running in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::idempotency::ScopedKey;

/// For each client's key, the scopes in which it is running.
type Keys = HashMap<String, Vec<ScopedKey>>;

#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<Keys>>);

/// A marker of a running request. Dropping it removes the mark.
pub(super) struct Running {
    in_flight: InFlight,
    key: ScopedKey,
}

impl InFlight {
    /// Marks the key as running. Absent if it may already be running: a key without an API key conflicts with every
    /// scope.
    pub(super) fn begin(&self, key: &ScopedKey) -> Option<Running> {
        let mut keys = self.keys();
        let running = keys.entry(key.client_key().to_owned()).or_default();
        let meets =
            |other: &ScopedKey| other == key || other.unscoped().is_none() || key.unscoped().is_none();
        if running.iter().any(meets) {
            return None;
        }
        running.push(key.clone());
        Some(Running {
            in_flight: self.clone(),
            key: key.clone(),
        })
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut keys = self.in_flight.keys();
        if let Some(running) = keys.get_mut(self.key.client_key()) {
            running.retain(|other| *other != self.key);
            if running.is_empty() {
                keys.remove(self.key.client_key());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ApiKeyId;
    use crate::idempotency::IdempotencyKey;

    fn key(owner: Option<u128>) -> ScopedKey {
        let owner = owner.map(|id| ApiKeyId::from(uuid::Uuid::from_u128(id)));
        ScopedKey::new(owner, &IdempotencyKey::new("order-7").unwrap())
    }

    #[test]
    fn two_api_keys_never_meet_and_everybody_meets_who_shows_none() {
        let in_flight = InFlight::default();
        let one = in_flight.begin(&key(Some(1)));
        assert!(one.is_some());
        assert!(in_flight.begin(&key(Some(1))).is_none());
        assert!(in_flight.begin(&key(None)).is_none());
        let two = in_flight.begin(&key(Some(2)));
        assert!(two.is_some());
        drop((one, two));
        let open = in_flight.begin(&key(None));
        assert!(open.is_some());
        assert!(in_flight.begin(&key(None)).is_none());
        assert!(in_flight.begin(&key(Some(1))).is_none());
        drop(open);
        assert!(in_flight.keys().is_empty(), "nothing is left behind");
        assert!(in_flight.begin(&key(Some(1))).is_some());
    }
}
