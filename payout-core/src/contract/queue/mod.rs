//! What every `JobQueue` must do while nothing of it is lost.
//!
//! A queue may lose and repeat hints; these cases run where there is no cause to, so they expect each hint once.

use std::time::Duration;

use crate::contract::build;
use crate::payout::PayoutId;
use crate::ports::{Delivery, Hint, JobQueue, Receipt};

pub mod delivery;
pub mod waiting;

/// Long enough for a hint that is there to come.
const WAIT: Duration = Duration::from_secs(10);

/// Long enough to see that none comes.
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

/// Receives until so many hints have come, acknowledging each delivery; answers the ids in the order they came.
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
