//! Rate limits.
//!
//! The generic cell rate algorithm: a client may use its whole quota at once, and regains it evenly over the window. It
//! needs two numbers for each client, and no clean-up between windows.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota as Cells, RateLimiter};
use payout_core::ports::Clock;
use salvo::http::{HeaderMap, HeaderValue};

use crate::settings::{Quota, RateLimit};

/// Source: draft-ietf-httpapi-ratelimit-headers.
const POLICY: &str = "ratelimit-policy";
const LIMIT: &str = "ratelimit";

/// The key by which requests are counted: an address or an API key.
pub(super) trait Key: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static {}

impl<T: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static> Key for T {}

/// A rate limit that applies to each key separately.
pub(super) struct Rate<K: Key> {
    name: &'static str,
    limit: RateLimit,
    limiter: RateLimiter<K, DashMapStateStore<K>, PortClock, StateInformationMiddleware>,
    clock: PortClock,
}

/// The rest of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    name: &'static str,
    quota: Quota,
    remaining: u32,
}

/// The quotas in which a request was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) of_address: Option<Allowance>,
    pub(crate) of_key: Option<Allowance>,
}

/// The quota is used up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooMany {
    /// The quota, of which nothing is left.
    pub(crate) allowance: Allowance,
    pub(crate) retry_after_seconds: u64,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allowance { name, quota, .. } = self.allowance;
        write!(f, "More requests of this {name} than {quota} came.")
    }
}

impl<K: Key> Rate<K> {
    pub(super) fn new(name: &'static str, limit: RateLimit, clock: Arc<dyn Clock>) -> Self {
        let clock = PortClock(clock);
        let cells = cells(limit.quota);
        let limiter = RateLimiter::new(cells, DashMapStateStore::default(), clock.clone());
        Self {
            name,
            limit,
            limiter,
            clock,
        }
    }

    pub(super) fn spares_this_host(&self) -> bool {
        self.limit.spares_this_host
    }

    /// Counts a request of the key.
    pub(super) fn take(&self, key: &K) -> Result<Allowance, TooMany> {
        match self.limiter.check_key(key) {
            Ok(state) => Ok(self.allowance(state.remaining_burst_capacity())),
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now());
                Err(self.used_up_for(wait))
            }
        }
    }

    /// Returns the refusal of a key that used its quota up and has the next request after this time.
    pub(super) fn used_up_for(&self, wait: Duration) -> TooMany {
        TooMany {
            allowance: self.allowance(0),
            retry_after_seconds: whole_seconds(wait).max(1),
        }
    }

    fn allowance(&self, remaining: u32) -> Allowance {
        Allowance {
            name: self.name,
            quota: self.limit.quota,
            remaining,
        }
    }

    /// Drops the state of keys whose whole quota is available again.
    pub(super) fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl Allowance {
    /// Returns the quota.
    pub(crate) fn quota(self) -> Quota {
        self.quota
    }

    /// Returns whether nothing is left of the quota.
    pub(super) fn is_used_up(self) -> bool {
        self.remaining == 0
    }

    /// Returns the seconds until the whole quota is available again.
    fn reset_seconds(self) -> u64 {
        let used = self.quota.requests.get().saturating_sub(self.remaining);
        whole_seconds(self.quota.window * used / self.quota.requests.get())
    }

    fn write(self, headers: &mut HeaderMap) {
        let Self {
            name,
            quota,
            remaining,
        } = self;
        let policy = format!("\"{name}\";q={};w={}", quota.requests, quota.window.as_secs());
        let limit = format!("\"{name}\";r={remaining};t={}", self.reset_seconds());
        for (header, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(header, value);
            }
        }
    }
}

impl Taken {
    /// Writes the headers of the answer; two limits form a list.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for allowance in [self.of_address, self.of_key].into_iter().flatten() {
            allowance.write(headers);
        }
    }
}

/// Returns a wait in whole seconds, as headers carry it. It is rounded up, so that a client that waits for it is not
/// too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Builds the limiter's quota: all requests at once, each of them regained after its share of the window.
fn cells(quota: Quota) -> Cells {
    let each = quota.window / quota.requests.get();
    Cells::with_period(each)
        .unwrap_or(Cells::per_second(NonZeroU32::MAX))
        .allow_burst(quota.requests)
}

/// The clock port as a clock of governor.
#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl governor::clock::Clock for PortClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.monotonic())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use payout_core::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Hands(Mutex<Duration>);

    impl Hands {
        fn pass(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    fn limit(text: &str) -> (Arc<Hands>, Rate<&'static str>) {
        let clock = Arc::new(Hands::default());
        let limit = RateLimit {
            quota: text.parse().unwrap(),
            spares_this_host: false,
        };
        (clock.clone(), Rate::new("key", limit, clock))
    }

    #[test]
    fn the_whole_quota_may_be_used_at_once_and_no_more() {
        let (_, rate) = limit("3/s");
        for remaining in [2, 1, 0] {
            assert_eq!(rate.take(&"a").unwrap().remaining, remaining);
        }
        assert_eq!(rate.take(&"a").unwrap_err().retry_after_seconds, 1);
    }

    #[test]
    fn each_has_a_quota_of_its_own() {
        let (_, rate) = limit("1/s");
        assert!(rate.take(&"a").is_ok());
        assert!(rate.take(&"b").is_ok());
        assert!(rate.take(&"a").is_err());
    }

    #[test]
    fn the_quota_comes_back_evenly_and_refusals_cost_nothing() {
        let (clock, rate) = limit("2/m");
        assert!(rate.take(&"a").is_ok() && rate.take(&"a").is_ok());
        for _ in 0..10 {
            assert_eq!(rate.take(&"a").unwrap_err().retry_after_seconds, 30);
        }
        clock.pass(Duration::from_secs(30));
        assert!(rate.take(&"a").is_ok());
        assert!(rate.take(&"a").is_err());
    }

    #[test]
    fn whoever_does_not_ask_is_forgotten_and_whoever_does_is_not() {
        let (clock, rate) = limit("1/m");
        let _ = rate.take(&"idle");
        clock.pass(Duration::from_secs(121));
        let _ = rate.take(&"busy");
        rate.forget_idle();
        assert_eq!(rate.limiter.len(), 1);
        assert!(rate.take(&"busy").is_err());
    }

    #[test]
    fn the_answer_says_what_is_left() {
        let (_, rate) = limit("60/m");
        let _ = rate.take(&"a");
        let taken = Taken {
            of_address: None,
            of_key: Some(rate.take(&"a").unwrap()),
        };
        let mut headers = HeaderMap::new();
        taken.write(&mut headers);
        assert_eq!(headers[POLICY], "\"key\";q=60;w=60");
        assert_eq!(headers[LIMIT], "\"key\";r=58;t=2");
    }
}
