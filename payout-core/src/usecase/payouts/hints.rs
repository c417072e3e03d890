//! Sends hints about due payouts to the queue, after the write and on a best-effort basis.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::concurrency::outage::Outage;
use crate::crash::{self, Point};
use crate::ports::{Hint, JobQueue, Observer, QueueError, Signal};

/// The largest number of hints that wait to be sent. More are dropped, and the sweep finds their payouts.
const CAPACITY: usize = 10_000;
const BATCH: usize = 500;
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Hints {
    waiting: mpsc::Sender<Hint>,
    observer: Arc<dyn Observer>,
}

impl Hints {
    pub(super) fn start(queue: Arc<dyn JobQueue>, observer: Arc<dyn Observer>) -> Self {
        let (waiting, receiver) = mpsc::channel(CAPACITY);
        tokio::spawn(forward(queue, receiver, observer.clone()));
        Self { waiting, observer }
    }

    /// Sends a hint, or drops it if too many wait.
    pub(super) fn send(&self, hint: Hint) {
        if self.waiting.try_send(hint).is_err() {
            self.observer.observe(&Signal::HintsDropped { count: 1 });
        }
    }
}

async fn forward(queue: Arc<dyn JobQueue>, mut receiver: mpsc::Receiver<Hint>, observer: Arc<dyn Observer>) {
    let mut hints = Vec::with_capacity(BATCH);
    let mut outage = Outage::default();
    while receiver.recv_many(&mut hints, BATCH).await > 0 {
        crash::pass(Point::BeforeEnqueue);
        let sent = tokio::time::timeout(TIMEOUT, queue.enqueue(&hints))
            .await
            .unwrap_or_else(|elapsed| Err(QueueError::Unavailable(Box::new(elapsed))));
        crash::pass(Point::AfterEnqueue);
        match sent {
            Ok(()) => {
                if outage.ends() {
                    tracing::debug!("hints are sent again");
                }
            }
            Err(error) => {
                observer.observe(&Signal::HintsDropped { count: hints.len() });
                // The health checks warn of the outage.
                if outage.begins() {
                    tracing::debug!(
                        error = %crate::Causes(&error),
                        "hints cannot be sent; the sweep still claims payouts"
                    );
                }
            }
        }
        hints.clear();
    }
}
