//! `POST /api/providers/{name}/pause/`

use payout_core::provider::ProviderName;
use salvo::{Depot, Request, handler};

use super::{OPERATED, ProviderBody, log};
use crate::http::answer::Answer;
use crate::http::api::payouts::bodies::StepReason;
use crate::http::extract::body;
use crate::http::extract::json::JsonBody;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = OPERATED;

/// Pause a provider
///
/// Within about a second, no worker calls the provider any more; running calls end. New payouts go to the next provider
/// of their route, or wait with `waiting_for: provider_paused`. Pausing a paused provider changes nothing.
#[utoipa::path(
    post,
    path = "/api/providers/{name}/pause/",
    impl_for = pause_provider,
    operation_id = "pause_provider",
    tag = "Providers",
    responses((status = 200, description = "The provider, paused.", body = ProviderBody)),
)]
#[handler]
pub(crate) async fn pause_provider(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let name = path::<ProviderName>(request)?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let caller = context.caller(reason.as_deref());
    let provider = context.providers()?.pause(&name, &caller).await?;
    log(context, &name, caller.reason.as_deref(), "paused");
    Answer::json(&ProviderBody::of(&provider, false, context))
}
