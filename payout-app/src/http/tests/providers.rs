//! Providers over HTTP: pauses, and notifications.

use std::sync::Arc;

use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::access::Scope;
use payout_core::money::Money;
use payout_core::payout::{Caller, PaymentDetails, Recipient, RecipientAccount, RecipientName};
use payout_core::ports::{
    JobQueue, MockProcessor, MockRecheckRepository, Observer, PaceState, RecheckRepository, RepositoryError,
    Signal, System,
};
use payout_core::provider::{
    Balance, Capabilities, Notification, NotificationError, PaymentName, ProviderName, Route, Routes,
};
use payout_core::usecase::Payouts;
use payout_core::usecase::providers::{KnownProvider, Providers};
use salvo::http::Method;
use serde_json::{Value, json};

use super::Bench;

/// Returns the use cases of a service without named providers.
pub(super) fn none() -> Providers {
    let memory = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    Providers::new([], memory.clone(), memory, Arc::new(MemoryQueue::new(10)))
}

fn name() -> ProviderName {
    ProviderName::new("bank").unwrap()
}

/// Builds a service with the provider `bank`, whose notifications are answered by `read`.
fn bench<F>(read: F) -> Bench
where
    F: Fn(&Notification) -> Result<Vec<PaymentName>, NotificationError> + Send + Sync + 'static,
{
    let memory = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    built(&memory, memory.clone(), read)
}

fn built<F>(memory: &Arc<MemoryRepository>, rechecks: Arc<dyn RecheckRepository>, read: F) -> Bench
where
    F: Fn(&Notification) -> Result<Vec<PaymentName>, NotificationError> + Send + Sync + 'static,
{
    Bench::with_providers(memory.clone(), providers(memory, rechecks, read))
}

/// Returns the use cases of the provider `bank`.
fn providers<F>(memory: &Arc<MemoryRepository>, rechecks: Arc<dyn RecheckRepository>, read: F) -> Providers
where
    F: Fn(&Notification) -> Result<Vec<PaymentName>, NotificationError> + Send + Sync + 'static,
{
    let mut processor = MockProcessor::new();
    processor.expect_read_notification().returning(read);
    processor.expect_balances().returning(|| {
        let balance = Balance {
            currency: "EUR".parse().unwrap(),
            available: "48250.00".parse().unwrap(),
        };
        Ok(Some(vec![balance]))
    });
    let known = KnownProvider {
        name: name(),
        kind: "http",
        processor: Arc::new(processor),
        adopts_unnamed: false,
    };
    let queue: Arc<dyn JobQueue> = Arc::new(MemoryQueue::new(10));
    Providers::new([known], memory.clone(), rechecks, queue)
}

fn silent() -> Bench {
    bench(|_| Err(NotificationError::NotConfigured))
}

const NOTIFY: &str = "/api/providers/bank/notifications/";

#[tokio::test]
async fn a_dry_run_has_the_balances_for_a_key_that_may_read_them() {
    let memory = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    let providers = providers(&memory, memory.clone(), |_| Err(NotificationError::NotConfigured));
    let bench = Bench::assembled(memory.clone(), Some(memory), &[], providers, None).opened();
    let body = json!({"payouts": [super::new_payout()]}).to_string();
    let balances = async |name: &str, scopes: &[Scope]| {
        let key = bench.key(name, scopes.iter().copied()).await;
        let reply = bench
            .ask_with(&key, Method::POST, "/api/batches/?dry_run=true", &body)
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["report"]["balances"].clone()
    };
    let told = json!([{"provider": "bank", "balances": [{"currency": "EUR", "available": "48250.00"}]}]);
    assert_eq!(balances("clerk", &[Scope::Read, Scope::Write]).await, told);
    assert_eq!(
        balances("writer", &[Scope::Write, Scope::Reveal]).await,
        json!([])
    );
}

