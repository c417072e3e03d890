//! The confirmation of a bulk action: what matches is counted and summed up, and then confirmed.

use askama::Template;
use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::bulk::{BulkActionId, BulkFilter, BulkStarter, BulkStep, NewBulkAction};
use payout_core::usecase::bulk::BulkSum;
use salvo::{Depot, Request, handler};

use super::{filter, words};
use crate::http::api::payouts::list::allow;
use crate::http::console::format::{When, amount, count};
use crate::http::console::html::Reply;
use crate::http::console::posted::{self, Posted, caller_with_reason};
use crate::http::console::query::parameter;
use crate::http::console::shell::{Place, Shell};
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The payouts of one currency.
struct Sum {
    payouts: String,
    sum: String,
}

#[derive(Template)]
#[template(path = "bulk/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    name: &'static str,
    about: &'static str,
    step: &'static str,
    needs_reason: bool,
    is_dangerous: bool,
    id: String,
    filter: String,
    pairs: Vec<(String, String)>,
    list: String,
    counted_at: When,
    counted_at_us: i64,
    matched: u64,
    payouts: String,
    sums: Vec<Sum>,
    unreadable: u64,
}

/// Counts what matches, and asks for the confirmation.
#[handler]
pub(in crate::http::console) async fn show(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let step = step(&parameter(query, "step").unwrap_or_default())?;
    let context = Context::of(depot)?;
    let chosen = filter::of_query(query)?;
    check(step, &chosen, &context.principal)?;
    let counted = context.bulk()?.count(&chosen, &context.principal).await?;
    let title = format!("{} everything that matches", words::name(step));
    let page = ConfirmPage {
        shell: Shell::of(request, depot, Place::Payouts, title)?,
        name: words::name(step),
        about: words::about(step),
        step: step.as_str(),
        needs_reason: step.needs_reason(),
        is_dangerous: !step.pays(),
        id: counted.id.to_string(),
        pairs: filter::pairs(chosen.as_str()),
        list: format!("/console/payouts/?{}", chosen.as_str()),
        filter: chosen.as_str().to_owned(),
        counted_at: When(counted.counted_at),
        counted_at_us: counted.counted_at.timestamp_micros(),
        matched: counted.payouts,
        payouts: count(counted.payouts),
        sums: counted.sums.iter().map(Sum::of).collect(),
        unreadable: counted.unreadable,
    };
    Reply::page(&page)
}

impl Sum {
    fn of(sum: &BulkSum) -> Self {
        Self {
            payouts: count(sum.payouts),
            sum: amount(sum.sum, sum.currency),
        }
    }
}

/// Starts the action.
#[handler]
pub(in crate::http::console) async fn start(depot: &mut Depot) -> Result<Reply, Problem> {
    let posted = Posted::of(depot)?;
    let context = Context::of(depot)?;
    let step = step(posted.field("step"))?;
    let filter = filter::of_query(posted.field("filter"))?;
    check(step, &filter, &context.principal)?;
    let caller = if step.needs_reason() {
        caller_with_reason(depot)?
    } else {
        context.caller(posted.reason())
    };
    let counted_at = number::<i64>(posted, "counted_at")?;
    let new = NewBulkAction {
        id: number::<BulkActionId>(posted, "id")?,
        step,
        filter,
        starter: BulkStarter::of(&context.principal),
        reason: caller.reason,
        counted_at: Timestamp::from_timestamp_micros(counted_at).ok_or_else(malformed)?,
        matched: number(posted, "matched")?,
    };
    let started = context.bulk()?.start(&new, &context.principal).await?;
    tracing::info!(
        action = %started.id,
        step = step.as_str(),
        payouts = started.matched,
        by = %started.starter.name,
        "a bulk action was started"
    );
    Ok(Reply::go(format!("/console/bulk/{}/?done=bulk", started.id)))
}

/// Reads the step that a person chose.
pub(in crate::http::console) fn step(text: &str) -> Result<BulkStep, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid(Errors::of("step", "Choose what to do.")))
}

/// Checks the scopes that the step and its filter need.
fn check(step: BulkStep, chosen: &BulkFilter, principal: &Principal) -> Result<(), Problem> {
    access::allows(principal, &[step.scope()])?;
    // What matches is shown.
    access::allows(principal, &[Scope::Read])?;
    let (filter, is_approvable) = filter::read(chosen).ok_or_else(malformed)?;
    if is_approvable {
        access::allows(principal, &[Scope::Approve])?;
    }
    allow(&filter, principal)
}

/// Reads a hidden field of the form.
fn number<T: std::str::FromStr>(posted: &Posted, name: &str) -> Result<T, Problem> {
    posted.field(name).parse().map_err(|_| malformed())
}

fn malformed() -> Problem {
    posted::malformed("This form was not made by the console: count the payouts again.")
}
