//! The probes of a provider that is away.

use std::time::Duration;

use super::control::Step;
use crate::attempt::jittered;
use crate::ports::Randomness;

/// The mean interval between two probes: each waits half of it, plus a random part of up to the whole.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The longest time that the payout on trial is waited for.
pub(super) const TRIAL: Duration = Duration::from_secs(10);
/// The first and the longest pause between two payouts that are tried although no look-up is answered: the look-ups may
/// fail because of their payments alone.
const FIRST_TRIAL: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Away {
    pub(super) next_probe: Duration,
    /// True once a look-up was answered: one payout may be tried.
    pub(super) answered: bool,
    /// The time at which the payout on trial was claimed.
    pub(super) on_trial: Option<Duration>,
    /// True when look-ups are answered and payments are not: then only a payment shows that the provider is back.
    pub(super) only_payments_tell: bool,
    /// The time from which an unsent payout is tried although no look-up was answered.
    next_trial: Duration,
    trial_pause: Duration,
}

impl Away {
    pub(super) fn since(now: Duration, chance: &dyn Randomness) -> Self {
        Self {
            next_probe: now + probe_pause(chance),
            answered: false,
            on_trial: None,
            only_payments_tell: false,
            next_trial: now + FIRST_TRIAL,
            trial_pause: FIRST_TRIAL,
        }
    }

    /// Returns the next step; a probe needs a payment to look up.
    pub(super) fn next(&mut self, now: Duration, has_key: bool, chance: &dyn Randomness) -> Step {
        if self.is_on_trial(now) {
            return Step::Wait(PROBE_EVERY / 2);
        }
        if self.answered {
            return Step::Claim(1);
        }
        if now < self.next_probe {
            return Step::Wait(self.next_probe - now);
        }
        if self.only_payments_tell || !has_key {
            return Step::Claim(1);
        }
        if now >= self.next_trial {
            return Step::ClaimUnsent;
        }
        self.next_probe = now + probe_pause(chance);
        Step::Probe
    }

    /// Records that nothing was due to be tried.
    pub(super) fn found_none(&mut self, now: Duration, chance: &dyn Randomness) {
        self.on_trial = None;
        self.next_probe = now + probe_pause(chance);
        self.next_trial = now + self.trial_pause;
    }
    /// Reports whether a payout is on trial. The trial has an end, since a claim may end without a call.
    pub(super) fn is_on_trial(&self, now: Duration) -> bool {
        self.on_trial
            .is_some_and(|since| now.saturating_sub(since) < TRIAL)
    }

    pub(super) fn tried_in_vain(&mut self, now: Duration, chance: &dyn Randomness) {
        if self.on_trial.take().is_some() {
            self.only_payments_tell |= std::mem::take(&mut self.answered);
            self.next_probe = now + probe_pause(chance);
            self.trial_pause = (self.trial_pause * 2).min(LONGEST_PAUSE);
            self.next_trial = now + self.trial_pause;
        }
    }
}

fn probe_pause(chance: &dyn Randomness) -> Duration {
    PROBE_EVERY / 2 + jittered(PROBE_EVERY, chance)
}
