//! `GET /api/payouts/{id}/events/`

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use payout_core::Timestamp;
use payout_core::access::Scope;
use payout_core::payout::{Event, PayoutId};
use payout_core::ports::{Deleted, EventPage, EventPlace, EventQuery};
use salvo::{Depot, Request, handler};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::get;
use crate::http::answer::{Answer, time};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::query_values::PageSize;
use crate::http::middleware::context::Context;
use crate::http::openapi::{EventName, StatusName};
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The audit trail of a payout, or a part of it.
#[derive(Serialize, ToSchema)]
#[schema(as = EventList)]
pub(crate) struct EventsBody<'a> {
    /// The number of events in the whole trail.
    #[schema(example = 3)]
    count: u64,
    /// True if `count` is exact. If false, the trail has at least `count` events.
    count_exact: bool,
    /// The next part; null if this one contains the newest event.
    #[schema(required = true)]
    next: Option<String>,
    /// The events, oldest first.
    results: Vec<EventBody<'a>>,
}

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<PayoutId>()),
    query: Some(QueryPolicy::of::<TrailQuery>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: a part of a payout's trail.
struct TrailQuery {
    page_size: PageSize<200, { EventPage::LONGEST }>,
    deleted: Deleted,
    /// The cursor as it was sent. Only with the payout's id can it be checked.
    cursor: Option<String>,
}

impl Query for TrailQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let page_size = form.one("page_size", "The most events of one answer.");
        let deleted = form.one(
            "deleted",
            "`with` finds the trail also of a deleted payout, as for a key with the scope `operate` it is found anyway; `only` \
             finds\nno other. Needs that scope.",
        );
        Self {
            page_size: page_size.value().unwrap_or_default(),
            deleted: deleted.value().unwrap_or_default(),
            cursor: form.of_links("cursor", |text| Ok(text.to_owned())).value(),
        }
    }
}

impl TrailQuery {
    fn read(query: &str, id: PayoutId) -> Result<EventQuery, Problem> {
        Self::parse_with(query, |query, errors| {
            let after = query.cursor.and_then(|text| {
                decode(&text, id)
                    .map_err(|message| errors.add("cursor", message))
                    .ok()
            });
            EventQuery {
                after,
                limit: query.page_size.0,
                deleted: query.deleted,
            }
        })
    }
}

/// An event of a payout. Events are only ever added.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventBody<'a> {
    /// The kind of the event.
    #[schema(value_type = EventName)]
    event: &'static str,
    /// The status right after the event.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// The generation that it belongs to: 0 before the first retry.
    #[schema(example = 0)]
    generation: u32,
    /// The claim under which it happened, numbered over the payout's whole life: 0 before the first.
    #[schema(example = 1)]
    claim: u64,
    /// The actor: an API key by name, `api` in a service without API keys, or a worker by name.
    #[schema(example = "billing")]
    actor: &'a str,
    /// The id of the request that caused it.
    #[schema(required = true)]
    request_id: Option<&'a str>,
    /// The reason that was given, or the worker's finding.
    #[schema(required = true)]
    detail: Option<&'a str>,
    /// The time of the event.
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
/// Each event with its actor and its reason, oldest first. Nearly every trail fits into one answer; if it does not,
/// follow `next`, which carries a `cursor` of this trail. The trail of a deleted payout needs the scope `operate`.
#[utoipa::path(
    get,
    path = "/api/payouts/{id}/events/",
    impl_for = list_events,
    operation_id = "list_events",
    tag = "Payouts",
    responses((status = 200, description = "The events.", body = EventsBody)),
)]
#[handler]
pub(crate) async fn list_events(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let id = path::<PayoutId>(request)?;
    let context = Context::of(depot)?;
    let mut query = TrailQuery::read(request.uri().query().unwrap_or_default(), id)?;
    get::allow_deleted(query.deleted, context)?;
    if query.deleted == Deleted::Without && context.principal.may(Scope::Operate) {
        query.deleted = Deleted::With;
    }
    let page = context.payouts()?.events(id, query).await?;
    let next = page.next.map(|place| {
        let base = context.app_state.limits.base_address(request).unwrap_or_default();
        let (limit, cursor) = (query.limit, encode(place, id));
        format!("{base}/api/payouts/{id}/events/?page_size={limit}&cursor={cursor}")
    });
    Answer::json(&EventsBody {
        count: page.count.count,
        count_exact: page.count.exact,
        next,
        results: page.events.iter().map(EventBody::from).collect(),
    })
}

/// Encodes a position and a part of a digest of it and the payout, so that a cursor is valid for one trail only.
fn bytes_of(place: EventPlace, id: PayoutId) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&place.0.to_be_bytes());
    let digest = Sha256::new()
        .chain_update(id.as_uuid().as_bytes())
        .chain_update(place.0.to_be_bytes())
        .finalize();
    bytes[8..].copy_from_slice(&digest[..8]);
    bytes
}

fn encode(place: EventPlace, id: PayoutId) -> String {
    URL_SAFE_NO_PAD.encode(bytes_of(place, id))
}

fn decode(text: &str, id: PayoutId) -> Result<EventPlace, String> {
    let refuse = || "This is not a cursor of this trail: follow `next`, or start without one.".to_owned();
    let mut bytes = [0; 16];
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, &mut bytes)
        .map_err(|_| refuse())?;
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    let place = EventPlace(u64::from_be_bytes(number));
    if length != bytes.len() || bytes != bytes_of(place, id) {
        return Err(refuse());
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019ac4a5-0000-7000-8000-000000000001";
    const OTHER: &str = "019ac4a5-0000-7000-8000-000000000002";

    #[test]
    fn a_cursor_fits_the_trail_that_it_came_from_alone() {
        let (id, other): (PayoutId, PayoutId) = (ID.parse().unwrap(), OTHER.parse().unwrap());
        let place = EventPlace(200_001);
        let cursor = encode(place, id);
        let read = |cursor: &str, id| TrailQuery::read(&format!("cursor={cursor}"), id);
        assert_eq!(read(&cursor, id).unwrap().after, Some(place));
        for (cursor, id) in [
            (cursor.as_str(), other),
            ("x", id),
            ("AAAAAAAAAAAAAAAAAAAAAA", id),
        ] {
            let problem = read(cursor, id).unwrap_err();
            assert_eq!(problem.status(), 400);
            assert_eq!(problem.errors().get("cursor").len(), 1, "{cursor}");
        }
    }

    #[test]
    fn a_size_is_a_plain_number_within_bounds() {
        let id = ID.parse().unwrap();
        for size in ["0", "1001", "-1", "+5", "1.5", "x", "99999999999999999999"] {
            assert!(
                TrailQuery::read(&format!("page_size={size}"), id).is_err(),
                "{size}"
            );
        }
        assert_eq!(TrailQuery::read("page_size=1000", id).unwrap().limit, 1000);
        assert_eq!(TrailQuery::read("page_size=", id).unwrap().limit, 200);
    }
}
