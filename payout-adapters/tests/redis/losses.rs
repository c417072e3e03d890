//! Streams and groups that vanish under a reader and are created again; lost hints that are delivered again.

use std::collections::HashSet;
use std::time::Duration;

use bb8_redis::redis::Value;
use payout_adapters::queue::redis::RedisQueue;
use payout_core::ports::{Hint, JobQueue};

use super::scratch::{LONG, SHORT, Scratch, hint, hints, receive_all, received};

#[tokio::test]
async fn a_stream_deleted_under_a_waiting_read_is_made_anew() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
    let hints = hints(3);
    let (deliveries, ()) = tokio::join!(queue.receive(10, LONG), async {
        tokio::time::sleep(SHORT).await;
        scratch.run::<u64>("DEL KEY").await;
        queue.enqueue(&hints).await.unwrap();
    });
    let deliveries = deliveries.unwrap();
    let early = received(&deliveries);
    let rest: Vec<Hint> = hints
        .iter()
        .copied()
        .filter(|hint| !early.contains(hint))
        .collect();
    receive_all(&queue, &rest, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_group_destroyed_mid_way_is_made_anew_and_nothing_is_passed_over() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    let hints = hints(20);
    queue.enqueue(&hints).await.unwrap();
    assert_eq!(queue.receive(5, SHORT).await.unwrap().len(), 5);
    scratch.run::<u64>("XGROUP DESTROY KEY workers").await;
    receive_all(&queue, &hints, Duration::from_secs(2)).await;

    // The group also vanishes under a blocked read.
    let late = hint();
    let (deliveries, ()) = tokio::join!(queue.receive(10, LONG), async {
        tokio::time::sleep(SHORT).await;
        scratch.run::<u64>("XGROUP DESTROY KEY workers").await;
        queue.enqueue(&[late]).await.unwrap();
    });
    assert_eq!(received(&deliveries.unwrap()), HashSet::from([late]));
}

#[tokio::test]
async fn a_dropped_receive_loses_no_hint() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    for _ in 0..20 {
        let waited = tokio::time::timeout(Duration::from_millis(20), queue.receive(10, LONG)).await;
        assert!(waited.is_err(), "nothing was there to receive");
        let hint = hint();
        queue.enqueue(&[hint]).await.unwrap();
        receive_all(&queue, &[hint], Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_dropped_receive_delays_no_other() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
    assert!(
        tokio::time::timeout(SHORT, queue.receive(10, LONG))
            .await
            .is_err()
    );
    let next = tokio::time::timeout(SHORT * 4, queue.receive(10, SHORT)).await;
    assert!(next.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_hint_whose_delivery_was_lost_comes_again() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
    let hints = hints(3);
    queue.enqueue(&hints).await.unwrap();
    // As if this consumer's own read had taken the entries and its answer had been lost.
    scratch
        .run::<Value>("XREADGROUP GROUP workers a COUNT 10 STREAMS KEY >")
        .await;
    assert!(
        tokio::time::timeout(SHORT, queue.receive(10, LONG))
            .await
            .is_err()
    );
    receive_all(&queue, &hints, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_a_dead_consumer_held_is_taken_over_and_it_is_forgotten() {
    let scratch = Scratch::new();
    let hints = hints(7);
    let dead = scratch.queue("dead");
    dead.enqueue(&hints).await.unwrap();
    assert_eq!(dead.receive(10, SHORT).await.unwrap().len(), 7);
    drop(dead);
    let mut settings = scratch.settings("alive");
    settings.take_over_after = Duration::from_millis(100);
    let alive = RedisQueue::new(&settings).unwrap();
    // One long read is enough: it takes over while it waits. It returns at most three hints; later reads find the rest.
    let first = alive.receive(3, LONG).await.unwrap();
    assert!(!first.is_empty());
    receive_all(&alive, &hints, Duration::from_secs(2)).await;
    tokio::time::timeout(LONG, async {
        while scratch
            .run::<Vec<Value>>("XINFO CONSUMERS KEY workers")
            .await
            .len()
            > 1
        {
            alive.receive(10, SHORT).await.unwrap();
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_restarted_process_finds_what_it_held() {
    let scratch = Scratch::new();
    let hints = hints(30);
    let queue = scratch.queue("a");
    queue.enqueue(&hints).await.unwrap();
    assert_eq!(queue.receive(30, SHORT).await.unwrap().len(), 30);
    drop(queue);
    let restarted = scratch.queue("a");
    assert_eq!(restarted.receive(20, SHORT).await.unwrap().len(), 20);
    assert_eq!(restarted.receive(20, SHORT).await.unwrap().len(), 10);
    assert!(restarted.receive(20, SHORT).await.unwrap().is_empty());
}
