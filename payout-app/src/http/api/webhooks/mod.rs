//! Webhooks over HTTP, for callers with the scope `admin`: their endpoints and their deliveries.

mod bodies;
pub(crate) mod create;
pub(crate) mod deliveries;
pub(crate) mod edit;
pub(crate) mod endpoint;
pub(crate) mod list;
pub(crate) mod repeat;
pub(crate) mod rotate;

use payout_core::access::Scope;
use payout_core::feed::FeedPosition;
use payout_core::ports::{RepositoryError, WebhookError};
use payout_core::usecase::webhooks::WebhooksError;
use payout_core::webhook::WebhookId;

use crate::http::extract::path::PathPolicy;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of every route for webhooks.
const MANAGED: RoutePolicy = RoutePolicy::scoped(&[Scope::Admin]);

/// The policy of the routes for a single endpoint.
const ONE_ENDPOINT: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<WebhookId>()),
    ..MANAGED
};

/// Logs the change, since endpoints have no audit trail.
pub(in crate::http) fn log(context: &Context, id: WebhookId, what: &'static str) {
    tracing::info!(
        webhook = %id,
        by = context.principal.name(),
        request_id = context.request_id.as_str(),
        "the endpoint of a webhook was {what}"
    );
}

/// Describes the error of a replay: a range without events ends before it begins, or begins beyond the end of the feed.
pub(in crate::http) fn replay_refusal(
    error: WebhooksError,
    after: FeedPosition,
    until: Option<FeedPosition>,
) -> Problem {
    let is_beyond = until.is_none_or(|until| until >= after);
    if matches!(error, WebhooksError::EmptyRange) && is_beyond {
        return Problem::invalid(Errors::of(
            "after",
            "This position is beyond the end of the feed.",
        ));
    }
    error.into()
}

impl From<WebhooksError> for Problem {
    fn from(error: WebhooksError) -> Self {
        use WebhookError::{Changed, Full, NotFound, Replaying, Store, TooMany};

        match error {
            WebhooksError::Repository(NotFound) => {
                Self::new(Kind::NotFound, "There is no such endpoint or delivery.")
            }
            WebhooksError::Repository(Changed) => Self::new(
                Kind::ChangedMeanwhile,
                "The endpoint was changed at the same time; repeat the request.",
            ),
            WebhooksError::Repository(TooMany) => Self::of(Kind::TooManyWebhooks),
            WebhooksError::Repository(Replaying) => Self::of(Kind::ReplayRunning),
            WebhooksError::Repository(Full) => Self::of(Kind::DeliveriesWaiting),
            WebhooksError::Repository(Store(
                error @ (RepositoryError::Unavailable(_) | RepositoryError::Overloaded(_)),
            )) => Self::new(
                Kind::Unavailable,
                "The database does not answer. The request may or may not have been done.",
            )
            .retry_after(1)
            .caused_by(error),
            WebhooksError::Forbidden(forbidden) => Self::invalid(Errors::of(
                "url",
                format!("This address may not be called: {forbidden}."),
            )),
            WebhooksError::EmptyRange => Self::invalid(Errors::of(
                "until",
                "Ensure that the range does not end before it begins.",
            )),
            error @ (WebhooksError::Repository(_) | WebhooksError::NoSecret(_) | _) => {
                Self::internal(Box::new(error))
            }
        }
    }
}
