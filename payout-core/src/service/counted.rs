//! Remembers for a moment which lists are too long to be counted.
//!
//! Counting to the bound is the dearest part of a page. A list that was longer than that a moment ago still is, or
//! nearly; its answer says that it is not exact. An exact count is never remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{Count, Filter};

const KEEP: Duration = Duration::from_secs(2);
/// Filters come from clients: what is remembered must stay small.
const CAPACITY: usize = 256;

#[derive(Clone, Default)]
pub(super) struct Counted(Arc<Mutex<HashMap<Filter, (Count, Duration)>>>);

impl Counted {
    /// The inexact count of a moment ago. `now` is on the monotonic clock.
    pub(super) fn recall(&self, filter: &Filter, now: Duration) -> Option<Count> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .get(filter)
            .filter(|(_, until)| now < *until)
            .map(|(count, _)| *count)
    }

    /// Remembers a count, if it is not exact.
    pub(super) fn remember(&self, filter: &Filter, count: Count, now: Duration) {
        if count.exact {
            return;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= CAPACITY {
            counts.clear();
        }
        counts.insert(filter.clone(), (count, now + KEEP));
    }
}
