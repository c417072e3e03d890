//! `POST /api/recipients/{id}/archive/`

use payout_core::access::Scope;
use payout_core::stored_recipient::RecipientId;
use salvo::{Depot, Request, handler};

use super::StoredRecipientAnswer;
use crate::http::answer::Answer;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<RecipientId>()),
    headers: &[&CONDITIONS],
    refusals: &[Kind::ChangedMeanwhile],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// Archive a recipient
///
/// No further payout can be made from it; those that were made go on. It is never deleted, since payouts name it, and
/// keeps its `external_id`. Archiving an archived recipient changes nothing.
#[utoipa::path(
    post,
    path = "/api/recipients/{id}/archive/",
    impl_for = archive_recipient,
    operation_id = "archive_recipient",
    tag = "Recipients",
    responses((status = 200, description = "The recipient, as it is now.", body = StoredRecipientAnswer,
        headers(("ETag" = String, description = "The recipient's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn archive_recipient(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<RecipientId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let recipients = context.recipients()?;
    let if_match = conditions
        .for_write_of(async || Ok(recipients.get(id).await?.version))
        .await?;
    let stored = recipients.archive(id, true, if_match.as_deref()).await?;
    super::written(&stored, &context.principal)
}
