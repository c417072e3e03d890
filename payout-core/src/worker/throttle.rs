//! A provider's limit of calls per second, which all workers share.
//!
//! Claims take calls from a token bucket, in batches, and each call then waits for its turn. So a claim that gathers
//! calls, or comes late, makes no burst: within any second there are as many calls as the limit allows.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The share of a second for which unused calls accumulate, while a claim is late or under way. Their turns keep them
/// from being a burst at the provider.
const BURST_SECONDS: f64 = 1.0;
/// The share of a second for which a claim gathers calls, so that not every payout costs a statement.
const GATHER_SECONDS: f64 = 0.05;
/// The share of a second by which a turn may come late and still be used.
const LATE_SECONDS: f64 = 0.02;
/// The time at the start in which no call is made: other workers must learn first that there is one more.
const SETTLING_IN: Duration = Duration::from_millis(1_500);

/// A token bucket. Without a limit, every call is allowed.
pub(super) struct Throttle {
    calls_per_second: Option<f64>,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    filled_at: Option<Duration>,
    /// The time of the next turn.
    next_turn: Duration,
    /// The number of workers that share the limit.
    sharers: u32,
}

impl Throttle {
    /// Creates a bucket for this number of calls per second; `None` for no limit. `alone` is true if no other worker
    /// shares the limit.
    pub(super) fn new(calls_per_second: Option<u32>, now: Duration, alone: bool) -> Self {
        Self::of_share(calls_per_second, 1.0, now, alone)
    }

    /// Creates a bucket for a share of this number of calls per second.
    pub(super) fn of_share(calls_per_second: Option<u32>, share: f64, now: Duration, alone: bool) -> Self {
        let start = if alone { now } else { now + SETTLING_IN };
        Self {
            calls_per_second: calls_per_second.map(|rate| f64::from(rate.max(1)) * share),
            bucket: Mutex::new(Bucket {
                tokens: 0.0,
                filled_at: Some(start),
                next_turn: start,
                sharers: 1,
            }),
        }
    }

    /// Returns whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.calls_per_second.is_some()
    }

    /// Divides the limit among this number of workers.
    pub(super) fn share(&self, workers: u32) {
        self.lock().sharers = workers.max(1);
    }

    /// Reserves at most `want` calls.
    ///
    /// # Errors
    /// The wait until a claim is worthwhile.
    pub(super) fn take(&self, now: Duration, want: usize) -> Result<usize, Duration> {
        let Some(limit) = self.calls_per_second else {
            return Ok(want);
        };
        let mut bucket = self.lock();
        let rate = bucket.fill(limit, now);
        let wanted = count(want.max(1));
        let enough = (rate * GATHER_SECONDS).max(1.0).min(wanted).floor();
        if bucket.tokens < enough {
            return Err(bucket.until(enough, rate, now));
        }
        let taken = bucket.tokens.floor().min(wanted);
        bucket.tokens -= taken;
        Ok(whole(taken).min(want))
    }

    /// Returns calls that were taken and not made.
    pub(super) fn give_back(&self, calls: usize) {
        if self.is_limited() {
            self.lock().tokens += count(calls);
        }
    }

    /// Takes one call more than the claim did, which may be one of the future: later claims wait for it.
    pub(super) fn owe(&self, now: Duration) {
        if let Some(limit) = self.calls_per_second {
            let mut bucket = self.lock();
            bucket.fill(limit, now);
            bucket.tokens -= 1.0;
        }
    }

    /// Takes the next turn for a call; returns the wait until it comes.
    pub(super) fn turn(&self, now: Duration) -> Duration {
        let Some(limit) = self.calls_per_second else {
            return Duration::ZERO;
        };
        let mut bucket = self.lock();
        let each = Duration::from_secs_f64(f64::from(bucket.sharers) / limit);
        let earliest = now.saturating_sub(Duration::from_secs_f64(LATE_SECONDS));
        let turn = bucket.next_turn.max(earliest);
        bucket.next_turn = turn + each;
        turn.saturating_sub(now)
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Adds the tokens of the time that has passed; returns the rate per second.
    fn fill(&mut self, limit: f64, now: Duration) -> f64 {
        let rate = limit / f64::from(self.sharers);
        let filled_at = *self.filled_at.get_or_insert(now);
        let passed = now.saturating_sub(filled_at);
        let most = (rate * BURST_SECONDS).max(1.0);
        self.tokens = passed.as_secs_f64().mul_add(rate, self.tokens).min(most);
        self.filled_at = Some(filled_at.max(now));
        rate
    }

    /// Returns the wait until there are this many tokens.
    fn until(&self, tokens: f64, rate: f64, now: Duration) -> Duration {
        let missing = ((tokens - self.tokens) / rate).clamp(0.001, 60.0);
        let held = self.filled_at.unwrap_or(now).saturating_sub(now);
        Duration::from_secs_f64(missing) + held
    }
}

