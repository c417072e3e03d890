//! `GET /api/payouts/{id}/events/`

use payout_core::Timestamp;
use payout_core::payout::Event;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Answer, time};
use super::context::Context;
use super::document::{EventName, StatusName};
use super::headers;
use super::problem::Problem;

/// The audit trail of a payout.
#[derive(Serialize, ToSchema)]
#[schema(as = EventList)]
pub(crate) struct EventsBody<'a> {
    /// How many events there are.
    #[schema(example = 3)]
    count: usize,
    /// Every event, oldest first.
    results: Vec<EventBody<'a>>,
}

/// Something that happened to a payout. Events are only ever added.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventBody<'a> {
    /// What happened.
    #[schema(value_type = EventName)]
    event: &'static str,
    /// The status right after it.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// How often the payout had been retried by then: 0 before the first retry.
    #[schema(example = 0)]
    generation: u32,
    /// The worker's claim that it happened under, counted over the payout's whole life: 0 before the first.
    #[schema(example = 1)]
    claim: u64,
    /// Who did it: an API key by name, `api` in a service without keys, or a worker by name.
    #[schema(example = "billing")]
    actor: &'a str,
    /// The request it came with.
    #[schema(required = true)]
    request_id: Option<&'a str>,
    /// The reason that was given, or what the worker learnt.
    #[schema(required = true)]
    detail: Option<&'a str>,
    /// When.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    at: Timestamp,
}

impl<'a> From<&'a Event> for EventBody<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            event: event.kind.as_str(),
            status: event.status.as_str(),
            generation: event.generation,
            claim: event.fence,
            actor: event.actor.as_str(),
            request_id: event.request_id.as_deref(),
            detail: event.detail.as_deref(),
            at: event.at,
        }
    }
}

/// Get the audit trail of a payout
///
/// What happened to it, who did it and why, oldest first.
#[utoipa::path(
    get,
    path = "/api/payouts/{id}/events/",
    impl_for = list_events,
    operation_id = "list_events",
    tag = "Payouts",
    params(headers::PayoutPath),
    responses((status = 200, description = "Every event.", body = EventsBody)),
)]
#[handler]
pub(crate) async fn list_events(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = headers::payout_id(request)?;
    let events = Context::of(depot)?.payouts()?.events(id).await?;
    Answer::json(&EventsBody {
        count: events.len(),
        results: events.iter().map(EventBody::from).collect(),
    })
}
