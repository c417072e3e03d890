//! A sound queue with one guarantee broken.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::queue::memory::MemoryQueue;
use payout_core::ports::{Delivery, Hint, JobQueue, QueueError, Receipt};

/// The flaw of a [`FlawedQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueFlaw {
    Redelivers,
    NoLimit,
    NoWait,
    Loses,
}

pub(crate) struct FlawedQueue {
    sound: MemoryQueue,
    delivered: Mutex<Vec<Delivery>>,
    flaw: Option<QueueFlaw>,
}

impl FlawedQueue {
    pub(crate) fn new(flaw: Option<QueueFlaw>) -> Self {
        Self {
            sound: MemoryQueue::default(),
            delivered: Mutex::default(),
            flaw,
        }
    }

    fn has(&self, flaw: QueueFlaw) -> bool {
        self.flaw == Some(flaw)
    }
}

#[async_trait]
impl JobQueue for FlawedQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.sound
            .enqueue(&hints[usize::from(self.has(QueueFlaw::Loses))..])
            .await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let max = if self.has(QueueFlaw::NoLimit) {
            usize::MAX
        } else {
            max
        };
        let wait = if self.has(QueueFlaw::NoWait) {
            Duration::ZERO
        } else {
            wait
        };
        // The case that covers a lost hint waits for that hint; it need not wait long.
        let wait = if self.has(QueueFlaw::Loses) {
            wait.min(Duration::from_millis(50))
        } else {
            wait
        };
        let mut deliveries = self.sound.receive(max, wait).await?;
        if self.has(QueueFlaw::Redelivers) {
            let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
            let again = std::mem::replace(&mut *delivered, deliveries.clone());
            deliveries.extend(again);
        }
        Ok(deliveries)
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.sound.acknowledge(receipts).await
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        self.sound.depth().await
    }
}
