//! The cases for the [`EventFeed`] of a repository.

use std::time::Duration;

use super::drive;
use crate::feed::{EventType, FeedPosition, PayoutFacts, PublicEvent};
use crate::payout::PayoutId;
use crate::ports::{
    BatchRepository, EventFeed, FeedPage, FeedQuery, PayoutImport, PayoutRepository, ProviderRepository,
    RecheckRepository,
};

pub mod completions;
pub mod others;
pub mod pages;
pub mod public;
pub mod waits;
pub mod writers;

/// A repository with everything that its feed reports: the cases write through the other ports and read the feed.
pub trait Fed:
    PayoutRepository + PayoutImport + RecheckRepository + BatchRepository + ProviderRepository + EventFeed
{
}

impl<T> Fed for T where
    T: PayoutRepository + PayoutImport + RecheckRepository + BatchRepository + ProviderRepository + EventFeed
{
}

fn query(after: FeedPosition, types: &[EventType], limit: u32) -> FeedQuery {
    FeedQuery {
        after,
        types: types.to_vec(),
        limit,
    }
}

/// Reads a page, and checks what every page promises.
async fn page(port: &dyn Fed, query: &FeedQuery) -> FeedPage {
    let page = port.after(query).await.unwrap();
    assert!(page.events.len() <= query.limit as usize);
    let mut last = query.after;
    for event in &page.events {
        assert!(event.position > last, "{:?} after {last:?}", event.position);
        last = event.position;
    }
    assert!(page.next >= last, "{page:?}");
    page
}

/// Reads from a position until the creation of this payout is shown, which no page may skip. Returns the events before
/// it. The time limit of a case ends a feed that never shows it.
async fn until_created(port: &dyn Fed, query: &FeedQuery, last: PayoutId) -> Vec<PublicEvent> {
    let mut query = query.clone();
    let mut events: Vec<PublicEvent> = Vec::new();
    loop {
        let page = page(port, &query).await;
        query.after = page.next;
        for event in page.events {
            if event.payout_id() == Some(last) && event.event_type == EventType::Created {
                return events;
            }
            events.push(event);
        }
        if page.is_last {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Returns all events so far, read by pages of this size. Another payout that is stored now marks the end.
async fn all_by(port: &dyn Fed, limit: u32) -> Vec<PublicEvent> {
    let last = drive::stored(port).await.id();
    until_created(port, &query(FeedPosition::START, &[], limit), last).await
}

/// Returns all events so far.
async fn all(port: &dyn Fed) -> Vec<PublicEvent> {
    all_by(port, FeedPage::LONGEST).await
}

/// Returns the payout that an event tells about.
fn told(event: &PublicEvent) -> &PayoutFacts {
    event.payout().expect("the event is of a payout")
}

/// Returns the types of a payout's events, in their order.
fn types_of(events: &[PublicEvent], id: PayoutId) -> Vec<EventType> {
    let own = events.iter().filter(|event| event.payout_id() == Some(id));
    own.map(|event| event.event_type).collect()
}
