//! The probes of a provider that is away.

use std::time::Duration;

use crate::attempt::jittered;
use crate::ports::Randomness;

/// The mean interval between two probes: each waits half of it, plus a random part of up to the whole.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The longest time that the payout on trial is waited for.
pub(super) const TRIAL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Away {
    pub(super) next_probe: Duration,
    /// True once a look-up was answered: one payout may be tried.
    pub(super) answered: bool,
    /// The time at which the payout on trial was claimed.
    pub(super) on_trial: Option<Duration>,
    /// True when look-ups are answered and payments are not: then only a payment shows that the provider is back.
    pub(super) only_payments_tell: bool,
}

impl Away {
    /// Reports whether a payout is on trial. The trial has an end, since a claim may end without a call.
    pub(super) fn is_on_trial(&self, now: Duration) -> bool {
        self.on_trial
            .is_some_and(|since| now.saturating_sub(since) < TRIAL)
    }

    pub(super) fn tried_in_vain(&mut self, now: Duration, chance: &dyn Randomness) {
        if self.on_trial.take().is_some() {
            self.only_payments_tell |= std::mem::take(&mut self.answered);
            self.next_probe = now + probe_pause(chance);
        }
    }
}

pub(super) fn probe_pause(chance: &dyn Randomness) -> Duration {
    PROBE_EVERY / 2 + jittered(PROBE_EVERY, chance)
}