#[tokio::test]
async fn a_provider_is_paused_and_resumed_and_both_can_be_repeated() {
    let bench = silent();
    let listed = bench.get("/api/providers/").await.json();
    let fine = json!({"name": "bank", "kind": "http", "state": "ok", "paused": null});
    let mut with_activity = fine.clone();
    with_activity["calls"] = json!({"count": 0, "errors": 0});
    with_activity["balances"] = json!([{"currency": "EUR", "available": "48250.00"}]);
    assert_eq!(listed, json!({"count": 1, "results": [with_activity]}));
    let body = json!({"reason": "Maintenance"});
    let pause = "/api/providers/bank/pause/";
    let first = bench.write(Method::POST, pause, &[], &body).await.json();
    assert_eq!(
        (&first["state"], &first["paused"]["reason"]),
        (&json!("paused"), &json!("Maintenance"))
    );
    let second = bench.send(Method::POST, pause, &[], "").await.json();
    assert_eq!(second, first, "it stays as it was paused first");
    let listed = bench.get("/api/providers/").await.json();
    assert_eq!(listed["results"][0]["paused"], first["paused"]);
    for _ in 0..2 {
        let resumed = bench
            .send(Method::POST, "/api/providers/bank/resume/", &[], "")
            .await;
        assert_eq!((resumed.status, resumed.json()), (200, fine.clone()));
    }
}

#[tokio::test]
async fn a_name_that_is_not_configured_is_not_found() {
    let bench = silent();
    for name in ["other", "OTHER", "-"] {
        for step in ["pause", "resume", "notifications"] {
            let path = format!("/api/providers/{name}/{step}/");
            bench
                .send(Method::POST, &path, &[], "")
                .await
                .problem(404, "not-found");
        }
    }
}

