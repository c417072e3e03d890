//! `POST /api/payouts/{id}/retry/`

use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use utoipa::ToSchema;

use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::extract::body;
use crate::http::extract::conditions::{ConditionHeaders, Conditions};
use crate::http::extract::fields::{self, Fields};
use crate::http::extract::headers;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Why a step is taken. May be left away altogether.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
#[expect(dead_code, reason = "it describes the body that `reason` reads")]
pub(crate) struct ReasonBody {
    /// Why, for the audit trail.
    #[schema(
        nullable = false,
        max_length = 255,
        example = "The recipient reopened the account."
    )]
    reason: Option<String>,
}

/// Retry a failed payout
///
/// Starts a new attempt at the provider, under a new key of its own. Only from `failed`. When the failed attempt was
/// taken over from a worker that went silent, that worker might still be sending: until it surely is not, the answer
/// is 409 with `Retry-After`.
#[utoipa::path(
    post,
    path = "/api/payouts/{id}/retry/",
    impl_for = retry_payout,
    operation_id = "retry_payout",
    tag = "Payouts",
    params(headers::PayoutPath, ConditionHeaders, headers::KeyHeader),
    request_body = Option<ReasonBody>,
    responses((status = 202, description = "The payout, pending again.", body = PayoutAnswer,
        headers(
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Idempotent-Replayed" = String, description = "`true` when an earlier request under the key did it."),
        ))),
)]
#[handler]
pub(crate) async fn retry_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = headers::payout_id(request)?;
    let conditions = Conditions::of(request.headers())?;
    let key = headers::idempotency_key(request.headers())?;
    let reason = reason(request).await?;
    let caller = context.caller(reason.as_deref());
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let answered = payouts.retry(id, if_match.as_deref(), key, caller).await?;
    Ok(Answer::written(&answered.payout, &context.principal)?
        .status(StatusCode::ACCEPTED)
        .replayed(answered.replayed))
}

/// Reads a body that has a reason at the most.
pub(crate) async fn reason(request: &mut Request) -> Result<Option<String>, Problem> {
    let body = body::read(request)?;
    let mut fields = Fields::of_optional(&body)?;
    let reason = fields.optional("reason", fields::reason);
    fields.finish()?;
    Ok(reason)
}
