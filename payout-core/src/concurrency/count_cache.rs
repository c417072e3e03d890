//! Remembers which lists are too long to be counted.
//!
//! Counting up to the bound is the most expensive part of a page. A list that exceeded the bound a moment ago very
//! likely still does, and its count is marked as not exact. The cache never keeps an exact count.
//!
//! When an entry is due for a recount, one caller counts again and the others go on using the entry: a hundred clients
//! who look at one list must not count it a hundred times at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{Count, Filter};

/// The age at which a caller counts again.
const FRESH: Duration = Duration::from_secs(2);
/// The time that the counting caller has before another caller tries.
const RECOUNT: Duration = Duration::from_secs(5);
/// The age at which an entry expires.
const KEEP: Duration = Duration::from_secs(30);
/// The largest number of entries. Filters come from clients, so the cache must be bounded.
const CAPACITY: usize = 256;

#[derive(Clone, Default)]
pub(crate) struct CountCache(Arc<Mutex<HashMap<Filter, Remembered>>>);

struct Remembered {
    count: Count,
    counted_at: Duration,
    /// The time from which the next caller counts again.
    recount_at: Duration,
}

impl CountCache {
    /// Returns the remembered count, or nothing if this caller must count. `now` is by the monotonic clock.
    pub(crate) fn recall(&self, filter: &Filter, now: Duration) -> Option<Count> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = counts.get_mut(filter)?;
        if now >= remembered.counted_at + KEEP {
            return None;
        }
        if now >= remembered.recount_at {
            remembered.recount_at = now + RECOUNT;
            return None;
        }
        Some(remembered.count)
    }

    /// Remembers a count that is not exact. Removes the entry if the count is exact.
    pub(crate) fn remember(&self, filter: &Filter, count: Count, now: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.exact {
            counts.remove(filter);
            return;
        }
        if counts.len() >= CAPACITY {
            counts.clear();
        }
        let remembered = Remembered {
            count,
            counted_at: now,
            recount_at: now + FRESH,
        };
        counts.insert(filter.clone(), remembered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Count = Count {
        count: 10_000,
        exact: false,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_inexact_count_is_remembered_for_a_moment() {
        let (counted, filter) = (CountCache::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(11)), Some(MANY));
    }

    #[test]
    fn one_caller_counts_again_while_the_others_go_on() {
        let (counted, filter) = (CountCache::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(12)), None);
        assert_eq!(counted.recall(&filter, seconds(12)), Some(MANY));
        // The caller that was to count never finished.
        assert_eq!(counted.recall(&filter, seconds(17)), None);
    }

    #[test]
    fn what_nobody_could_count_again_is_forgotten() {
        let (counted, filter) = (CountCache::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(40)), None);
        assert_eq!(counted.recall(&filter, seconds(40)), None);
    }

    #[test]
    fn an_exact_count_is_never_remembered() {
        let (counted, filter) = (CountCache::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        let exact = Count {
            count: 9_999,
            exact: true,
        };
        counted.remember(&filter, exact, seconds(11));
        assert_eq!(counted.recall(&filter, seconds(11)), None);
    }
}
