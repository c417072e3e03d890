//! `GET /api/webhooks/`

use salvo::{Depot, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::MANAGED;
use super::bodies::WebhookBody;
use crate::http::answer::Answer;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    refusals: &[Kind::Unavailable],
    ..MANAGED
};

/// The endpoints.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookList)]
pub(crate) struct WebhooksBody {
    /// The number of endpoints.
    #[schema(example = 1)]
    count: usize,
    /// The endpoints, the oldest first.
    results: Vec<WebhookBody>,
}

/// List the endpoints
///
/// All endpoints, with what waits for them. Nothing of their secrets is shown.
#[utoipa::path(
    get,
    path = "/api/webhooks/",
    impl_for = list_webhooks,
    operation_id = "list_webhooks",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoints.", body = WebhooksBody)),
)]
#[handler]
pub(crate) async fn list_webhooks(depot: &mut Depot) -> Result<Answer, Problem> {
    let listed = Context::of(depot)?.webhooks()?.list().await?;
    Answer::json(&WebhooksBody {
        count: listed.len(),
        results: listed.iter().map(WebhookBody::from).collect(),
    })
}
