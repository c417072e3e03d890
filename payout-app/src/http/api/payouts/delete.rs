//! `DELETE /api/payouts/{id}/`

use salvo::{Depot, Request, handler};

use crate::http::answer::NoContent;
use crate::http::extract::conditions::{ConditionHeaders, Conditions};
use crate::http::extract::headers;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Delete a payout
///
/// Hides a payout that was never sent: a pending one that no worker ever took up, which is then never sent, or a cancelled one.
/// Every other one is refused with 409: what was sent, or may have been, is kept. Its row and its audit trail stay, and whoever
/// has the scope `operate` finds them with `?deleted=with`.
#[utoipa::path(
    delete,
    path = "/api/payouts/{id}/",
    impl_for = delete_payout,
    operation_id = "delete_payout",
    tag = "Payouts",
    params(headers::PayoutPath, ConditionHeaders),
    responses((status = 204, description = "It is gone.")),
)]
#[handler]
pub(crate) async fn delete_payout(request: &mut Request, depot: &mut Depot) -> Result<NoContent, Problem> {
    let context = Context::of(depot)?;
    let id = headers::payout_id(request)?;
    let conditions = Conditions::of(request.headers())?;
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    payouts
        .delete(id, if_match.as_deref(), context.caller(None))
        .await?;
    Ok(NoContent)
}
