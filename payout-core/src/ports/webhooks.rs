//! The port for webhook endpoints and their deliveries, as operators see them.

use async_trait::async_trait;

use crate::Timestamp;
use crate::feed::FeedPosition;
use crate::payout::{Actor, PayoutId};
use crate::ports::RepositoryError;
use crate::webhook::{AttemptRecord, Delivery, DeliveryStatus, Endpoint, NewDelivery, Replay, WebhookId};

/// The largest number of endpoints.
pub const WEBHOOKS_MAX: u32 = 100;

/// The largest number of deliveries of one endpoint that wait. While there are as many, its further events wait in the
/// feed.
pub const WAITING_DELIVERIES_MAX: u32 = 10_000;

/// An error of the repository of webhooks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No endpoint, or no delivery, has this id. Nothing was written.
    #[error("there is no such endpoint or delivery")]
    NotFound,
    /// Another change of the endpoint came first. Nothing was written.
    #[error("the endpoint was changed meanwhile")]
    Changed,
    /// There are [`WEBHOOKS_MAX`] endpoints. Nothing was written.
    #[error("there are as many endpoints as there may be")]
    TooMany,
    /// A range is being replayed to this endpoint. Nothing was written.
    #[error("a range is being replayed to this endpoint")]
    Replaying,
    /// As many deliveries wait as may. Nothing was written.
    #[error("as many deliveries of this endpoint wait as may")]
    Full,
    /// The store returned an error.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// An endpoint with the progress of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The position in the feed up to which its events have become deliveries.
    pub position: FeedPosition,
    /// The range that is being replayed.
    pub replay: Option<Replay>,
    /// The time since which it has failed without a success; absent while it works.
    pub failing_since: Option<Timestamp>,
    /// The number of deliveries that wait or are being sent.
    pub waiting: u64,
    /// The time at which the oldest of those was stored.
    pub oldest_waiting: Option<Timestamp>,
}

/// A query for the deliveries of an endpoint, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// The status; every status if absent.
    pub status: Option<DeliveryStatus>,
    /// The number below which the page begins; the newest if absent.
    pub before: Option<u64>,
    /// The largest number of deliveries.
    pub limit: u32,
}

/// Stores webhook endpoints and their deliveries.
///
/// # Promises
/// - An acknowledged write is durable. Times are by the store's clock.
/// - A change of an endpoint applies to the version that was read, or not at all.
/// - The progress in the feed belongs to the worker that holds the endpoint ([`WebhookQueue`](super::WebhookQueue)); no
///   method here moves it.
/// - Secrets are encrypted where the store encrypts.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WebhookRepository: Send + Sync {
    /// Returns the time by the store's clock.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn webhooks_now(&self) -> Result<Timestamp, RepositoryError>;

    /// Stores an endpoint, which gets the events after `position`. Its time of creation and its revision are the
    /// store's.
    ///
    /// # Errors
    /// [`WebhookError::TooMany`], [`WebhookError::Store`].
    async fn insert_webhook(
        &self,
        endpoint: &Endpoint,
        position: FeedPosition,
    ) -> Result<Endpoint, WebhookError>;

    /// Returns every endpoint, the oldest first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; [`RepositoryError::Refused`] if an endpoint cannot be read.
    async fn webhooks(&self) -> Result<Vec<WatchedEndpoint>, RepositoryError>;

    /// Returns an endpoint.
    ///
    /// # Errors
    /// As [`webhooks`](Self::webhooks).
    async fn webhook(&self, id: WebhookId) -> Result<Option<WatchedEndpoint>, RepositoryError>;

    /// Replaces an endpoint, if its revision is still the given one; returns it with its new revision. An endpoint that
    /// is enabled thereby begins without failures. The same transaction reports to the
    /// [feed](crate::ports::EventFeed) that it was enabled or disabled, and by whom.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Changed`], [`WebhookError::Store`].
    async fn save_webhook(&self, endpoint: &Endpoint, actor: &Actor) -> Result<Endpoint, WebhookError>;

    /// Deletes an endpoint and its deliveries; returns whether it was there.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError>;

    /// Starts to replay a range of the feed.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Replaying`], [`WebhookError::Store`].
    async fn replay(&self, id: WebhookId, range: Replay) -> Result<(), WebhookError>;

    /// Adds a delivery at the end, due at once.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Full`], [`WebhookError::Store`].
    async fn add_delivery(&self, id: WebhookId, delivery: &NewDelivery) -> Result<Delivery, WebhookError>;

    /// Makes a waiting delivery due at once; does nothing if it does not wait any more.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`], [`WebhookError::Store`].
    async fn hasten_delivery(&self, id: WebhookId, number: u64) -> Result<Delivery, WebhookError>;

    /// Returns deliveries of an endpoint, the newest first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn deliveries(
        &self,
        id: WebhookId,
        query: &DeliveryQuery,
    ) -> Result<Vec<Delivery>, RepositoryError>;

    /// Returns deliveries of a payout's events to any endpoint, the newest first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn deliveries_of_payout(&self, id: PayoutId, limit: u32) -> Result<Vec<Delivery>, RepositoryError>;

    /// Returns a delivery and its attempts, the first one first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn delivery(
        &self,
        id: WebhookId,
        number: u64,
    ) -> Result<Option<(Delivery, Vec<AttemptRecord>)>, RepositoryError>;

    /// Removes at most `limit` finished deliveries whose time is over, with their attempts; returns their number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn forget_deliveries(&self, limit: u32) -> Result<u64, RepositoryError>;
}
