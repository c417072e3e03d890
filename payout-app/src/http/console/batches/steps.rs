//! The steps with all payouts of a batch.

use payout_core::Timestamp;
use payout_core::access::Scope;
use payout_core::batch::{BatchId, BatchProgress};
use salvo::{Depot, Request, handler};

use super::page;
use crate::http::console::html::Reply;
use crate::http::console::posted::{Posted, caller_with_reason, malformed};
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};

/// The number of refused retries that are named.
const NAMED: usize = 5;

/// Cancels what no worker has claimed yet.
#[handler]
pub(in crate::http::console) async fn cancel(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    context.batches()?.cancel(id, caller_with_reason(depot)?).await?;
    Ok(Reply::go(format!("/console/batches/{id}/?done=batch-cancelled")))
}

/// Approves every payout of the batch that the person may approve.
#[handler]
pub(in crate::http::console) async fn approve(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    let posted = Posted::of(depot)?;
    let seen = posted.field("seen_at").parse().ok();
    let seen = seen.and_then(Timestamp::from_timestamp_micros);
    let seen =
        seen.ok_or_else(|| malformed("The form does not say which state of the batch it was made from."))?;
    let caller = context.caller(posted.reason());
    let approved = context.batches()?.approve(id, Some(seen), caller).await?;
    let own = approved.approvals.own;
    if approved.refused.is_empty() && !approved.is_partial && own == 0 {
        return Ok(Reply::go(format!("/console/batches/{id}/?done=batch-approved")));
    }
    let mut words = format!("{} were approved.", approved.approved);
    if own > 0 {
        words.push_str(&format!(
            " {own} await another person: you created them, or were the last to edit or retry them."
        ));
    }
    if approved.is_partial {
        words.push_str(" There was not enough time for all: approve once more.");
    }
    for (payout, why) in approved.refused.iter().take(NAMED) {
        words.push_str(&format!(" {payout} was not: {why}"));
    }
    shown(request, depot, &approved.progress, words)
}

/// Rejects every payout of the batch that awaits approval.
#[handler]
pub(in crate::http::console) async fn reject(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    context.batches()?.reject(id, caller_with_reason(depot)?).await?;
    Ok(Reply::go(format!("/console/batches/{id}/?done=batch-rejected")))
}

/// Retries what has failed.
#[handler]
pub(in crate::http::console) async fn retry(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<BatchId>(request)?;
    let context = Context::of(depot)?;
    let caller = context.caller(Posted::of(depot)?.reason());
    let retried = context.batches()?.retry(id, caller).await?;
    if retried.refused.is_empty() && !retried.is_partial {
        return Ok(Reply::go(format!("/console/batches/{id}/?done=batch-retried")));
    }
    let mut problem = format!("{} were retried.", retried.retried);
    if retried.is_partial {
        problem.push_str(" There was not enough time for all: retry once more.");
    }
    for (payout, why) in retried.refused.iter().take(NAMED) {
        problem.push_str(&format!(" {payout} was not: {why}"));
    }
    shown(request, depot, &retried.progress, problem)
}

/// Shows the batch with what happened, or tells a person who may not read batches only that.
fn shown(
    request: &Request,
    depot: &Depot,
    progress: &BatchProgress,
    words: String,
) -> Result<Reply, Problem> {
    if Context::of(depot)?.principal.may(Scope::Read) {
        page(request, depot, progress, Some(words))
    } else {
        Err(Problem::new(Kind::IllegalStep, words))
    }
}
