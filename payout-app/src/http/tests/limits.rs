//! Limits on one client.

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::storage::memory::MemoryRepository;
use payout_core::access::{Scope, Token};
use payout_core::ports::{MockPayoutRepository, PayoutRepository, System};
use salvo::http::Method;

use super::{Bench, Reply, new_payout};

const ID: &str = "/api/payouts/01935d2c-7f3a-7bcd-8123-456789abcdef/";

fn memory(settings: &[&str]) -> Bench {
    let repository: Arc<dyn PayoutRepository> = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    Bench::limited(repository, settings).opened()
}

/// A store that is slow to find a payout.
fn slow(settings: &[&str]) -> Bench {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Ok(None)
    });
    Bench::limited(Arc::new(repository), settings).opened()
}

async fn list(bench: &Bench, token: &Token) -> Reply {
    bench.ask_with(token, Method::GET, "/api/payouts/", "").await
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let bench = memory(&["--rate-per-key=2/h"]);
    let (busy, other) = (
        bench.key("busy", [Scope::Read]).await,
        bench.key("other", [Scope::Read]).await,
    );
    let first = list(&bench, &busy).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), "\"key\";q=2;w=3600");
    assert_eq!(first.header("ratelimit"), "\"key\";r=1;t=1800");
    assert_eq!(list(&bench, &busy).await.status, 200);

    let refused = list(&bench, &busy).await;
    refused.problem(429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1_790..=1_800).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), "\"key\";r=0;t=3600");
    assert_eq!(list(&bench, &other).await.status, 200, "another key has its own");
    assert!(
        bench
            .app_state
            .metrics
            .render()
            .contains("payout_http_limited_total{limit=\"key\"} 1"),
        "{}",
        bench.app_state.metrics.render()
    );
}

#[tokio::test]
async fn without_reveal_guesses_at_the_first_request_under_an_idempotency_key_are_limited() {
    let bench = memory(&[]);
    let writer = bench.key("writer", [Scope::Write]).await;
    let create = async |key: &str, account: &str| {
        let bearer = format!("Bearer {}", writer.expose());
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let mut body = new_payout();
        body["recipient_account"] = account.into();
        bench
            .send(Method::POST, "/api/payouts/", &headers, &body.to_string())
            .await
    };
    assert_eq!(create("order-7", "RIGHT").await.status, 201);
    let mut told = 0;
    let refused = loop {
        let reply = create("order-7", &format!("WRONG-{told}")).await;
        if reply.status == 429 || told > 60 {
            break reply;
        }
        reply.problem(422, "key-reused");
        told += 1;
    };
    assert!(told >= 30, "{told}");
    for reply in [refused, create("order-7", "RIGHT").await] {
        reply.problem(429, "too-many-requests");
    }
    assert_eq!(create("order-8", "RIGHT").await.status, 201, "it can still pay");
}

#[tokio::test]
async fn what_a_key_may_not_do_counts_for_nothing() {
    let bench = memory(&["--rate-per-key=1/h"]);
    let token = bench.key("reads", [Scope::Read]).await;
    for _ in 0..3 {
        let refused = bench.ask_with(&token, Method::DELETE, ID, "").await;
        refused.problem(403, "forbidden");
    }
    assert_eq!(list(&bench, &token).await.status, 200);
}

#[tokio::test]
async fn health_and_metrics_are_under_no_limit() {
    let bench = memory(&["--rate-per-key=1/h", "--max-in-flight=1"]);
    let token = bench.key("reads", [Scope::Read]).await;
    let _place = bench.app_state.limits.take_place().unwrap();
    for _ in 0..5 {
        assert_eq!(bench.get("/health/live").await.status, 200);
        assert_eq!(
            bench.ask_with(&token, Method::GET, "/metrics", "").await.status,
            200
        );
    }
}

#[tokio::test]
async fn beyond_the_most_in_flight_is_503_and_the_next_is_taken() {
    let bench = memory(&["--max-in-flight=1"]);
    let place = bench.app_state.limits.take_place().unwrap();
    let refused = bench.get("/api/payouts/").await;
    refused.problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "1");
    drop(place);
    assert_eq!(bench.get("/api/payouts/").await.status, 200);
    assert_eq!(bench.app_state.limits.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_answer_that_takes_too_long_is_503_and_its_place_is_free() {
    let bench = slow(&["--handler-timeout-ms=50", "--max-in-flight=1"]);
    let reply = bench.get(ID).await;
    let problem = reply.problem(503, "unavailable");
    assert!(
        problem["detail"].as_str().unwrap().contains("took too long"),
        "{problem}"
    );
    assert_eq!(bench.app_state.limits.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_request_holds_its_place_until_it_is_answered() {
    let bench = slow(&["--max-in-flight=1"]);
    let (first, second) = tokio::join!(bench.get(ID), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.get(ID).await
    });
    assert_eq!(first.status, 404);
    second.problem(503, "busy");
}

#[tokio::test]
async fn how_large_a_body_may_be_can_be_set() {
    let body = new_payout();
    let size = body.to_string().len();
    let fits = memory(&[&format!("--max-body-bytes={size}")]);
    assert_eq!(
        fits.write(Method::POST, "/api/payouts/", &[], &body).await.status,
        201
    );
    let small = memory(&[&format!("--max-body-bytes={}", size - 1)]);
    let refused = small.write(Method::POST, "/api/payouts/", &[], &body).await;
    refused.problem(413, "body-too-large");
}
