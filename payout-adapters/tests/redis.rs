//! The Redis queue keeps the promises of its port, whatever happens to Redis.
#![cfg(feature = "redis")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Client, FromRedisValue, Value, cmd};
use payout_adapters::redis::{InvalidRedisUrl, RedisQueue, RedisSettings};
use payout_core::contract::Fixture;
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Delivery, Hint, JobQueue, Randomness, Receipt, System};

use self::throwaway::ThrowawayRedis;

#[path = "redis/throwaway.rs"]
mod throwaway;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(5);

/// A key prefix of its own on the shared server, deleted at the end.
struct Scratch {
    url: String,
    prefix: String,
}

impl Scratch {
    fn new() -> Self {
        let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
        Self {
            url,
            prefix: format!("test-{:016x}", System::default().next_u64()),
        }
    }

    fn settings(&self, consumer: &str) -> RedisSettings {
        RedisSettings::new(&self.url, &self.prefix, consumer)
    }

    fn queue(&self, consumer: &str) -> RedisQueue {
        RedisQueue::new(&self.settings(consumer)).unwrap()
    }

    fn stream(&self) -> String {
        format!("{}:hints", self.prefix)
    }

    async fn connection(&self) -> MultiplexedConnection {
        Client::open(self.url.as_str())
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap()
    }

    /// Runs one command, given as words; `KEY` stands for the stream.
    async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        let stream = self.stream();
        let mut words = command
            .split(' ')
            .map(|word| if word == "KEY" { stream.as_str() } else { word });
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut self.connection().await).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // On a thread of its own: a drop cannot wait for the runtime that it may be running on.
        let (url, stream) = (self.url.clone(), self.stream());
        let cleaning = std::thread::spawn(move || {
            let mut connection = Client::open(url).unwrap().get_connection_with_timeout(SHORT)?;
            cmd("DEL").arg(stream).query::<()>(&mut connection)
        });
        let _ = cleaning.join();
    }
}

fn hint() -> Hint {
    let system = System::default();
    Hint {
        payout_id: PayoutId::generate(system.now(), &system),
    }
}

fn hints(count: usize) -> Vec<Hint> {
    std::iter::repeat_with(hint).take(count).collect()
}

fn received(deliveries: &[Delivery]) -> HashSet<Hint> {
    deliveries.iter().map(|delivery| delivery.hint).collect()
}

async fn acknowledge(queue: &RedisQueue, deliveries: &[Delivery]) {
    let receipts: Vec<Receipt> = deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect();
    queue.acknowledge(&receipts).await.unwrap();
}

/// Receives and acknowledges until all of these came, through whatever errors, within a bound.
async fn receive_all(queue: &RedisQueue, expected: &[Hint], within: Duration) {
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

/// For the contract: two consumers of one queue.
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

    // And under a waiting read.
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
    // Dropped while the hint is on its way.
    for _ in 0..50 {
        let receive = async {
            let _ = tokio::time::timeout(Duration::from_millis(2), queue.receive(10, LONG)).await;
        };
        let hints = [hint()];
        let (enqueued, ()) = tokio::join!(queue.enqueue(&hints), receive);
        enqueued.unwrap();
    }
    let drained = async { while !queue.receive(100, SHORT).await.unwrap().is_empty() {} };
    tokio::time::timeout(LONG, drained).await.unwrap();
    let left: u64 = scratch.run("XLEN KEY").await;
    assert_eq!(left, 50, "all are there until they are acknowledged");
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
    // One read that waits long is enough: it looks around in between. Three at a time: the rest is found as well.
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
async fn a_redis_that_is_away_is_an_error_at_once_and_no_more_once_it_is_there() {
    let mut redis = ThrowawayRedis::reserved();
    let scratch = Scratch {
        url: redis.url(),
        prefix: "p".into(),
    };
    let queue = scratch.queue("a");
    let bound = Duration::from_millis(500);
    assert!(
        tokio::time::timeout(bound, queue.enqueue(&hints(1)))
            .await
            .unwrap()
            .is_err()
    );
    assert!(
        tokio::time::timeout(bound, queue.receive(1, LONG))
            .await
            .unwrap()
            .is_err()
    );
    assert!(tokio::time::timeout(bound, queue.depth()).await.unwrap().is_err());
    redis.start().await;
    let hints = hints(3);
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_restart_under_a_waiting_read_is_recovered_from() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    let scratch = Scratch {
        url: redis.url(),
        prefix: "p".into(),
    };
    let queue = scratch.queue("a");
    queue.enqueue(&hints(2)).await.unwrap();
    let deliveries = queue.receive(2, SHORT).await.unwrap();
    acknowledge(&queue, &deliveries).await;
    let (waiting, ()) = tokio::join!(queue.receive(2, LONG), async {
        tokio::time::sleep(SHORT).await;
        redis.kill();
    });
    assert!(waiting.is_err());
    redis.start().await;
    // The pooled connection has died, and the first call does not fail for it.
    let hints = hints(3);
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, Duration::from_secs(1)).await;
    scratch.run::<String>("FLUSHALL").await;
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    let scratch = Scratch {
        url: redis.url(),
        prefix: "p".into(),
    };
    let queue = scratch.queue("a");
    queue.enqueue(&hints(1)).await.unwrap();
    redis.freeze();
    let lost = hints(1);
    let bound = Duration::from_secs(3);
    let used = tokio::time::timeout(bound, async {
        tokio::join!(queue.enqueue(&lost), queue.depth(), queue.receive(1, SHORT))
    });
    let (enqueued, depth, received) = used.await.unwrap();
    assert!(enqueued.is_err() && depth.is_err() && received.is_err());
    // A connection that is not open yet.
    assert!(
        tokio::time::timeout(bound, scratch.queue("b").enqueue(&hints(1)))
            .await
            .unwrap()
            .is_err()
    );
    redis.thaw();
    let hints = hints(1);
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, Duration::from_secs(1)).await;
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
