//! The job queue: hints that a payout may be due. It may lose, repeat and reorder them.

use std::time::Duration;

use async_trait::async_trait;

use crate::payout::PayoutId;
use crate::ports::TraceContext;

/// "Look at this payout now."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hint {
    /// The payout.
    pub payout_id: PayoutId,
    /// The trace of whoever made it due, while traces are kept.
    pub trace: Option<TraceContext>,
}

impl Hint {
    /// Without a trace.
    pub fn at(payout_id: PayoutId) -> Self {
        Self {
            payout_id,
            trace: None,
        }
    }
}

/// The queue's own name for a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// Wraps the queue's own name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The queue's own name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hint on its way to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The hint.
    pub hint: Hint,
    /// To acknowledge it by.
    pub receipt: Receipt,
}

/// The queue could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// It does not answer. Payouts go on without it: the sweep finds them.
    #[error("the queue is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers, and does not do what it is asked: it takes no writes now, or not from this client. Payouts go on
    /// without it.
    #[error("the queue refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl QueueError {
    /// [`Unavailable`](Self::Unavailable), with its cause.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// Carries hints.
///
/// # Promises
/// - A hint is delivered at least once unless it is lost; a hint may be lost at any time, and no payout with it.
/// - It is delivered as it was given, its trace included.
/// - A delivery that is acknowledged is not delivered again. One that is not may be, to any consumer.
/// - The queue is bounded: when full, it drops hints rather than grow or block.
/// - Dropping a call's future loses at most hints.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Adds hints, all in one round trip.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`]; the hints may then be lost.
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError>;

    /// Waits up to `wait` for a hint, and takes up to `max` of those that are there; empty when none came.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], without waiting long.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Forgets deliveries whose payouts were claimed, or were not to be had.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; the deliveries may then come again.
    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// How many hints wait to be delivered, about.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    async fn depth(&self) -> Result<u64, QueueError>;

    /// The readiness probe: proves that hints can be added, by a write that nobody is delivered, and returns the
    /// [`depth`](Self::depth). Asked about once a second.
    ///
    /// By default it asks for the depth alone, which is enough only where whatever reads can write too.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`] while no hint can be added.
    async fn probe(&self) -> Result<u64, QueueError> {
        self.depth().await
    }
}
