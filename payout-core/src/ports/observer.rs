//! Somebody who hears what the use cases and the worker do, to count it.

use std::time::Duration;

use crate::attempt::Verdict;

/// What is written or read together, in one round trip to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// New payouts.
    Create,
    /// Reads of single payouts.
    Read,
    /// Outcomes.
    Settle,
}

/// How a worker calls its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceState {
    /// As fast as it can.
    Full,
    /// At a rate, since the provider refuses more, or has just come back.
    Slowed,
    /// Not at all but for probes, since the provider is away.
    Away,
}

/// Something that happened in the use cases or in the worker.
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
        /// `paid`, `accepted`, `declined`, `not_found`, `never_sent`, `unknown`, `refused`, `overloaded`.
        outcome: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// The worker calls the provider at another pace from now on.
    Paced {
        /// Which.
        state: PaceState,
        /// Calls by the second, rounded up; absent at full speed.
        calls_per_second: Option<u32>,
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
    /// Payouts whose time was written by a clock that was ahead were brought back to the present.
    BroughtBack {
        /// How many.
        count: u64,
    },
    /// The sweep has looked for what is due.
    Swept {
        /// How long it took.
        took: Duration,
    },
    /// Hints were not sent: the queue was away or refused them, or too many waited. The sweep finds their payouts.
    HintsDropped {
        /// How many they are.
        count: usize,
    },
    /// Several requests went to the store as one.
    Gathered {
        /// What they ask for.
        batch: Batch,
        /// How many they are.
        size: usize,
    },
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
