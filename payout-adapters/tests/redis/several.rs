//! Sentinels and clusters: the contract suite on each, and the failover of a primary.

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::queue::redis::{RedisQueue, RedisSettings};
use payout_core::contract::Fixture;
use payout_core::ports::JobQueue;

use super::scratch::{SHORT, hints, receive_all};
use super::throwaway::ThrowawayRedis;

/// The time that sentinels may take to promote a replica, under load too.
const FAILOVER: Duration = Duration::from_secs(60);

fn queue(url: &str, consumer: &str) -> RedisQueue {
    RedisQueue::new(&RedisSettings::new(url, "payout", consumer)).unwrap()
}

/// A primary, a replica of it, and a sentinel.
struct Sentinels {
    primary: ThrowawayRedis,
    _replica: ThrowawayRedis,
    sentinel: ThrowawayRedis,
}

impl Sentinels {
    async fn start() -> Self {
        let mut primary = ThrowawayRedis::reserved();
        primary.start().await;
        let port = primary.port().to_string();
        let mut replica = ThrowawayRedis::reserved();
        replica.start_with(&["--replicaof", "127.0.0.1", &port]).await;
        let mut sentinel = ThrowawayRedis::reserved();
        sentinel.start_sentinel("hints", primary.port()).await;
        Self {
            primary,
            _replica: replica,
            sentinel,
        }
    }

    fn url(&self) -> String {
        format!(
            "redis+sentinel://127.0.0.1:1,127.0.0.1:{}/hints",
            self.sentinel.port()
        )
    }
}

/// Two servers of a cluster; the first of its URL has not the slot of the keys.
struct Cluster {
    servers: [ThrowawayRedis; 2],
}

impl Cluster {
    async fn start() -> Self {
        let mut servers = [ThrowawayRedis::reserved(), ThrowawayRedis::reserved()];
        for server in &mut servers {
            server.start_cluster_node().await;
        }
        let [one, other] = &servers;
        // The slot of {payout} is 14,838.
        one.tell("CLUSTER ADDSLOTSRANGE 0 8191").await;
        other.tell("CLUSTER ADDSLOTSRANGE 8192 16383").await;
        one.tell(&format!(
            "CLUSTER MEET 127.0.0.1 {} {}",
            other.port(),
            other.bus()
        ))
        .await;
        let whole = async {
            for server in &servers {
                while !server.ask("CLUSTER INFO").await.contains("cluster_state:ok") {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::time::timeout(FAILOVER, whole)
            .await
            .expect("the cluster is whole");
        Self { servers }
    }

    fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.servers[0].port())
    }
}

async fn behind_sentinels() -> Fixture<dyn JobQueue> {
    let servers = Sentinels::start().await;
    let url = servers.url();
    let (one, other): (Arc<dyn JobQueue>, Arc<dyn JobQueue>) =
        (Arc::new(queue(&url, "a")), Arc::new(queue(&url, "b")));
    Fixture::from((one, servers)).with_peer(other)
}

async fn in_a_cluster() -> Fixture<dyn JobQueue> {
    let servers = Cluster::start().await;
    let url = servers.url();
    let (one, other): (Arc<dyn JobQueue>, Arc<dyn JobQueue>) =
        (Arc::new(queue(&url, "a")), Arc::new(queue(&url, "b")));
    Fixture::from((one, servers)).with_peer(other)
}

mod sentinels {
    payout_core::queue_contract!(super::behind_sentinels);
}

mod cluster {
    payout_core::queue_contract!(super::in_a_cluster);
}

#[tokio::test]
async fn hints_go_on_once_sentinels_have_promoted_a_replica() {
    let mut servers = Sentinels::start().await;
    let queue = queue(&servers.url(), "a");
    let sent = hints(3);
    queue.enqueue(&sent).await.unwrap();
    receive_all(&queue, &sent, Duration::from_secs(5)).await;
    // The sentinel learns of the replica from the primary, once in a while.
    let known = async {
        while !servers
            .sentinel
            .ask("SENTINEL MASTER hints")
            .await
            .contains("num-slaves 1")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(FAILOVER, known)
        .await
        .expect("the replica is known");
    servers.primary.kill();
    let sent = hints(3);
    let promoted = async {
        while queue.enqueue(&sent).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(FAILOVER, promoted)
        .await
        .expect("a replica is promoted");
    receive_all(&queue, &sent, Duration::from_secs(10)).await;
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cluster_whose_server_was_restarted_empty_goes_on() {
    let mut servers = Cluster::start().await;
    let queue = queue(&servers.url(), "a");
    for _ in 0..2 {
        let sent = hints(3);
        let taken = async {
            while queue.enqueue(&sent).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(FAILOVER, taken)
            .await
            .expect("it takes hints");
        receive_all(&queue, &sent, Duration::from_secs(10)).await;
        servers.servers[1].kill();
        assert!(queue.enqueue(&hints(1)).await.is_err());
        servers.servers[1].start_cluster_node().await;
    }
}
