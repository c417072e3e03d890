//! `POST /api/payouts/`

use payout_core::access::Scope;
use payout_core::usecase::ServiceError;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::bodies::NewPayout;
use super::guess;
use crate::http::answer::{Answer, PayoutBody};
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::{body, headers};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    headers: &[&headers::IDEMPOTENCY_KEY],
    body: Some(BodyPolicy::required::<NewPayout>()),
    refusals: &[Kind::OverLimit],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// Create a payout
///
/// It is stored as `pending`, and a worker sends it within moments.
///
/// Send an `Idempotency-Key`, and repeat the request under the same key when in doubt: the payout is created once, and
/// every repetition gets the first answer, with `Idempotent-Replayed: true`. A service can be configured to refuse
/// creates without a key (400).
#[utoipa::path(
    post,
    path = "/api/payouts/",
    impl_for = create_payout,
    operation_id = "create_payout",
    tag = "Payouts",
    responses((status = 201, description = "The payout, as it was stored.", body = PayoutBody,
        headers(
            ("Location" = String, description = "The address of the payout."),
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Idempotent-Replayed" = String, description = "`true` when an earlier request under the key made it."),
        ),
        links(
            ("get" = (operation_id = "get_payout", parameters(("id" = "$response.body#/id")))),
            ("change" = (operation_id = "change_payout", parameters(("id" = "$response.body#/id")))),
            ("replace" = (operation_id = "replace_payout", parameters(("id" = "$response.body#/id")))),
            ("delete" = (operation_id = "delete_payout", parameters(("id" = "$response.body#/id")))),
            ("cancel" = (operation_id = "cancel_payout", parameters(("id" = "$response.body#/id")))),
            ("retry" = (operation_id = "retry_payout", parameters(("id" = "$response.body#/id")))),
            ("events" = (operation_id = "list_events", parameters(("id" = "$response.body#/id")))),
        ))),
)]
#[handler]
pub(crate) async fn create_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let key = headers::idempotency_key(request.headers())?;
    if key.is_none() && context.app_state.require_idempotency_key {
        return Err(headers::idempotency_key_missing());
    }
    let draft = NewPayout::parse(&body::read(request)?)?.into_details()?;
    let created = context
        .payouts()?
        .create(draft, None, key, context.caller(None))
        .await;
    if matches!(created, Err(ServiceError::KeyReused)) && !context.principal.may(Scope::Reveal) {
        // A replay reveals that all fields equal those of the first request, including the recipient's.
        guess::count(context)?;
    }
    let answered = created?;
    Ok(Answer::payout(&answered.payout, &context.principal)?
        .status(StatusCode::CREATED)
        .located_at(answered.payout.id())
        .replayed(answered.replayed))
}
