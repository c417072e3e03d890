//! `POST /api/webhooks/{id}/rotate/`

use std::time::Duration;

use payout_core::webhook::WebhookId;
use salvo::{Depot, Request, handler};

use super::bodies::ShownWebhookBody;
use super::{ONE_ENDPOINT, log};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::path;
use crate::http::extract::values::Overlap;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::optional::<SecretRotation>()),
    refusals: &[Kind::ChangedMeanwhile, Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The body of a rotation: the time for which the previous secret signs too.
struct SecretRotation {
    overlap: Field<Overlap>,
}

impl JsonBody for SecretRotation {
    const NAME: &'static str = "WebhookRotation";
    const ABOUT: &'static str = "The time for which the previous secret signs too.";

    fn of(form: &mut impl JsonForm) -> Self {
        let overlap = form.optional(
            "overlap_seconds",
            "The overlap in seconds, in which deliveries have both signatures. If omitted, a day.",
        );
        Self { overlap }
    }
}

/// The overlap if the request names none.
const DEFAULT_OVERLAP: u64 = 24 * 60 * 60;

/// Give an endpoint another secret
///
/// Until the overlap ends, deliveries are signed with both secrets, so that the receiver can change over in between. The
/// answer contains the new secret, which cannot be shown again.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/rotate/",
    impl_for = rotate_webhook,
    operation_id = "rotate_webhook",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoint, and its new secret.", body = ShownWebhookBody)),
)]
#[handler]
pub(crate) async fn rotate_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let rotation = SecretRotation::parse_optional(&body::read(request)?)?;
    let overlap = rotation
        .overlap
        .value()
        .map_or(DEFAULT_OVERLAP, |overlap| overlap.0);
    let actor = context.caller(None).actor;
    let (watched, secret) = context
        .webhooks()?
        .rotate(id, Duration::from_secs(overlap), &actor)
        .await?;
    log(context, id, "given another secret");
    Answer::json(&ShownWebhookBody::of(&watched, &secret))
}
