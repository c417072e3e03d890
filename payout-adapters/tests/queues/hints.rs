//! Hints, for the tests of every queue.

use std::collections::HashSet;
use std::time::Duration;

use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Delivery, Hint, JobQueue, Receipt, System};

pub(crate) const SHORT: Duration = Duration::from_millis(200);

pub(crate) fn hint() -> Hint {
    let system = System::default();
    Hint::at(PayoutId::generate(system.now(), &system))
}

pub(crate) fn hints(count: usize) -> Vec<Hint> {
    std::iter::repeat_with(hint).take(count).collect()
}

pub(crate) fn received(deliveries: &[Delivery]) -> HashSet<Hint> {
    deliveries.iter().map(|delivery| delivery.hint).collect()
}

pub(crate) async fn acknowledge(queue: &dyn JobQueue, deliveries: &[Delivery]) {
    let receipts: Vec<Receipt> = deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect();
    queue.acknowledge(&receipts).await.unwrap();
}

/// Receives and acknowledges until all expected hints have arrived, whatever errors occur, within the time limit.
pub(crate) async fn receive_all(queue: &dyn JobQueue, expected: &[Hint], within: Duration) {
    let mut missing: HashSet<Hint> = expected.iter().copied().collect();
    let receiving = async {
        while !missing.is_empty() {
            match queue.receive(100, SHORT).await {
                Ok(deliveries) => {
                    acknowledge(queue, &deliveries).await;
                    missing.retain(|hint| !received(&deliveries).contains(hint));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let done = tokio::time::timeout(within, receiving).await;
    assert!(
        done.is_ok(),
        "{} of {} hints have not come",
        missing.len(),
        expected.len()
    );
}
