//! `GET /api/recipients/{id}/`

use payout_core::access::Scope;
use payout_core::stored_recipient::RecipientId;
use salvo::{Depot, Request, handler};

use super::StoredRecipientBody;
use crate::http::answer::Answer;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<RecipientId>()),
    headers: &[&CONDITIONS],
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// Get a recipient
///
/// Archived ones too. Its payouts are those with this `recipient_id` in the list of payouts.
#[utoipa::path(
    get,
    path = "/api/recipients/{id}/",
    impl_for = get_recipient,
    operation_id = "get_recipient",
    tag = "Recipients",
    responses(
        (status = 200, description = "The recipient.", body = StoredRecipientBody,
            headers(("ETag" = String, description = "The recipient's version, for `If-Match`."))),
        (status = 304, description = "The recipient is as `If-None-Match` names it.",
            headers(("ETag" = String, description = "The recipient's version."))),
    ),
)]
#[handler]
pub(crate) async fn get_recipient(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<RecipientId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let context = Context::of(depot)?;
    let stored = context.recipients()?.get(id).await?;
    if conditions.allow_read(stored.version)? {
        super::shown(&stored, &context.principal)
    } else {
        Ok(Answer::not_modified(stored.version))
    }
}
