//! `POST /api/batches/{id}/approve/`

use payout_core::Timestamp;
use payout_core::access::Scope;
use payout_core::batch::BatchId;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{ProgressBody, RefusedBody};
use crate::http::answer::Answer;
use crate::http::api::payouts::bodies::StepReason;
use crate::http::extract::body;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::openapi::About;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    body: Some(BodyPolicy::optional::<ApprovalBody>()),
    refusals: &[Kind::NotAnApprover],
    ..RoutePolicy::scoped(&[Scope::Approve])
};

/// The body of an approval.
struct ApprovalBody {
    reason: Option<String>,
    unchanged_since: Option<Timestamp>,
}

impl JsonBody for ApprovalBody {
    const NAME: &'static str = "BatchApproval";
    const ABOUT: &'static str = "The reason, and what the caller has seen. May be omitted altogether.";

    fn of(form: &mut impl JsonForm) -> Self {
        let StepReason(reason) = StepReason::of(form);
        let about = About::new(
            "The `updated_at` of the batch that you looked at. What changed later is refused, so that you approve only what \
             you have seen.",
        );
        let unchanged_since = form.optional::<Timestamp>("unchanged_since", about).value();
        Self {
            reason,
            unchanged_since,
        }
    }
}

/// The result of the approval of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovedBatch)]
pub(crate) struct ApprovedBody {
    /// The number of payouts that this request approved.
    #[schema(example = 480)]
    approved: u64,
    /// The number of those that now have every approval that they require: they are pending.
    #[schema(example = 470)]
    completed: u64,
    /// The number of payouts that you approved before.
    #[schema(example = 0)]
    already_approved: u64,
    /// The number of payouts that await the approval of others: you created them, or were the last to edit or retry them.
    #[schema(example = 12)]
    not_allowed: u64,
    /// The number of payouts for which it was too late: they were approved by others, rejected or cancelled.
    #[schema(example = 8)]
    too_late: u64,
    /// The payouts that were not approved for another reason: the first thousand.
    refused: Vec<RefusedBody>,
    /// True if there was not enough time for all: repeat the request.
    is_partial: bool,
    /// The batch after the approval; null for a key without the scope `read`.
    #[schema(required = true)]
    progress: Option<ProgressBody>,
}

/// Approve a batch
///
/// Approves every payout of the batch that is `awaiting_approval`, each by the rules of `approve_payout`: those that you
/// created or were the last to edit stay, and are counted in `not_allowed`.
///
/// The payouts are approved in parts, and what was approved stays approved: a request that is repeated approves the
/// rest. Send `unchanged_since` with the `updated_at` of the batch that you looked at, and nothing that changed since is
/// approved.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/approve/",
    impl_for = approve_batch,
    operation_id = "approve_batch",
    tag = "Batches",
    responses((status = 200, description = "The payouts that you may approve are approved.", body = ApprovedBody)),
)]
#[handler]
pub(crate) async fn approve_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let ApprovalBody {
        reason,
        unchanged_since,
    } = ApprovalBody::parse_optional(&body::read(request)?)?;
    let context = Context::of(depot)?;
    let approved = context
        .batches()?
        .approve(id, unchanged_since, context.caller(reason.as_deref()))
        .await?;
    Answer::json(&ApprovedBody {
        approved: approved.approved,
        completed: approved.complete,
        already_approved: approved.already_approved(),
        not_allowed: approved.approvals.own,
        too_late: approved.approvals.settled_without,
        is_partial: approved.is_partial,
        progress: ProgressBody::for_key(&approved.progress, &context.principal),
        refused: RefusedBody::list(approved.refused),
    })
}
