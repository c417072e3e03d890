//! The port for the worker that delivers: leases of endpoints, their deliveries, and their progress in the feed.

use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;
use crate::feed::FeedPosition;
use crate::payout::Actor;
use crate::ports::RepositoryError;
use crate::webhook::{AttemptRecord, Delivery, DisabledWhy, Endpoint, NewDelivery, Next, Replay, WebhookId};

/// The time for which a delivered delivery is kept.
pub const KEEP_DELIVERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The time for which a delivery that was given up is kept.
pub const KEEP_FAILED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A lease of an endpoint: until it ends, no other worker delivers to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointLease {
    /// The endpoint.
    pub id: WebhookId,
    /// The number of the lease. Every takeover increases it, and a write under an older number changes nothing.
    pub fence: u64,
}

/// An endpoint that a worker holds, as of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEndpoint {
    /// The lease.
    pub lease: EndpointLease,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The position in the feed up to which its events have become deliveries.
    pub position: FeedPosition,
    /// The range that is being replayed.
    pub replay: Option<Replay>,
    /// The time since which it has failed without a success.
    pub failing_since: Option<Timestamp>,
    /// The number of changes of its waiting deliveries by operators.
    pub queue_revision: u64,
    /// The time by the store's clock.
    pub now: Timestamp,
}

/// The source of a page of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageSource {
    /// The events after the endpoint's position.
    Feed,
    /// The range that is being replayed. `ends` is true if this is its last page.
    Replay {
        /// True for the last page.
        ends: bool,
    },
}

/// A page of the feed that becomes deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The source.
    pub source: PageSource,
    /// The position after which the page was read.
    pub after: FeedPosition,
    /// The position at which it ends.
    pub next: FeedPosition,
    /// The deliveries, in the order of the feed.
    pub deliveries: Vec<NewDelivery>,
}

/// The result of one attempt, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledAttempt {
    /// The number of the delivery.
    pub number: u64,
    /// The record of the attempt.
    pub record: AttemptRecord,
    /// The next step.
    pub next: Next,
}

/// The results of some attempts, and the endpoint's health after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptBatch {
    /// The results.
    pub attempts: Vec<SettledAttempt>,
    /// The time since which the endpoint has failed without a success.
    pub failing_since: Option<Timestamp>,
    /// The reason why the endpoint must be disabled, if it must.
    pub disable: Option<DisabledWhy>,
}

/// Leases endpoints to workers, and stores what becomes of their deliveries.
///
/// # Promises
/// - **One holder.** While a lease lasts, no other worker holds the endpoint. A write under a lease that another worker
///   has taken over changes nothing.
/// - **Nothing lost, nothing doubled.** A page's deliveries and the position behind them are written in one transaction,
///   and only if the position is still the one after which the page was read.
/// - An attempt's record and what it changes are written together.
/// - Times are by the store's clock.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WebhookQueue: Send + Sync {
    /// Leases enabled endpoints that no worker holds, at most `limit`.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn acquire_webhooks(
        &self,
        worker: &Actor,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError>;

    /// Extends leases. Returns the endpoints that are still held and still enabled.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn renew_webhooks(
        &self,
        leases: &[EndpointLease],
        lease: Duration,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError>;

    /// Ends a lease early, so that another worker can take the endpoint at once.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn release_webhook(&self, lease: EndpointLease) -> Result<(), RepositoryError>;

    /// Returns every delivery that waits, in the order of the numbers.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn waiting_deliveries(&self, lease: EndpointLease) -> Result<Vec<Delivery>, RepositoryError>;

    /// Stores the deliveries of a page, due at once, and moves the position behind it. Returns the deliveries; `None` if
    /// the lease is lost or the position is another.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]: the page may have been stored.
    async fn store_page(
        &self,
        lease: EndpointLease,
        page: &DeliveryPage,
    ) -> Result<Option<Vec<Delivery>>, RepositoryError>;

    /// Stores the results of attempts. Returns false, and changes nothing, if the lease is lost. The
    /// same transaction reports to the [feed](crate::ports::EventFeed) an endpoint that is disabled thereby.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]: they may have been stored; storing them again is harmless.
    async fn settle_attempts(
        &self,
        lease: EndpointLease,
        batch: &AttemptBatch,
    ) -> Result<bool, RepositoryError>;
}
