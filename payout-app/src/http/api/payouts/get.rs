//! `GET /api/payouts/{id}/`

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use payout_core::ports::Deleted;
use payout_core::usecase::ServiceError;
use salvo::{Depot, Request, handler};

use crate::http::answer::{Answer, PayoutBody};
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<PayoutId>()),
    query: Some(QueryPolicy::of::<GetQuery>()),
    headers: &[&CONDITIONS],
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: whether deleted payouts are found.
struct GetQuery {
    deleted: Deleted,
}

impl Query for GetQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let deleted = form.one(
            "deleted",
            "`with` finds a payout also when it is deleted, and says when; `only` finds it only then. Needs the scope `operate`.",
        );
        Self {
            deleted: deleted.value().unwrap_or_default(),
        }
    }
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
    responses(
        (status = 200, description = "The payout.", body = PayoutBody,
            headers(("ETag" = String, description = "The payout's version, for `If-Match`."))),
        (status = 304, description = "The payout is as `If-None-Match` names it.",
            headers(("ETag" = String, description = "The payout's version."))),
    ),
)]
#[handler]
pub(crate) async fn get_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let context = Context::of(depot)?;
    let GetQuery { deleted } = GetQuery::parse(request.uri().query().unwrap_or_default())?;
    allow_deleted(deleted, context)?;
    let payouts = context.payouts()?;
    if deleted != Deleted::Only {
        match payouts.get(id).await {
            Ok(payout) if conditions.allow_read(payout.version())? => {
                return Answer::current(&payout, context);
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

/// Refuses a request for deleted payouts without the scope `operate`.
///
/// # Errors
/// 403 without that scope.
pub(super) fn allow_deleted(deleted: Deleted, context: &Context) -> Result<(), Problem> {
    match deleted {
        Deleted::Without => Ok(()),
        Deleted::Only | Deleted::With => access::allows(&context.principal, &[Scope::Operate]),
    }
}