#[expect(clippy::cast_precision_loss, reason = "no number of calls is so large")]
fn count(calls: usize) -> f64 {
    calls as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number of calls, and not below zero"
)]
fn whole(calls: f64) -> usize {
    calls.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Takes whatever is allowed for ten seconds, looking every `every`; returns the number of calls.
    fn taken_in_ten_seconds(throttle: &Throttle, every: Duration) -> usize {
        let mut now = Duration::ZERO;
        let mut calls = 0;
        while now < Duration::from_secs(10) {
            calls += throttle.take(now, 1_000).unwrap_or(0);
            now += every;
        }
        calls
    }

    #[test]
    fn a_limit_is_kept_within_two_percent_however_often_it_is_asked() {
        for every in [MS, 7 * MS, 50 * MS, 120 * MS, 700 * MS] {
            let throttle = Throttle::new(Some(100), Duration::ZERO, true);
            let calls = taken_in_ten_seconds(&throttle, every);
            assert!(
                (980..=1_020).contains(&calls),
                "{calls} calls, asked every {every:?}"
            );
        }
    }

    #[test]
    fn workers_that_share_a_limit_divide_it() {
        let throttle = Throttle::new(Some(100), Duration::ZERO, true);
        throttle.share(4);
        let calls = taken_in_ten_seconds(&throttle, 5 * MS);
        assert!((245..=255).contains(&calls), "{calls}");
    }

    #[test]
    fn a_worker_makes_no_call_before_the_others_know_of_it() {
        let throttle = Throttle::new(Some(100), Duration::ZERO, false);
        assert!(throttle.take(1_400 * MS, 10).is_err());
        assert!(throttle.take(1_700 * MS, 10).is_ok());
    }

    #[test]
    fn a_second_call_of_a_payout_delays_the_next_claim() {
        let throttle = Throttle::new(Some(10), Duration::ZERO, true);
        assert_eq!(throttle.take(100 * MS, 1), Ok(1));
        throttle.owe(100 * MS);
        assert_eq!(throttle.take(200 * MS, 1), Err(100 * MS));
        assert_eq!(throttle.take(300 * MS, 1), Ok(1));
    }

    #[test]
    fn calls_that_begin_at_once_take_turns() {
        let throttle = Throttle::new(Some(100), Duration::ZERO, true);
        let waits: Vec<u128> = (0..5).map(|_| throttle.turn(1_000 * MS).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 10, 20], "two turns may come late");
    }

    #[test]
    fn workers_that_share_a_limit_take_turns_more_seldom() {
        let throttle = Throttle::new(Some(100), Duration::ZERO, true);
        throttle.share(4);
        throttle.turn(Duration::ZERO);
        assert_eq!(throttle.turn(Duration::ZERO), 40 * MS);
    }

    #[test]
    fn calls_that_were_not_made_are_returned() {
        let throttle = Throttle::new(Some(100), Duration::ZERO, true);
        assert_eq!(throttle.take(200 * MS, 100), Ok(20));
        throttle.give_back(15);
        assert_eq!(throttle.take(200 * MS, 100), Ok(15));
    }

    #[test]
    fn without_a_limit_every_call_is_allowed_at_once() {
        let throttle = Throttle::new(None, Duration::ZERO, false);
        assert_eq!(throttle.take(Duration::ZERO, 7), Ok(7));
        throttle.owe(Duration::ZERO);
        assert_eq!(throttle.turn(Duration::ZERO), Duration::ZERO);
    }
}
