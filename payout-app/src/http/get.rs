//! `GET /api/payouts/{id}/`

use salvo::{Depot, Request, handler};

use super::answer::{Answer, PayoutBody};
use super::context::Context;
use super::headers;
use super::problem::Problem;

/// Get a payout
///
/// Poll it until its status is final, or `needs_review` is true.
#[utoipa::path(
    get,
    path = "/api/payouts/{id}/",
    impl_for = get_payout,
    operation_id = "get_payout",
    tag = "Payouts",
    params(headers::PayoutPath),
    responses((status = 200, description = "The payout.", body = PayoutBody,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn get_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = headers::payout_id(request)?;
    let context = Context::of(depot)?;
    let payout = context.payouts()?.get(id).await?;
    Answer::payout(&payout, &context.principal)
}
