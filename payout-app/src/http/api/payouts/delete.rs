//! `DELETE /api/payouts/{id}/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use salvo::{Depot, Request, handler};

use crate::http::answer::NoContent;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<PayoutId>()),
    headers: &[&CONDITIONS],
    refusals: &[Kind::IllegalStep, Kind::ChangedMeanwhile],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// Delete a payout
///
/// Hides a payout that was never sent: a pending one that no worker ever claimed, which is then never sent, or a
/// cancelled one. Any other payout is refused with 409, because it was sent, or may have been. The row and its audit
/// trail stay, and a key with the scope `operate` finds them with `?deleted=with`.
#[utoipa::path(
    delete,
    path = "/api/payouts/{id}/",
    impl_for = delete_payout,
    operation_id = "delete_payout",
    tag = "Payouts",
    responses((status = 204, description = "The payout is deleted.")),
)]
#[handler]
pub(crate) async fn delete_payout(request: &mut Request, depot: &mut Depot) -> Result<NoContent, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    payouts
        .delete(id, if_match.as_deref(), context.caller(None))
        .await?;
    Ok(NoContent)
}
