//! Cases for the leases of endpoints.

use super::{
    WebhookStore, attempted, batch, content, held, operator, page, position, stored, stored_and_held,
    three_deliveries, worker,
};
use crate::contract::{Pair, build};
use crate::ports::{AttemptBatch, EndpointLease, HeldEndpoint};
use crate::webhook::{DisabledWhy, Next};

type Webhooks = Pair<dyn WebhookStore>;

/// Leases what is free, until there is something.
async fn acquired(port: &dyn WebhookStore) -> HeldEndpoint {
    loop {
        let mut free = port
            .acquire_webhooks(&worker(2), build::LONG_LEASE, 10)
            .await
            .unwrap();
        if let Some(held) = free.pop() {
            return held;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// While a lease lasts, no other worker gets the endpoint, not even one that asks at the same time.
pub async fn one_worker_at_a_time_holds_an_endpoint(Pair { port, peer }: Webhooks) {
    stored(&*port).await;
    stored(&*port).await;
    let (one, two) = (worker(1), worker(2));
    let (first, second) = tokio::join!(
        port.acquire_webhooks(&one, build::LONG_LEASE, 10),
        peer.acquire_webhooks(&two, build::LONG_LEASE, 10)
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.len() + second.len(), 2, "each endpoint once");
    assert_eq!(
        peer.acquire_webhooks(&two, build::LONG_LEASE, 10).await.unwrap(),
        []
    );
    let held: Vec<EndpointLease> = first.iter().chain(&second).map(|held| held.lease).collect();
    assert_ne!(held[0].id, held[1].id);
    assert_eq!(
        port.renew_webhooks(&held, build::LONG_LEASE).await.unwrap().len(),
        2
    );
    port.release_webhook(held[0]).await.unwrap();
    let again = peer.acquire_webhooks(&two, build::LONG_LEASE, 10).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].lease.id, held[0].id);
    assert!(again[0].lease.fence > held[0].fence);
}

/// A worker leases no more endpoints than it asks for.
pub async fn a_worker_gets_no_more_endpoints_than_it_asks_for(Pair { port, .. }: Webhooks) {
    for _ in 0..3 {
        stored(&*port).await;
    }
    for expected in [2, 1, 0] {
        let held = port
            .acquire_webhooks(&worker(1), build::LONG_LEASE, 2)
            .await
            .unwrap();
        assert_eq!(held.len(), expected);
    }
}

/// After a lease has ended, another worker takes the endpoint over as it stands. What the first one writes then changes
/// nothing.
pub async fn a_worker_that_lost_its_lease_writes_nothing(Pair { port, peer }: Webhooks) {
    stored(&*port).await;
    let lost = held(&*port, build::SHORT_LEASE).await;
    three_deliveries(&*port, lost.lease).await;
    let taken = acquired(&*peer).await;
    assert!(taken.lease.fence > lost.lease.fence);
    assert_eq!(taken.position, position(4));
    assert_eq!(
        port.renew_webhooks(&[lost.lease], build::LONG_LEASE)
            .await
            .unwrap(),
        []
    );
    let further = page(4, 5, &[content("d", None)]);
    assert_eq!(port.store_page(lost.lease, &further).await.unwrap(), None);
    let settled = AttemptBatch {
        disable: Some(DisabledWhy::Gone),
        ..batch(vec![attempted(1, 1, lost.now, Next::Delivered)])
    };
    assert!(!port.settle_attempts(lost.lease, &settled).await.unwrap());
    port.release_webhook(lost.lease).await.unwrap();
    let waiting = peer.waiting_deliveries(taken.lease).await.unwrap();
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter().all(|delivery| delivery.attempts == 0));
    assert_eq!(
        peer.renew_webhooks(&[taken.lease], build::LONG_LEASE)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        port.acquire_webhooks(&worker(1), build::LONG_LEASE, 10)
            .await
            .unwrap(),
        []
    );
}

/// A disabled endpoint is neither leased nor held further.
pub async fn a_disabled_endpoint_is_not_held(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let disabled = held.endpoint.clone().disabled(DisabledWhy::Operator, held.now);
    let disabled = peer.save_webhook(&disabled, &operator()).await.unwrap();
    assert_eq!(
        port.renew_webhooks(&[held.lease], build::LONG_LEASE)
            .await
            .unwrap(),
        []
    );
    port.release_webhook(held.lease).await.unwrap();
    assert_eq!(
        port.acquire_webhooks(&worker(1), build::LONG_LEASE, 10)
            .await
            .unwrap(),
        []
    );
    port.save_webhook(&disabled.enabled(), &operator()).await.unwrap();
    let held = port
        .acquire_webhooks(&worker(1), build::LONG_LEASE, 10)
        .await
        .unwrap();
    assert_eq!(held.len(), 1);
}
