//! The hub of a process: polls the feed, and hands new events to all readers.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::READERS_MAX;
use crate::feed::{FeedPosition, PublicEvent};
use crate::ports::{EventFeed, FeedPage, FeedQuery, RepositoryError};

/// The interval between two polls at the end of the feed.
const POLL: Duration = Duration::from_millis(100);
/// The interval between two polls of a store that does not answer.
const POLL_OF_BROKEN: Duration = Duration::from_secs(1);
/// The number of events that are handed out at once. It bounds the memory that a reader's answer takes.
const BATCH: u32 = 100;
/// The number of batches that a reader may be behind before it is cut off.
const BEHIND_MAX: usize = 64;
/// The number of readers that may read the store at the same time. The others wait for their turn.
const CATCHING_UP_MAX: usize = 4;

/// An event that all readers share, with the text in which they receive it.
#[derive(Debug)]
pub struct SharedEvent {
    event: PublicEvent,
    text: OnceLock<Box<str>>,
}

impl SharedEvent {
    pub(super) fn new(event: PublicEvent) -> Arc<Self> {
        Arc::new(Self {
            event,
            text: OnceLock::new(),
        })
    }

    /// Returns the event.
    pub fn event(&self) -> &PublicEvent {
        &self.event
    }

    /// Returns the text, which is rendered once for all readers.
    pub fn text(&self, render: impl FnOnce(&PublicEvent) -> String) -> &str {
        self.text.get_or_init(|| render(&self.event).into())
    }
}

/// A part of the feed, as it is handed to the readers.
#[derive(Debug)]
pub(super) struct News {
    /// The position after which the part begins.
    pub(super) from: FeedPosition,
    /// The position at which it ends.
    pub(super) next: FeedPosition,
    pub(super) events: Vec<Arc<SharedEvent>>,
}

/// The part of the hub that readers use.
pub(super) struct Hub {
    port: Arc<dyn EventFeed>,
    news: broadcast::Sender<Arc<News>>,
    /// Wakes the polling task when the first reader comes.
    wanted: Notify,
    readers: Arc<Semaphore>,
    catching_up: Semaphore,
    /// Ends the readers.
    shutdown: CancellationToken,
}

impl Hub {
    pub(super) fn new(port: Arc<dyn EventFeed>, shutdown: CancellationToken) -> Self {
        let (news, _) = broadcast::channel(BEHIND_MAX);
        Self {
            port,
            news,
            wanted: Notify::new(),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            catching_up: Semaphore::new(CATCHING_UP_MAX),
            shutdown,
        }
    }

    pub(super) fn readers(&self) -> usize {
        READERS_MAX.saturating_sub(self.readers.available_permits())
    }

    /// Takes a place for a reader, if one is free.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.readers.clone().try_acquire_owned().ok()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<News>> {
        let receiver = self.news.subscribe();
        self.wanted.notify_one();
        receiver
    }

    /// Waits until the process ends.
    pub(super) async fn closing(&self) {
        self.shutdown.cancelled().await;
    }

    /// Reads the store for a reader that is behind.
    pub(super) async fn catch_up(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
        let _turn = self.catching_up.acquire().await;
        let query = FeedQuery {
            limit: BATCH,
            ..query.clone()
        };
        self.port.after(&query).await
    }
}

/// Polls the feed while somebody reads, until the hub is dropped.
pub(super) async fn poll(hub: Weak<Hub>) {
    let mut position = None;
    while let Some(hub) = hub.upgrade() {
        if hub.shutdown.is_cancelled() {
            return;
        }
        if hub.news.receiver_count() == 0 {
            position = None;
            // Not for ever: the hub may be dropped meanwhile.
            let _ = tokio::time::timeout(POLL_OF_BROKEN, hub.wanted.notified()).await;
            continue;
        }
        let pause = match poll_once(&hub, &mut position).await {
            Ok(true) => POLL,
            Ok(false) => continue,
            Err(error) => {
                tracing::warn!(
                    error = %crate::Causes(&error),
                    "the event feed cannot be read; its readers wait"
                );
                POLL_OF_BROKEN
            }
        };
        drop(hub);
        tokio::time::sleep(pause).await;
    }
}

/// Hands out the next part of the feed. Returns whether it ends where the feed ends.
async fn poll_once(hub: &Hub, position: &mut Option<FeedPosition>) -> Result<bool, RepositoryError> {
    let Some(from) = *position else {
        let end = hub.port.end().await?;
        *position = Some(end);
        // An empty part: readers that have read less than up to here notice that they must go on reading.
        hand_out(hub, end, end, Vec::new());
        return Ok(false);
    };
    let query = FeedQuery {
        after: from,
        types: Vec::new(),
        limit: BATCH,
    };
    let page = hub.port.after(&query).await?;
    if page.next != from {
        *position = Some(page.next);
        hand_out(hub, from, page.next, page.events);
    }
    Ok(page.is_last)
}

fn hand_out(hub: &Hub, from: FeedPosition, next: FeedPosition, events: Vec<PublicEvent>) {
    let events = events.into_iter().map(SharedEvent::new).collect();
    // Without a receiver nobody has to be told.
    let _ = hub.news.send(Arc::new(News { from, next, events }));
}
