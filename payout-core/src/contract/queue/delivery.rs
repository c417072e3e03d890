//! Hints that go in come out.

use std::time::Duration;

use crate::contract::{Pair, build};
use crate::ports::{Delivery, Hint, JobQueue, Receipt};

type Queue = Pair<dyn JobQueue>;

/// Long enough for a hint that is there to come.
const WAIT: Duration = Duration::from_secs(5);

/// Long enough to see that none comes.
const SHORT_WAIT: Duration = Duration::from_millis(200);

fn fresh_hint() -> Hint {
    Hint {
        payout_id: build::fresh_id(),
    }
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect()
}

/// What is enqueued is received, soon.
pub async fn an_enqueued_hint_is_delivered(Pair { port, .. }: Queue) {
    let hint = fresh_hint();
    port.enqueue(&[hint]).await.unwrap();
    let deliveries = port.receive(10, WAIT).await.unwrap();
    assert_eq!(
        deliveries
            .iter()
            .map(|delivery| delivery.hint)
            .collect::<Vec<_>>(),
        [hint]
    );
}

/// What is acknowledged does not come again.
pub async fn an_acknowledged_hint_is_not_delivered_again(Pair { port, peer }: Queue) {
    port.enqueue(&[fresh_hint()]).await.unwrap();
    let deliveries = port.receive(10, WAIT).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    port.acknowledge(&receipts(&deliveries)).await.unwrap();
    assert_eq!(port.receive(10, SHORT_WAIT).await.unwrap(), []);
    assert_eq!(peer.receive(10, SHORT_WAIT).await.unwrap(), []);
}
