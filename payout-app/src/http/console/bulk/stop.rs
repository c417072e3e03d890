//! Stops a bulk action.

use payout_core::bulk::BulkActionId;
use salvo::{Depot, Request, handler};

use crate::http::console::html::Reply;
use crate::http::console::posted::Posted;
use crate::http::extract::path::path;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Stops the action. Who may take its step may stop it, not only the person who started it.
#[handler]
pub(in crate::http::console) async fn stop(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<BulkActionId>(request)?;
    let context = Context::of(depot)?;
    let bulk = context.bulk()?;
    let action = bulk.get(id).await?;
    access::allows(&context.principal, &[action.step.scope()])?;
    let caller = context.caller(Posted::of(depot)?.reason());
    bulk.stop(id, &caller.actor, caller.reason.as_deref()).await?;
    tracing::info!(action = %id, by = %caller.actor, "a bulk action was stopped");
    Ok(Reply::go(format!("/console/bulk/{id}/?done=bulk-stopped")))
}
