//! The port that posts deliveries.

use std::time::Duration;

use async_trait::async_trait;

use crate::webhook::{EndpointUrl, SendOutcome, Signature};

/// The longest time that a request to an endpoint may take, the answer included.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// A request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// The address.
    pub url: EndpointUrl,
    /// The id of the event.
    pub message_id: String,
    /// The seconds since 1970 that are signed.
    pub timestamp: i64,
    /// The signatures.
    pub signature: Signature,
    /// The body.
    pub body: String,
}

/// The address may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ForbiddenUrl(pub String);

/// Posts deliveries to endpoints.
///
/// # Promises
/// - **No way inside.** No connection is made to an address that is not public, unless the operator allows its network.
///   The address that is checked is the one that is dialled.
/// - One call makes at most one request, follows no redirect, and ends within [`WEBHOOK_TIMEOUT`].
/// - No more than [`AnswerText::MAX_BYTES`](crate::webhook::AnswerText::MAX_BYTES) of an answer are read.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Refuses an address of which it is certain, without a look-up, that it may not be called.
    ///
    /// # Errors
    /// [`ForbiddenUrl`].
    fn check(&self, url: &EndpointUrl) -> Result<(), ForbiddenUrl>;

    /// Posts a delivery. An address that may not be called is a failed attempt whose reason says so.
    async fn send(&self, request: WebhookRequest) -> SendOutcome;
}
