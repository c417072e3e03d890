//! `POST /api/payouts/{id}/cancel/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use payout_core::usecase::Step;
use salvo::{Depot, Request, handler};

use super::bodies::StepReason;
use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::extract::body;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<PayoutId>()),
    headers: &[&CONDITIONS],
    body: Some(BodyPolicy::optional::<StepReason>()),
    refusals: &[Kind::IllegalStep, Kind::ChangedMeanwhile],
    ..RoutePolicy::scoped(&[Scope::Operate])
};

/// Cancel a pending payout
///
/// A cancelled payout is never sent. Only `pending` payouts can be cancelled; cancelling a cancelled one changes
/// nothing. If a cancel races with a worker, one of them wins and the other changes nothing.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/cancel/",
    impl_for = cancel_payout,
    operation_id = "cancel_payout",
    tag = "Payouts",
    responses((status = 200, description = "The payout, cancelled.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn cancel_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let caller = context.caller(reason.as_deref());
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let payout = payouts
        .step(id, Step::Cancel, if_match.as_deref(), caller)
        .await?;
    Answer::written(&payout, &context.principal)
}
