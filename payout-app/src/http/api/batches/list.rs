//! `GET /api/batches/`

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::BatchBody;
use crate::http::answer::Answer;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::query_values::PageSize;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<ListQuery>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: one page.
struct ListQuery {
    before: Option<BatchId>,
    size: u32,
}

impl Query for ListQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let before = form.one::<BatchId>(
            "before",
            "The batches that are older than this one; `next` has it.",
        );
        let size = form.one::<PageSize<20, 200>>("page_size", "The number of batches on a page.");
        Self {
            before: before.value(),
            size: size.value().unwrap_or_default().0,
        }
    }
}

/// A page of batches.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchPage)]
pub(crate) struct PageBody {
    /// The next page; null on the last. With scheme and host if the service knows under which address the client
    /// reached it, else from the root of this host.
    #[schema(
        required = true,
        example = "http://127.0.0.1:8000/api/batches/?before=019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17"
    )]
    next: Option<String>,
    /// The batches of this page.
    results: Vec<BatchBody>,
}

/// List batches
///
/// Newest first. Follow `next`.
#[utoipa::path(
    get,
    path = "/api/batches/",
    impl_for = list_batches,
    operation_id = "list_batches",
    tag = "Batches",
    responses((status = 200, description = "A page.", body = PageBody)),
)]
#[handler]
pub(crate) async fn list_batches(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let ListQuery { before, size } = ListQuery::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::of(depot)?;
    // One more shows whether there is a next page.
    let mut batches = context.batches()?.list(before, size + 1).await?;
    let has_next = batches.len() > size as usize;
    batches.truncate(size as usize);
    let base = context.app_state.limits.base_address(request).unwrap_or_default();
    let last = batches.last().filter(|_| has_next);
    Answer::json(&PageBody {
        next: last.map(|last| format!("{base}/api/batches/?page_size={size}&before={}", last.id)),
        results: batches.iter().map(BatchBody::of).collect(),
    })
}
