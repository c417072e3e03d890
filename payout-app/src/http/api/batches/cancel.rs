//! `POST /api/batches/{id}/cancel/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use payout_core::payout::Status;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::ProgressBody;
use crate::http::answer::Answer;
use crate::http::api::payouts::bodies::StepReason;
use crate::http::extract::body;
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    body: Some(BodyPolicy::optional::<StepReason>()),
    ..RoutePolicy::scoped(&[Scope::Operate])
};

/// The result of the cancellation of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = CancelledBatch)]
pub(crate) struct CancelledBody {
    /// The number of payouts that this request cancelled.
    #[schema(example = 480)]
    cancelled: u64,
    /// The number of payouts for which it was too late: a worker has claimed them, or they are finished.
    #[schema(example = 20)]
    too_late: u64,
    /// The batch after the cancellation; null for a key without the scope `read`.
    #[schema(required = true)]
    progress: Option<ProgressBody>,
}

/// Cancel a batch
///
/// Cancels every payout of the batch that no worker has claimed yet. The others stay, and are counted in `too_late`.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/cancel/",
    impl_for = cancel_batch,
    operation_id = "cancel_batch",
    tag = "Batches",
    responses((status = 200, description = "The pending payouts were cancelled.", body = CancelledBody)),
)]
#[handler]
pub(crate) async fn cancel_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let context = Context::of(depot)?;
    let counts = context
        .batches()?
        .cancel(id, context.caller(reason.as_deref()))
        .await?;
    let others = counts.progress.totals.iter();
    let others = others.filter(|total| total.status != Status::Cancelled);
    Answer::json(&CancelledBody {
        cancelled: counts.changed,
        too_late: others.map(|total| total.count).sum(),
        progress: ProgressBody::for_key(&counts.progress, &context.principal),
    })
}
