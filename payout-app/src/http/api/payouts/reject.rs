//! `POST /api/payouts/{id}/reject/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use salvo::{Depot, Request, handler};

use super::bodies::Rejection;
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
    body: Some(BodyPolicy::required::<Rejection>()),
    refusals: &[Kind::IllegalStep, Kind::ChangedMeanwhile],
    ..RoutePolicy::scoped(&[Scope::Approve])
};

/// Reject a payout
///
/// The payout is `cancelled`, for good. Only payouts that are `awaiting_approval` can be rejected, with a reason, which
/// the audit trail keeps.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/reject/",
    impl_for = reject_payout,
    operation_id = "reject_payout",
    tag = "Payouts",
    responses((status = 200, description = "The payout, cancelled.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn reject_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let reason = Rejection::parse(&body::read(request)?)?.reason()?;
    let caller = context.caller(Some(&reason));
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let payout = payouts.reject(id, if_match.as_deref(), caller).await?;
    Answer::written(&payout, &context.principal)
}
