//! The NATS queue keeps the contract of its port on JetStream, through losses and outages.
#![cfg(feature = "nats")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "queues/mod.rs"]
mod queues;
#[path = "nats/server.rs"]
mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use payout_adapters::queue::nats::{InvalidNatsSettings, NatsQueue, NatsSettings};
use payout_core::contract::Fixture;
use payout_core::ports::{JobQueue, QueueError};
use tokio::time::timeout;

use self::queues::hints::acknowledge;
use self::queues::{
    LONG, Proxy, SHORT, a_hang_holds_nobody_up, address_of, foreign_receipts_harm_nothing, hint, hints,
    nothing_is_left, prefix, receive_all, received, until_ok, while_dropping,
};
use self::server::Server;

/// A unique prefix on the shared server; its streams are deleted at the end.
struct Scratch {
    url: String,
    prefix: String,
}

impl Scratch {
    fn new() -> Self {
        let url = std::env::var("TEST_NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".into());
        Self {
            url,
            prefix: prefix(),
        }
    }

    fn settings(&self, consumer: &str) -> NatsSettings {
        NatsSettings::new(self.url.as_str(), &self.prefix, consumer)
    }

    fn queue(&self, consumer: &str) -> NatsQueue {
        NatsQueue::new(&self.settings(consumer)).unwrap()
    }

