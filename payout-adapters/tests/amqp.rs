//! The AMQP queue keeps the contract of its port on RabbitMQ, through losses and outages.
#![cfg(feature = "amqp")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "queues/mod.rs"]
mod queues;
#[path = "amqp/server.rs"]
mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use payout_adapters::queue::amqp::{AmqpQueue, AmqpSettings, InvalidAmqpUrl};
use payout_core::contract::Fixture;
use payout_core::ports::{JobQueue, QueueError};
use tokio::time::timeout;

use self::queues::{
    LONG, Proxy, SHORT, Way, a_hang_holds_nobody_up, address_of, foreign_receipts_harm_nothing, hint, hints,
    nothing_is_left, prefix, receive_all, received, until_ok, while_dropping,
};
use self::server::Server;

/// The time after which RabbitMQ has written down a quorum queue that was declared. A server that is killed before that
/// forgets which member of the queue it is: the queue never has a leader again, until somebody deletes it. Of six servers
/// (3.10.8), those killed within 0.6 s did, and those killed after 4 s did not (`rabbitmq-queues quorum_status`).
const WRITTEN_DOWN: Duration = Duration::from_secs(10);

/// The time within which hints come again once a server that was killed accepts connections. Its quorum queues have a
/// leader within a second of that.
const AFTER_RESTART: Duration = Duration::from_secs(15);

/// A unique prefix on the shared server; its queues are deleted at the end.
struct Scratch {
    url: String,
    prefix: String,
}

impl Scratch {
    fn new() -> Self {
        let url =
            std::env::var("TEST_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".into());
        Self {
            url,
            prefix: prefix(),
        }
    }

    fn queue(&self, consumer: &str) -> AmqpQueue {
        AmqpQueue::new(&AmqpSettings::new(self.url.as_str(), &self.prefix, consumer)).unwrap()
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// The shared server's address, as a proxy needs it.
    fn address(&self) -> std::net::SocketAddr {
        address_of(&self.url, 5672)
    }

    /// Makes a consumer of the queue through a proxy.
    fn through(&self, proxy: &Proxy) -> AmqpQueue {
        let mut url: url::Url = self.url.parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(proxy.port)).unwrap();
        AmqpQueue::new(&AmqpSettings::new(url.as_str(), &self.prefix, "proxied")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        while_dropping(async move {
            let deleting = async {
                let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
                let channel = connection.create_channel().await?;
                for name in ["hints", "probe"] {
                    channel
                        .queue_delete(format!("{prefix}.{name}").into(), QueueDeleteOptions::default())
                        .await?;
                }
                Ok::<_, lapin::Error>(())
            };
            let _ = deleting.await;
        });
    }
}

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
async fn a_hint_is_received_as_soon_as_it_comes() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    assert!(queue.receive(10, SHORT).await.unwrap().is_empty());
    let hint = hint();
    let (deliveries, ()) = tokio::join!(queue.receive(10, LONG), async {
        tokio::time::sleep(SHORT).await;
        queue.enqueue(&[hint]).await.unwrap();
    });
    assert_eq!(received(&deliveries.unwrap()), HashSet::from([hint]));
}

#[tokio::test]
async fn what_a_dead_process_held_comes_again() {
    let scratch = Scratch::new();
    let hints = hints(7);
    let dead = scratch.queue("dead");
    dead.enqueue(&hints).await.unwrap();
    assert!(!dead.receive(10, LONG).await.unwrap().is_empty());
    drop(dead);
    receive_all(&scratch.queue("alive"), &hints, LONG).await;
}

#[tokio::test]
async fn messages_that_name_no_payout_are_dropped() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    queue.probe().await.unwrap();
    let (_connection, channel) = scratch.channel().await;
    let name = format!("{}.hints", scratch.prefix);
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(
        "".into(),
        name.into(),
        options,
        b"nonsense",
        BasicProperties::default(),
    );
    published.await.unwrap();
    let hint = hint();
    queue.enqueue(&[hint]).await.unwrap();
    receive_all(&queue, &[hint], LONG).await;
    nothing_is_left(&queue).await;
}

#[tokio::test]
async fn receipts_of_another_connection_harm_nothing() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    foreign_receipts_harm_nothing(&queue, &["nonsense", "1", "99", ""]).await;
}

