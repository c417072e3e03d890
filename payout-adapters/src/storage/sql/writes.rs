//! The times of this process's last successful and failed writes, which decide whether the readiness probe must write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use payout_core::ports::{Clock, System};

/// The time for which a successful write shows that the next one will succeed.
const FRESH: Duration = Duration::from_secs(5);

/// The time after a failure in which a probe asks for as much room as a payout's write needs, not for a single page.
const WARY: Duration = Duration::from_secs(60);

/// The last writes of this process, by its monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct RecentWrites {
    clock: System,
    /// Microseconds; 0 means never.
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl RecentWrites {
    /// Records that a write was acknowledged.
    pub(crate) fn succeeded(&self) {
        self.succeeded.store(self.now(), Ordering::Relaxed);
    }

    /// Records that a write ended with an error.
    pub(crate) fn failed(&self) {
        self.failed.store(self.now(), Ordering::Relaxed);
    }

    /// Returns whether the last write succeeded, and recently.
    pub(crate) fn prove_it(&self) -> bool {
        let succeeded = self.succeeded.load(Ordering::Relaxed);
        succeeded > self.failed.load(Ordering::Relaxed) && self.within(succeeded, FRESH)
    }

    /// Returns whether the last write failed.
    #[cfg(feature = "postgres")]
    pub(crate) fn last_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) > self.succeeded.load(Ordering::Relaxed)
    }

    /// Returns whether a write failed recently.
    pub(crate) fn failed_lately(&self) -> bool {
        self.within(self.failed.load(Ordering::Relaxed), WARY)
    }

    fn within(&self, at: u64, age: Duration) -> bool {
        at > 0 && Duration::from_micros(self.now().saturating_sub(at)) < age
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_after_the_last_failure_proves_anything() {
        let writes = RecentWrites::default();
        assert!(!writes.prove_it(), "there was none");
        writes.succeeded();
        assert!(writes.prove_it() && !writes.failed_lately());
        std::thread::sleep(Duration::from_millis(1));
        writes.failed();
        assert!(!writes.prove_it() && writes.failed_lately());
        #[cfg(feature = "postgres")]
        assert!(writes.last_failed());
        std::thread::sleep(Duration::from_millis(1));
        writes.succeeded();
        assert!(writes.prove_it() && writes.failed_lately());
    }
}
