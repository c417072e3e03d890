//! The cases for a `JobQueue` that loses nothing.
//!
//! A queue may lose and repeat hints. The cases run where nothing causes that, so they expect each hint once.

use std::time::Duration;

use crate::contract::build;
use crate::payout::PayoutId;
use crate::ports::{Delivery, Hint, JobQueue, Receipt};

pub mod delivery;
pub mod waiting;

/// A wait that is long enough for an available hint to arrive.
const WAIT: Duration = Duration::from_secs(10);

/// A wait that is long enough to see that no hint arrives.
const SHORT_WAIT: Duration = Duration::from_millis(200);

fn fresh_hints(count: usize) -> Vec<Hint> {
    (0..count).map(|_| Hint::at(build::fresh_id())).collect()
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<PayoutId> {
    deliveries
        .iter()
        .map(|delivery| delivery.hint.payout_id)
        .collect()
}

/// Receives `count` hints, acknowledging each delivery. Returns the ids in the order of arrival.
async fn drain(queue: &dyn JobQueue, count: usize) -> Vec<PayoutId> {
    let mut received = Vec::new();
    while received.len() < count {
        let deliveries = queue.receive(64, WAIT).await.unwrap();
        assert!(!deliveries.is_empty(), "{} of {count} hints came", received.len());
        queue.acknowledge(&receipts(&deliveries)).await.unwrap();
        received.extend(ids(&deliveries));
    }
    received
}
