//! The port for the event feed: all public events, in one order.

use std::time::Duration;

use async_trait::async_trait;

use crate::feed::{EventType, FeedPosition, PublicEvent};
use crate::ports::RepositoryError;

/// A query for the events after a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedQuery {
    /// The position after which the page begins.
    pub after: FeedPosition,
    /// The types of the events; every type if it is empty.
    pub types: Vec<EventType>,
    /// The largest number of events, at most [`FeedPage::LONGEST`].
    pub limit: u32,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// The events, oldest first.
    pub events: Vec<PublicEvent>,
    /// The position after which the next page begins. It is that of the query if there is nothing after it, and never
    /// smaller. It may be that of an event which the query's types leave out, or which is not public.
    pub next: FeedPosition,
    /// True if the page ends where the feed ended when it was read.
    pub is_last: bool,
}

impl FeedPage {
    /// The largest number of events in a page. A query that asks for more gets this many.
    pub const LONGEST: u32 = 1_000;
}

/// Reads the public events of all payouts, batches, providers and webhooks.
///
/// # Promises
/// - **No event is skipped.** Once a page was read, no event is ever added before its [`next`](FeedPage::next), however
///   many processes write, and in whatever order they commit. An event whose place is not certain yet is not shown yet.
/// - **The order never changes**, and no event is shown twice by a reader that goes on from `next`.
/// - The events of one payout are in the order of its versions. What it waits for after a change comes right after the
///   change.
/// - An event is the same whenever it is read. Every change of a payout's status is among the events.
/// - A page costs the same wherever it is, but with a filter it may have few events or none although more follow:
///   [`is_last`](FeedPage::is_last) tells the end.
/// - The event of a claim may be held back until the claim's outcome is written. It then comes right before the outcome.
/// - Events of deleted payouts stay. Nothing of a recipient is in the feed, so no encryption key is needed.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait EventFeed: Send + Sync {
    /// Returns the events after a position, oldest first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`]; [`RepositoryError::Refused`] if an event
    /// cannot be read, for example because a later version of the program wrote it.
    async fn after(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError>;

    /// Returns the last position in the feed: a reader that begins there gets only what comes later.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn end(&self) -> Result<FeedPosition, RepositoryError>;

    /// Returns for how long the oldest event that is written but not shown yet has waited; zero if every event is shown.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn delay(&self) -> Result<Duration, RepositoryError> {
        Ok(Duration::ZERO)
    }
}
