//! `/console/payouts/selected/`: one step with every payout that was chosen in the list, each at the version that the
//! person saw.

use askama::Template;
use payout_core::access::Scope;
use payout_core::payout::{Caller, Payout, PayoutId};
use payout_core::usecase::{Payouts, ServiceError, Step};
use salvo::{Depot, Request, handler};

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

/// A step with each of them.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    Approve,
    Reject,
    Cancel,
    Retry,
}

impl Chosen {
    fn read(text: &str) -> Option<Self> {
        match text {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            "cancel" => Some(Self::Cancel),
            "retry" => Some(Self::Retry),
            _ => None,
        }
    }

    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Approve | Self::Reject => &[Scope::Approve],
            Self::Cancel | Self::Retry => &[Scope::Operate],
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Cancel => "cancelled",
            Self::Retry => "retried",
        }
    }

    async fn take(
        self,
        payouts: &Payouts,
        id: PayoutId,
        version: u64,
        caller: Caller,
    ) -> Result<Payout, ServiceError> {
        let versions = [version];
        match self {
            Self::Approve => payouts.approve(id, Some(&versions), caller).await,
            Self::Reject => payouts.reject(id, Some(&versions), caller).await,
            Self::Cancel => payouts.step(id, Step::Cancel, Some(&versions), caller).await,
            Self::Retry => payouts.step(id, Step::Retry, Some(&versions), caller).await,
        }
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
    done: &'static str,
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
            Chosen::read(posted.field("step")),
            posted.reason().map(str::to_owned),
            chosen,
        )
    };
    let step = step.ok_or_else(|| Problem::invalid(Errors::of("step", "Choose what to do.")))?;
    let context = Context::of(depot)?;
    access::allows(&context.principal, step.scopes())?;
    if chosen.is_empty() {
        return Err(Problem::invalid(Errors::of(
            "chosen",
            "Choose at least one payout.",
        )));
    }
    if matches!(step, Chosen::Reject) {
        caller_with_reason(depot)?;
    }
    let payouts = context.payouts()?;
    let mut outcomes = Vec::with_capacity(chosen.len());
    for (id, version) in chosen {
        let caller = context.caller(reason.as_deref());
        let (payout, refused) = match step.take(payouts, id, version, caller).await {
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
        done: step.done(),
        changed: outcomes
            .iter()
            .filter(|outcome| outcome.refused.is_none())
            .count(),
        outcomes,
    };
    Reply::page(&page)
}
