//! A worker that delivers webhooks, over the stores in memory and in paused time: the receivers see every event, a
//! payout's events in their order, whatever fails.

#![cfg(all(feature = "memory", feature = "simulated"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::{MemoryRepository, MemoryWebhooks};
use payout_core::Timestamp;
use payout_core::contract::build;
use payout_core::feed::{EventType, FeedPosition};
use payout_core::payout::Description;
use payout_core::ports::{
    Clock, ForbiddenUrl, NoSecret, PayoutRepository, Randomness, SecretSource, WebhookQueue, WebhookRequest,
    WebhookSender,
};
use payout_core::usecase::webhooks::{NewWebhook, Webhooks};
use payout_core::webhook::{
    AnswerText, DeliveryStatus, DisabledWhy, EndpointState, EndpointUrl, SendOutcome, WebhookId,
};
use payout_core::worker::{WebhookPorts, Worker, WorkerSettings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The time of tokio, which is paused, and numbers that are nearly alike.
struct Time(tokio::time::Instant, AtomicU64);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap() + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Randomness for Time {
    fn next_u64(&self) -> u64 {
        u64::MAX / 2 - self.1.fetch_add(1, Ordering::SeqCst)
    }
}

impl SecretSource for Time {
    fn draw(&self) -> Result<[u8; 32], NoSecret> {
        Ok([7; 32])
    }
}

/// The answers of an endpoint: one for each of the first requests, and the last one for ever.
#[derive(Clone)]
enum Answer {
    Status(u16),
    RetryAfter(u16, u64),
    Hang,
}

/// Receivers by host, with the requests that they accepted.
#[derive(Default)]
struct Receivers {
    answers: Mutex<HashMap<String, Vec<Answer>>>,
    seen: Mutex<Vec<(String, WebhookRequest, Duration, bool)>>,
    time: Mutex<Option<Arc<Time>>>,
}

impl Receivers {
    fn answer(&self, host: &str, answers: &[Answer]) {
        self.answers
            .lock()
            .unwrap()
            .insert(host.to_owned(), answers.to_vec());
    }

    /// Returns the ids and the versions of what an endpoint accepted.
    fn accepted(&self, host: &str) -> Vec<(String, u64)> {
        let seen = self.seen.lock().unwrap();
        let accepted = seen.iter().filter(|(to, _, _, accepted)| to == host && *accepted);
        accepted
            .map(|(_, request, _, _)| {
                let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
                let payout = body["data"]["payout_id"].as_str().unwrap_or_default().to_owned();
                (payout, body["data"]["version"].as_u64().unwrap_or_default())
            })
            .collect()
    }

    /// Returns when requests came to an endpoint.
    fn times(&self, host: &str) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        let seen = seen.iter().filter(|(to, _, _, _)| to == host);
        seen.map(|(_, _, at, _)| *at).collect()
    }
}

#[async_trait]
impl WebhookSender for Receivers {
    fn check(&self, _: &EndpointUrl) -> Result<(), ForbiddenUrl> {
        Ok(())
    }

    async fn send(&self, request: WebhookRequest) -> SendOutcome {
        let host = request.url.authority().to_owned();
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.get_mut(&host) {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers[0].clone(),
                None => Answer::Status(200),
            }
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
        let at = self.time.lock().unwrap().as_ref().unwrap().monotonic();
        let answered = |status, retry_after| SendOutcome::Answered {
            status,
            retry_after,
            answer: AnswerText::new(b"an answer"),
        };
        let (outcome, accepted) = match answer {
            Answer::Status(status) => (answered(status, None), status == 200),
            Answer::RetryAfter(status, seconds) => {
                (answered(status, Some(Duration::from_secs(seconds))), false)
            }
            Answer::Hang => {
                self.seen.lock().unwrap().push((host, request, at, false));
                return std::future::pending().await;
            }
        };
        self.seen.lock().unwrap().push((host, request, at, accepted));
        outcome
    }
}

