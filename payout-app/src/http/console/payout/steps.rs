//! The steps with one payout: each is a form that carries the version that the person saw.

use payout_core::access::Scope;
use payout_core::payout::{Caller, Payout, PayoutId, Resolution};
use payout_core::usecase::{Payouts, ServiceError, Step};
use salvo::{Depot, Request, handler};

use super::page;
use crate::http::console::html::Reply;
use crate::http::console::posted::{Posted, caller_with_reason};
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Kind, Problem};

/// The content of a form.
struct Asked {
    id: PayoutId,
    version: [u64; 1],
    caller: Caller,
}

impl Asked {
    fn of(request: &Request, depot: &Depot) -> Result<Self, Problem> {
        let posted = Posted::of(depot)?;
        Ok(Self {
            id: path::<PayoutId>(request)?,
            version: [posted.version()?],
            caller: Context::of(depot)?.caller(posted.reason()),
        })
    }

    /// Reads the form of a step that needs a reason.
    fn with_reason(request: &Request, depot: &Depot) -> Result<Self, Problem> {
        let asked = Self::of(request, depot)?;
        Ok(Self {
            caller: caller_with_reason(depot)?,
            ..asked
        })
    }
}

/// Leads back to the payout, or shows it as it is now with the reason why the step was refused.
async fn answer(
    request: &Request,
    depot: &Depot,
    stepped: Result<Payout, ServiceError>,
    done: &'static str,
) -> Result<Reply, Problem> {
    let id = path::<PayoutId>(request)?;
    // The answer to a person who may not read payouts shows none.
    let may_read = Context::of(depot)?.principal.may(Scope::Read);
    match stepped {
        Ok(_) => Ok(Reply::go(format!("/console/payouts/{id}/?done={done}"))),
        Err(error @ (ServiceError::NotFound | ServiceError::Repository(_))) => Err(error.into()),
        Err(error) if !may_read => Err(error.into()),
        Err(ServiceError::PreconditionFailed | ServiceError::ChangedMeanwhile) => {
            let now = Context::of(depot)?.payouts()?.get(id).await?;
            let detail =
                "Nothing was done: the payout changed since you looked at it. This is what it is now.";
            page(
                request,
                depot,
                &now,
                false,
                Some(Problem::new(Kind::PreconditionFailed, detail)),
            )
            .await
        }
        Err(error) => {
            let now = Context::of(depot)?.payouts()?.get(id).await?;
            page(request, depot, &now, false, Some(error.into())).await
        }
    }
}

fn payouts(depot: &Depot) -> Result<&Payouts, Problem> {
    Context::of(depot)?.payouts()
}

/// Shows the recipient in full, once that is in the audit trail.
#[handler]
pub(in crate::http::console) async fn reveal(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<PayoutId>(request)?;
    let caller = Context::of(depot)?.caller(Posted::of(depot)?.reason());
    let payout = payouts(depot)?.reveal(id, caller).await?;
    page(request, depot, &payout, true, None).await
}

#[handler]
pub(in crate::http::console) async fn approve(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let Asked { id, version, caller } = Asked::of(request, depot)?;
    let approved = payouts(depot)?.approve(id, Some(&version), caller).await;
    answer(request, depot, approved, "approved").await
}

#[handler]
pub(in crate::http::console) async fn reject(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let Asked { id, version, caller } = Asked::with_reason(request, depot)?;
    let rejected = payouts(depot)?.reject(id, Some(&version), caller).await;
    answer(request, depot, rejected, "rejected").await
}

#[handler]
pub(in crate::http::console) async fn cancel(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let asked = Asked::of(request, depot)?;
    step(request, depot, asked, Step::Cancel, "cancelled").await
}

#[handler]
pub(in crate::http::console) async fn retry(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let asked = Asked::of(request, depot)?;
    step(request, depot, asked, Step::Retry, "retried").await
}

#[handler]
pub(in crate::http::console) async fn resolve(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let resolution = match Posted::of(depot)?.field("choice") {
        "completed" => Resolution::Completed,
        "failed" => Resolution::Failed,
        _ => return Err(Problem::invalid(Errors::of("choice", "Use completed or failed."))),
    };
    let asked = Asked::with_reason(request, depot)?;
    step(request, depot, asked, Step::Resolve(resolution), "resolved").await
}

/// Deletes the payout, which no page shows any more.
#[handler]
pub(in crate::http::console) async fn delete(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let Asked { id, version, caller } = Asked::of(request, depot)?;
    match payouts(depot)?.delete(id, Some(&version), caller).await {
        Ok(()) => Ok(Reply::go("/console/payouts/?done=deleted".to_owned())),
        Err(error) => answer(request, depot, Err(error), "deleted").await,
    }
}

#[handler]
pub(in crate::http::console) async fn mark_returned(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let asked = Asked::with_reason(request, depot)?;
    step(request, depot, asked, Step::MarkReturned, "returned").await
}

async fn step(
    request: &Request,
    depot: &Depot,
    asked: Asked,
    step: Step,
    done: &'static str,
) -> Result<Reply, Problem> {
    let Asked { id, version, caller } = asked;
    let stepped = payouts(depot)?.step(id, step, Some(&version), caller).await;
    answer(request, depot, stepped, done).await
}
