//! A rate of calls: cut to the provider's throughput when it refuses, spent call by call.

use std::time::Duration;

use super::control::Step;

/// The slowest rate, per second: even at this rate a call finds out within two seconds that the provider accepts more.
pub(super) const SLOWEST: f64 = 0.5;
/// The shortest time between two cuts, so that refusals of one moment cut the rate once.
pub(super) const CUT_EVERY: Duration = Duration::from_millis(200);
/// The share of the measured throughput that is tried next.
pub(super) const KEEP: f64 = 0.95;
/// The shortest time at one rate after which the successes under it are a measurement.
pub(super) const LEARN_FOR: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slowed {
    /// Calls per second.
    pub(super) rate: f64,
    pub(super) tokens: f64,
    pub(super) filled_at: Duration,
    /// The time from which successes are counted.
    pub(super) counted_from: Duration,
    pub(super) worked: u32,
    /// The provider's measured throughput, per second; absent until it is measured.
    pub(super) taken: Option<f64>,
    /// The time from which calls are allowed after the last refusal; the start of this mode before any.
    pub(super) quiet_since: Duration,
    /// The time of the last cut; absent while nothing was refused since the provider came back.
    pub(super) cut_at: Option<Duration>,
    pub(super) grown_at: Duration,
    pub(super) worked_since_growth: bool,
    /// The refusals that the successes since have made up for.
    pub(super) credit: f64,
    /// Consecutive refusals at the slowest rate.
    pub(super) in_vain: u32,
    /// True when refusals led to this mode.
    pub(super) throttled: bool,
}

impl Slowed {
    /// Creates a rate that starts at `now`, which may be later than the cut that led to it.
    pub(super) fn new(now: Duration, rate: f64, cut_at: Option<Duration>) -> Self {
        Self {
            rate,
            tokens: 0.0,
            filled_at: now,
            counted_from: now,
            worked: 0,
            taken: None,
            quiet_since: now,
            cut_at,
            grown_at: now,
            worked_since_growth: false,
            credit: 0.0,
            in_vain: 0,
            throttled: false,
        }
    }

    /// Cuts the rate to slightly less than the measured throughput, or to half while that is unknown. A provider that
    /// limits calls per second refuses all calls until the second is over, at any rate: only a short pause helps then.
    pub(super) fn cut(&mut self, now: Duration, resumes: Duration) {
        if self.rate <= SLOWEST {
            self.in_vain += 1;
        }
        if self
            .cut_at
            .is_some_and(|cut_at| now.saturating_sub(cut_at) < CUT_EVERY)
        {
            return;
        }
        self.fill(now);
        let tried_for = now.saturating_sub(self.counted_from);
        if tried_for >= LEARN_FOR {
            let measured = f64::from(self.worked) / tried_for.as_secs_f64();
            let taken = match self.taken {
                Some(taken) if measured >= taken / 4.0 => f64::midpoint(taken, measured),
                Some(_) | None => measured,
            };
            self.taken = Some(taken);
            self.rate = self.rate.min(taken * KEEP);
            self.counted_from = resumes;
            self.worked = 0;
        } else {
            self.rate = self
                .rate
                .min(self.taken.map_or(self.rate / 2.0, |taken| taken * KEEP));
        }
        self.rate = self.rate.max(SLOWEST);
        self.tokens = self.tokens.min(0.0);
        self.filled_at = self.filled_at.max(resumes.max(now + CUT_EVERY));
        self.cut_at = Some(now);
    }

    pub(super) fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        // Tokens for a tenth of a second may accumulate.
        let most = (self.rate / 10.0).max(1.0);
        self.tokens = (self.tokens + passed * self.rate).min(most);
        self.filled_at = self.filled_at.max(now);
    }

    pub(super) fn next(&mut self, now: Duration, want: usize) -> Step {
        self.fill(now);
        // At a high rate, claims wait for several tokens, so that not every payout costs a statement.
        let enough = (self.rate / 20.0).max(1.0).min(count(want.max(1) as u64)).floor();
        if self.tokens >= enough {
            return Step::Claim(whole(self.tokens).min(want));
        }
        let wait = (enough - self.tokens) / self.rate;
        Step::Wait(Duration::from_secs_f64(wait.clamp(0.001, 5.0)) + self.filled_at.saturating_sub(now))
    }

    pub(super) fn take(&mut self, now: Duration, most: usize) -> usize {
        self.fill(now);
        let taken = whole(self.tokens).min(most);
        self.tokens -= count(taken as u64);
        taken
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count of calls is so large")]
pub(super) fn count(calls: u64) -> f64 {
    calls as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of calls, and not below nothing"
)]
fn whole(tokens: f64) -> usize {
    tokens.max(0.0) as usize
}
