//! The seeded source of every random decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::ports::{Clock, Randomness};

/// The randomness and the clock of one run. Clones share one stream of numbers.
#[derive(Clone)]
pub(crate) struct Chance {
    state: Arc<AtomicU64>,
    started: tokio::time::Instant,
}

impl Chance {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokio's paused clock is the simulation's clock"
    )]
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(AtomicU64::new(seed)),
            started: tokio::time::Instant::now(),
        }
    }

    /// Returns true in `percent` of a hundred cases.
    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        Duration::from_millis(self.below(most.as_millis() as u64 + 1))
    }
}

impl Randomness for Chance {
    /// SplitMix64: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
    fn next_u64(&self) -> u64 {
        let step = 0x9E37_79B9_7F4A_7C15_u64;
        let mut mixed = self.state.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Clock for Chance {
    fn now(&self) -> Timestamp {
        let start = Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
        start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
