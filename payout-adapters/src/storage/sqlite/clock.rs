//! The host's clock, and its effect on waits in progress.
//!
//! SQLite has no clock that its users share: the time comes from the host, whose clock an operator may set.
//!
//! - Set back, the clock leaves due times that are in the future; `ahead` corrects them.
//! - Set forward, it would end every lease at once while the holders are still at work. So this clock records when the
//!   time leapt, as measured by the process's monotonic clock, which never leaps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::ports::Clock;

use crate::storage::sql::stored::whole_micros;

/// The deviation that is normal for a clock.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The time after which a leap is forgotten: no wait is longer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(25 * 60 * 60);

/// A forward leap of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leap {
    /// The time that the clock should have shown; rows with a later time were written after the leap.
    pub(super) before: Timestamp,
    /// The length of the leap.
    pub(super) by: Duration,
}

/// A leap that affects no wait.
const NO_LEAP: Leap = Leap {
    before: Timestamp::UNIX_EPOCH,
    by: Duration::ZERO,
};

/// The clock of one process's store; clones share it.
#[derive(Clone)]
pub(super) struct StoreClock {
    clock: Arc<dyn Clock>,
    watch: Arc<Mutex<Watch>>,
}

#[derive(Debug, Default)]
struct Watch {
    /// The time of day and the monotonic time when both were last read.
    last: Option<(Timestamp, Duration)>,
    /// The last leap, and the monotonic time when it was detected.
    leap: Option<(Leap, Duration)>,
}

impl StoreClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            watch: Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let now = whole_micros(self.clock.now());
        let lasted = self.clock.monotonic();
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, then)) = watch.last {
            let expected = last + lasted.saturating_sub(then);
            let by = (now - expected).to_std().unwrap_or_default();
            if by >= TOLERANCE {
                // Of two leaps in a row, rows from before the first wait for both. Rows from between the two wait
                // longer than necessary.
                let earlier = watch.leap.map_or(Duration::ZERO, |(leap, _)| leap.by);
                let leap = Leap {
                    before: expected,
                    by: earlier + by,
                };
                watch.leap = Some((leap, lasted));
                tracing::warn!(
                    seconds = by.as_secs(),
                    "the host's clock was set forward: leases that are held go on to their own end"
                );
            }
        }
        watch.last = Some((now, lasted));
        if watch
            .leap
            .is_some_and(|(_, then)| lasted.saturating_sub(then) > FORGOTTEN_AFTER)
        {
            watch.leap = None;
        }
        now
    }

    /// Returns the monotonic time.
    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Returns the last leap; waits in progress must not end early because of it.
    pub(super) fn leap(&self) -> Leap {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.leap.map_or(NO_LEAP, |(leap, _)| leap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct ByHand(Mutex<(i64, u64)>);

    impl ByHand {
        fn pass(&self, wall: i64, process: u64) {
            let mut times = self.0.lock().unwrap();
            *times = (times.0 + wall, times.1 + process);
        }
    }

    impl Clock for ByHand {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(1_000_000 + self.0.lock().unwrap().0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn only_a_leap_forward_is_one_and_it_is_forgotten_when_no_wait_is_left() {
        let by_hand = Arc::new(ByHand::default());
        let clock = StoreClock::new(by_hand.clone());
        let start = clock.now();
        by_hand.pass(10, 10);
        clock.now();
        by_hand.pass(-3_600, 1);
        clock.now();
        assert_eq!(clock.leap(), NO_LEAP);
        by_hand.pass(3_600, 0);
        clock.now();
        by_hand.pass(7_205, 5);
        assert_eq!(clock.now() - start, chrono::TimeDelta::seconds(7_215));
        let leap = clock.leap();
        assert_eq!(leap.by, Duration::from_secs(3_600 + 7_200));
        by_hand.pass(90_001, 90_001);
        clock.now();
        assert_eq!(clock.leap(), NO_LEAP);
    }
}
