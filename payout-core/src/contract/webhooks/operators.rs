//! Cases for operators that look at deliveries and repeat them.

use std::time::Duration;

use super::{
    WebhookStore, attempted, batch, content, new_endpoint, numbers, stored_and_held, three_deliveries,
};
use crate::contract::{Pair, build};
use crate::ports::{DeliveryQuery, WebhookError};
use crate::webhook::{DeliveryStatus, Next};

type Webhooks = Pair<dyn WebhookStore>;

fn query(status: Option<DeliveryStatus>, before: Option<u64>, limit: u32) -> DeliveryQuery {
    DeliveryQuery {
        status,
        before,
        limit,
    }
}

/// Deliveries are listed newest first, page by page, and by status.
pub async fn deliveries_are_listed_by_page_and_status(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let id = held.lease.id;
    three_deliveries(&*port, held.lease).await;
    let results = batch(vec![
        attempted(1, 1, held.now, Next::Delivered),
        attempted(3, 1, held.now, Next::GivenUp),
    ]);
    assert!(port.settle_attempts(held.lease, &results).await.unwrap());
    for (wanted, expected) in [
        (query(None, None, 2), vec![3, 2]),
        (query(None, Some(2), 2), vec![1]),
        (query(Some(DeliveryStatus::Delivered), None, 9), vec![1]),
        (query(Some(DeliveryStatus::Pending), None, 9), vec![2]),
        (query(Some(DeliveryStatus::Failed), None, 9), vec![3]),
        (query(Some(DeliveryStatus::Failed), Some(3), 9), vec![]),
    ] {
        assert_eq!(
            numbers(&peer.deliveries(id, &wanted).await.unwrap()),
            expected,
            "{wanted:?}"
        );
    }
    assert_eq!(peer.delivery(id, 4).await.unwrap(), None);
}

/// A payout's deliveries are found, the newest first and as many as are asked for, without those of other payouts.
pub async fn the_deliveries_of_a_payout_are_found(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let deliveries = three_deliveries(&*port, held.lease).await;
    let [first, second] = [0, 1].map(|place| deliveries[place].content.payout_id.unwrap());
    let found = async |id, limit| numbers(&peer.deliveries_of_payout(id, limit).await.unwrap());
    assert_eq!(found(first, 9).await, [3, 1]);
    assert_eq!(found(first, 1).await, [3]);
    assert_eq!(found(second, 9).await, [2]);
    assert_eq!(found(build::fresh_id(), 9).await, [0; 0]);
    port.delete_webhook(held.lease.id).await.unwrap();
    assert_eq!(found(first, 9).await, [0; 0], "the endpoint is deleted");
}

/// A delivery that an operator adds comes last, and the worker that holds the endpoint sees that there is one.
pub async fn an_added_delivery_is_seen_by_the_holder(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    three_deliveries(&*port, held.lease).await;
    let test = content("test", None);
    let added = peer.add_delivery(held.lease.id, &test).await.unwrap();
    assert_eq!((added.number, &added.content), (4, &test));
    let renewed = port
        .renew_webhooks(&[held.lease], build::LONG_LEASE)
        .await
        .unwrap()
        .remove(0);
    assert_ne!(renewed.queue_revision, held.queue_revision);
    let waiting = port.waiting_deliveries(held.lease).await.unwrap();
    assert_eq!(waiting.last(), Some(&added));
    let unknown = new_endpoint(held.now).id;
    let refused = peer.add_delivery(unknown, &test).await;
    assert!(matches!(refused, Err(WebhookError::NotFound)));
}

/// A delivery that waits can be made due at once; one that is finished stays as it is.
pub async fn a_waiting_delivery_is_made_due_at_once(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let id = held.lease.id;
    three_deliveries(&*port, held.lease).await;
    let again = Next::Again {
        after: Duration::from_secs(3600),
    };
    let results = batch(vec![
        attempted(1, 1, held.now, Next::Delivered),
        attempted(2, 1, held.now, again),
    ]);
    assert!(port.settle_attempts(held.lease, &results).await.unwrap());
    let hastened = peer.hasten_delivery(id, 2).await.unwrap();
    assert!(hastened.due_at.unwrap() <= port.webhooks_now().await.unwrap());
    let renewed = port
        .renew_webhooks(&[held.lease], build::LONG_LEASE)
        .await
        .unwrap()
        .remove(0);
    assert_ne!(renewed.queue_revision, held.queue_revision);
    let finished = peer.hasten_delivery(id, 1).await.unwrap();
    assert_eq!(
        (finished.status, finished.due_at),
        (DeliveryStatus::Delivered, None)
    );
    let refused = peer.hasten_delivery(id, 9).await;
    assert!(matches!(refused, Err(WebhookError::NotFound)));
}
