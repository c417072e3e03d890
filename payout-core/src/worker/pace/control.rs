//! The number of calls that a provider may be sent now. Pure: time and chance are arguments.
//!
//! | mode | calls |
//! |---|---|
//! | [`Mode::Full`] | as many as the worker has slots for |
//! | [`Mode::Slowed`] | a rate: cut to the provider's throughput when it refuses, grown while it does not |
//! | [`Mode::Away`] | one probe about once a second: a look-up, and once that is answered one payout; now and then an unsent payout in any case |
//!
//! In each mode, nothing is sent before the time that the provider named in `Retry-After`.
//!
//! Sources: D.-M. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989 (why
//! the cut is a factor); M. Nygard, "Release It!", 2007 (the circuit breaker and its probe).

use std::time::Duration;

use super::probe::Away;
use super::rate::{KEEP, LEARN_FOR, Slowed, count};
use crate::attempt::jittered;
use crate::ports::Randomness;

/// The number of consecutive failures, without a success for [`SILENCE`], at which the provider counts as away.
const FAILURES: u32 = 5;
const SILENCE: Duration = Duration::from_millis(250);
/// The first rate after a refusal where no throughput is known; growth from a lower rate reaches it quickly.
const CAUTIOUS: f64 = 8.0;
/// The first rate once the provider is back.
const BACK: f64 = 32.0;
/// The rate from which growth ends in full speed.
const FASTEST: f64 = 4_096.0;
/// The time that the rate holds after a cut. Then it doubles every [`GROW_EVERY`] while calls succeed.
const HOLD: Duration = Duration::from_secs(2);
const GROW_EVERY: Duration = Duration::from_millis(150);
/// The time without a refusal after which the provider returns to full speed when nothing is due.
const FORGET_AFTER: Duration = Duration::from_secs(5);
/// The number of refusals within a second that mark a provider as throttling, if they are at least one call in
/// [`SHARE`].
const REFUSALS: u32 = 3;
const SHARE: u64 = 5;

/// The most refusals that successes make up for while the provider is slowed down: one in [`SHARE`] calls.
const MOST_CREDIT: f64 = 10.0;

/// The result of a call, as far as it concerns the provider's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The provider works: it gave an answer, of any kind.
    Worked,
    /// The provider refuses for now, and may name a pause.
    Refused(Option<Duration>),
    /// The provider was not reached, or its answer is unusable.
    Failed,
}

/// The next step of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Step {
    /// Claim up to this many payouts.
    Claim(usize),
    /// Claim one payout of which nothing may have been sent.
    ClaimUnsent,
    /// Look up any payment.
    Probe,
    /// Do nothing for this long.
    Wait(Duration),
}

/// A change that the log reports to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The provider is away.
    Away,
    /// The provider is back.
    Back,
    /// The provider throttles.
    Slowed,
    /// The provider takes calls at full speed again.
    FullSpeed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Full,
    Slowed(Slowed),
    Away(Away),
}

/// The state of one provider, as one worker sees it.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) mode: Mode,
    /// The earliest time of the next call, from the provider's `Retry-After`.
    pub(super) not_before: Duration,
    /// Failures since the last success.
    failures: u32,
    last_worked: Option<Duration>,
    /// Refusals at full speed: the time of the first, their number, and the number of successes by then.
    refusals: (Duration, u32, u64),
    /// The time and the number of successes at the last sample.
    sample: (Duration, u64),
    goodput: f64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            not_before: Duration::ZERO,
            failures: 0,
            last_worked: None,
            refusals: (Duration::ZERO, 0, 0),
            sample: (Duration::ZERO, 0),
            goodput: 0.0,
        }
    }
}

impl Control {
    /// Reports whether a success changes nothing here, and so need not be reported.
    pub(super) fn is_calm(&self) -> bool {
        self.mode == Mode::Full && self.failures == 0
    }