struct Scene {
    time: Arc<Time>,
    payouts: Arc<MemoryRepository>,
    store: Arc<MemoryWebhooks>,
    receivers: Arc<Receivers>,
    webhooks: Webhooks,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "the paused clock is the tests' clock")]
    fn new() -> Self {
        let time = Arc::new(Time(tokio::time::Instant::now(), AtomicU64::new(0)));
        let payouts = Arc::new(MemoryRepository::new(time.clone()));
        let store = Arc::new(MemoryWebhooks::new(time.clone(), payouts.clone()));
        let receivers = Arc::new(Receivers::default());
        *receivers.time.lock().unwrap() = Some(time.clone());
        let webhooks = Webhooks::new(
            store.clone(),
            payouts.clone(),
            receivers.clone(),
            time.clone(),
            time.clone(),
        );
        Self {
            time,
            payouts,
            store,
            receivers,
            webhooks,
        }
    }

    async fn endpoint(&self, host: &str, types: &[EventType]) -> WebhookId {
        let new = NewWebhook {
            url: EndpointUrl::new(&format!("https://{host}/")).unwrap(),
            types: types.to_vec(),
            description: Description::default(),
            include_recipient: false,
        };
        self.webhooks.create(new).await.unwrap().0.id
    }

    fn work(&self, name: &str) -> (CancellationToken, JoinHandle<()>) {
        let shutdown = CancellationToken::new();
        let settings = WorkerSettings {
            name: payout_core::payout::Actor::new(name),
            ..WorkerSettings::default()
        };
        let processor = Arc::new(SimulatedProcessor::new(Duration::from_millis(1), 0.0).unwrap());
        let worker = Worker::new(
            self.payouts.clone(),
            Arc::new(MemoryQueue::new(100)),
            processor,
            self.time.clone(),
            settings,
        );
        let worker = worker.delivering(WebhookPorts {
            webhooks: self.store.clone(),
            queue: self.store.clone(),
            feed: self.payouts.clone(),
            sender: self.receivers.clone(),
        });
        (shutdown.clone(), tokio::spawn(worker.run(shutdown)))
    }

    async fn pay(&self, count: usize) {
        let batch: Vec<_> = (0..count).map(|_| build::new_payout()).collect();
        self.payouts.insert(&batch).await.unwrap();
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Checks that every payout's versions rise.
#[track_caller]
fn assert_in_order(accepted: &[(String, u64)]) {
    let mut last: HashMap<&str, u64> = HashMap::new();
    for (payout, version) in accepted {
        let before = last.insert(payout, *version).unwrap_or_default();
        assert!(before < *version, "{payout}: {before} before {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_gets_each_event_of_its_types_once_and_in_order() {
    let scene = Scene::new();
    scene.endpoint("all.example", &[]).await;
    scene.endpoint("some.example", &[EventType::Completed]).await;
    let (shutdown, worker) = scene.work("one");
    scene.pay(300).await;
    pass(20).await;
    let all = scene.receivers.accepted("all.example");
    assert_eq!(all.len(), 900, "created, processing and completed");
    assert_in_order(&all);
    assert_eq!(scene.receivers.accepted("some.example").len(), 300);
    shutdown.cancel();
    worker.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_new_gets_only_what_comes_later() {
    let scene = Scene::new();
    scene.pay(3).await;
    scene.endpoint("new.example", &[EventType::Created]).await;
    let (_shutdown, _worker) = scene.work("one");
    scene.pay(2).await;
    pass(10).await;
    assert_eq!(scene.receivers.accepted("new.example").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_is_repeated_and_the_payouts_later_events_wait_for_it() {
    let scene = Scene::new();
    let id = scene.endpoint("shop.example", &[]).await;
    scene.receivers.answer(
        "shop.example",
        &[Answer::Status(500), Answer::Status(302), Answer::Status(200)],
    );
    let (_shutdown, _worker) = scene.work("one");
    scene.pay(1).await;
    pass(8).await;
    assert_eq!(scene.receivers.accepted("shop.example"), []);
    pass(400).await;
    let accepted = scene.receivers.accepted("shop.example");
    assert_eq!(accepted.len(), 3);
    assert_in_order(&accepted);
    let times = scene.receivers.times("shop.example");
    let waits: Vec<u64> = times.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(waits[..2], [5, 300]);
    let (delivery, attempts) = scene.webhooks.delivery(id, 1).await.unwrap();
    assert_eq!((delivery.status, attempts.len()), (DeliveryStatus::Delivered, 3));
    let told: Vec<_> = attempts
        .iter()
        .map(|one| (one.status, one.error.is_some()))
        .collect();
    assert_eq!(told, [(Some(500), true), (Some(302), true), (Some(200), false)]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let scene = Scene::new();
    scene.endpoint("hangs.example", &[]).await;
    scene.endpoint("works.example", &[]).await;
    scene.receivers.answer("hangs.example", &[Answer::Hang]);
    let (_shutdown, _worker) = scene.work("one");
    pass(5).await;
    scene.pay(200).await;
    pass(3).await;
    let accepted = scene.receivers.accepted("works.example");
    assert_eq!(accepted.len(), 600);
    assert_in_order(&accepted);
    assert!(scene.receivers.times("hangs.example").len() <= 64);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_disabled_and_gets_everything_once_it_is_enabled() {
    let scene = Scene::new();
    let id = scene.endpoint("shop.example", &[EventType::Created]).await;
    scene.receivers.answer("shop.example", &[Answer::Status(410)]);
    let (_shutdown, _worker) = scene.work("one");
    scene.pay(1).await;
    pass(10).await;
    let disabled = scene.webhooks.get(id).await.unwrap().endpoint.state;
    assert!(matches!(
        disabled,
        EndpointState::Disabled {
            why: DisabledWhy::Gone,
            ..
        }
    ));
    scene.pay(5).await;
    pass(600).await;
    assert_eq!(scene.receivers.times("shop.example").len(), 1);
    scene.receivers.answer("shop.example", &[Answer::Status(200)]);
    scene
        .webhooks
        .enable(id, &payout_core::payout::Actor::new("operator"))
        .await
        .unwrap();
    pass(60).await;
    assert_eq!(scene.receivers.accepted("shop.example").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_five_days_is_disabled() {
    let scene = Scene::new();
    let id = scene.endpoint("shop.example", &[EventType::Created]).await;
    scene.receivers.answer("shop.example", &[Answer::Status(500)]);
    let (_shutdown, _worker) = scene.work("one");
    for day in 0..7 {
        scene.pay(1).await;
        for _ in 0..24 {
            tokio::time::advance(Duration::from_secs(60 * 60)).await;
            pass(10).await;
        }
        let state = scene.webhooks.get(id).await.unwrap().endpoint.state;
        match day {
            0..=3 => assert_eq!(state, EndpointState::Enabled, "after day {day}"),
            4..=5 => (),
            _ => assert!(matches!(
                state,
                EndpointState::Disabled {
                    why: DisabledWhy::Failing,
                    ..
                }
            )),
        }
    }
    let (first, attempts) = scene.webhooks.delivery(id, 1).await.unwrap();
    assert_eq!((first.status, attempts.len()), (DeliveryStatus::Failed, 10));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_an_endpoint_asks_for_holds_for_all_its_deliveries() {
    let scene = Scene::new();
    scene.endpoint("shop.example", &[EventType::Created]).await;
    scene.receivers.answer(
        "shop.example",
        &[Answer::RetryAfter(429, 120), Answer::Status(200)],
    );
    let (_shutdown, _worker) = scene.work("one");
    scene.pay(1).await;
    pass(10).await;
    scene.pay(5).await;
    pass(100).await;
    assert_eq!(scene.receivers.times("shop.example").len(), 1);
    pass(60).await;
    assert_eq!(scene.receivers.accepted("shop.example").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn after_a_worker_vanished_another_goes_on_and_nothing_is_lost() {
    let scene = Scene::new();
    let id = scene.endpoint("shop.example", &[]).await;
    // A worker that leases the endpoint, turns a page into deliveries, and is never seen again.
    let gone = payout_core::payout::Actor::new("gone");
    let lease = Duration::from_secs(30);
    let held = scene
        .store
        .acquire_webhooks(&gone, lease, 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(held.lease.id, id);
    let (_shutdown, _worker) = scene.work("two");
    scene.pay(100).await;
    pass(20).await;
    assert_eq!(scene.receivers.times("shop.example").len(), 0);
    pass(20).await;
    let accepted = scene.receivers.accepted("shop.example");
    assert_eq!(accepted.len(), 300);
    assert_in_order(&accepted);
}

#[tokio::test(start_paused = true)]
async fn workers_that_come_and_go_lose_nothing() {
    let scene = Scene::new();
    scene.endpoint("shop.example", &[]).await;
    for round in 0..5 {
        let (one, first) = scene.work(&format!("one-{round}"));
        let (two, second) = scene.work(&format!("two-{round}"));
        scene.pay(40).await;
        pass(1).await;
        one.cancel();
        first.await.unwrap();
        scene.pay(40).await;
        pass(1).await;
        two.cancel();
        second.await.unwrap();
    }
    let (_shutdown, _worker) = scene.work("last");
    pass(60).await;
    let accepted = scene.receivers.accepted("shop.example");
    let distinct: std::collections::HashSet<_> = accepted.iter().collect();
    assert_eq!(distinct.len(), 1200, "every event");
    assert_eq!(accepted.len(), 1200, "each once, since every worker ended well");
    assert_in_order(&accepted);
}

#[tokio::test(start_paused = true)]
async fn a_range_is_replayed_and_a_test_is_sent() {
    let scene = Scene::new();
    let id = scene.endpoint("shop.example", &[EventType::Completed]).await;
    let (_shutdown, _worker) = scene.work("one");
    scene.pay(7).await;
    pass(10).await;
    assert_eq!(scene.receivers.accepted("shop.example").len(), 7);
    scene
        .webhooks
        .replay(id, FeedPosition::START, None)
        .await
        .unwrap();
    scene.webhooks.test(id).await.unwrap();
    pass(10).await;
    assert_eq!(scene.receivers.accepted("shop.example").len(), 15);
    assert_eq!(scene.webhooks.get(id).await.unwrap().replay, None);
    let again = scene.webhooks.redeliver(id, 3).await.unwrap();
    pass(10).await;
    let (delivery, _) = scene.webhooks.delivery(id, again.number).await.unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
    assert_eq!(scene.receivers.accepted("shop.example").len(), 16);
}
