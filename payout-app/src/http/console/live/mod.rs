//! `/console/live/`: the ids of payouts that have just changed, as server-sent events.
//!
//! A page asks for its own rows when one of them is named. Changes are gathered for a second, so that a stream costs one
//! short write a second at most, however many payouts change.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use futures::stream;
use payout_core::feed::{FeedPosition, Subject};
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, FeedQuery};
use payout_core::usecase::feed::{FeedReader, ReaderError};
use salvo::http::HeaderValue;
use salvo::http::header::CONTENT_TYPE;
use salvo::{Depot, Response, handler};
use tokio::time::{sleep, timeout};

use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

const HEARTBEAT: Duration = Duration::from_secs(15);
/// The time for which changes are gathered.
const GATHERED: Duration = Duration::from_secs(1);
/// The largest number of ids in one event. A page that misses one shows it when it is loaded again.
const MOST: usize = 1_000;
/// The age at which a stream ends, so that the browser connects again and its session is checked again. Whether its key
/// is still accepted is checked before each part.
const LASTS: Duration = Duration::from_secs(60);

/// Follows the changes.
#[handler]
pub(super) async fn follow(depot: &mut Depot, response: &mut Response) -> Result<(), Problem> {
    let context = Context::of(depot)?;
    let feed = context.feed()?;
    let query = FeedQuery {
        after: FeedPosition::START,
        types: Vec::new(),
        limit: 0,
    };
    let reader = feed.reader_from_end(query).await?;
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    let clock = context.app_state.system.clone();
    let ends = clock.monotonic() + LASTS;
    let (keyring, principal) = (
        context.app_state.authenticator.keyring.clone(),
        context.principal.clone(),
    );
    response.stream(stream::unfold((reader, true), move |(mut reader, is_first)| {
        let is_over = clock.monotonic() >= ends;
        let (keyring, principal) = (keyring.clone(), principal.clone());
        async move {
            if is_first {
                return Some((Ok::<_, Infallible>("retry: 2000\n\n".to_owned()), (reader, false)));
            }
            if is_over {
                return None;
            }
            let text = next(&mut reader).await?;
            keyring
                .still_knows(&principal)
                .then_some((Ok(text), (reader, false)))
        }
    }));
    Ok(())
}

/// Returns the next event; `None` at the end of the stream.
async fn next(reader: &mut FeedReader) -> Option<String> {
    let first = match timeout(HEARTBEAT, reader.next()).await {
        Err(_) => return Some(": still here\n\n".to_owned()),
        Ok(Ok(batch)) => batch,
        Ok(Err(ReaderError::Slow | ReaderError::Closing | ReaderError::Full | ReaderError::Store(_) | _)) => {
            return None;
        }
    };
    let mut ids: BTreeSet<PayoutId> = BTreeSet::new();
    let mut batch = Some(first);
    let gathered = sleep(GATHERED);
    tokio::pin!(gathered);
    while let Some(events) = batch {
        ids.extend(
            events
                .events
                .iter()
                .filter_map(|event| match &event.event().subject {
                    Subject::Payout(facts) => Some(facts.id),
                    Subject::Batch(_) | Subject::Provider(_) | Subject::Webhook(_) => None,
                }),
        );
        batch = tokio::select! {
            () = &mut gathered => None,
            more = reader.next() => match more {
                Ok(more) => Some(more),
                Err(_) => return None,
            },
        };
    }
    let ids: Vec<String> = ids.iter().take(MOST).map(ToString::to_string).collect();
    Some(format!("data: {}\n\n", ids.join(" ")))
}