#[tokio::test]
async fn a_queue_that_is_purged_or_deleted_goes_on() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    let (_connection, channel) = scratch.channel().await;
    let name = format!("{}.hints", scratch.prefix);
    queue.enqueue(&hints(3)).await.unwrap();
    channel
        .queue_purge(name.as_str().into(), QueuePurgeOptions::default())
        .await
        .unwrap();
    let after = hints(3);
    queue.enqueue(&after).await.unwrap();
    receive_all(&queue, &after, LONG).await;
    // Deleted under a consumer, and then under one who publishes.
    for _ in 0..2 {
        channel
            .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
            .await
            .unwrap();
        let after = hints(3);
        queue.enqueue(&after).await.unwrap();
        receive_all(&queue, &after, LONG).await;
    }
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_recovered_from() {
    let scratch = Scratch::new();
    let proxy = Proxy::before(scratch.address()).await;
    proxy.is(Way::Away);
    let queue = scratch.through(&proxy);
    // Away at the start.
    let used = timeout(LONG, async {
        tokio::join!(queue.enqueue(&[]), queue.probe(), queue.receive(1, SHORT))
    });
    let (nothing, probed, received) = used.await.unwrap();
    nothing.unwrap();
    for error in [probed.unwrap_err(), received.unwrap_err()] {
        assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    }
    proxy.is(Way::Open);
    for _ in 0..2 {
        let sent = hints(3);
        queue.enqueue(&sent).await.unwrap();
        receive_all(&queue, &sent, LONG).await;
        let (waiting, ()) = tokio::join!(queue.receive(2, LONG), async {
            tokio::time::sleep(SHORT).await;
            proxy.is(Way::Away);
        });
        assert!(waiting.is_err());
        assert!(queue.enqueue(&hints(1)).await.is_err());
        proxy.is(Way::Open);
        // The connections have died, and the first call succeeds all the same.
        queue.enqueue(&hints(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up() {
    let scratch = Scratch::new();
    let proxy = Proxy::before(scratch.address()).await;
    let queue = scratch.through(&proxy);
    a_hang_holds_nobody_up(&proxy, &queue, Duration::from_secs(2)).await;
}

/// An operator's own queue is used as it is. This one refuses what it has no room for.
#[tokio::test]
async fn a_queue_that_takes_no_message_is_a_refusal() {
    let scratch = Scratch::new();
    let (_connection, channel) = scratch.channel().await;
    for name in ["hints", "probe"] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongUInt(0));
        arguments.insert(
            "x-overflow".into(),
            AMQPValue::LongString("reject-publish".into()),
        );
        let name = format!("{}.{name}", scratch.prefix);
        channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
            .await
            .unwrap();
    }
    let queue = scratch.queue("a");
    for refused in [queue.enqueue(&hints(1)).await, queue.probe().await.map(drop)] {
        assert!(matches!(refused, Err(QueueError::Refused(_))), "{refused:?}");
    }
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// A server of its own: the rights that docs/security.md names, and a start with too little memory.
#[tokio::test]
async fn few_rights_suffice_and_a_lack_of_memory_is_reported() {
    let mut server = Server::new();
    server.start(&[]).await;
    let queue = |user: &str| AmqpQueue::new(&AmqpSettings::new(server.url(user), "payout", "a")).unwrap();
    let (least, reader) = (queue("payout"), queue("reader"));
    let sent = hints(50);
    least.probe().await.unwrap();
    least.enqueue(&sent).await.unwrap();
    receive_all(&least, &sent, LONG).await;
    for refused in [reader.enqueue(&hints(1)).await, reader.probe().await.map(drop)] {
        let Err(QueueError::Refused(cause)) = refused else {
            panic!("{refused:?}")
        };
        assert!(cause.to_string().contains("ACCESS_REFUSED"), "{cause}");
    }
    let stranger = AmqpQueue::new(&AmqpSettings::new(
        server.url("payout").replace(":payout@", ":hunter2@"),
        "p",
        "a",
    ));
    let refused = stranger.unwrap().probe().await.unwrap_err();
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");

    server.kill();
    assert!(matches!(least.probe().await, Err(QueueError::Unavailable(_))));
    server.start(&["vm_memory_high_watermark.absolute = 1"]).await;
    // The connection opens before the server learns how much memory it uses.
    let refused = until_ok("the memory is short", async || match least.probe().await {
        Err(QueueError::Refused(cause)) => Ok(cause),
        other => Err(other),
    });
    let refused = refused.await;
    assert!(refused.to_string().contains("memory"), "{refused}");
}

/// RabbitMQ is killed and started again on the same folder: publishing and receiving go on soon after it answers, and
/// what it had confirmed is there.
#[tokio::test]
async fn a_server_that_is_killed_and_started_again_goes_on() {
    let mut server = Server::new();
    server.start(&[]).await;
    let queue = |consumer: &str| {
        AmqpQueue::new(&AmqpSettings::new(server.url("payout"), "payout", consumer)).unwrap()
    };
    let (sender, receiver) = (queue("a"), queue("b"));
    assert!(receiver.receive(1, SHORT).await.unwrap().is_empty());
    tokio::time::sleep(WRITTEN_DOWN).await;
    let mut sent = hints(20);
    sender.enqueue(&sent).await.unwrap();
    let held = receiver.receive(5, LONG).await.unwrap();
    assert!(!held.is_empty(), "some are delivered and not acknowledged");
    server.kill();
    let lost = sender.enqueue(&hints(1)).await;
    assert!(matches!(lost, Err(QueueError::Unavailable(_))), "{lost:?}");

    server.start(&[]).await;
    let more = hints(3);
    let taken = until_ok("hints are taken again", async || sender.enqueue(&more).await);
    timeout(AFTER_RESTART, taken)
        .await
        .expect("hints are taken in time");
    sent.extend(more);
    receive_all(&receiver, &sent, AFTER_RESTART).await;
    sender.probe().await.unwrap();
    nothing_is_left(&sender).await;
}

#[test]
fn a_password_is_shown_nowhere() {
    let settings = AmqpSettings::new("amqp://user:hunter2@127.0.0.1:1", "p", "a");
    let queue = AmqpQueue::new(&settings).unwrap();
    assert!(!format!("{settings:?} {queue:?}").contains("hunter2"));
    let refused =
        AmqpQueue::new(&AmqpSettings::new("http://user:hunter2@127.0.0.1:1", "p", "a")).unwrap_err();
    assert_eq!(refused, InvalidAmqpUrl);
}