#[tokio::test]
async fn reading_takes_the_scope_read_and_pausing_the_scope_operate() {
    let bench = silent();
    let read = bench.key("read", [Scope::Read]).await;
    let operate = bench.key("operate", [Scope::Operate]).await;
    let list = bench.ask_with(&read, Method::GET, "/api/providers/", "").await;
    assert_eq!(list.status, 200);
    for path in ["/api/providers/bank/pause/", "/api/providers/bank/resume/"] {
        bench
            .ask_with(&read, Method::POST, path, "")
            .await
            .problem(403, "forbidden");
        assert_eq!(bench.ask_with(&operate, Method::POST, path, "").await.status, 200);
        bench
            .send(Method::POST, path, &[], "")
            .await
            .problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn a_payout_says_that_its_provider_is_paused_and_then_no_longer() {
    let bench = silent();
    let routes = Routes::new(
        vec![Route::to(name())],
        std::iter::once((name(), Capabilities::default())).collect(),
    );
    let payouts = Payouts::start(
        bench.repository.clone(),
        Arc::new(MemoryQueue::new(10)),
        Arc::new(System::default()),
    );
    let recipient = Recipient::new(
        RecipientAccount::new("DE89370400440532013000").unwrap(),
        RecipientName::new("Ada Lovelace").unwrap(),
    );
    let money = Money::new("125.50".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
    let created = payouts
        .routed_by(Arc::new(routes))
        .create(PaymentDetails::new(money, recipient), None, Caller::named("test"))
        .await
        .unwrap();
    let path = format!("/api/payouts/{}/", created.payout.id());
    let waits = async || {
        let one = bench.get(&path).await.json();
        let all = bench.get("/api/payouts/").await.json();
        assert_eq!(one["waiting_for"], all["results"][0]["waiting_for"]);
        assert_eq!(one["provider"], Value::Null, "nothing was sent");
        one["waiting_for"].clone()
    };
    assert_eq!(waits().await, Value::Null);
    bench
        .send(Method::POST, "/api/providers/bank/pause/", &[], "")
        .await;
    assert_eq!(waits().await, "provider_paused");
    bench
        .send(Method::POST, "/api/providers/bank/resume/", &[], "")
        .await;
    assert_eq!(waits().await, Value::Null);
}

#[tokio::test]
async fn readiness_names_each_provider_and_none_of_them_makes_the_service_unready() {
    let bench = silent();
    let state = async || {
        let ready = bench.get("/health/ready").await;
        assert_eq!(ready.status, 200);
        let provider = ready.json()["checks"]["providers"][0].clone();
        assert_eq!(
            (&provider["name"], &provider["kind"]),
            (&json!("bank"), &json!("http"))
        );
        provider["status"].clone()
    };
    assert_eq!(state().await, "ok");
    bench.app_state.health.observe(&Signal::Paced {
        provider: Some("bank"),
        state: PaceState::Away,
        calls_per_second: None,
    });
    assert_eq!(state().await, "away");
    bench
        .send(Method::POST, "/api/providers/bank/pause/", &[], "")
        .await;
    assert_eq!(state().await, "paused");
    let none = Bench::new().get("/health/ready").await.json();
    assert!(none["checks"].get("providers").is_none());
}

#[tokio::test]
async fn a_notification_is_read_as_it_came_and_its_answer_says_nothing() {
    let bench = bench(|notification| {
        assert_eq!(notification.header("x-signature"), Some("abc"));
        assert_eq!(notification.body, b"{\"not\": quite json");
        Ok(vec![PaymentName::Key("k:0".to_owned())])
    });
    // A service with API keys takes it without one, and in any format.
    bench.key("admin", [Scope::Admin]).await;
    let headers = [("X-Signature", "abc"), ("content-type", "text/plain")];
    let reply = bench
        .send(
            Method::POST,
            &format!("{NOTIFY}?source=x"),
            &headers,
            "{\"not\": quite json",
        )
        .await;
    assert_eq!((reply.status, reply.json()), (202, json!({})));
}

#[tokio::test]
async fn a_notification_that_is_not_taken_is_refused_so_that_a_good_one_comes_again() {
    for (said, status, kind) in [
        (0, 401, "invalid-signature"),
        (1, 404, "not-found"),
        (2, 400, "malformed-body"),
        (3, 503, "unavailable"),
    ] {
        let bench = bench(move |_| {
            Err(match said {
                0 => NotificationError::InvalidSignature,
                1 => NotificationError::NotConfigured,
                2 => NotificationError::Unreadable("no events".to_owned()),
                _ => NotificationError::Unavailable("no certificate".to_owned()),
            })
        });
        bench
            .send(Method::POST, NOTIFY, &[], "{}")
            .await
            .problem(status, kind);
    }
    let mut rechecks = MockRecheckRepository::new();
    rechecks
        .expect_hint_payments()
        .returning(|_, _| Err(RepositoryError::Unavailable("away".into())));
    let memory = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    let bench = built(&memory, Arc::new(rechecks), |_| {
        Ok(vec![PaymentName::Key("k:0".to_owned())])
    });
    let reply = bench.send(Method::POST, NOTIFY, &[], "{}").await;
    reply.problem(503, "unavailable");
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn notifications_are_bounded_in_size() {
    let bench = bench(|_| Ok(Vec::new()));
    let fits = "x".repeat(256 * 1024);
    assert_eq!(bench.send(Method::POST, NOTIFY, &[], &fits).await.status, 202);
    let large = format!("{fits}x");
    bench
        .send(Method::POST, NOTIFY, &[], &large)
        .await
        .problem(413, "body-too-large");
}

#[test]
fn the_limit_of_notifications_is_one_of_each_address() {
    use std::net::IpAddr;

    use payout_core::ports::Clock;
    use salvo::http::HeaderMap;

    use crate::http::admission::{Client, Limits};

    let clock: Arc<dyn Clock> = Arc::new(System::default());
    let limits = Limits::new(super::config(&[]).limits, &clock);
    let client = |text: &str| Client::of(Some(text.parse::<IpAddr>().unwrap()), &HeaderMap::new(), &[]);
    let taken = (0..1_000).filter(|_| limits.take_notification(client("192.0.2.1")).is_ok());
    assert!((200..400).contains(&taken.count()));
    assert!(limits.take_notification(client("192.0.2.1")).is_err());
    assert!(limits.take_notification(client("198.51.100.1")).is_ok());
}
