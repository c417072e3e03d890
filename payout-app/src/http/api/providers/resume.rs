//! `POST /api/providers/{name}/resume/`

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

/// Resume a provider
///
/// Workers call the provider again within about a second. Resuming a provider that is not paused changes nothing.
#[utoipa::path(
    post,
    path = "/api/providers/{name}/resume/",
    impl_for = resume_provider,
    operation_id = "resume_provider",
    tag = "Providers",
    responses((status = 200, description = "The provider, which is not paused.", body = ProviderBody)),
)]
#[handler]
pub(crate) async fn resume_provider(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let name = path::<ProviderName>(request)?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let caller = context.caller(reason.as_deref());
    let provider = context.providers()?.resume(&name, &caller).await?;
    log(context, &name, caller.reason.as_deref(), "resumed");
    Answer::json(&ProviderBody::of(&provider, false, context))
}
