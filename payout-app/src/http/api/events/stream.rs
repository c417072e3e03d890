//! `GET /api/events/stream/`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use payout_core::access::{Principal, Scope};
use payout_core::feed::{EventType, FeedPosition, PublicEvent};
use payout_core::ports::FeedQuery;
use payout_core::usecase::api_keys::ApiKeyCache;
use payout_core::usecase::feed::{FeedBatch, FeedReader, ReaderError};
use salvo::http::HeaderValue;
use salvo::http::header::CONTENT_TYPE;
use salvo::{Depot, Request, Response, Writer, async_trait, handler};
use tokio::time::timeout;

use super::{BEYOND, EventBody};
use crate::http::extract::headers::{LAST_EVENT_ID, last_event_id};
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The interval between two heartbeats of a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<StreamParams>()),
    headers: &[&LAST_EVENT_ID],
    refusals: &[Kind::UnknownPath],
    streaming: true,
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// The query: a position and a filter.
struct StreamParams {
    after: Option<FeedPosition>,
    types: Vec<EventType>,
}

impl Query for StreamParams {
    fn of(form: &mut impl QueryForm) -> Self {
        let after = form.one::<FeedPosition>(
            "after",
            "The cursor after which the stream begins. Without it and without `Last-Event-ID`, only what comes later is \
             sent. One\nbeyond the end of the feed is refused.",
        );
        Self {
            after: after.value(),
            types: form.many::<EventType>("types", "Only these types. May be repeated."),
        }
    }
}

/// Follow the event feed
///
/// The feed as server-sent events: each has the event's `sequence` as its `id`, its type as its `event`, and the event as
/// JSON in its `data`. A client that reconnects with `Last-Event-ID` goes on where it was. A heartbeat every 15 seconds
/// has an `id` alone. A client that reads too slowly is cut off, and goes on in the same way. The stream of a key that is
/// revoked, or changed, or has expired, ends.
#[utoipa::path(
    get,
    path = "/api/events/stream/",
    impl_for = stream_feed,
    operation_id = "stream_feed",
    tag = "Events",
    responses((
        status = 200,
        description = "The events, until the client or the service ends the stream.",
        content_type = "text/event-stream",
        body = String,
    )),
)]
#[handler]
pub(crate) async fn stream_feed(request: &mut Request, depot: &mut Depot) -> Result<EventStream, Problem> {
    let StreamParams { after, types } = StreamParams::parse(request.uri().query().unwrap_or_default())?;
    let last = last_event_id(request.headers())?;
    let context = Context::of(depot)?;
    let feed = context.feed()?;
    let query = |after| FeedQuery {
        after,
        types,
        limit: 0,
    };
    let reader = match (last, after) {
        (Some(position), _) => feed.reader(query(position)).await.map_err(of_header)?,
        (None, Some(position)) => feed.reader(query(position)).await?,
        (None, None) => feed.reader_from_end(query(FeedPosition::START)).await?,
    };
    Ok(EventStream {
        reader,
        reach: Reach {
            keyring: context.app_state.authenticator.keyring.clone(),
            principal: context.principal.clone(),
        },
    })
}

/// Names the header in the refusal of its position.
fn of_header(error: ReaderError) -> Problem {
    if matches!(error, ReaderError::Beyond) {
        return Problem::invalid(Errors::of("Last-Event-ID", BEYOND));
    }
    error.into()
}

/// The answer: events until the client or the service ends it, or the key is no longer accepted.
pub(crate) struct EventStream {
    reader: FeedReader,
    reach: Reach,
}

/// The caller of a stream, which is looked at before each part.
struct Reach {
    keyring: Arc<ApiKeyCache>,
    principal: Arc<Principal>,
}

#[async_trait]
impl Writer for EventStream {
    async fn write(self, _: &mut Request, _: &mut Depot, response: &mut Response) {
        let content_type = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response.stream(stream::unfold(
            (self.reader, self.reach, true),
            |(mut reader, reach, is_first)| async move {
                let text = if is_first {
                    format!("retry: 1000\n{}", heartbeat(&reader))
                } else {
                    next(&mut reader).await?
                };
                reach
                    .keyring
                    .still_knows(&reach.principal)
                    .then_some((Ok::<_, Infallible>(text), (reader, reach, false)))
            },
        ));
    }
}

/// Returns the next part of the stream; `None` at its end.
async fn next(reader: &mut FeedReader) -> Option<String> {
    match timeout(HEARTBEAT, reader.next()).await {
        Ok(Ok(batch)) => Some(render(&batch)),
        Err(_) => Some(heartbeat(reader)),
        Ok(Err(ReaderError::Slow | ReaderError::Closing | ReaderError::Full)) => None,
        Ok(Err(error @ (ReaderError::Store(_) | _))) => {
            tracing::warn!(
                error = %payout_core::Causes(&error),
                "a stream of events ends: the feed cannot be read"
            );
            None
        }
    }
}

fn render(batch: &FeedBatch) -> String {
    let mut text = String::new();
    for event in &batch.events {
        text.push_str(event.text(render_event));
    }
    text
}

fn render_event(event: &PublicEvent) -> String {
    // The body has only strings and numbers, which are always valid JSON, without line breaks.
    let data = serde_json::to_string(&EventBody::from(event)).unwrap_or_default();
    let (id, event_type) = (event.position, event.event_type.as_str());
    format!("id: {id}\nevent: {event_type}\ndata: {data}\n\n")
}

/// Renders an empty message. It makes clients remember the position, also where their filter lets nothing through.
fn heartbeat(reader: &FeedReader) -> String {
    format!("id: {}\n\n", reader.position())
}
