//! The ports for time and randomness, and their implementations by the operating system.

use std::time::Duration;

use crate::Timestamp;
pub use crate::domain::randomness::Randomness;

/// A clock: the time of day and a monotonic time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// Returns the time of day, which may jump. Only ids, logs and repositories without a clock of their own depend on
    /// it.
    fn now(&self) -> Timestamp;

    /// Returns the time since a fixed moment of this process. It never jumps back, and it advances while the process is
    /// stopped.
    fn monotonic(&self) -> Duration;
}

/// A clock and a source of randomness in one, as the use cases and the worker take them.
pub trait Environment: Clock + Randomness {}

impl<T: Clock + Randomness> Environment for T {}

/// The clock and the randomness of the operating system.
#[derive(Debug)]
pub struct System {
    started: tokio::time::Instant,
}

impl Default for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one implementation of the clock port"
    )]
    fn default() -> Self {
        Self {
            started: tokio::time::Instant::now(),
        }
    }
}

impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one implementation of the clock port"
    )]
    fn now(&self) -> Timestamp {
        let now = chrono::Utc::now();
        chrono::DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Randomness for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one implementation of the randomness port"
    )]
    fn next_u64(&self) -> u64 {
        // The low half of a version 4 UUID is random except for the two bits of its variant: fold the halves together.
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        high ^ low.rotate_left(32)
    }
}
