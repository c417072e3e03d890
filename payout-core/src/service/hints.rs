//! Tells the queue of payouts that are due, after the write and best effort.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::crash::{self, Point};
use crate::outage::Outage;
use crate::ports::{Hint, JobQueue, QueueError};

/// Hints that may wait to be sent; more are dropped, and the sweep finds their payouts.
const CAPACITY: usize = 10_000;
const BATCH: usize = 500;
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Hints(mpsc::Sender<Hint>);

impl Hints {
    pub(super) fn start(queue: Arc<dyn JobQueue>) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        tokio::spawn(forward(queue, receiver));
        Self(sender)
    }

    /// Sends a hint, or drops it when too many wait.
    pub(super) fn send(&self, hint: Hint) {
        let _ = self.0.try_send(hint);
    }
}

async fn forward(queue: Arc<dyn JobQueue>, mut receiver: mpsc::Receiver<Hint>) {
    let mut hints = Vec::with_capacity(BATCH);
    let mut outage = Outage::default();
    while receiver.recv_many(&mut hints, BATCH).await > 0 {
        crash::pass(Point::BeforeEnqueue);
        let sent = tokio::time::timeout(TIMEOUT, queue.enqueue(&hints))
            .await
            .unwrap_or_else(|elapsed| Err(QueueError::Unavailable(Box::new(elapsed))));
        crash::pass(Point::AfterEnqueue);
        match sent {
            Ok(()) if outage.ends() => tracing::info!("the queue is back"),
            Err(error) if outage.begins() => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the queue is away; payouts go on by the sweep"
            ),
            Ok(()) | Err(_) => (),
        }
        hints.clear();
    }
}
