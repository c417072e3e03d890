//! Remembers which lists are too long to be counted.
//!
//! Counting to the bound is the dearest part of a page. A list that was longer than that a moment ago still is, or
//! nearly; its answer says that it is not exact. An exact count is never remembered.
//!
//! When what is remembered has grown old, one caller counts again and the others go on with it: a hundred clients who
//! look at the same list must not count it a hundred times at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{Count, Filter};

/// After this it is counted again.
const FRESH: Duration = Duration::from_secs(2);
/// How long the one who counts again may take before another tries.
const RECOUNT: Duration = Duration::from_secs(5);
/// After this it is forgotten.
const KEEP: Duration = Duration::from_secs(30);
/// Filters come from clients: what is remembered must stay small.
const CAPACITY: usize = 256;

#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<HashMap<Filter, Remembered>>>);

struct Remembered {
    count: Count,
    counted_at: Duration,
    /// The next caller after this counts.
    recount_at: Duration,
}

impl Counted {
    /// The inexact count of a while ago, unless it is this caller who must count. `now` is on the monotonic clock.
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

    /// Remembers a count, if it is not exact; forgets the list otherwise.
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
        let (counted, filter) = (Counted::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(11)), Some(MANY));
    }

    #[test]
    fn one_caller_counts_again_while_the_others_go_on() {
        let (counted, filter) = (Counted::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(12)), None);
        assert_eq!(counted.recall(&filter, seconds(12)), Some(MANY));
        // The one who counts never came back.
        assert_eq!(counted.recall(&filter, seconds(17)), None);
    }

    #[test]
    fn what_nobody_could_count_again_is_forgotten() {
        let (counted, filter) = (Counted::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        assert_eq!(counted.recall(&filter, seconds(40)), None);
        assert_eq!(counted.recall(&filter, seconds(40)), None);
    }

    #[test]
    fn an_exact_count_is_never_remembered() {
        let (counted, filter) = (Counted::default(), Filter::default());
        counted.remember(&filter, MANY, seconds(10));
        let exact = Count {
            count: 9_999,
            exact: true,
        };
        counted.remember(&filter, exact, seconds(11));
        assert_eq!(counted.recall(&filter, seconds(11)), None);
    }
}
