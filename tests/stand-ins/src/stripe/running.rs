//! The keys whose creations are being executed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The keys whose creations are being executed.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashSet<String>>>);

/// The execution of one key, which ends when this is dropped.
pub(super) struct Execution {
    running: Running,
    key: String,
}

impl Running {
    /// Begins the execution of a key; `None` while another one is running.
    pub(super) fn begin(&self, key: &str) -> Option<Execution> {
        let is_first = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.to_owned());
        is_first.then(|| Execution {
            running: self.clone(),
            key: key.to_owned(),
        })
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let mut keys = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}
