//! `POST /api/payouts/{id}/retry/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::bodies::StepReason;
use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::{body, headers};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<PayoutId>()),
    headers: &[&CONDITIONS, &headers::IDEMPOTENCY_KEY],
    body: Some(BodyPolicy::optional::<StepReason>()),
    refusals: &[
        Kind::IllegalStep,
        Kind::AttemptInProgress,
        Kind::ChangedMeanwhile,
        Kind::OverLimit,
    ],
    ..RoutePolicy::scoped(&[Scope::Operate])
};

/// Retry a payout that failed or came back
///
/// Starts a new attempt at the provider, under a new key. Only `failed` and `returned` payouts can be retried. If a
/// worker claimed the payout more than once, the worker of an earlier claim might still be sending. Until that is ruled
/// out, the answer is 409 with `Retry-After`.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/retry/",
    impl_for = retry_payout,
    operation_id = "retry_payout",
    tag = "Payouts",
    responses((status = 202, description = "The payout, pending again.", body = PayoutAnswer,
        headers(
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Idempotent-Replayed" = String, description = "`true` when an earlier request under the key did it."),
        ))),
)]
#[handler]
pub(crate) async fn retry_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let key = headers::idempotency_key(request.headers())?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let caller = context.caller(reason.as_deref());
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let answered = payouts.retry(id, if_match.as_deref(), key, caller).await;
    let answered = answered.map_err(|error| Problem::from(error).without_payment(&context.principal))?;
    Ok(Answer::written(&answered.payout, &context.principal)?
        .status(StatusCode::ACCEPTED)
        .replayed(answered.replayed))
}
