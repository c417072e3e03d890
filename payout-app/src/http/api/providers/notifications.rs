//! `POST /api/providers/{name}/notifications/`
//!
//! The endpoint needs no API key: a notification's signature is its key. Requests are limited by address before the
//! signature is checked, and the answer says nothing about payouts.

use payout_core::provider::{Notification, ProviderName};
use payout_core::usecase::providers::NotifyError;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::unavailable;
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::json::BodyPolicy;
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::access::Access;
use crate::http::middleware::context::Context;
use crate::http::policy::{RateClass, RoutePolicy};
use crate::http::problem::{Kind, Problem};

/// The longest notification, in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// The policy of the route. A provider may add a query of its own, which is ignored.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    access: Access::Signature,
    rate: RateClass::Address,
    path: Some(PathPolicy::of::<ProviderName>()),
    query: None,
    body: Some(BodyPolicy::raw(MOST_BYTES)),
    refusals: &[Kind::InvalidSignature],
    ..RoutePolicy::scoped(&[])
};

/// The answer to a notification: an empty object.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationTaken)]
pub(crate) struct TakenBody {}

/// Take a notification of a provider
///
/// The provider calls this endpoint. Its signature is verified as the provider specifies, and the payments that it names
/// are then looked up at the provider: nothing is believed because it was pushed. The answer comes once the service will
/// not forget the notification; after any other answer than 202 the provider should send it again.
#[utoipa::path(
    post,
    path = "/api/providers/{name}/notifications/",
    impl_for = take_notification,
    operation_id = "take_notification",
    tag = "Providers",
    responses((status = 202, description = "The notification was taken.", body = TakenBody)),
)]
#[handler]
pub(crate) async fn take_notification(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let name = path::<ProviderName>(request)?;
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let notification = Notification {
        headers: headers.collect(),
        body: body::raw(request)?,
    };
    let due = context.providers()?.notify(&name, &notification).await?;
    tracing::debug!(provider = name.as_str(), due, "a notification was taken");
    Ok(Answer::json(&TakenBody {})?.status(StatusCode::ACCEPTED))
}

impl From<NotifyError> for Problem {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::NotFound => Self::new(Kind::NotFound, "There is no such provider."),
            NotifyError::InvalidSignature => {
                Self::of(Kind::InvalidSignature).challenge("Signature realm=\"payout\"")
            }
            NotifyError::Unreadable(why) => Self::new(
                Kind::MalformedBody,
                format!("The notification cannot be read: {why}."),
            ),
            NotifyError::Unavailable(_) => Self::new(
                Kind::Unavailable,
                "The signature cannot be verified now: send the notification again.",
            )
            .retry_after(30)
            .caused_by(error),
            NotifyError::Store(error) => unavailable(error),
            error => Self::internal(Box::new(error)),
        }
    }
}
