//! A bounded queue of hints within one process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::ports::{Delivery, Hint, JobQueue, QueueError, Receipt};
use tokio::sync::Notify;

/// The default maximum number of waiting hints; a hint takes 42 bytes.
const DEFAULT_CAPACITY: usize = 100_000;

/// A [`JobQueue`] that carries hints from the HTTP handlers to the workers of one process.
///
/// A delivered hint is forgotten. A consumer ends together with the queue, so no other consumer could receive the hint
/// again; the sweep finds payouts whose hints a consumer dropped. Acknowledging therefore does nothing. When the queue
/// is full, new hints are dropped.
#[derive(Debug)]
pub struct MemoryQueue {
    line: Mutex<Line>,
    arrived: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Line {
    hints: VecDeque<Hint>,
    delivered: u64,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl MemoryQueue {
    /// Creates an empty queue of at most `capacity` hints.
    pub fn new(capacity: usize) -> Self {
        Self {
            line: Mutex::default(),
            arrived: Notify::new(),
            capacity,
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // No panic can leave the queue half changed.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, max: usize) -> Vec<Delivery> {
        let mut line = self.line();
        let taken = line.hints.len().min(max);
        let first = line.delivered;
        line.delivered += taken as u64;
        let hints = line.hints.drain(..taken);
        (first..)
            .zip(hints)
            .map(|(n, hint)| Delivery {
                hint,
                receipt: Receipt::new(n.to_string()),
            })
            .collect()
    }
}

#[async_trait]
impl JobQueue for MemoryQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        {
            let mut line = self.line();
            let room = self.capacity.saturating_sub(line.hints.len());
            line.hints.extend(hints.iter().take(room));
        }
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let timeout = tokio::time::sleep(wait);
        tokio::pin!(timeout);
        loop {
            // Registered before the queue is checked, so that a hint which arrives in between wakes this consumer.
            let arrived = self.arrived.notified();
            let deliveries = self.take(max);
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            tokio::select! {
                biased;
                () = arrived => (),
                () = &mut timeout => return Ok(Vec::new()),
            }
        }
    }

    async fn acknowledge(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(self.line().hints.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use payout_core::payout::PayoutId;

    use super::*;

    fn hint(n: u8) -> Hint {
        let id: PayoutId = format!("00000000-0000-7000-8000-0000000000{n:02x}")
            .parse()
            .unwrap();
        Hint::at(id)
    }

    fn hints(deliveries: &[Delivery]) -> Vec<Hint> {
        deliveries.iter().map(|delivery| delivery.hint).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_drops_new_hints_rather_than_grow() {
        let queue = MemoryQueue::new(2);
        queue.enqueue(&[hint(1), hint(2), hint(3)]).await.unwrap();
        queue.enqueue(&[hint(4)]).await.unwrap();
        assert_eq!(queue.depth().await.unwrap(), 2);
        assert_eq!(
            hints(&queue.receive(9, Duration::ZERO).await.unwrap()),
            [hint(1), hint(2)]
        );
        queue.enqueue(&[hint(5)]).await.unwrap();
        assert_eq!(hints(&queue.receive(9, Duration::ZERO).await.unwrap()), [hint(5)]);
    }

    #[tokio::test(start_paused = true)]
    async fn receipts_are_never_the_same() {
        let queue = MemoryQueue::default();
        queue.enqueue(&[hint(1), hint(1), hint(1)]).await.unwrap();
        let mut deliveries = queue.receive(2, Duration::ZERO).await.unwrap();
        deliveries.extend(queue.receive(2, Duration::ZERO).await.unwrap());
        let receipts: std::collections::HashSet<_> =
            deliveries.iter().map(|delivery| &delivery.receipt).collect();
        assert_eq!(receipts.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_stops_waiting_takes_nothing_with_it() {
        let queue = Arc::new(MemoryQueue::default());
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.receive(1, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        queue.enqueue(&[hint(1)]).await.unwrap();
        assert_eq!(hints(&queue.receive(1, Duration::ZERO).await.unwrap()), [hint(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_consumer_sees_a_hint_at_the_moment_it_comes() {
        let queue = Arc::new(MemoryQueue::default());
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.receive(1, Duration::from_secs(60)).await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        queue.enqueue(&[hint(1)]).await.unwrap();
        let received = tokio::time::timeout(Duration::from_millis(1), waiting)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hints(&received.unwrap()), [hint(1)]);
    }
}
