//! Outages of Redis: unreachable, restarting or hanging. Each test starts a server of its own.

use std::time::Duration;

use payout_core::ports::{JobQueue, QueueError};

use super::scratch::{LONG, SHORT, Scratch, acknowledge, hints, receive_all};
use super::throwaway::ThrowawayRedis;

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
    // The pooled connection has died, and the first call succeeds all the same.
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
    // This queue has no open connection yet.
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
async fn tls_that_redis_does_not_speak_is_an_error_at_once() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    let scratch = Scratch {
        url: redis.url().replace("redis://", "rediss://"),
        prefix: "p".into(),
    };
    let queue = scratch.queue("a");
    let bound = Duration::from_secs(2);
    assert!(
        tokio::time::timeout(bound, queue.enqueue(&hints(1)))
            .await
            .unwrap()
            .is_err()
    );
}

/// Checks that whatever makes Redis refuse a hint makes it refuse a probe. An unreachable Redis gives another error.
#[tokio::test]
async fn a_redis_that_takes_no_hints_fails_its_probe_though_it_answers() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    let scratch = Scratch {
        url: redis.url(),
        prefix: "p".into(),
    };
    let queue = scratch.queue("a");
    queue.enqueue(&hints(2)).await.unwrap();
    for (refuse, take) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("ACL SETUSER default -xadd", "ACL SETUSER default +xadd"),
    ] {
        assert_eq!(queue.probe().await.unwrap(), 2, "before {refuse}");
        scratch.run::<String>(refuse).await;
        assert_eq!(queue.depth().await.unwrap(), 2, "{refuse}: it answers");
        for refused in [queue.enqueue(&hints(1)).await, queue.probe().await.map(drop)] {
            assert!(
                matches!(refused, Err(QueueError::Refused(_))),
                "{refuse}: {refused:?}"
            );
        }
        scratch.run::<String>(take).await;
    }
    assert_eq!(queue.probe().await.unwrap(), 2, "no probe is a hint");
    redis.kill();
    let away = queue.probe().await;
    assert!(matches!(away, Err(QueueError::Unavailable(_))), "{away:?}");
}
