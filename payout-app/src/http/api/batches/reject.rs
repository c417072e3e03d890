//! `POST /api/batches/{id}/reject/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::ProgressBody;
use crate::http::answer::Answer;
use crate::http::api::payouts::bodies::Rejection;
use crate::http::extract::body;
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    body: Some(BodyPolicy::required::<Rejection>()),
    ..RoutePolicy::scoped(&[Scope::Approve])
};

/// The result of the rejection of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedBatch)]
pub(crate) struct RejectedBody {
    /// The number of payouts that this request rejected.
    #[schema(example = 480)]
    rejected: u64,
    /// The number of payouts for which it was too late: they had every approval that they require.
    #[schema(example = 20)]
    too_late: u64,
    /// The batch after the rejection; null for a key without the scope `read`.
    #[schema(required = true)]
    progress: Option<ProgressBody>,
}

/// Reject a batch
///
/// Every payout of the batch that is `awaiting_approval` is `cancelled`, for good, with a reason, which the audit trail
/// keeps. The others stay: `cancel_batch` cancels those that no worker has claimed yet.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/reject/",
    impl_for = reject_batch,
    operation_id = "reject_batch",
    tag = "Batches",
    responses((status = 200, description = "The payouts that awaited approval are cancelled.", body = RejectedBody)),
)]
#[handler]
pub(crate) async fn reject_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let reason = Rejection::parse(&body::read(request)?)?.reason()?;
    let context = Context::of(depot)?;
    let rejected = context
        .batches()?
        .reject(id, context.caller(Some(&reason)))
        .await?;
    Answer::json(&RejectedBody {
        rejected: rejected.rejected,
        too_late: rejected.too_late(),
        progress: ProgressBody::for_key(&rejected.progress, &context.principal),
    })
}
