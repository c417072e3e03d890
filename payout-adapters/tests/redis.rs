//! The Redis queue keeps the contract of its port through losses and outages of Redis.
#![cfg(feature = "redis")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::sync::Arc;

use bb8_redis::redis::Value;
use payout_adapters::queue::redis::{InvalidRedisUrl, RedisQueue, RedisSettings};
use payout_core::contract::Fixture;
use payout_core::ports::{JobQueue, Receipt};

use self::scratch::{LONG, SHORT, Scratch, hint, hints, receive_all, received};
use self::throwaway::ThrowawayRedis;

#[path = "queues/hints.rs"]
mod hints;
#[path = "redis/losses.rs"]
mod losses;
#[path = "redis/outages.rs"]
mod outages;
#[path = "redis/refusals.rs"]
mod refusals;
#[path = "redis/scratch.rs"]
mod scratch;
#[path = "redis/several.rs"]
mod several;
#[path = "redis/throwaway.rs"]
mod throwaway;

/// Creates two consumers of one queue, for the contract suite.
async fn two_consumers() -> Fixture<dyn JobQueue> {
    let scratch = Scratch::new();
    let (one, other): (Arc<dyn JobQueue>, Arc<dyn JobQueue>) =
        (Arc::new(scratch.queue("a")), Arc::new(scratch.queue("b")));
    Fixture::from((one, scratch)).with_peer(other)
}

mod contract {
    payout_core::queue_contract!(super::two_consumers);
}

#[tokio::test]
async fn what_is_acknowledged_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    let hints = hints(250);
    queue.enqueue(&hints).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 250);
    receive_all(&queue, &hints, LONG).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
    let pending: Vec<Value> = scratch.run("XPENDING KEY workers").await;
    assert_eq!(pending[0], Value::Int(0));
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hint_is_received_as_soon_as_it_comes() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
    let hint = hint();
    let (deliveries, ()) = tokio::join!(queue.receive(10, LONG * 10), async {
        tokio::time::sleep(SHORT).await;
        queue.enqueue(&[hint]).await.unwrap();
    });
    assert_eq!(received(&deliveries.unwrap()), HashSet::from([hint]));
}

#[tokio::test]
async fn two_consumers_share_the_hints() {
    let scratch = Scratch::new();
    let (one, other) = (scratch.queue("a"), scratch.queue("b"));
    let hints = hints(10);
    one.enqueue(&hints).await.unwrap();
    let first = received(&one.receive(4, SHORT).await.unwrap());
    let second = received(&other.receive(100, SHORT).await.unwrap());
    assert_eq!((first.len(), second.len()), (4, 6));
    assert!(first.is_disjoint(&second));
}

#[tokio::test]
async fn entries_that_name_no_payout_are_dropped() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    scratch.run::<String>("XADD KEY * payout_id nonsense").await;
    scratch.run::<String>("XADD KEY * x y").await;
    let hint = hint();
    queue.enqueue(&[hint]).await.unwrap();
    let deliveries = queue.receive(10, SHORT).await.unwrap();
    assert_eq!(received(&deliveries), HashSet::from([hint]));
    assert_eq!(queue.depth().await.unwrap(), 1);
}

#[tokio::test]
async fn the_cap_drops_the_oldest() {
    let scratch = Scratch::new();
    let mut settings = scratch.settings("a");
    settings.cap = 500;
    let queue = RedisQueue::new(&settings).unwrap();
    for _ in 0..10 {
        queue.enqueue(&hints(200)).await.unwrap();
    }
    let newest = hint();
    queue.enqueue(&[newest]).await.unwrap();
    // Redis trims whole nodes of 100 entries.
    let depth = queue.depth().await.unwrap();
    assert!((500..=600).contains(&depth), "{depth}");
    let deliveries = queue.receive(1000, SHORT).await.unwrap();
    assert!(received(&deliveries).contains(&newest));
}

#[tokio::test]
async fn receipts_of_another_queue_harm_nothing() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    queue
        .acknowledge(&[Receipt::new("nonsense"), Receipt::new("1-1")])
        .await
        .unwrap();
    queue.acknowledge(&[]).await.unwrap();
    queue.enqueue(&[]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// The rights that docs/security.md names, with everything that a queue does in its life.
#[tokio::test]
async fn nine_commands_suffice() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    redis
        .tell(
            "ACL SETUSER payout on >payout ~payout:* resetchannels -@all +xadd +xreadgroup +xack +xdel +xlen \
             +xautoclaim +xinfo|consumers +xgroup|create +xgroup|delconsumer",
        )
        .await;
    let url = redis.url().replace("redis://", "redis://payout:payout@");
    let queue = |consumer: &str| {
        let mut settings = RedisSettings::new(url.as_str(), "payout", consumer);
        settings.take_over_after = std::time::Duration::from_millis(20);
        RedisQueue::new(&settings).unwrap()
    };
    let sent = hints(50);
    let gone = queue("gone");
    gone.probe().await.unwrap();
    gone.enqueue(&sent).await.unwrap();
    assert_eq!(gone.receive(7, SHORT).await.unwrap().len(), 7);
    drop(gone);
    let queue = queue("a");
    receive_all(&queue, &sent, LONG).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
    // The consumer that is gone is deleted.
    let forgotten = async {
        while redis
            .ask("XINFO CONSUMERS payout:hints workers")
            .await
            .contains("gone")
        {
            queue.receive(10, SHORT).await.unwrap();
        }
    };
    tokio::time::timeout(LONG, forgotten)
        .await
        .expect("it is forgotten");
}

#[test]
fn a_password_is_shown_nowhere() {
    let settings = RedisSettings::new("redis://user:hunter2@127.0.0.1:1", "p", "a");
    let queue = RedisQueue::new(&settings).unwrap();
    assert!(!format!("{settings:?} {queue:?}").contains("hunter2"));
    let broken = RedisSettings::new("http://user:hunter2@127.0.0.1:1", "p", "a");
    let refused = RedisQueue::new(&broken).unwrap_err();
    assert_eq!(refused, InvalidRedisUrl);
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_wrong_password_is_not_repeated_in_the_error() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    let url = redis.url().replace("redis://", "redis://user:hunter2@");
    let queue = RedisQueue::new(&RedisSettings::new(url, "p", "a")).unwrap();
    let mut error: &dyn std::error::Error = &queue.enqueue(&hints(1)).await.unwrap_err();
    let mut shown = format!("{error:?}");
    while let Some(source) = error.source() {
        shown += &format!("{source} {source:?}");
        error = source;
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}
