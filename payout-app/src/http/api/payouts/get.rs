//! `GET /api/payouts/{id}/`

use payout_core::keys::Scope;
use payout_core::ports::Deleted;
use payout_core::service::ServiceError;
use salvo::{Depot, Request, handler};
use url::form_urlencoded;
use utoipa::IntoParams;

use crate::http::answer::{Answer, PayoutBody};
use crate::http::api::payouts::query::deletion;
use crate::http::extract::conditions::{ConditionHeaders, Conditions};
use crate::http::extract::headers;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::openapi::Deletion;
use crate::http::problem::{Errors, Problem};

/// Which payouts are found.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the query that `asked` reads")]
pub(crate) struct GetQuery {
    /// `with` finds a payout also when it is deleted, and says when; `only` finds it only then. Needs the scope `operate`.
    #[param(inline)]
    deleted: Option<Deletion>,
}

/// Get a payout
///
/// Poll it until its status is final, or `needs_review` is true.
#[utoipa::path(
    get,
    path = "/api/payouts/{id}/",
    impl_for = get_payout,
    operation_id = "get_payout",
    tag = "Payouts",
    params(headers::PayoutPath, GetQuery, ConditionHeaders),
    responses(
        (status = 200, description = "The payout.", body = PayoutBody,
            headers(("ETag" = String, description = "The payout's version, for `If-Match`."))),
        (status = 304, description = "The payout is as `If-None-Match` names it.",
            headers(("ETag" = String, description = "The payout's version."))),
    ),
)]
#[handler]
pub(crate) async fn get_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = headers::payout_id(request)?;
    let conditions = Conditions::of(request.headers())?;
    let context = Context::of(depot)?;
    let deleted = asked(request, context)?;
    let payouts = context.payouts()?;
    if deleted != Deleted::Only {
        match payouts.get(id).await {
            Ok(payout) if conditions.allow_read(payout.version())? => {
                return Answer::payout(&payout, &context.principal);
            }
            Ok(payout) => return Ok(Answer::not_modified(payout.version())),
            Err(ServiceError::NotFound) if deleted == Deleted::With => (),
            Err(error) => return Err(error.into()),
        }
    }
    let found = payouts.get_deleted(id).await?;
    if conditions.allow_read(found.payout.version())? {
        Answer::deleted(&found, &context.principal)
    } else {
        Ok(Answer::not_modified(found.payout.version()))
    }
}

/// Whether a deleted one is asked for, by whoever may.
pub(crate) fn asked(request: &Request, context: &Context) -> Result<Deleted, Problem> {
    let deleted = deleted(request.uri().query().unwrap_or_default())?;
    if deleted != Deleted::Without {
        access::allows(&context.principal, &[Scope::Operate])?;
    }
    Ok(deleted)
}

/// Whether it may be a deleted one. An empty value counts as none.
fn deleted(query: &str) -> Result<Deleted, Problem> {
    if query.is_empty() {
        return Ok(Deleted::Without);
    }
    let asked = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "deleted");
    match asked.last() {
        Some((_, text)) if !text.is_empty() => {
            deletion(&text).map_err(|message| Problem::invalid(Errors::of("deleted", message)))
        }
        Some(_) | None => Ok(Deleted::Without),
    }
}
