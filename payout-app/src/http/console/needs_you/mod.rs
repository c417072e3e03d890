//! `/console/`: what waits for a person.

use askama::Template;
use chrono::TimeDelta;
use payout_core::access::Scope;
use payout_core::payout::Status;
use payout_core::ports::{Count, Filter, Order, Position};
use payout_core::usecase::{CountMode, PageRequest, Payouts};
use payout_core::webhook::EndpointState;
use salvo::{Depot, Request, handler};

use super::bulk;
use super::format::{count, duration};
use super::html::Reply;
use super::payouts::columns::Columns;
use super::payouts::row::Row;
use super::shell::{Place, Shell};
use crate::health::ProviderState;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of payouts that a card shows.
const SHOWN: u32 = 5;
/// The number of bulk actions that are looked at, the latest.
const LATEST: u32 = 20;
/// A due payout that has waited longer than this is worth a look.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// Payouts that wait for somebody.
struct Card {
    title: &'static str,
    about: &'static str,
    /// The list of all of them.
    path: &'static str,
    count: String,
    rows: Vec<Row>,
}

/// Something else that waits for somebody.
struct Matter {
    title: String,
    about: String,
    path: String,
}

#[derive(Template)]
#[template(path = "needs_you/needs_you.html")]
struct NeedsYouPage {
    shell: Shell,
    columns: Columns,
    cards: Vec<Card>,
    matters: Vec<Matter>,
}

/// Shows the page.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let payouts = context.payouts()?;
    let mut cards = Vec::new();
    let review = Filter {
        statuses: vec![Status::Processing],
        needs_review: Some(true),
        ..Filter::default()
    };
    cards.push(Card {
        title: "Under review",
        about: "Nobody knows whether these were paid. Look each up at the provider, and decide.",
        path: "/console/payouts/?status=processing&needs_review=true",
        ..card(payouts, context, review).await?
    });
    if context.principal.may(Scope::Approve) {
        let mine = Filter {
            statuses: vec![Status::AwaitingApproval],
            approvable_by: Some(context.principal.caller().person()),
            ..Filter::default()
        };
        cards.push(Card {
            title: "Awaiting your approval",
            about: "Somebody else made these. Nothing is sent before you, or another person, approves them.",
            path: "/console/payouts/?status=awaiting_approval&approvable=true",
            ..card(payouts, context, mine).await?
        });
    }
    let returned = Filter {
        statuses: vec![Status::Returned],
        ..Filter::default()
    };
    cards.push(Card {
        title: "Returned",
        about: "The money came back. Mend what was wrong with the recipient, and retry.",
        path: "/console/payouts/?status=returned",
        ..card(payouts, context, returned).await?
    });
    cards.retain(|card| !card.rows.is_empty());
    let page = NeedsYouPage {
        shell: Shell::of(request, depot, Place::NeedsYou, "Needs you")?,
        columns: Columns::usual(),
        cards,
        matters: matters(context).await?,
    };
    Reply::page(&page)
}

async fn card(payouts: &Payouts, context: &Context, filter: Filter) -> Result<Card, Problem> {
    let request = PageRequest {
        filter,
        order: Order::OldestFirst,
        position: Position::Offset(0),
        size: SHOWN,
        count: CountMode::Bounded,
    };
    let page = payouts.list(&request).await?;
    Ok(Card {
        title: "",
        about: "",
        path: "",
        count: at_least(page.count),
        rows: page
            .payouts
            .iter()
            .map(|payout| Row::of(payout, context))
            .collect(),
    })
}

/// Returns a count in words.
pub(super) fn at_least(counted: Count) -> String {
    let more = if counted.exact { "" } else { "+" };
    format!("{}{more}", count(counted.count))
}

async fn matters(context: &Context) -> Result<Vec<Matter>, Problem> {
    let mut matters = Vec::new();
    for action in context.bulk()?.list(None, LATEST).await? {
        if action.state.is_running() {
            matters.push(Matter {
                title: format!("A bulk action is running: {}", bulk::words::title(&action)),
                about: format!("{} of {} are done.", count(action.done()), count(action.matched)),
                path: format!("/console/bulk/{}/", action.id),
            });
        }
    }
    let overdue = context
        .app_state
        .health
        .census()
        .map_or(TimeDelta::zero(), |census| {
            TimeDelta::from_std(census.overdue).unwrap_or_default()
        });
    if overdue > LATE {
        matters.push(Matter {
            title: format!("The oldest due payout has waited for {}", duration(overdue)),
            about: "No worker has looked at it. Is a worker running, and does its provider answer?"
                .to_owned(),
            path: "/console/payouts/?status=pending&ordering=created_at".to_owned(),
        });
    }
    let failing = context.provider_watch()?.failing().await?;
    for provider in context.providers()?.list().await? {
        let state = context.provider_state(&provider, failing.contains(&provider.name));
        let about = match state {
            ProviderState::Ok => continue,
            ProviderState::Paused => "An operator paused it: its payouts wait.",
            ProviderState::Slowed => "It refuses more calls, or has just recovered: calls are limited.",
            ProviderState::Away => {
                "It does not answer: its payouts wait, and it is tried about once a second."
            }
        };
        matters.push(Matter {
            title: format!("Provider {} is {}", provider.name, state.as_str()),
            about: about.to_owned(),
            path: "/console/providers/".to_owned(),
        });
    }
    if context.principal.may(Scope::Admin) && context.app_state.webhooks.is_some() {
        for watched in context.webhooks()?.list().await? {
            if let EndpointState::Disabled { .. } = watched.endpoint.state {
                matters.push(Matter {
                    title: format!("The endpoint {} is disabled", watched.endpoint.url),
                    about: "It gets no events. Mend it, enable it, and replay what it missed.".to_owned(),
                    path: format!("/console/webhooks/{}/", watched.endpoint.id),
                });
            }
        }
    }
    Ok(matters)
}
