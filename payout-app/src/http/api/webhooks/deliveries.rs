//! `GET /api/webhooks/{id}/deliveries/` and `…/deliveries/{number}/`

use payout_core::ports::DeliveryQuery;
use payout_core::webhook::{DeliveryStatus, WebhookId};
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::ONE_ENDPOINT;
use super::bodies::{AttemptBody, DeliveryBody};
use crate::http::answer::Answer;
use crate::http::extract::field::Field;
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::query_values::{PageNumber, PageSize};
use crate::http::extract::webhooks::DeliveryNumber;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the list.
pub(crate) const LIST: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<DeliveryParams>()),
    refusals: &[Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The policy of the routes for a single delivery.
pub(crate) const ONE: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of_two::<WebhookId, DeliveryNumber>()),
    refusals: &[Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The parameters of the list.
pub(crate) struct DeliveryParams {
    status: Field<DeliveryStatus>,
    before: Field<PageNumber>,
    size: Field<PageSize<50, 200>>,
}

impl Query for DeliveryParams {
    fn of(form: &mut impl QueryForm) -> Self {
        Self {
            status: form.one("status", "The status of the deliveries."),
            before: form.one(
                "before",
                "The number below which the page begins: `next` of the page before it.",
            ),
            size: form.one("page_size", "The number of deliveries on a page."),
        }
    }
}

/// Deliveries of an endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryList)]
pub(crate) struct DeliveriesBody {
    /// The deliveries, the newest first.
    results: Vec<DeliveryBody>,
    /// The number to pass as `before` for the next page; null on the last one.
    #[schema(required = true, example = 4661)]
    next: Option<u64>,
}

/// A delivery with its attempts.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryWithAttempts)]
pub(crate) struct DetailBody {
    /// The delivery.
    delivery: DeliveryBody,
    /// The attempts, the first one first.
    attempts: Vec<AttemptBody>,
}

/// List deliveries
///
/// The newest first. A delivery is kept for 7 days after it was delivered, and for 30 days after it was given up.
#[utoipa::path(
    get,
    path = "/api/webhooks/{id}/deliveries/",
    impl_for = list_deliveries,
    operation_id = "list_deliveries",
    tag = "Webhooks",
    responses((status = 200, description = "The deliveries.", body = DeliveriesBody)),
)]
#[handler]
pub(crate) async fn list_deliveries(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let params = DeliveryParams::parse(request.uri().query().unwrap_or_default())?;
    let query = DeliveryQuery {
        status: params.status.value(),
        before: params.before.value().map(|before| before.0),
        limit: params.size.value().unwrap_or_default().0,
    };
    let deliveries = context.webhooks()?.deliveries(id, &query).await?;
    let is_full = deliveries.len() >= query.limit as usize;
    Answer::json(&DeliveriesBody {
        next: deliveries.last().filter(|_| is_full).map(|last| last.number),
        results: deliveries.iter().map(DeliveryBody::from).collect(),
    })
}

/// Show a delivery
///
/// With each attempt: its time, its duration, the status and the beginning of the answer, or the reason why there was
/// none.
#[utoipa::path(
    get,
    path = "/api/webhooks/{id}/deliveries/{number}/",
    impl_for = get_delivery,
    operation_id = "get_delivery",
    tag = "Webhooks",
    responses((status = 200, description = "The delivery.", body = DetailBody)),
)]
#[handler]
pub(crate) async fn get_delivery(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let DeliveryNumber(number) = path(request)?;
    let (delivery, attempts) = context.webhooks()?.delivery(id, number).await?;
    Answer::json(&DetailBody {
        delivery: (&delivery).into(),
        attempts: attempts.iter().map(AttemptBody::from).collect(),
    })
}
