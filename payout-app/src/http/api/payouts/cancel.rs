//! `POST /api/payouts/{id}/cancel/`

use payout_core::service::Step;
use salvo::{Depot, Request, handler};

use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::api::payouts::retry::{ReasonBody, reason};
use crate::http::extract::conditions::{ConditionHeaders, Conditions};
use crate::http::extract::headers;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Cancel a pending payout
///
/// It is never sent. Only from `pending`; one that is cancelled already stays so. Of a cancel and a worker that race,
/// one wins and the other changes nothing.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/cancel/",
    impl_for = cancel_payout,
    operation_id = "cancel_payout",
    tag = "Payouts",
    params(headers::PayoutPath, ConditionHeaders),
    request_body = Option<ReasonBody>,
    responses((status = 200, description = "The payout, cancelled.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn cancel_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = headers::payout_id(request)?;
    let conditions = Conditions::of(request.headers())?;
    let reason = reason(request).await?;
    let caller = context.caller(reason.as_deref());
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let payout = payouts
        .step(id, Step::Cancel, if_match.as_deref(), caller)
        .await?;
    Answer::written(&payout, &context.principal)
}
