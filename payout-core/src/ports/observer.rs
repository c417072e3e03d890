//! The port for metrics: receives signals from the use cases and the worker.

use std::time::Duration;

use crate::attempt::Verdict;
use crate::webhook::DisabledWhy;

/// The kind of a batch: requests that share one round trip to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// New payouts.
    Create,
    /// Reads of single payouts by id.
    Read,
    /// Settlements.
    Settle,
}

/// The pace at which a worker calls its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceState {
    /// At full speed.
    Full,
    /// At a limited rate, because the provider refuses more calls or has just recovered.
    Slowed,
    /// Probes only, because the provider is unavailable.
    Away,
}

/// An event in the use cases or in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal<'a> {
    /// A worker claimed payouts.
    Claimed {
        /// The number of payouts.
        count: usize,
        /// The number of those that had been claimed before in this generation.
        takeovers: usize,
        /// Set if the sweep found them; unset if hints did.
        swept: bool,
    },
    /// A worker called the processor.
    Called {
        /// The provider's name; absent where the program names none.
        provider: Option<&'a str>,
        /// The method: `submit` or `look_up`.
        call: &'static str,
        /// The outcome: `paid`, `accepted`, `declined`, `returned`, `waiting`, `not_found`,
        /// `cannot_tell`, `never_sent`, `unknown`, `refused` or
        /// `overloaded`.
        outcome: &'static str,
        /// The duration of the call.
        took: Duration,
    },
    /// The worker changed the pace at which it calls the provider.
    Paced {
        /// The provider's name; absent where the program names none.
        provider: Option<&'a str>,
        /// The new pace.
        state: PaceState,
        /// Calls per second, rounded up; absent at full speed.
        calls_per_second: Option<u32>,
    },
    /// A worker settled a claim.
    Settled(&'a Verdict),
    /// A payment came back.
    Returned {
        /// The provider's name; absent where the program names none.
        provider: Option<&'a str>,
    },
    /// Unsent payouts of a provider that is away were handed to other providers, or wait for it.
    FailedOver {
        /// The provider that is away.
        provider: Option<&'a str>,
        /// The number of payouts.
        count: usize,
    },
    /// The guard of a settlement did not match: the worker had lost its lease.
    LateOutcome {
        /// Set if the settlement reports a payment that contradicts the payout's state.
        paid_against_state: bool,
    },
    /// A worker released a claim without a call, because too little of the lease was left.
    Abandoned,
    /// Due times that a clock that ran ahead had written were brought back to the present.
    BroughtBack {
        /// The number of payouts.
        count: u64,
    },
    /// The sweep looked for due payouts.
    Swept {
        /// The duration of the sweep.
        took: Duration,
    },
    /// Hints were dropped: the queue was unavailable or refused them, or too many waited. The sweep finds their
    /// payouts.
    HintsDropped {
        /// The number of hints.
        count: usize,
    },
    /// A delivery was posted to the endpoint of a webhook.
    WebhookSent {
        /// Set if the endpoint accepted it.
        accepted: bool,
        /// The duration of the request.
        took: Duration,
    },
    /// A worker disabled the endpoint of a webhook.
    WebhookDisabled {
        /// The reason.
        why: DisabledWhy,
    },
    /// Several requests went to the store as one batch.
    Gathered {
        /// The kind of the requests.
        batch: Batch,
        /// The number of requests.
        size: usize,
    },
}

/// Receives signals.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Observer: Send + Sync {
    /// Receives one signal. It must return without blocking.
    #[cfg_attr(any(test, feature = "mocks"), mockall::concretize)]
    fn observe(&self, signal: &Signal<'_>);
}

/// An observer that ignores every signal.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &Signal<'_>) {}
}