    async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(self.url.as_str()).await.unwrap())
    }

    fn stream(&self) -> String {
        format!("{}-hints", self.prefix)
    }

    /// The shared server's address, as a proxy needs it.
    fn address(&self) -> std::net::SocketAddr {
        address_of(&self.url, 4222)
    }

    /// Makes a consumer of the queue through a proxy.
    fn through(&self, proxy: &Proxy) -> NatsQueue {
        let url = format!("nats://127.0.0.1:{}", proxy.port);
        NatsQueue::new(&NatsSettings::new(url, &self.prefix, "proxied")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        while_dropping(async move {
            let context = jetstream::new(async_nats::connect(url).await.unwrap());
            for name in ["hints", "probe"] {
                let _ = context.delete_stream(format!("{prefix}-{name}")).await;
            }
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
    let mut settings = scratch.settings("dead");
    settings.deliver_again_after = Duration::from_secs(1);
    let hints = hints(7);
    let dead = NatsQueue::new(&settings).unwrap();
    dead.enqueue(&hints).await.unwrap();
    assert_eq!(dead.receive(10, LONG).await.unwrap().len(), 7);
    drop(dead);
    receive_all(&scratch.queue("alive"), &hints, LONG).await;
}

#[tokio::test]
async fn messages_that_name_no_payout_are_dropped() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    queue.probe().await.unwrap();
    let context = scratch.jetstream().await;
    let subject = format!("{}.hints", scratch.prefix);
    context
        .publish(subject, "nonsense".into())
        .await
        .unwrap()
        .await
        .unwrap();
    let hint = hint();
    queue.enqueue(&[hint]).await.unwrap();
    receive_all(&queue, &[hint], LONG).await;
    nothing_is_left(&queue).await;
}

#[tokio::test]
async fn the_cap_drops_the_oldest() {
    let scratch = Scratch::new();
    let mut settings = scratch.settings("a");
    settings.cap = 500;
    let queue = NatsQueue::new(&settings).unwrap();
    for _ in 0..4 {
        queue.enqueue(&hints(200)).await.unwrap();
    }
    let newest = hint();
    queue.enqueue(&[newest]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 500);
    receive_all(&queue, &[newest], LONG).await;
}

#[tokio::test]
async fn receipts_of_another_queue_harm_nothing() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    foreign_receipts_harm_nothing(&queue, &["nonsense", "$JS.ACK.none.workers.1.1.1.1.1", ""]).await;
}

#[tokio::test]
async fn a_stream_that_is_purged_or_deleted_goes_on() {
    let scratch = Scratch::new();
    let queue = scratch.queue("a");
    let context = scratch.jetstream().await;
    queue.enqueue(&hints(3)).await.unwrap();
    let stream = context.get_stream(scratch.stream()).await.unwrap();
    stream.purge().await.unwrap();
    let after = hints(3);
    queue.enqueue(&after).await.unwrap();
    receive_all(&queue, &after, LONG).await;
    for _ in 0..2 {
        context.delete_stream(scratch.stream()).await.unwrap();
        let after = hints(3);
        queue.enqueue(&after).await.unwrap();
        receive_all(&queue, &after, LONG).await;
        // The shared consumer alone.
        let stream = context.get_stream(scratch.stream()).await.unwrap();
        stream.delete_consumer("workers").await.unwrap();
        let after = hints(3);
        queue.enqueue(&after).await.unwrap();
        receive_all(&queue, &after, LONG).await;
    }
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_recovered_from() {
    let mut server = Server::new("");
    let queue = NatsQueue::new(&NatsSettings::new(server.url(""), "payout", "a")).unwrap();
    // Away at the start.
    let used = timeout(LONG, async {
        tokio::join!(queue.probe(), queue.receive(1, SHORT))
    });
    let (probed, got) = used.await.unwrap();
    for error in [probed.unwrap_err(), got.unwrap_err()] {
        assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    }
    server.start().await;
    for _ in 0..2 {
        let sent = hints(3);
        until_ok("it takes hints", async || queue.enqueue(&sent).await).await;
        receive_all(&queue, &sent, LONG).await;
        // Its streams are in memory: after a restart they are gone.
        let (_, ()) = tokio::join!(queue.receive(2, Duration::from_secs(2)), async {
            tokio::time::sleep(SHORT).await;
            server.kill();
        });
        let away = queue.enqueue(&hints(1)).await;
        assert!(matches!(away, Err(QueueError::Unavailable(_))), "{away:?}");
        server.start().await;
    }
    let sent = hints(3);
    until_ok("it takes hints", async || queue.enqueue(&sent).await).await;
    receive_all(&queue, &sent, LONG).await;
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up() {
    let scratch = Scratch::new();
    let proxy = Proxy::before(scratch.address()).await;
    let queue = scratch.through(&proxy);
    a_hang_holds_nobody_up(&proxy, &queue, SHORT).await;
}

/// An operator's own stream is used as it is. This one has no room, and keeps what it has.
#[tokio::test]
async fn a_stream_that_takes_no_message_is_a_refusal() {
    let scratch = Scratch::new();
    let context = scratch.jetstream().await;
    for name in ["hints", "probe"] {
        let config = jetstream::stream::Config {
            name: format!("{}-{name}", scratch.prefix),
            subjects: vec![format!("{}.{name}", scratch.prefix)],
            max_bytes: 1,
            discard: jetstream::stream::DiscardPolicy::New,
            ..jetstream::stream::Config::default()
        };
        context.create_stream(config).await.unwrap();
    }
    let queue = scratch.queue("a");
    for refused in [queue.enqueue(&hints(1)).await, queue.probe().await.map(drop)] {
        let Err(QueueError::Refused(cause)) = refused else {
            panic!("{refused:?}")
        };
        assert!(cause.to_string().contains("maximum bytes"), "{cause}");
    }
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// The rights that docs/security.md names, on a server of its own.
#[tokio::test]
async fn few_rights_suffice() {
    let mut server = Server::new(
        r#"authorization {
            users = [
                {user: payout, password: payout, permissions: {
                    publish: [
                        "payout.hints", "payout.probe",
                        "$JS.API.STREAM.INFO.payout-hints", "$JS.API.STREAM.CREATE.payout-hints",
                        "$JS.API.STREAM.INFO.payout-probe", "$JS.API.STREAM.CREATE.payout-probe",
                        "$JS.API.CONSUMER.INFO.payout-hints.workers", "$JS.API.CONSUMER.CREATE.payout-hints.>",
                        "$JS.API.CONSUMER.DURABLE.CREATE.payout-hints.workers",
                        "$JS.API.CONSUMER.MSG.NEXT.payout-hints.workers", "$JS.ACK.payout-hints.workers.>"
                    ],
                    subscribe: ["_INBOX.>"]
                }},
                {user: reader, password: reader, permissions: {
                    publish: ["$JS.API.STREAM.INFO.>"], subscribe: ["_INBOX.>"]
                }}
            ]
        }"#,
    );
    server.start().await;
    let queue = |user: &str| NatsQueue::new(&NatsSettings::new(server.url(user), "payout", "a")).unwrap();
    let (least, reader) = (queue("payout"), queue("reader"));
    let sent = hints(50);
    least.probe().await.unwrap();
    least.enqueue(&sent).await.unwrap();
    receive_all(&least, &sent, LONG).await;
    nothing_is_left(&least).await;
    for refused in [reader.enqueue(&hints(1)).await, reader.probe().await.map(drop)] {
        let Err(QueueError::Refused(cause)) = refused else {
            panic!("{refused:?}")
        };
        assert!(
            cause.to_string().to_lowercase().contains("permissions violation"),
            "{cause}"
        );
    }
    let url = server.url("payout").replace(":payout@", ":hunter2@");
    let stranger = NatsQueue::new(&NatsSettings::new(url, "payout", "a")).unwrap();
    let refused = stranger.probe().await.unwrap_err();
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    let deliveries = least.receive(1, SHORT).await.unwrap();
    acknowledge(&least, &deliveries).await;
}

#[test]
fn a_password_is_shown_nowhere_and_wrong_settings_are_refused() {
    let settings = NatsSettings::new("nats://user:hunter2@127.0.0.1:1", "p", "a");
    let queue = NatsQueue::new(&settings).unwrap();
    assert!(!format!("{settings:?} {queue:?}").contains("hunter2"));
    for (url, prefix, expected) in [
        ("http://user:hunter2@127.0.0.1:1", "p", InvalidNatsSettings::Url),
        ("nats://h", "a.b", InvalidNatsSettings::Prefix),
        ("nats://h", "", InvalidNatsSettings::Prefix),
    ] {
        let refused = NatsQueue::new(&NatsSettings::new(url, prefix, "a")).unwrap_err();
        assert_eq!(refused, expected);
    }
}
