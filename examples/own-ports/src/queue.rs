//! A queue of hints in this process's memory. A real queue is a broker that several processes share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::ports::{Delivery, Hint, JobQueue, QueueError, Receipt};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The maximum number of waiting hints. Further hints are dropped; the sweep finds their payouts.
const CAPACITY: usize = 10_000;

/// A bounded first-in, first-out queue of hints.
#[derive(Debug, Default)]
pub struct Line {
    hints: Mutex<VecDeque<Hint>>,
    arrived: Notify,
}

impl Line {
    fn hints(&self) -> MutexGuard<'_, VecDeque<Hint>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, max: usize) -> Vec<Delivery> {
        let mut hints = self.hints();
        let count = max.min(hints.len());
        // The consumer and the queue end with one process, so there is no redelivery, and receipts are empty.
        let delivery = |hint| Delivery {
            hint,
            receipt: Receipt::new(""),
        };
        hints.drain(..count).map(delivery).collect()
    }
}

#[async_trait]
impl JobQueue for Line {
    async fn enqueue(&self, new: &[Hint]) -> Result<(), QueueError> {
        {
            let mut hints = self.hints();
            let room = CAPACITY.saturating_sub(hints.len());
            hints.extend(new.iter().take(room));
        }
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let some = async {
            loop {
                // Registered before the queue is read: a hint that arrives in between wakes this consumer.
                let mut arrived = std::pin::pin!(self.arrived.notified());
                arrived.as_mut().enable();
                let taken = self.take(max);
                if !taken.is_empty() {
                    return taken;
                }
                arrived.await;
            }
        };
        Ok(timeout(wait, some).await.unwrap_or_default())
    }

    async fn acknowledge(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(self.hints().len() as u64)
    }
}
