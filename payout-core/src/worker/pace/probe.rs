//! The probes of a provider that is away.

use std::time::Duration;

use crate::attempt::jittered;
use crate::ports::Randomness;

/// A probe about so often: half of it, and up to as much again by chance.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long one payout is waited for.
pub(super) const TRIAL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Away {
    pub(super) next_probe: Duration,
    /// A look-up was answered: one payout may be tried.
    pub(super) answered: bool,
    /// Since when a payout is being tried.
    pub(super) on_trial: Option<Duration>,
    /// Look-ups are answered and payments are not: only a payout tells.
    pub(super) only_payments_tell: bool,
}

impl Away {
    /// Not for ever: a claim may end without a call.
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
