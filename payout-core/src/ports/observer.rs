//! Somebody who hears what the worker does, to count it.

use std::time::Duration;

use crate::payout::Verdict;

/// Something that happened in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal<'a> {
    /// Payouts were claimed.
    Claimed {
        /// How many.
        count: usize,
        /// How many of them had been claimed before in this generation.
        takeovers: usize,
        /// Whether the sweep found them, not a hint.
        swept: bool,
    },
    /// The processor was called.
    Called {
        /// `submit` or `look_up`.
        call: &'static str,
        /// `paid`, `accepted`, `declined`, `not_found`, `never_sent`, `unknown`, `refused`.
        outcome: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// A claim was settled.
    Settled(&'a Verdict),
    /// A guard refused a settlement: its lease was lost.
    LateOutcome {
        /// Whether it reported a payment that the payout's state denies.
        paid_against_state: bool,
    },
    /// A claim was let go without a call: its lease was too far gone.
    Abandoned,
}

/// Hears signals. Must return at once.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Observer: Send + Sync {
    /// Hears one signal.
    #[cfg_attr(any(test, feature = "mocks"), mockall::concretize)]
    fn observe(&self, signal: &Signal<'_>);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &Signal<'_>) {}
}
