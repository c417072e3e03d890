//! `/console/webhooks/`: the endpoints, and one endpoint with its deliveries.

mod delivery;
pub(super) mod steps;

pub(super) use self::delivery::show as show_delivery;

use askama::Template;
use payout_core::feed::EventType;
use payout_core::ports::{DeliveryQuery, WatchedEndpoint};
use payout_core::webhook::{Delivery, DeliveryStatus, DisabledWhy, EndpointState, WebhookId};
use salvo::{Depot, Request, handler};

use super::fields::FormState;
use super::format::{When, count};
use super::html::Reply;
use super::shell::{Place, Shell};
use crate::http::console::query::parameter;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of deliveries on a page.
const SIZE: u32 = 50;

/// An endpoint.
struct Line {
    id: String,
    url: String,
    description: String,
    types: String,
    state: &'static str,
    tone: &'static str,
    about: &'static str,
    is_enabled: bool,
    failing_since: Option<When>,
    waiting: String,
    oldest_waiting: Option<When>,
    is_replaying: bool,
    created_at: When,
}

/// A delivery in the list.
struct Sent {
    number: u64,
    event: String,
    payout: Option<String>,
    status: &'static str,
    tone: &'static str,
    attempts: u32,
    created_at: When,
    due_at: Option<When>,
}

#[derive(Template)]
#[template(path = "webhooks/webhooks.html")]
struct WebhooksPage {
    shell: Shell,
    endpoints: Vec<Line>,
    types: Vec<&'static str>,
    form: FormState,
    /// A new endpoint and its secret, which are shown once.
    made: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "webhooks/webhook.html")]
struct WebhookPage {
    shell: Shell,
    endpoint: Line,
    deliveries: Vec<Sent>,
    status: &'static str,
    next: Option<String>,
    secret: Option<String>,
}

impl Line {
    fn of(watched: &WatchedEndpoint) -> Self {
        let endpoint = &watched.endpoint;
        let types: Vec<&str> = endpoint.types.iter().map(|one| one.as_str()).collect();
        let (state, tone, about) = match endpoint.state {
            EndpointState::Enabled if watched.failing_since.is_some() => (
                "Failing",
                "bad",
                "It does not accept deliveries. After five days it is disabled.",
            ),
            EndpointState::Enabled => ("Working", "good", "It gets every event of its types."),
            EndpointState::Disabled { why, .. } => (
                "Disabled",
                "warn",
                match why {
                    DisabledWhy::Operator => "An operator disabled it. What happens meanwhile waits for it.",
                    DisabledWhy::Gone => "It answered that it is gone for good (410).",
                    DisabledWhy::Failing => {
                        "It failed for five days. Mend it, enable it, and replay what it missed."
                    }
                },
            ),
        };
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url.to_string(),
            description: endpoint.description.as_str().to_owned(),
            types: if types.is_empty() {
                "every type".to_owned()
            } else {
                types.join(", ")
            },
            state,
            tone,
            about,
            is_enabled: endpoint.is_enabled(),
            failing_since: watched.failing_since.map(When),
            waiting: count(watched.waiting),
            oldest_waiting: watched.oldest_waiting.map(When),
            is_replaying: watched.replay.is_some(),
            created_at: When(endpoint.created_at),
        }
    }
}

/// Returns the words and the class of a delivery's status.
pub(super) fn status_words(status: DeliveryStatus) -> (&'static str, &'static str) {
    match status {
        DeliveryStatus::Pending => ("Waiting", "busy"),
        DeliveryStatus::Delivered => ("Delivered", "good"),
        DeliveryStatus::Failed => ("Given up", "bad"),
    }
}

impl Sent {
    fn of(delivery: &Delivery) -> Self {
        let (status, tone) = status_words(delivery.status);
        Self {
            number: delivery.number,
            event: delivery.content.event_type.clone(),
            payout: delivery.content.payout_id.map(|id| id.to_string()),
            status,
            tone,
            attempts: delivery.attempts,
            created_at: When(delivery.created_at),
            due_at: delivery.due_at.map(When),
        }
    }
}

/// Shows the endpoints.
#[handler]
pub(super) async fn list(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    endpoints(request, depot, FormState::default(), None).await
}

async fn endpoints(
    request: &Request,
    depot: &Depot,
    form: FormState,
    made: Option<(String, String)>,
) -> Result<Reply, Problem> {
    let endpoints = Context::of(depot)?.webhooks()?.list().await?;
    let status = form.status();
    let page = WebhooksPage {
        shell: Shell::of(request, depot, Place::Webhooks, "Webhooks")?,
        endpoints: endpoints.iter().map(Line::of).collect(),
        types: EventType::ALL.iter().map(|one| one.as_str()).collect(),
        form,
        made,
    };
    Reply::with_status(status, &page)
}

/// Shows one endpoint.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    page(request, depot, None).await
}

/// Renders the page of an endpoint, with its new secret if it was given one.
async fn page(request: &Request, depot: &Depot, secret: Option<String>) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let query = request.uri().query().unwrap_or_default();
    let status = parameter(query, "status").and_then(|status| status.parse::<DeliveryStatus>().ok());
    let webhooks = Context::of(depot)?.webhooks()?;
    let watched = webhooks.get(id).await?;
    let asked = DeliveryQuery {
        status,
        before: parameter(query, "before").and_then(|number| number.parse().ok()),
        limit: SIZE + 1,
    };
    let mut deliveries = webhooks.deliveries(id, &asked).await?;
    let has_next = deliveries.len() > SIZE as usize;
    deliveries.truncate(SIZE as usize);
    let status = status.map_or("", DeliveryStatus::as_str);
    let last = deliveries.last().filter(|_| has_next);
    let page = WebhookPage {
        shell: Shell::of(request, depot, Place::Webhooks, "Endpoint")?,
        next: last.map(|last| format!("/console/webhooks/{id}/?status={status}&before={}", last.number)),
        endpoint: Line::of(&watched),
        deliveries: deliveries.iter().map(Sent::of).collect(),
        status,
        secret,
    };
    Reply::page(&page)
}
