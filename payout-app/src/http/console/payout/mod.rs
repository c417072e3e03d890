//! `/console/payouts/{id}/`: one payout, what happens next, everything that happened, and what a person may do.

mod actions;
pub(super) mod edit;
pub(super) mod steps;

use askama::Template;
use payout_core::access::{Principal, Scope, Scopes};
use payout_core::bulk::BulkAction;
use payout_core::payout::{Actor, ExternalId, Payout, PayoutId, StatementText};
use payout_core::ports::{Clock, Deleted, EventQuery};
use payout_core::provider::ProviderName;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use self::actions::Action;
use super::format::{When, money};
use super::html::Reply;
use super::payment_form::may_be_edited;
use super::shell::{Place, Shell};
use super::webhooks::status_words;
use super::words;
use crate::http::answer::PayoutBody;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of events that are shown; the API has the rest.
const EVENTS: u32 = 500;

/// The number of webhook deliveries that are shown.
const DELIVERIES: u32 = 100;

/// A fact about the payout.
struct Fact {
    name: &'static str,
    value: String,
    is_mono: bool,
    link: Option<String>,
}

/// An event of the trail.
struct Line {
    name: &'static str,
    status: &'static str,
    tone: &'static str,
    at: When,
    actor: String,
    detail: Option<String>,
    request_id: Option<String>,
    /// The page of the bulk action that the event is part of.
    bulk: Option<String>,
    generation: u32,
    claim: u64,
}

/// A webhook delivery of one of the payout's events.
struct Sent {
    webhook: String,
    number: u64,
    event: String,
    status: &'static str,
    tone: &'static str,
    attempts: u32,
    at: When,
}

/// The approvals that are required.
struct Approvals {
    required: u8,
    given: Vec<(String, When)>,
    reasons: String,
    duplicate_of: Option<String>,
}

#[derive(Template)]
#[template(path = "payout/payout.html")]
struct PayoutPage {
    shell: Shell,
    id: String,
    version: u64,
    amount: String,
    status: &'static str,
    tone: &'static str,
    next: String,
    account: String,
    name: String,
    recipient: Vec<(String, String)>,
    is_revealed: bool,
    facts: Vec<Fact>,
    times: Vec<(&'static str, When)>,
    metadata: Vec<(String, String)>,
    approval: Option<Approvals>,
    failure: Option<(String, String)>,
    may_edit: bool,
    actions: Vec<Action>,
    events: Vec<Line>,
    has_more_events: bool,
    deliveries: Vec<Sent>,
    json: String,
    curl: String,
    problem: Option<String>,
}

/// Shows the payout.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let id = path::<PayoutId>(request)?;
    let payout = Context::of(depot)?.payouts()?.get(id).await?;
    page(request, depot, &payout, false, None).await
}

/// Renders the page of a payout as it is, with what a step was refused for.
pub(super) async fn page(
    request: &Request,
    depot: &Depot,
    payout: &Payout,
    is_revealed: bool,
    refused: Option<Problem>,
) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let (parts, details) = (payout.parts(), payout.details());
    let waiting = context.app_state.providers.waiting_for(payout);
    let now = context.app_state.system.now();
    let query = EventQuery {
        after: None,
        limit: EVENTS,
        deleted: Deleted::Without,
    };
    let trail = context.payouts()?.events(payout.id(), query).await?;
    let recipient = &details.recipient;
    let fields = if is_revealed {
        recipient.fields()
    } else {
        recipient.masked_fields()
    };
    let of_address = fields
        .of_address()
        .map(|(name, text)| (format!("address: {name}"), text.to_owned()));
    let outer = fields
        .outer()
        .map(|(name, text)| (name.replace('_', " "), text.to_owned()));
    // What the API shows to a key that may only read.
    let reader = Principal::operator(Scopes::from_iter([Scope::Read]));
    let body = PayoutBody::of(payout, &reader).waiting_for(waiting);
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status);
    let base = context.app_state.limits.base_address(request).unwrap_or_default();
    let page = PayoutPage {
        shell: Shell::of(request, depot, Place::Payouts, money(payout.money()))?,
        id: payout.id().to_string(),
        version: payout.version(),
        amount: money(payout.money()),
        status: words::status(payout.status(), payout.needs_review()),
        tone: words::tone(payout.status(), payout.needs_review()),
        next: words::next(payout, waiting, now),
        account: if is_revealed {
            recipient.account().as_str().to_owned()
        } else {
            recipient.masked_account()
        },
        name: if is_revealed {
            recipient.name().as_str().to_owned()
        } else {
            recipient.name().masked()
        },
        recipient: outer
            .chain(of_address)
            .filter(|(name, _)| name != "name" && name != "account")
            .collect(),
        is_revealed,
        facts: facts(payout),
        times: times(payout),
        metadata: details
            .metadata
            .iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        approval: approvals(payout),
        failure: parts
            .failure
            .as_ref()
            .map(|failure| (failure.code().to_owned(), failure.message().to_owned())),
        may_edit: context.principal.may(Scope::Write) && may_be_edited(payout.status()),
        actions: actions::legal(payout, &context.principal),
        deliveries: deliveries(context, payout.id()).await?,
        has_more_events: trail.next.is_some(),
        events: trail
            .events
            .iter()
            .map(|event| Line {
                name: words::event(event.kind),
                status: words::status(event.status, false),
                tone: words::tone(event.status, false),
                at: When(event.at),
                actor: event.actor.as_str().to_owned(),
                detail: event.detail.clone(),
                request_id: event.request_id.clone(),
                bulk: event
                    .request_id
                    .as_deref()
                    .and_then(BulkAction::of_request_id)
                    .map(|id| format!("/console/bulk/{id}/")),
                generation: event.generation,
                claim: event.fence,
            })
            .collect(),
        json: serde_json::to_string_pretty(&body).unwrap_or_default(),
        curl: curl(&base, &format!("/api/payouts/{}/", payout.id())),
        problem: refused.map(|problem| problem.detail().to_owned()),
    };
    Reply::with_status(status, &page)
}

