//! `POST /api/batches/{id}/retry/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{ProgressBody, RefusedBody};
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

/// The result of the retry of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = RetriedBatch)]
pub(crate) struct RetriedBody {
    /// The number of payouts that this request retried.
    #[schema(example = 3)]
    retried: u64,
    /// The failed payouts that were not retried: the first thousand.
    refused: Vec<RefusedBody>,
    /// True if there was not enough time for all: repeat the request.
    is_partial: bool,
    /// The batch after the retry; null for a key without the scope `read`.
    #[schema(required = true)]
    progress: Option<ProgressBody>,
}

/// Retry a batch
///
/// Retries every payout of the batch that failed, each by the rules of `retry_payout`.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/retry/",
    impl_for = retry_batch,
    operation_id = "retry_batch",
    tag = "Batches",
    responses((status = 202, description = "The failed payouts are pending again.", body = RetriedBody)),
)]
#[handler]
pub(crate) async fn retry_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let StepReason(reason) = StepReason::parse_optional(&body::read(request)?)?;
    let context = Context::of(depot)?;
    let retried = context
        .batches()?
        .retry(id, context.caller(reason.as_deref()))
        .await?;
    let body = RetriedBody {
        retried: retried.retried,
        refused: RefusedBody::list(retried.refused),
        is_partial: retried.is_partial,
        progress: ProgressBody::for_key(&retried.progress, &context.principal),
    };
    Ok(Answer::json(&body)?.status(StatusCode::ACCEPTED))
}
