//! `/console/bulk/`: bulk actions, and one with its progress and what it did to each payout.

pub(super) mod confirm;
pub(crate) mod filter;
mod outcomes;
mod problem;
pub(super) mod stop;
pub(super) mod words;

use askama::Template;
use payout_core::bulk::{BulkAction, BulkActionId, BulkState};
use payout_core::ports::BulkOutcomeQuery;
use salvo::{Depot, Request, handler};

use self::outcomes::Line;
use super::format::{When, count};
use super::html::Reply;
use super::query::parameter;
use super::shell::{Place, Shell};
use crate::http::extract::path::path;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of actions, or of outcomes, on a page.
const SIZE: u32 = 50;

/// An action in the list.
struct Entry {
    id: String,
    title: String,
    state: &'static str,
    tone: &'static str,
    changed: String,
    refused: String,
    by: String,
    at: When,
}

#[derive(Template)]
#[template(path = "bulk/bulk.html")]
struct BulkPage {
    shell: Shell,
    actions: Vec<Entry>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "bulk/action.html")]
struct ActionPage {
    shell: Shell,
    id: String,
    title: String,
    state: &'static str,
    tone: &'static str,
    is_running: bool,
    /// True until a worker has begun.
    waits: bool,
    why: Option<String>,
    percent: u64,
    done: &'static str,
    changed: String,
    refused: String,
    remaining: String,
    facts: Vec<(&'static str, String)>,
    times: Vec<(&'static str, When)>,
    /// The list with the filter of the action.
    list: String,
    filter: Vec<(String, String)>,
    may_stop: bool,
    refused_only: bool,
    outcomes: Vec<Line>,
    next: Option<String>,
}

/// Shows the list, the newest first.
#[handler]
pub(super) async fn list(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let before = parameter(query, "before").and_then(|id| id.parse::<BulkActionId>().ok());
    // One more shows whether there is a next page.
    let mut actions = Context::of(depot)?.bulk()?.list(before, SIZE + 1).await?;
    let has_next = actions.len() > SIZE as usize;
    actions.truncate(SIZE as usize);
    let last = actions.last().filter(|_| has_next);
    let page = BulkPage {
        next: last.map(|last| format!("/console/bulk/?before={}", last.id)),
        actions: actions.iter().map(Entry::of).collect(),
        shell: Shell::of(request, depot, Place::Payouts, "Bulk actions")?,
    };
    Reply::page(&page)
}

impl Entry {
    fn of(action: &BulkAction) -> Self {
        let (state, tone) = words::state(&action.state);
        Self {
            id: action.id.to_string(),
            title: words::title(action),
            state,
            tone,
            changed: count(action.changed),
            refused: count(action.refused),
            by: action.starter.name.as_str().to_owned(),
            at: When(action.created_at),
        }
    }
}

/// Shows one action.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let id = path::<BulkActionId>(request)?;
    let context = Context::of(depot)?;
    let query = request.uri().query().unwrap_or_default();
    let after = parameter(query, "after").and_then(|number| number.parse().ok());
    let outcomes = BulkOutcomeQuery {
        after: after.unwrap_or_default(),
        refused_only: parameter(query, "refused").is_some(),
        limit: SIZE + 1,
    };
    let action = context.bulk()?.get(id).await?;
    let mut found = context.bulk()?.outcomes(id, outcomes).await?;
    let has_next = found.len() > SIZE as usize;
    found.truncate(SIZE as usize);
    let next = found.last().filter(|_| has_next).map(|last| {
        let only = if outcomes.refused_only { "refused=1&" } else { "" };
        format!("/console/bulk/{id}/?{only}after={}", last.number)
    });
    let (state, tone) = words::state(&action.state);
    let (why, ended_at) = match action.state.clone() {
        BulkState::Running => (None, None),
        BulkState::Stopped { why, at } => (Some(why), Some(at)),
        BulkState::Finished { at } => (None, Some(at)),
    };
    let is_running = action.state.is_running();
    let facts = [
        ("Started by", action.starter.name.as_str().to_owned()),
        ("Reason", action.reason.clone().unwrap_or_default()),
        ("Request in the audit trails", action.request_id()),
    ];
    let times = [
        ("Counted", Some(action.counted_at)),
        ("Confirmed", Some(action.created_at)),
        ("Ended", ended_at),
    ];
    let page = ActionPage {
        shell: Shell::of(request, depot, Place::Payouts, words::title(&action))?,
        id: id.to_string(),
        title: words::title(&action),
        state,
        tone,
        is_running,
        waits: is_running && action.planned == 0,
        why,
        percent: percent(&action),
        done: words::done(action.step),
        changed: count(action.changed),
        refused: count(action.refused),
        remaining: count(action.remaining()),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        times: times
            .into_iter()
            .filter_map(|(name, at)| Some((name, When(at?))))
            .collect(),
        list: format!("/console/payouts/?{}", action.filter.as_str()),
        filter: filter::pairs(action.filter.as_str()),
        may_stop: is_running && access::allows(&context.principal, &[action.step.scope()]).is_ok(),
        refused_only: outcomes.refused_only,
        outcomes: Line::all(context, action.step, found).await?,
        next,
    };
    Reply::page(&page)
}

/// Returns the share of the payouts that have an outcome; all of them once the action has finished.
fn percent(action: &BulkAction) -> u64 {
    match action.state {
        BulkState::Finished { .. } => 100,
        BulkState::Running | BulkState::Stopped { .. } => {
            (action.done().saturating_mul(100) / action.matched.max(1)).min(100)
        }
    }
}