/// Returns the latest webhook deliveries of a payout's events, for people who may see endpoints.
async fn deliveries(context: &Context, id: PayoutId) -> Result<Vec<Sent>, Problem> {
    let Some(webhooks) = &context.app_state.webhooks else {
        return Ok(Vec::new());
    };
    if !context.principal.may(Scope::Admin) {
        return Ok(Vec::new());
    }
    let found = webhooks.deliveries_of_payout(id, DELIVERIES).await?;
    let sent = found.iter().map(|delivery| {
        let (status, tone) = status_words(delivery.status);
        Sent {
            webhook: delivery.webhook_id.to_string(),
            number: delivery.number,
            event: delivery.content.event_type.clone(),
            status,
            tone,
            attempts: delivery.attempts,
            at: When(delivery.created_at),
        }
    });
    Ok(sent.collect())
}

/// Returns the request that answers the same.
fn curl(base: &str, path: &str) -> String {
    format!("curl -H \"Authorization: Bearer $API_KEY\" {base}{path}")
}

fn facts(payout: &Payout) -> Vec<Fact> {
    let (parts, details) = (payout.parts(), payout.details());
    let fact = |name, value: Option<&str>, is_mono| {
        value.filter(|value| !value.is_empty()).map(|value| Fact {
            name,
            value: value.to_owned(),
            is_mono,
            link: None,
        })
    };
    let batch = parts.batch.map(|batch| batch.to_string());
    let recipient = details.recipient_id.map(|id| id.to_string());
    let linked = |name, id: Option<String>, path: &str| {
        id.map(|id| Fact {
            name,
            link: Some(format!("{path}{id}")),
            value: id,
            is_mono: true,
        })
    };
    [
        fact("Description", Some(details.description.as_str()), false),
        fact(
            "External id",
            details.external_id.as_ref().map(ExternalId::as_str),
            true,
        ),
        fact(
            "Text on the statement",
            details.statement_text.as_ref().map(StatementText::as_str),
            false,
        ),
        fact(
            "Provider",
            parts.provider.as_ref().map(ProviderName::as_str),
            false,
        ),
        fact(
            "Provider's reference",
            parts
                .provider_reference
                .as_ref()
                .map(|reference| reference.as_str()),
            true,
        ),
        fact("Created by", parts.created_by.as_ref().map(Actor::as_str), false),
        linked("Batch", batch, "/console/payouts/?batch_id="),
        linked("Stored recipient", recipient, "/console/payouts/?recipient_id="),
        fact(
            "Attempts of this generation",
            Some(&parts.claims.to_string()),
            false,
        ),
        fact("Generation", Some(&parts.generation.to_string()), false),
        fact("Id", Some(&parts.id.to_string()), true),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn times(payout: &Payout) -> Vec<(&'static str, When)> {
    let (parts, details) = (payout.parts(), payout.details());
    [
        ("Created", Some(parts.created_at)),
        ("Scheduled for", details.scheduled_at),
        ("First sent, at the earliest", parts.first_submitted_at),
        ("Next look", parts.due_at),
        ("Paid", parts.completed_at),
        ("Came back", parts.returned_at),
        ("Last change", Some(parts.updated_at)),
    ]
    .into_iter()
    .filter_map(|(name, at)| Some((name, When(at?))))
    .collect()
}

fn approvals(payout: &Payout) -> Option<Approvals> {
    let approval = payout.parts().approval.as_ref()?;
    if approval.required == 0 {
        return None;
    }
    let given = approval.given.iter();
    let reasons: Vec<&str> = approval.reasons.iter().map(|reason| reason.as_str()).collect();
    Some(Approvals {
        required: approval.required,
        given: given
            .map(|given| (given.by.as_str().to_owned(), When(given.at)))
            .collect(),
        reasons: reasons.join(", "),
        duplicate_of: approval.duplicate_of().map(|id| id.to_string()),
    })
}