    /// Records a call's result. `worked` is the number of successes so far, `last_worked` the time of the last.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        heard: Heard,
        (worked, last_worked): (u64, Option<Duration>),
        chance: &dyn Randomness,
    ) -> Option<News> {
        self.last_worked = self.last_worked.max(last_worked);
        match heard {
            Heard::Worked => self.worked(now),
            Heard::Refused(retry_after) => {
                // Each worker adds a random share, so that workers which were refused together do not return together.
                if let Some(wait) = retry_after {
                    let wait = wait + jittered(wait / 8, chance).min(Duration::from_millis(500));
                    self.not_before = self.not_before.max(now + wait);
                }
                self.refused(now, retry_after.is_some(), worked, chance)
            }
            Heard::Failed => self.failed(now, chance),
        }
    }

    fn worked(&mut self, now: Duration) -> Option<News> {
        self.failures = 0;
        self.last_worked = Some(now);
        match &mut self.mode {
            Mode::Full => None,
            Mode::Slowed(slowed) => {
                slowed.worked += 1;
                slowed.worked_since_growth = true;
                slowed.in_vain = 0;
                slowed.credit = (slowed.credit + 1.0 / count(SHARE - 1)).min(MOST_CREDIT);
                self.grow(now)
            }
            Mode::Away(_) => {
                self.mode = Mode::Slowed(Slowed::new(now, BACK, None));
                Some(News::Back)
            }
        }
    }

    fn refused(
        &mut self,
        now: Duration,
        by_retry_after: bool,
        worked: u64,
        chance: &dyn Randomness,
    ) -> Option<News> {
        let resumes = now.max(self.not_before);
        match &mut self.mode {
            Mode::Full => {
                let (since, count, worked_before) = self.refusals;
                self.refusals = if count > 0 && now.saturating_sub(since) < LEARN_FOR {
                    (since, count + 1, worked_before)
                } else {
                    (now, 1, worked)
                };
                let (since, count, worked_before) = self.refusals;
                let succeeded = worked.saturating_sub(worked_before);
                let throttles = count >= REFUSALS && u64::from(count) * (SHARE - 1) >= succeeded;
                if !by_retry_after && !throttles {
                    return None;
                }
                self.refusals = (since, 0, worked);
                let rate = (self.goodput * KEEP).clamp(CAUTIOUS, FASTEST / 2.0);
                let mut slowed = Slowed::new(resumes, rate, Some(now));
                slowed.throttled = true;
                self.mode = Mode::Slowed(slowed);
                Some(News::Slowed)
            }
            // A few payments that are refused whenever they come say nothing about the others.
            Mode::Slowed(slowed) if !by_retry_after && slowed.credit >= 1.0 => {
                slowed.credit -= 1.0;
                None
            }
            Mode::Slowed(slowed) => {
                slowed.quiet_since = resumes;
                slowed.cut(now, resumes);
                let was_throttled = std::mem::replace(&mut slowed.throttled, true);
                if slowed.in_vain >= FAILURES {
                    self.leave(now, chance)
                } else {
                    (!was_throttled).then_some(News::Slowed)
                }
            }
            Mode::Away(away) => {
                away.tried_in_vain(now, chance);
                None
            }
        }
    }

    fn failed(&mut self, now: Duration, chance: &dyn Randomness) -> Option<News> {
        self.failures = self.failures.saturating_add(1);
        if let Mode::Away(away) = &mut self.mode {
            away.tried_in_vain(now, chance);
            return None;
        }
        let silent = self
            .last_worked
            .is_none_or(|worked| now.saturating_sub(worked) >= SILENCE);
        (self.failures >= FAILURES && silent)
            .then(|| self.leave(now, chance))
            .flatten()
    }

    fn leave(&mut self, now: Duration, chance: &dyn Randomness) -> Option<News> {
        self.mode = Mode::Away(Away::since(now, chance));
        Some(News::Away)
    }

    /// Records the result of a probe's look-up: after an answer, one payout may be tried.
    pub(super) fn probed(&mut self, now: Duration, heard: Heard) {
        if let Heard::Refused(Some(wait)) = heard {
            self.not_before = self.not_before.max(now + wait);
        }
        if let Mode::Away(away) = &mut self.mode
            && heard == Heard::Worked
        {
            away.answered = true;
        }
    }

    /// Decides the next step, of up to `want` claims. `has_key` means that there is a payment to look up; `worked` is
    /// the number of successes so far.
    pub(super) fn next(
        &mut self,
        now: Duration,
        want: usize,
        has_key: bool,
        worked: u64,
        chance: &dyn Randomness,
    ) -> (Step, Option<News>) {
        let news = self.grow(now);
        let alone = self.not_before.saturating_sub(now);
        if !alone.is_zero() {
            return (Step::Wait(alone), news);
        }
        let step = match &mut self.mode {
            Mode::Full => {
                let (since, before) = self.sample;
                let passed = now.saturating_sub(since);
                if passed >= LEARN_FOR {
                    self.goodput = count(worked.saturating_sub(before)) / passed.as_secs_f64();
                    self.sample = (now, worked);
                }
                Step::Claim(want)
            }
            Mode::Slowed(slowed) => slowed.next(now, want),
            Mode::Away(away) => away.next(now, has_key, chance),
        };
        (step, news)
    }

    /// Reserves the calls of up to `most` claims; returns the number reserved.
    pub(super) fn take(&mut self, now: Duration, most: usize) -> usize {
        if now < self.not_before {
            return 0;
        }
        match &mut self.mode {
            Mode::Full => most,
            Mode::Slowed(slowed) => slowed.take(now, most),
            Mode::Away(away) => {
                let due = away.answered || now >= away.next_probe;
                if away.is_on_trial(now) || !due || most == 0 {
                    return 0;
                }
                away.on_trial = Some(now);
                1
            }
        }
    }

    /// Records how many of the reserved claims were won.
    pub(super) fn claimed(
        &mut self,
        now: Duration,
        reserved: usize,
        won: usize,
        chance: &dyn Randomness,
    ) -> Option<News> {
        let unused = reserved.saturating_sub(won);
        if unused == 0 {
            return None;
        }
        match &mut self.mode {
            Mode::Full => None,
            Mode::Slowed(slowed) => {
                slowed.tokens += count(unused as u64);
                // Nothing is due, so no call would ever succeed.
                if now.saturating_sub(slowed.quiet_since) < FORGET_AFTER {
                    return None;
                }
                self.speed_up(now)
            }
            Mode::Away(away) if away.answered && !away.only_payments_tell => {
                self.mode = Mode::Slowed(Slowed::new(now, BACK, None));
                Some(News::Back)
            }
            Mode::Away(away) => {
                away.found_none(now, chance);
                None
            }
        }
    }

    /// Gives back reserved calls that were not made.
    pub(super) fn give_back(&mut self, unused: usize) {
        if let Mode::Slowed(slowed) = &mut self.mode {
            slowed.tokens += count(unused as u64);
        }
    }

    /// Records a second call of the same claim.
    pub(super) fn call_again(&mut self) {
        if let Mode::Slowed(slowed) = &mut self.mode {
            slowed.tokens -= 1.0;
        }
    }

    fn grow(&mut self, now: Duration) -> Option<News> {
        let not_before = self.not_before;
        let Mode::Slowed(slowed) = &mut self.mode else {
            return None;
        };
        let held = slowed.cut_at.is_none_or(|_| now >= slowed.quiet_since + HOLD);
        let may_grow = now >= not_before
            && held
            && slowed.worked_since_growth
            && now.saturating_sub(slowed.grown_at) >= GROW_EVERY;
        if !may_grow {
            return None;
        }
        slowed.fill(now);
        slowed.rate = (slowed.rate * 2.0).max((slowed.rate * 8.0).min(CAUTIOUS));
        slowed.grown_at = now;
        slowed.worked_since_growth = false;
        if slowed.rate < FASTEST {
            return None;
        }
        self.speed_up(now)
    }

    fn speed_up(&mut self, now: Duration) -> Option<News> {
        let was_throttled = matches!(self.mode, Mode::Slowed(slowed) if slowed.throttled);
        self.mode = Mode::Full;
        self.refusals = (now, 0, 0);
        was_throttled.then_some(News::FullSpeed)
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
