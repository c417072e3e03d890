//! `GET /api/batches/{id}/export/`

use chrono::TimeDelta;
use payout_core::access::Scope;
use payout_core::batch::{Batch, BatchId};
use payout_core::ports::{ExportQuery, Filter, Order};
use salvo::{Depot, Request, Response, handler};

use crate::export::ExportFormat;
use crate::http::api::payouts::export::{ExportedLine, format, send};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the query.
pub(crate) const QUERY: QueryPolicy = QueryPolicy::of::<Format>();
/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<BatchId>()),
    query: Some(QUERY),
    streaming: true,
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: the format.
struct Format(ExportFormat);

impl Query for Format {
    fn of(form: &mut impl QueryForm) -> Self {
        Self(format(form))
    }
}

/// Export a batch
///
/// All payouts of the batch in the order of its rows, as they were at one moment: an export as that of `export_payouts`.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/export/",
    impl_for = export_batch,
    operation_id = "export_batch",
    tag = "Batches",
    responses((status = 200, description = "The payouts.", headers(
            ("Content-Disposition" = String, description = "The name of a file."),
        ), content(
            (String = "text/csv"),
            (ExportedLine = "application/x-ndjson"),
        ))),
)]
#[handler]
pub(crate) async fn export_batch(
    request: &mut Request,
    depot: &mut Depot,
    response: &mut Response,
) -> Result<(), Problem> {
    let id = path::<BatchId>(request)?;
    let Format(format) = Format::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::of(depot)?;
    let batch = context.batches()?.find(id).await?;
    let name = format!("batch-{id}");
    send(context, request, response, &query(&batch), format, &name).await
}

/// Builds the query for the payouts of a batch: all have its time of creation, so no other payouts are read.
pub(crate) fn query(batch: &Batch) -> ExportQuery {
    let created_before = batch.created_at.checked_add_signed(TimeDelta::microseconds(1));
    ExportQuery {
        filter: Filter {
            batch: Some(batch.id),
            created_after: Some(batch.created_at),
            created_before,
            ..Filter::default()
        },
        order: Order::OldestFirst,
    }
}
