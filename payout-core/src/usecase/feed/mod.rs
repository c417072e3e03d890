//! The event feed: pages of it, readers that wait for the next event, and readers that follow it.
//!
//! However many readers wait or follow, one task per process polls the store, and hands each new event to all of them. A
//! reader that is behind first reads the store by itself; few do that at the same time.

mod hub;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use hub::SharedEvent;
pub use reader::{FeedBatch, FeedReader, ReaderError};

use crate::feed::FeedPosition;
use crate::ports::{EventFeed, FeedPage, FeedQuery, RepositoryError};
use hub::Hub;

/// The number of readers that may wait or follow in one process.
pub const READERS_MAX: usize = 2_000;

/// Serves readers of the event feed. A clone serves the same readers.
#[derive(Clone)]
pub struct Feed {
    port: Arc<dyn EventFeed>,
    hub: Arc<Hub>,
}

impl Feed {
    /// Starts to serve readers until `shutdown`, which ends them all. The task that polls the store ends then too, or with
    /// the last clone; it polls only while somebody waits or follows. Must be called within a tokio runtime.
    pub fn start(port: Arc<dyn EventFeed>, shutdown: CancellationToken) -> Self {
        let hub = Arc::new(Hub::new(port.clone(), shutdown));
        tokio::spawn(hub::poll(Arc::downgrade(&hub)));
        Self { port, hub }
    }

    /// Returns a page. If there is nothing after the position yet, waits for it up to `wait`.
    ///
    /// # Errors
    /// [`ReaderError::Beyond`]; [`ReaderError::Full`] if too many readers wait; [`ReaderError::Store`].
    pub async fn page(&self, query: &FeedQuery, wait: Duration) -> Result<FeedPage, ReaderError> {
        let mut page = self.port.after(query).await?;
        if page.next == query.after && page.events.is_empty() {
            self.check(query.after).await?;
        }
        if wait.is_zero() || !page.is_last || !page.events.is_empty() {
            return Ok(page);
        }
        let after = page.next;
        let mut reader = FeedReader::new(
            self.hub.clone(),
            FeedQuery {
                after,
                ..query.clone()
            },
        )?;
        match tokio::time::timeout(wait, reader.next()).await {
            Ok(Ok(batch)) => {
                let limit = query.limit.clamp(1, FeedPage::LONGEST) as usize;
                let mut events: Vec<_> = batch.events.iter().map(|event| event.event().clone()).collect();
                page.is_last = events.len() <= limit;
                events.truncate(limit);
                page.next = match events.last() {
                    Some(last) if !page.is_last => last.position,
                    Some(_) | None => batch.next,
                };
                page.events = events;
            }
            // Nothing came: the next request goes on from what was read.
            Err(_) | Ok(Err(ReaderError::Slow | ReaderError::Closing)) => page.next = reader.position(),
            Ok(Err(error)) => return Err(error),
        }
        Ok(page)
    }

    /// Begins to follow the feed after the query's position. The query's limit is not used.
    ///
    /// # Errors
    /// [`ReaderError::Beyond`]; [`ReaderError::Full`] if too many readers follow; [`ReaderError::Store`].
    pub async fn reader(&self, query: FeedQuery) -> Result<FeedReader, ReaderError> {
        self.check(query.after).await?;
        FeedReader::new(self.hub.clone(), query)
    }

    /// Begins to follow the feed at its present end.
    ///
    /// # Errors
    /// [`ReaderError::Full`] if too many readers follow; [`ReaderError::Store`].
    pub async fn reader_from_end(&self, query: FeedQuery) -> Result<FeedReader, ReaderError> {
        let after = self.port.end().await?;
        FeedReader::new(self.hub.clone(), FeedQuery { after, ..query })
    }

    /// Refuses a position beyond the end of the feed. It is from before the database was restored, or of another one,
    /// and a reader that went on from there would miss every event up to it. No event that is not shown yet has given
    /// its position to anybody.
    async fn check(&self, position: FeedPosition) -> Result<(), ReaderError> {
        if position > FeedPosition::START && position > self.port.end().await? {
            return Err(ReaderError::Beyond);
        }
        Ok(())
    }

    /// Returns the number of readers that wait or follow.
    pub fn readers(&self) -> usize {
        self.hub.readers()
    }

    /// Returns for how long the oldest event that is written but not shown yet has waited.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    pub async fn delay(&self) -> Result<Duration, RepositoryError> {
        self.port.delay().await
    }
}
