//! `GET /api/batches/{id}/payouts/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use payout_core::payout::{PayoutId, Status};
use payout_core::ports::{ListedMember, MembersQuery};
use salvo::{Depot, Request, handler};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::http::answer::{Answer, PayoutBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::query_values::PageSize;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    query: Some(QueryPolicy::of::<PageQuery>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: one page of some statuses.
struct PageQuery {
    statuses: Vec<Status>,
    after: Option<PayoutId>,
    size: u32,
}

impl Query for PageQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let statuses = form.many::<Status>("status", "Only these statuses. May be repeated.");
        let after = form.one::<PayoutId>("after", "The payouts after this one; `next` has it.");
        let size = form.one::<PageSize<20, 200>>("page_size", "The number of payouts on a page.");
        Self {
            statuses,
            after: after.value(),
            size: size.value().unwrap_or_default().0,
        }
    }
}

/// A page of a batch's payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchPayoutPage)]
pub(crate) struct PageBody<'a> {
    /// The next page; null on the last. With scheme and host if the service knows under which address the client
    /// reached it, else from the root of this host.
    #[schema(required = true)]
    next: Option<String>,
    /// The payouts of this page.
    results: Vec<PayoutBody<'a>>,
    /// The ids of payouts on this page whose stored rows cannot be read. Absent if all can be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<Uuid>)]
    unreadable: Vec<String>,
}

/// List the payouts of a batch
///
/// In the order of its rows. Follow `next`.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/payouts/",
    impl_for = list_batch_payouts,
    operation_id = "list_batch_payouts",
    tag = "Batches",
    responses((status = 200, description = "A page.", body = PageBody)),
)]
#[handler]
pub(crate) async fn list_batch_payouts(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<BatchId>(request)?;
    let PageQuery {
        statuses,
        after,
        size,
    } = PageQuery::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::of(depot)?;
    let query = MembersQuery {
        statuses,
        approvable_by: None,
        after,
        // One more shows whether there is a next page.
        limit: size + 1,
    };
    let mut members = context.batches()?.members(id, &query).await?;
    let has_next = members.len() > size as usize;
    members.truncate(size as usize);
    let base = context.app_state.limits.base_address(request).unwrap_or_default();
    let last = members.last().filter(|_| has_next);
    let next = last.map(|last| {
        let mut parameters = form_urlencoded::Serializer::new(String::new());
        for status in &query.statuses {
            parameters.append_pair("status", status.as_str());
        }
        let parameters = parameters
            .append_pair("page_size", &size.to_string())
            .append_pair("after", &last.id().to_string())
            .finish();
        format!("{base}/api/batches/{id}/payouts/?{parameters}")
    });
    let (mut results, mut unreadable) = (Vec::with_capacity(members.len()), Vec::new());
    for member in &members {
        match member {
            ListedMember::Payout(payout) => {
                let waiting_for = context.app_state.providers.waiting_for(payout);
                results.push(PayoutBody::of(payout, &context.principal).waiting_for(waiting_for));
            }
            ListedMember::Unreadable(id) => unreadable.push(id.to_string()),
        }
    }
    Answer::json(&PageBody {
        next,
        results,
        unreadable,
    })
}
