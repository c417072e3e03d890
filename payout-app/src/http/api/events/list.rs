//! `GET /api/events/`

use payout_core::access::Scope;
use payout_core::feed::{EventType, FeedPosition};
use payout_core::ports::{FeedPage, FeedQuery};
use salvo::{Depot, Request, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::{EventBody, Wait};
use crate::http::answer::Answer;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::query_values::PageSize;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route. Its wait is longer than the time limit of handlers, and has a limit of its own.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<FeedParams>()),
    refusals: &[Kind::UnknownPath],
    streaming: true,
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// A page of the feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedPage)]
pub(crate) struct FeedBody<'a> {
    /// The events, oldest first.
    results: Vec<EventBody<'a>>,
    /// The cursor to pass as `after`, also at the end of the feed. There it is the cursor of the request.
    #[schema(example = "00000000000004d20000000000000007")]
    next: String,
}

/// The query: a position, a filter, and a wait.
struct FeedParams {
    query: FeedQuery,
    wait: Wait,
}

impl Query for FeedParams {
    fn of(form: &mut impl QueryForm) -> Self {
        let after = form.one::<FeedPosition>(
            "after",
            "The cursor after which the page begins: the `next` of an earlier page, or an event's `sequence`. Without it, the \
             page\nbegins with the oldest event. One beyond the end of the feed, from before a restore or of another \
             database, is refused.",
        );
        let types = form.many::<EventType>("types", "Only these types. May be repeated.");
        let limit =
            form.one::<PageSize<100, { FeedPage::LONGEST }>>("limit", "The most events of one answer.");
        let wait = form.one::<Wait>(
            "wait",
            "At the end of the feed, the answer waits for the next event for up to this many seconds.",
        );
        Self {
            query: FeedQuery {
                after: after.value().unwrap_or(FeedPosition::START),
                types,
                limit: limit.value().unwrap_or_default().0,
            },
            wait: wait.value().unwrap_or_default(),
        }
    }
}

/// Read the event feed
///
/// All public events of payouts, batches, providers and webhooks, oldest first, in an order that never changes: pass
/// `next` as `after` to go on, at the end too. No event is skipped, and none comes twice; those of one payout are in the
/// order of its versions. A filter may leave a page with few events or none: only where `next` is the cursor of the request is the end reached.
#[utoipa::path(
    get,
    path = "/api/events/",
    impl_for = list_feed,
    operation_id = "list_feed",
    tag = "Events",
    responses((status = 200, description = "The events.", body = FeedBody)),
)]
#[handler]
pub(crate) async fn list_feed(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let FeedParams { query, wait } = FeedParams::parse(request.uri().query().unwrap_or_default())?;
    let page = Context::of(depot)?.feed()?.page(&query, wait.0).await?;
    Answer::json(&FeedBody {
        results: page.events.iter().map(EventBody::from).collect(),
        next: page.next.to_string(),
    })
}
