//! `GET /api/batches/{id}/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use salvo::{Depot, Request, handler};

use super::answers::ProgressBody;
use crate::http::answer::Answer;
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// Get a batch
///
/// With counts and sums of its payouts by status and currency, and its progress.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/",
    impl_for = get_batch,
    operation_id = "get_batch",
    tag = "Batches",
    responses((status = 200, description = "The batch.", body = ProgressBody)),
)]
#[handler]
pub(crate) async fn get_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    let progress = context.batches()?.get(id, &context.caller(None)).await?;
    Answer::json(&ProgressBody::of(&progress))
}
