//! `POST /api/webhooks/{id}/test/`, `…/deliveries/{number}/redeliver/` and `…/replay/`

use payout_core::feed::FeedPosition;
use payout_core::webhook::WebhookId;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::bodies::{DeliveryBody, WebhookBody};
use super::{ONE_ENDPOINT, deliveries, log, replay_refusal};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::path;
use crate::http::extract::webhooks::DeliveryNumber;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of a test.
pub(crate) const TEST: RoutePolicy = RoutePolicy {
    refusals: &[Kind::DeliveriesWaiting, Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The policy of a redelivery.
pub(crate) const REDELIVER: RoutePolicy = RoutePolicy {
    refusals: &[Kind::DeliveriesWaiting, Kind::Unavailable],
    ..deliveries::ONE
};

/// The policy of a replay.
pub(crate) const REPLAY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<ReplayRange>()),
    refusals: &[Kind::ReplayRunning, Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The body of a replay: a range of the feed.
struct ReplayRange {
    after: Field<FeedPosition>,
    until: Field<FeedPosition>,
}

impl JsonBody for ReplayRange {
    const NAME: &'static str = "WebhookReplayRequest";
    const ABOUT: &'static str = "A range of the event feed.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            after: form.required(
                "after",
                "The position after which the range begins, as the feed gives it; 32 zeros for the beginning.",
            ),
            until: form.optional("until", "The last position. If omitted, the present end of the feed."),
        }
    }
}

/// Send a test
///
/// Adds a delivery of the type `webhook.test`, which a worker sends within a few seconds. The delivery then shows what
/// the endpoint answered.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/test/",
    impl_for = test_webhook,
    operation_id = "test_webhook",
    tag = "Webhooks",
    responses((status = 202, description = "The delivery, which is going to be sent.", body = DeliveryBody)),
)]
#[handler]
pub(crate) async fn test_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let delivery = context.webhooks()?.test(id).await?;
    log(context, id, "tested");
    Ok(Answer::json(&DeliveryBody::from(&delivery))?.status(StatusCode::ACCEPTED))
}

/// Deliver once more
///
/// A delivery that waits becomes due at once. One that is finished is sent again with the same id and the same body, as
/// a new delivery behind all others.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/deliveries/{number}/redeliver/",
    impl_for = redeliver,
    operation_id = "redeliver",
    tag = "Webhooks",
    responses((status = 202, description = "The delivery, which is going to be sent.", body = DeliveryBody)),
)]
#[handler]
pub(crate) async fn redeliver(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let DeliveryNumber(number) = path(request)?;
    let delivery = context.webhooks()?.redeliver(id, number).await?;
    log(context, id, "asked to take a delivery once more");
    Ok(Answer::json(&DeliveryBody::from(&delivery))?.status(StatusCode::ACCEPTED))
}

/// Replay a range of the feed
///
/// The endpoint gets the events of its types in the range again, with the same ids, beside those that happen meanwhile.
/// One range is replayed at a time.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/replay/",
    impl_for = replay_webhook,
    operation_id = "replay_webhook",
    tag = "Webhooks",
    responses((status = 202, description = "The endpoint, with the range.", body = WebhookBody)),
)]
#[handler]
pub(crate) async fn replay_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let range = ReplayRange::parse(&body::read(request)?)?;
    let (after, until) = (range.after.required()?, range.until.value());
    let watched = context.webhooks()?.replay(id, after, until).await;
    let watched = watched.map_err(|error| replay_refusal(error, after, until))?;
    log(context, id, "replayed a range");
    Ok(Answer::json(&WebhookBody::from(&watched))?.status(StatusCode::ACCEPTED))
}
