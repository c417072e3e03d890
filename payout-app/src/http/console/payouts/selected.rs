//! `/console/payouts/selected/`: one step with every payout that was chosen in the list, each at the version that the
//! person saw.

use askama::Template;
use payout_core::access::Scope;
use payout_core::bulk::BulkStep;
use payout_core::payout::{Caller, Payout, PayoutId};
use payout_core::usecase::{Payouts, ServiceError, Step};
use salvo::{Depot, Request, handler};

use crate::http::console::bulk::confirm::step;
use crate::http::console::bulk::words as words_of_steps;
use crate::http::console::format::money;
use crate::http::console::html::Reply;
use crate::http::console::posted::{Posted, caller_with_reason};
use crate::http::console::shell::{Place, Shell};
use crate::http::console::words;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The largest number of payouts: those of a page.
const MOST: usize = 50;

/// Takes a step with one payout at the version that the person saw. Unlike a bulk action, it leaves a payout that is
/// pending already as it is, and says that it is done.
async fn take(
    step: BulkStep,
    payouts: &Payouts,
    id: PayoutId,
    version: u64,
    caller: Caller,
) -> Result<Payout, ServiceError> {
    let versions = [version];
    match step {
        BulkStep::Approve => payouts.approve(id, Some(&versions), caller).await,
        BulkStep::Reject => payouts.reject(id, Some(&versions), caller).await,
        BulkStep::Cancel => payouts.step(id, Step::Cancel, Some(&versions), caller).await,
        BulkStep::Retry => payouts.step(id, Step::Retry, Some(&versions), caller).await,
    }
}

/// The outcome for one payout.
struct Outcome {
    id: String,
    amount: String,
    status: &'static str,
    tone: &'static str,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "payouts/selected.html")]
struct SelectedPage {
    shell: Shell,
    done: String,
    changed: usize,
    outcomes: Vec<Outcome>,
}

/// Takes the step, and shows the outcome for each payout.
#[handler]
pub(in crate::http::console) async fn act(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let (step, reason, chosen) = {
        let posted = Posted::of(depot)?;
        let chosen = posted.all("chosen").filter_map(|text| {
            let (id, version) = text.split_once(':')?;
            Some((id.parse::<PayoutId>().ok()?, version.parse::<u64>().ok()?))
        });
        let chosen: Vec<(PayoutId, u64)> = chosen.take(MOST).collect();
        (
            step(posted.field("step")),
            posted.reason().map(str::to_owned),
            chosen,
        )
    };
    let step = step?;
    let context = Context::of(depot)?;
    access::allows(&context.principal, &[step.scope()])?;
    access::allows(&context.principal, &[Scope::Read])?;
    if chosen.is_empty() {
        return Err(Problem::invalid(Errors::of(
            "chosen",
            "Choose at least one payout.",
        )));
    }
    if step == BulkStep::Reject {
        caller_with_reason(depot)?;
    }
    let payouts = context.payouts()?;
    let mut outcomes = Vec::with_capacity(chosen.len());
    for (id, version) in chosen {
        let caller = context.caller(reason.as_deref());
        let (payout, refused) = match take(step, payouts, id, version, caller).await {
            Ok(payout) => (Some(payout), None),
            Err(error) => (payouts.get(id).await.ok(), Some(error.to_string())),
        };
        outcomes.push(Outcome {
            id: id.to_string(),
            amount: payout
                .as_ref()
                .map_or_else(|| id.to_string(), |payout| money(payout.money())),
            status: payout
                .as_ref()
                .map_or("", |payout| words::status(payout.status(), payout.needs_review())),
            tone: payout.as_ref().map_or("none", |payout| {
                words::tone(payout.status(), payout.needs_review())
            }),
            refused,
        });
    }
    let page = SelectedPage {
        shell: Shell::of(request, depot, Place::Payouts, "Chosen payouts")?,
        done: words_of_steps::done(step).to_lowercase(),
        changed: outcomes
            .iter()
            .filter(|outcome| outcome.refused.is_none())
            .count(),
        outcomes,
    };
    Reply::page(&page)
}
