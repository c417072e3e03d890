//! The port for the job queue. It carries hints that a payout may be due, and may lose, repeat and reorder them.

use std::time::Duration;

use async_trait::async_trait;

use crate::payout::PayoutId;
use crate::ports::TraceContext;

/// A request that a worker look at a payout now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hint {
    /// The payout's id.
    pub payout_id: PayoutId,
    /// The trace of the request or worker that made the payout due; absent unless traces are recorded.
    pub trace: Option<TraceContext>,
}

impl Hint {
    /// Makes a hint without a trace.
    pub fn at(payout_id: PayoutId) -> Self {
        Self {
            payout_id,
            trace: None,
        }
    }
}

/// The queue's identifier of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// Wraps the queue's identifier.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the queue's identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hint that the queue has delivered to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The hint.
    pub hint: Hint,
    /// The receipt with which the worker acknowledges the delivery.
    pub receipt: Receipt,
}

/// An error of the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue does not answer. Payouts proceed without it: the sweep finds them.
    #[error("the queue is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The queue answers but refuses the request, for example because it is read-only or this client lacks permission.
    /// Payouts proceed without it.
    #[error("the queue refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl QueueError {
    /// Wraps a cause as [`Unavailable`](Self::Unavailable).
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// Carries hints.
///
/// # Promises
/// - A hint is delivered at least once unless it is lost. A hint may be lost at any time; no payout is lost with it.
/// - A hint is delivered as it was given, including its trace.
/// - An acknowledged delivery is not repeated. An unacknowledged one may be repeated, to any consumer.
/// - The queue is bounded. When it is full it drops hints; it neither grows nor blocks.
/// - Dropping a call's future loses at most hints.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Adds hints in one round trip.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`]; the hints may then be lost.
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError>;

    /// Waits up to `wait` for a hint, then returns up to `max` of those available. Empty if none arrived.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], without waiting long.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Acknowledges deliveries whose payouts were claimed or could not be claimed.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; the hints may then be delivered again.
    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Returns the approximate number of hints that wait for delivery.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    async fn depth(&self) -> Result<u64, QueueError>;

    /// Checks readiness: proves that hints can be added, by a write that is delivered to no consumer, and returns the
    /// [`depth`](Self::depth). Called about once a second.
    ///
    /// The default only asks for the depth, which suffices only where a client that can read can also write.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`] while no hint can be added.
    async fn probe(&self) -> Result<u64, QueueError> {
        self.depth().await
    }
}
