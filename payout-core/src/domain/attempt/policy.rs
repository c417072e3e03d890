//! The retry policy: pure functions of the attempt and of injected randomness.

use std::time::Duration;

use crate::domain::randomness::Randomness;
use crate::provider::{Capabilities, ReturnWindow};

/// The upper bound of the pauses after *not now*.
const NOT_NOW_CAP: Duration = Duration::from_secs(2);
/// The number of refusals of one payout after which its pauses may grow beyond that bound.
const PATIENT_TIMES: u32 = 20;

/// The retry policy towards a provider: backoff, attempts and key window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The upper bound of the first backoff.
    pub backoff_base: Duration,
    /// The upper bound of every backoff.
    pub backoff_cap: Duration,
    /// The number of attempts of one generation with an unknown outcome after which the payout goes under review.
    pub max_attempts: u32,
    /// The duration for which the provider remembers an idempotency key.
    pub key_window: Duration,
    /// True if a key may be submitted again within the key window although a look-up cannot tell whether the provider
    /// has received it.
    pub repeat_is_safe: bool,
    /// The time after *paid* within which a payment may be returned.
    pub returns: ReturnWindow,
    /// The longest time that a payment which the provider accepted may take to settle. Absent: the key window.
    pub settles_within: Option<Duration>,
    /// The shortest time between two look-ups of one payment that the provider has accepted or paid.
    pub poll_interval: Duration,
    /// The time after which a payout that waits for the provider, such as for funds, goes under review.
    pub waits_within: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff_base: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(60),
            max_attempts: 20,
            key_window: Duration::from_secs(24 * 60 * 60),
            repeat_is_safe: false,
            returns: ReturnWindow::Never,
            settles_within: None,
            poll_interval: Duration::ZERO,
            waits_within: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl Policy {
    /// Returns the policy towards a provider with these capabilities.
    #[must_use]
    pub fn towards(self, provider: &Capabilities) -> Self {
        Self {
            key_window: provider.key_window.unwrap_or(self.key_window),
            repeat_is_safe: provider.repeat_is_safe,
            returns: provider.returns,
            settles_within: provider.settles_within,
            poll_interval: provider.poll_interval,
            ..self
        }
    }

    /// Returns how long a payment that the provider accepted may take to settle.
    pub fn settlement_limit(&self) -> Duration {
        self.settles_within.unwrap_or(self.key_window)
    }

    /// Returns the wait after the `claims`-th claim (1 is the first): exponential backoff, capped and with full jitter,
    /// so that payouts that failed together do not come back together.
    ///
    /// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub fn backoff(&self, claims: u32, randomness: &dyn Randomness) -> Duration {
        jittered(self.backoff_ceiling(claims), randomness)
    }

    /// Returns the wait after the provider has said *not now* to a payout for the `times`-th time (1 is the first).
    ///
    /// It is short, so that the payout is tried soon after the provider recovers; the worker's pace control protects
    /// the provider. A payout that is refused again and again, while others are not, waits as long as after an unknown
    /// outcome.
    pub fn pause(&self, times: u32, randomness: &dyn Randomness) -> Duration {
        let longest = if times > PATIENT_TIMES {
            self.backoff_cap
        } else {
            NOT_NOW_CAP
        };
        jittered(self.backoff_ceiling(times).min(longest), randomness)
    }

    fn backoff_ceiling(&self, claims: u32) -> Duration {
        let doublings = claims.saturating_sub(1).min(31);
        self.backoff_base
            .saturating_mul(1 << doublings)
            .min(self.backoff_cap)
    }
}

/// Draws a duration evenly from zero to `ceiling`.
pub(crate) fn jittered(ceiling: Duration, randomness: &dyn Randomness) -> Duration {
    let ceiling_us = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(randomness.next_u64() % (ceiling_us + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u64);

    impl Randomness for Always {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let policy = Policy::default();
        let seconds: Vec<u64> = (1..=8)
            .map(|claims| policy.backoff_ceiling(claims).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(policy.backoff_ceiling(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn jitter_reaches_from_nothing_to_the_ceiling() {
        let policy = Policy::default();
        assert_eq!(policy.backoff(3, &Always(0)), Duration::ZERO);
        assert_eq!(policy.backoff(3, &Always(4_000_000)), Duration::from_secs(4));
        assert_eq!(policy.backoff(3, &Always(4_000_001)), Duration::ZERO);
    }

    #[test]
    fn a_payout_that_is_refused_for_now_comes_back_soon_unless_it_is_refused_without_end() {
        let policy = Policy::default();
        let longest = |times| {
            policy.pause(times, &Always(u64::MAX - 1)).max(
                (0..64)
                    .map(|n| policy.pause(times, &Always(n * 999_983)))
                    .max()
                    .unwrap_or_default(),
            )
        };
        for times in 1..=20 {
            assert!(longest(times) <= Duration::from_secs(2), "{times}");
        }
        assert!(longest(21) > Duration::from_secs(10));
        assert!(longest(u32::MAX) <= policy.backoff_cap);
    }

    #[test]
    fn the_longest_ceiling_of_all_is_one() {
        assert_eq!(jittered(Duration::MAX, &Always(u64::MAX)), Duration::ZERO);
    }
}
