//! Cases for delivery: each hint that is added reaches one consumer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{SHORT_WAIT, WAIT, drain, fresh_hints, ids, receipts};
use crate::contract::{Pair, build, drive};
use crate::payout::PayoutId;
use crate::ports::{JobQueue, Receipt, TraceContext};

type Queue = Pair<dyn JobQueue>;

/// An added hint is received.
pub async fn an_enqueued_hint_is_delivered(Pair { port, .. }: Queue) {
    let hints = fresh_hints(1);
    port.enqueue(&hints).await.unwrap();
    let deliveries = port.receive(10, WAIT).await.unwrap();
    assert_eq!(ids(&deliveries), [hints[0].payout_id]);
}

/// A hint is delivered with its own trace.
pub async fn a_hint_brings_its_trace(Pair { port, peer }: Queue) {
    let mut hints = fresh_hints(2);
    hints[0].trace = TraceContext::new(7, 8, 1);
    port.enqueue(&hints).await.unwrap();
    let mut received = Vec::new();
    while received.len() < 2 {
        let deliveries = peer.receive(10, WAIT).await.unwrap();
        assert!(!deliveries.is_empty());
        received.extend(deliveries.iter().map(|delivery| delivery.hint));
    }
    received.sort_by_key(|hint| hint.trace.is_none());
    assert_eq!(received, hints);
}

/// A hint that one process adds reaches another process.
pub async fn a_hint_reaches_a_consumer_elsewhere(Pair { port, peer }: Queue) {
    let hints = fresh_hints(1);
    port.enqueue(&hints).await.unwrap();
    assert_eq!(drain(&*peer, 1).await, [hints[0].payout_id]);
}

/// An acknowledged hint is not delivered again to any consumer.
pub async fn an_acknowledged_hint_is_not_delivered_again(Pair { port, peer }: Queue) {
    port.enqueue(&fresh_hints(1)).await.unwrap();
    let deliveries = port.receive(10, WAIT).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    port.acknowledge(&receipts(&deliveries)).await.unwrap();
    assert_eq!(port.receive(10, SHORT_WAIT).await.unwrap(), []);
    assert_eq!(peer.receive(10, SHORT_WAIT).await.unwrap(), []);
}

/// A consumer receives at most as many hints as it asks for; the others wait.
pub async fn a_consumer_gets_no_more_than_it_asks_for(Pair { port, .. }: Queue) {
    let hints = fresh_hints(10);
    port.enqueue(&hints).await.unwrap();
    let mut received = Vec::new();
    while received.len() < hints.len() {
        let deliveries = port.receive(3, WAIT).await.unwrap();
        assert!(
            (1..=3).contains(&deliveries.len()),
            "{} deliveries",
            deliveries.len()
        );
        port.acknowledge(&receipts(&deliveries)).await.unwrap();
        received.extend(ids(&deliveries));
    }
    assert_eq!(
        HashSet::<PayoutId>::from_iter(received),
        hints.iter().map(|hint| hint.payout_id).collect()
    );
}

/// A thousand hints of one call all arrive, once each.
pub async fn many_hints_in_one_call_all_come(Pair { port, .. }: Queue) {
    let hints = fresh_hints(1000);
    port.enqueue(&hints).await.unwrap();
    let received = drain(&*port, hints.len()).await;
    assert_eq!(received.len(), hints.len());
    assert_eq!(
        HashSet::<PayoutId>::from_iter(received),
        hints.iter().map(|hint| hint.payout_id).collect()
    );
}

/// Two concurrent consumers share the hints: each hint goes to one of them, and none is lost.
pub async fn two_consumers_share_the_hints(Pair { port, peer }: Queue) {
    let hints = fresh_hints(300);
    let so_far = Arc::new(AtomicUsize::new(0));
    let total = hints.len();
    let consumers = [port.clone(), peer].map(|queue| {
        let so_far = so_far.clone();
        tokio::spawn(async move {
            let mut received = Vec::new();
            while so_far.load(Ordering::SeqCst) < total {
                let deliveries = queue.receive(5, SHORT_WAIT).await.unwrap();
                queue.acknowledge(&receipts(&deliveries)).await.unwrap();
                so_far.fetch_add(deliveries.len(), Ordering::SeqCst);
                received.extend(ids(&deliveries));
            }
            received
        })
    });
    for some in hints.chunks(20) {
        port.enqueue(some).await.unwrap();
    }
    let mut received = Vec::new();
    for consumer in consumers {
        received.extend(consumer.await.expect("no consumer panics"));
    }
    assert_eq!(received.len(), total, "a hint went to both");
    assert_eq!(
        HashSet::<PayoutId>::from_iter(received),
        hints.iter().map(|hint| hint.payout_id).collect()
    );
}

/// Acknowledging an acknowledged receipt, an unknown one or none at all does no harm; nor does adding no hints.
pub async fn empty_and_unknown_receipts_do_no_harm(Pair { port, peer }: Queue) {
    port.enqueue(&[]).await.unwrap();
    port.acknowledge(&[]).await.unwrap();
    port.acknowledge(&[
        Receipt::new("1700000000000-0"),
        Receipt::new("no receipt"),
        Receipt::new(""),
    ])
    .await
    .unwrap();
    port.enqueue(&fresh_hints(1)).await.unwrap();
    let deliveries = port.receive(10, WAIT).await.unwrap();
    for queue in [&port, &port, &peer] {
        queue.acknowledge(&receipts(&deliveries)).await.unwrap();
    }
    let hints = fresh_hints(1);
    port.enqueue(&hints).await.unwrap();
    assert_eq!(drain(&*port, 1).await, [hints[0].payout_id]);
}

/// The depth is above zero while hints wait, and zero once all are acknowledged.
pub async fn the_depth_falls_to_zero_once_all_is_acknowledged(Pair { port, .. }: Queue) {
    assert_eq!(port.depth().await.unwrap(), 0);
    port.enqueue(&fresh_hints(100)).await.unwrap();
    assert!(port.depth().await.unwrap() > 0, "a hundred hints wait");
    drain(&*port, 100).await;
    drive::eventually("the depth is zero", async || {
        (port.depth().await.unwrap() == 0).then_some(())
    })
    .await;
    let gone = port.acknowledge(&[Receipt::new(build::unique("receipt"))]).await;
    assert!(gone.is_ok(), "{gone:?}");
}
