//! `/console/batches/`: the batches, and one batch with its progress, its counts and its sums.

pub(super) mod steps;

use askama::Template;
use payout_core::access::Scope;
use payout_core::batch::{Batch, BatchId, BatchProgress};
use payout_core::payout::{Actor, ExternalId, Status};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::format::{When, amount, count};
use super::html::Reply;
use super::shell::{Place, Shell};
use super::words;
use crate::http::console::query::parameter;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of batches on a page.
const SIZE: u32 = 50;

/// A batch in the list.
struct Line {
    id: String,
    description: String,
    external_id: String,
    payouts: String,
    created_by: String,
    created_at: When,
}

#[derive(Template)]
#[template(path = "batches/batches.html")]
struct BatchesPage {
    shell: Shell,
    batches: Vec<Line>,
    next: Option<String>,
}

/// The payouts of a batch in one status and currency.
struct Total {
    status: &'static str,
    tone: &'static str,
    path: String,
    count: String,
    sum: String,
    in_review: u64,
}

#[derive(Template)]
#[template(path = "batches/batch.html")]
struct BatchPage {
    shell: Shell,
    id: String,
    /// The time of the latest change that the page shows.
    seen_at_us: i64,
    title: String,
    facts: Vec<(&'static str, String)>,
    times: Vec<(&'static str, When)>,
    percent: u8,
    finished: String,
    payouts: String,
    totals: Vec<Total>,
    is_approvable: bool,
    is_cancellable: bool,
    is_retryable: bool,
    problem: Option<String>,
}

impl Line {
    fn of(batch: &Batch) -> Self {
        Self {
            id: batch.id.to_string(),
            description: batch.description.as_str().to_owned(),
            external_id: batch
                .external_id
                .as_ref()
                .map(ExternalId::as_str)
                .unwrap_or_default()
                .to_owned(),
            payouts: count(batch.payouts.into()),
            created_by: batch.created_by.as_str().to_owned(),
            created_at: When(batch.created_at),
        }
    }
}

/// Shows the list, the newest first.
#[handler]
pub(super) async fn list(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let before = parameter(query, "before").and_then(|id| id.parse::<BatchId>().ok());
    // One more shows whether there is a next page.
    let mut batches = Context::of(depot)?.batches()?.list(before, SIZE + 1).await?;
    let has_next = batches.len() > SIZE as usize;
    batches.truncate(SIZE as usize);
    let last = batches.last().filter(|_| has_next);
    let page = BatchesPage {
        shell: Shell::of(request, depot, Place::Batches, "Batches")?,
        next: last.map(|last| format!("/console/batches/?before={}", last.id)),
        batches: batches.iter().map(Line::of).collect(),
    };
    Reply::page(&page)
}

/// Shows one batch.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    let progress = context.batches()?.get(id, &context.caller(None)).await?;
    page(request, depot, &progress, None)
}

/// Renders the page of a batch, with what a step could not do.
pub(super) fn page(
    request: &Request,
    depot: &Depot,
    progress: &BatchProgress,
    problem: Option<String>,
) -> Result<Reply, Problem> {
    let (context, batch) = (Context::of(depot)?, &progress.batch);
    let operates = context.principal.may(Scope::Operate);
    let has = |statuses: &[Status]| {
        progress
            .totals
            .iter()
            .any(|total| statuses.contains(&total.status))
    };
    let external_id = batch
        .external_id
        .as_ref()
        .map(ExternalId::as_str)
        .unwrap_or_default();
    let title = if batch.description.as_str().is_empty() {
        external_id
    } else {
        batch.description.as_str()
    };
    let facts = [
        ("External id", external_id.to_owned()),
        ("Sent by", Actor::as_str(&batch.created_by).to_owned()),
        ("Payouts stored", count(batch.payouts.into())),
        (
            "Rows left out, since they were stored before",
            count(batch.left_out.into()),
        ),
        ("Id", batch.id.to_string()),
    ];
    let times = [
        ("Stored", Some(batch.created_at)),
        ("Due", batch.scheduled_at),
        ("Finished", progress.finished_at()),
    ];
    let page = BatchPage {
        shell: Shell::of(
            request,
            depot,
            Place::Batches,
            if title.is_empty() { "Batch" } else { title },
        )?,
        id: batch.id.to_string(),
        seen_at_us: progress.updated_at().timestamp_micros(),
        title: if title.is_empty() {
            format!("Batch {}", batch.id)
        } else {
            title.to_owned()
        },
        facts: facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && value != "0")
            .collect(),
        times: times
            .into_iter()
            .filter_map(|(name, at)| Some((name, When(at?))))
            .collect(),
        percent: progress.percent(),
        finished: count(progress.finished()),
        payouts: count(progress.payouts()),
        totals: progress
            .totals
            .iter()
            .map(|total| Total {
                status: words::status(total.status, false),
                tone: words::tone(total.status, false),
                path: format!("/console/payouts/?batch_id={}&status={}", batch.id, total.status),
                count: count(total.count),
                sum: amount(total.sum, total.currency),
                in_review: total.in_review,
            })
            .collect(),
        is_approvable: context.principal.may(Scope::Approve) && has(&[Status::AwaitingApproval]),
        is_cancellable: operates && has(&[Status::Pending, Status::AwaitingApproval]),
        is_retryable: operates && has(&[Status::Failed]),
        problem,
    };
    Reply::with_status(StatusCode::OK, &page)
}
