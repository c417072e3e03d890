//! `POST /api/payouts/{id}/approve/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
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
    refusals: &[Kind::IllegalStep, Kind::ChangedMeanwhile, Kind::NotAnApprover],
    ..RoutePolicy::scoped(&[Scope::Approve])
};

/// Approve a payout
///
/// Only payouts that are `awaiting_approval` can be approved. Once the required number of people have approved it, the
/// payout is `pending`, and a worker sends it at once or at its schedule. It is sent exactly as it was approved: an edit
/// voids every approval.
///
/// An approver is another person than the one who created the payout and the last one who edited or retried it, and
/// counts once (403 `not-an-approver`). Keys of one `owner` are one person, and so are a key and those that succeed it.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/approve/",
    impl_for = approve_payout,
    operation_id = "approve_payout",
    tag = "Payouts",
    responses((status = 200, description = "The payout, as it is now.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn approve_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let caller = context.caller(reason.as_deref());
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let payout = payouts.approve(id, if_match.as_deref(), caller).await?;
    Answer::written(&payout, &context.principal)
}
