//! A reader that follows the feed.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{Hub, News, SharedEvent};
use crate::feed::FeedPosition;
use crate::ports::{FeedQuery, RepositoryError};

/// A part of the feed for one reader.
#[derive(Debug, Clone)]
pub struct FeedBatch {
    /// The events of the reader's types, oldest first; at least one.
    pub events: Vec<Arc<SharedEvent>>,
    /// The position after which the next part begins.
    pub next: FeedPosition,
}

/// The reason why a reader ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// The position is beyond the end of the feed: no reader of this database was given it.
    #[error("the position is beyond the end of the feed")]
    Beyond,
    /// Too many readers wait or follow.
    #[error("too many readers wait for events")]
    Full,
    /// The reader was too slow: it must begin again at its position.
    #[error("the reader is too slow")]
    Slow,
    /// The process ends.
    #[error("the process ends")]
    Closing,
    /// The store does not answer, or an event cannot be read.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// Follows the feed from a position on: events are skipped by no reader, and come to it once.
///
/// It holds one of the process's places for readers until it is dropped.
pub struct FeedReader {
    hub: Arc<Hub>,
    query: FeedQuery,
    /// The hub's news, once the reader has read the store up to its end.
    live: Option<Receiver<Arc<News>>>,
    _place: OwnedSemaphorePermit,
}

impl FeedReader {
    pub(super) fn new(hub: Arc<Hub>, query: FeedQuery) -> Result<Self, ReaderError> {
        let place = hub.admit().ok_or(ReaderError::Full)?;
        Ok(Self {
            hub,
            query,
            live: None,
            _place: place,
        })
    }

    /// Returns the position up to which the reader has read.
    pub fn position(&self) -> FeedPosition {
        self.query.after
    }

    /// Waits for the next events of the reader's types. If the future is dropped, no event is lost.
    ///
    /// # Errors
    /// [`ReaderError::Slow`] if the reader missed news since the last call; [`ReaderError::Closing`];
    /// [`ReaderError::Store`].
    pub async fn next(&mut self) -> Result<FeedBatch, ReaderError> {
        loop {
            let events = match &mut self.live {
                None => self.catch_up().await?,
                Some(news) => {
                    let received = tokio::select! {
                        received = news.recv() => received,
                        () = self.hub.closing() => return Err(ReaderError::Closing),
                    };
                    match received {
                        Ok(news) => self.take(&news),
                        Err(RecvError::Lagged(_) | RecvError::Closed) => return Err(ReaderError::Slow),
                    }
                }
            };
            if !events.is_empty() {
                return Ok(FeedBatch {
                    events,
                    next: self.query.after,
                });
            }
        }
    }

    /// Reads the store. The reader goes live when it has read up to the end after it subscribed: the hub had shown
    /// nothing later than that when it subscribed, and everything that it shows afterwards is received.
    async fn catch_up(&mut self) -> Result<Vec<Arc<SharedEvent>>, ReaderError> {
        let news = self.hub.subscribe();
        let page = self.hub.catch_up(&self.query).await?;
        self.query.after = page.next;
        if page.is_last {
            self.live = Some(news);
        }
        Ok(page.events.into_iter().map(SharedEvent::new).collect())
    }

    /// Takes the events after the reader's position. If the news begin behind it, the reader must read the store again.
    fn take(&mut self, news: &News) -> Vec<Arc<SharedEvent>> {
        let after = self.query.after;
        if news.from > after {
            self.live = None;
            return Vec::new();
        }
        self.query.after = after.max(news.next);
        let types = &self.query.types;
        let is_new = |event: &&Arc<SharedEvent>| {
            let event = event.event();
            event.position > after && (types.is_empty() || types.contains(&event.event_type))
        };
        news.events.iter().filter(is_new).cloned().collect()
    }
}
