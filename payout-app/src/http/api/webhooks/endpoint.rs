//! `GET` and `DELETE /api/webhooks/{id}/`, `POST …/disable/` and `…/enable/`

use payout_core::webhook::WebhookId;
use salvo::{Depot, Request, handler};

use super::bodies::WebhookBody;
use super::{ONE_ENDPOINT, log};
use crate::http::answer::{Answer, NoContent};
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the routes.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    refusals: &[Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The policy of the routes that change the state.
pub(crate) const STEP: RoutePolicy = RoutePolicy {
    refusals: &[Kind::ChangedMeanwhile, Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// Show an endpoint
///
/// With what waits for it, and since when it has failed.
#[utoipa::path(
    get,
    path = "/api/webhooks/{id}/",
    impl_for = get_webhook,
    operation_id = "get_webhook",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoint.", body = WebhookBody)),
)]
#[handler]
pub(crate) async fn get_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let watched = context.webhooks()?.get(path::<WebhookId>(request)?).await?;
    Answer::json(&WebhookBody::from(&watched))
}

/// Delete an endpoint
///
/// Its deliveries are deleted too. A delivery that is being sent at this moment may still arrive.
#[utoipa::path(
    delete,
    path = "/api/webhooks/{id}/",
    impl_for = delete_webhook,
    operation_id = "delete_webhook",
    tag = "Webhooks",
    responses((status = 204, description = "The endpoint is deleted.")),
)]
#[handler]
pub(crate) async fn delete_webhook(request: &mut Request, depot: &mut Depot) -> Result<NoContent, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    context.webhooks()?.delete(id).await?;
    log(context, id, "deleted");
    Ok(NoContent)
}

/// Disable an endpoint
///
/// It gets no deliveries until it is enabled; then it gets everything that has happened since. Workers know of it within
/// a few seconds. Disabling a disabled endpoint changes nothing.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/disable/",
    impl_for = disable_webhook,
    operation_id = "disable_webhook",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoint, disabled.", body = WebhookBody)),
)]
#[handler]
pub(crate) async fn disable_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let actor = context.caller(None).actor;
    let watched = context.webhooks()?.disable(id, &actor).await?;
    log(context, id, "disabled");
    Answer::json(&WebhookBody::from(&watched))
}

/// Enable an endpoint
///
/// It gets everything that it has not got yet, in order. Workers know of it within a few seconds. Enabling an enabled
/// endpoint changes nothing.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/enable/",
    impl_for = enable_webhook,
    operation_id = "enable_webhook",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoint, enabled.", body = WebhookBody)),
)]
#[handler]
pub(crate) async fn enable_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let actor = context.caller(None).actor;
    let watched = context.webhooks()?.enable(id, &actor).await?;
    log(context, id, "enabled");
    Answer::json(&WebhookBody::from(&watched))
}
