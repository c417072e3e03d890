//! Cases for attempts and what they change.

use std::time::Duration;

use super::{WebhookStore, attempted, batch, numbers, operator, stored_and_held, three_deliveries};
use crate::contract::{Pair, build};
use crate::ports::{AttemptBatch, DeliveryQuery};
use crate::webhook::{DeliveryStatus, DisabledWhy, EndpointState, Next};

type Webhooks = Pair<dyn WebhookStore>;

/// Each attempt is recorded, and its delivery is delivered, waits for the next one, or is given up.
pub async fn an_attempt_is_stored_with_what_it_changes(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let (id, lease) = (held.lease.id, held.lease);
    three_deliveries(&*port, lease).await;
    let again = Next::Again {
        after: Duration::from_secs(300),
    };
    let attempts = vec![
        attempted(1, 1, held.now, Next::Delivered),
        attempted(2, 1, held.now, again),
        attempted(3, 1, held.now, Next::GivenUp),
    ];
    assert!(
        port.settle_attempts(lease, &batch(attempts.clone()))
            .await
            .unwrap()
    );
    let all = DeliveryQuery {
        status: None,
        before: None,
        limit: 10,
    };
    let listed = peer.deliveries(id, &all).await.unwrap();
    let statuses: Vec<_> = listed
        .iter()
        .map(|one| (one.number, one.status, one.attempts))
        .collect();
    assert_eq!(
        statuses,
        [
            (3, DeliveryStatus::Failed, 1),
            (2, DeliveryStatus::Pending, 1),
            (1, DeliveryStatus::Delivered, 1)
        ]
    );
    let waiting = port.waiting_deliveries(lease).await.unwrap();
    assert_eq!(numbers(&waiting), [2]);
    let wait = waiting[0].due_at.unwrap() - port.webhooks_now().await.unwrap();
    assert!(wait.num_seconds() > 290 && wait.num_seconds() <= 300, "{wait}");
    for (delivery, attempt) in listed.iter().rev().zip(&attempts) {
        assert_eq!(
            delivery.finished_at.is_some(),
            delivery.status != DeliveryStatus::Pending
        );
        let (read, records) = peer.delivery(id, delivery.number).await.unwrap().unwrap();
        assert_eq!((&read, &records[..]), (delivery, &[attempt.record.clone()][..]));
    }
    let second = attempted(2, 2, held.now, Next::Delivered);
    assert!(port.settle_attempts(lease, &batch(vec![second])).await.unwrap());
    let (delivery, records) = port.delivery(id, 2).await.unwrap().unwrap();
    assert_eq!((delivery.attempts, records.len()), (2, 2));
    assert_eq!(port.waiting_deliveries(lease).await.unwrap(), []);
}

/// Results that are stored twice, since the first answer was lost, count once.
pub async fn results_that_are_stored_twice_count_once(Pair { port, .. }: Webhooks) {
    let held = stored_and_held(&*port).await;
    three_deliveries(&*port, held.lease).await;
    let again = Next::Again {
        after: Duration::from_secs(300),
    };
    let results = batch(vec![
        attempted(1, 1, held.now, Next::Delivered),
        attempted(2, 1, held.now, again),
    ]);
    assert!(port.settle_attempts(held.lease, &results).await.unwrap());
    let once = port.delivery(held.lease.id, 2).await.unwrap();
    assert!(port.settle_attempts(held.lease, &results).await.unwrap());
    assert_eq!(port.delivery(held.lease.id, 2).await.unwrap(), once);
    let (first, records) = port.delivery(held.lease.id, 1).await.unwrap().unwrap();
    assert_eq!((first.attempts, records.len()), (1, 1));
}

/// The endpoint's health is stored with the attempts; an endpoint that was disabled is not held any more.
pub async fn an_endpoint_that_fails_is_known_and_disabled(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let (id, lease) = (held.lease.id, held.lease);
    three_deliveries(&*port, lease).await;
    let again = Next::Again {
        after: Duration::ZERO,
    };
    let failing = |attempt, disable| AttemptBatch {
        failing_since: Some(held.now),
        disable,
        ..batch(vec![attempted(1, attempt, held.now, again)])
    };
    assert!(port.settle_attempts(lease, &failing(1, None)).await.unwrap());
    let watched = peer.webhook(id).await.unwrap().unwrap();
    assert_eq!(watched.failing_since, Some(held.now));
    assert!(watched.endpoint.is_enabled());
    let gone = failing(2, Some(DisabledWhy::Gone));
    assert!(port.settle_attempts(lease, &gone).await.unwrap());
    let disabled = peer.webhook(id).await.unwrap().unwrap().endpoint;
    assert!(matches!(
        disabled.state,
        EndpointState::Disabled {
            why: DisabledWhy::Gone,
            ..
        }
    ));
    assert_ne!(disabled.revision, held.endpoint.revision);
    assert_eq!(
        port.renew_webhooks(&[lease], build::LONG_LEASE).await.unwrap(),
        []
    );
    peer.save_webhook(&disabled.enabled(), &operator()).await.unwrap();
    let enabled = port.webhook(id).await.unwrap().unwrap();
    assert_eq!((enabled.failing_since, enabled.waiting), (None, 3));
}

/// A finished delivery is kept for its time.
pub async fn a_delivery_that_was_finished_lately_is_kept(Pair { port, .. }: Webhooks) {
    let held = stored_and_held(&*port).await;
    three_deliveries(&*port, held.lease).await;
    let results = batch(vec![
        attempted(1, 1, held.now, Next::Delivered),
        attempted(2, 1, held.now, Next::GivenUp),
    ]);
    assert!(port.settle_attempts(held.lease, &results).await.unwrap());
    assert_eq!(port.forget_deliveries(10).await.unwrap(), 0);
    assert!(port.delivery(held.lease.id, 1).await.unwrap().is_some());
}
