//! Create, read, list.

use std::sync::Arc;

use payout_adapters::storage::memory::MemoryRepository;
use payout_core::attempt::Verdict;
use payout_core::payout::Failure;
use payout_core::ports::System;
use salvo::http::Method;
use serde_json::{Value, json};

use super::{Bench, new_payout};

#[tokio::test]
async fn a_payout_is_created_and_read_back() {
    let bench = Bench::new();
    let (created, path) = bench.create().await;
    let body = created.json();
    assert_eq!(path, format!("/api/payouts/{}/", body["id"].as_str().unwrap()));
    assert_eq!(created.header("etag"), "\"1\"");
    assert!(!created.headers.contains_key("idempotent-replayed"));
    let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "amount",
            "attempts",
            "batch_id",
            "completed_at",
            "created_at",
            "created_by",
            "currency",
            "description",
            "external_id",
            "failure",
            "id",
            "metadata",
            "needs_review",
            "provider",
            "provider_reference",
            "recipient",
            "recipient_account",
            "recipient_id",
            "recipient_name",
            "returned",
            "scheduled_at",
            "statement_text",
            "status",
            "updated_at",
            "waiting_for"
        ]
    );
    assert_eq!(
        (&body["amount"], &body["currency"]),
        (&json!("125.50"), &json!("EUR"))
    );
    let created_at = body["created_at"].as_str().unwrap();
    assert_eq!(created_at.len(), "2026-11-24T09:30:00.123456Z".len());

    let read = bench.get(&path).await;
    assert_eq!(
        (read.status, read.header("etag"), read.json()),
        (200, "\"1\"", body)
    );
}

#[tokio::test]
async fn every_path_works_with_and_without_its_last_slash() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    for path in [
        "/api/payouts",
        "/api/payouts/",
        path.trim_end_matches('/'),
        &path,
        "/health/live",
        "/health/live/",
        "/metrics/",
    ] {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
    }
    assert_eq!(bench.get(&format!("{path}events")).await.status, 200);
}

#[tokio::test]
async fn head_answers_what_get_does_but_the_body() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let get = bench.get(&path).await;
    let head = bench.send(Method::HEAD, &path, &[], "").await;
    assert_eq!(
        (head.status, head.text.as_str(), head.header("etag")),
        (200, "", "\"1\"")
    );
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    assert_eq!(
        bench.send(Method::HEAD, "/api/payouts/x/", &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn a_key_makes_a_payout_once() {
    let bench = Bench::new();
    let key = [("idempotency-key", "\"order-1\"")];
    let first = bench
        .write(Method::POST, "/api/payouts", &key, &new_payout())
        .await;
    bench.settle(Verdict::Failed(Failure::new("x", "y"))).await;
    let mut same = new_payout();
    same["amount"] = json!(125.5);
    let again = bench
        .write(
            Method::POST,
            "/api/payouts/",
            &[("idempotency-key", "order-1")],
            &same,
        )
        .await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("idempotent-replayed"), "true");

    let mut other = new_payout();
    other["amount"] = json!("1");
    bench
        .write(Method::POST, "/api/payouts/", &key, &other)
        .await
        .problem(422, "key-reused");
    let odd = bench
        .write(
            Method::POST,
            "/api/payouts/",
            &[("idempotency-key", "a b")],
            &other,
        )
        .await;
    let problem = odd.problem(400, "invalid-request");
    assert_eq!(
        problem["errors"]["Idempotency-Key"][0],
        "An idempotency key is 1 to 255 visible ASCII characters."
    );
    assert_eq!(bench.get("/api/payouts/").await.json()["count"], 1);
}

#[tokio::test]
async fn a_refused_request_stores_nothing_under_its_key() {
    let bench = Bench::new();
    let key = [("idempotency-key", "k")];
    bench
        .write(Method::POST, "/api/payouts/", &key, &json!({}))
        .await
        .problem(400, "invalid-request");
    assert_eq!(
        bench
            .write(Method::POST, "/api/payouts/", &key, &new_payout())
            .await
            .status,
        201
    );
}

async fn ids(bench: &Bench, path: &str) -> Vec<String> {
    let body = bench.get(path).await.json();
    let results = body["results"].as_array().unwrap_or_else(|| panic!("{body}"));
    results
        .iter()
        .map(|payout| payout["id"].as_str().unwrap().to_owned())
        .collect()
}

fn path_of(link: &Value) -> String {
    link.as_str()
        .unwrap_or_else(|| panic!("no link: {link}"))
        .strip_prefix("http://payouts.test")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn links_lead_through_the_whole_list_and_back() {
    let bench = Bench::new();
    for _ in 0..5 {
        bench.create().await;
    }
    let all = ids(&bench, "/api/payouts/").await;
    for start in [
        "/api/payouts/?page_size=2&status=pending",
        "/api/payouts?page_size=2&page=1&status=pending",
    ] {
        let first = bench.get(start).await.json();
        assert_eq!(
            (&first["count"], &first["count_exact"], &first["previous"]),
            (&json!(5), &json!(true), &Value::Null)
        );
        let second = path_of(&first["next"]);
        assert!(
            second.contains("status=pending") && second.contains("page_size=2"),
            "{second}"
        );
        let third = path_of(&bench.get(&second).await.json()["next"]);
        let mut seen = ids(&bench, start).await;
        seen.extend(ids(&bench, &second).await);
        seen.extend(ids(&bench, &third).await);
        assert_eq!(seen, all);

        let last = bench.get(&third).await.json();
        assert_eq!(last["next"], Value::Null);
        let back = bench.get(&path_of(&last["previous"])).await.json();
        let home = path_of(&back["previous"]);
        assert_eq!(ids(&bench, &home).await, all[..2]);
        assert_eq!(bench.get(&home).await.json()["previous"], Value::Null);
    }
}

#[tokio::test]
async fn filters_and_orders_choose() {
    let bench = Bench::new();
    bench.create().await;
    bench.settle(Verdict::Review { why: "?".to_owned() }).await;
    let mut yen = new_payout();
    (yen["amount"], yen["currency"], yen["recipient_name"]) = (json!(7), json!("JPY"), json!("Émile"));
    bench.write(Method::POST, "/api/payouts/", &[], &yen).await;
    for (query, count) in [
        ("", 2),
        ("status=processing&status=pending", 2),
        ("status=processing,completed", 1),
        ("currency=jpy", 1),
        ("currency=CHF", 0),
        ("needs_review=true", 1),
        ("needs_review=false", 1),
        ("search=%C3%A9mi", 1),
        ("search=DE89370400440532013000", 2),
        ("search=DE8937", 0),
        ("created_after=2020-01-01", 2),
        ("created_before=2020-01-01T00:00:00Z", 0),
        ("count=exact", 2),
    ] {
        assert_eq!(
            bench.get(&format!("/api/payouts/?{query}")).await.json()["count"],
            count,
            "{query}"
        );
    }
    let mut oldest_first = ids(&bench, "/api/payouts/?ordering=created_at").await;
    oldest_first.reverse();
    assert_eq!(
        oldest_first,
        ids(&bench, "/api/payouts/?ordering=-created_at").await
    );
}

#[tokio::test]
async fn a_page_that_is_not_there_is_404_and_a_wrong_query_400() {
    let bench = Bench::new();
    assert_eq!(bench.get("/api/payouts/?page=1").await.status, 200);
    bench.get("/api/payouts/?page=2").await.problem(404, "not-found");
    bench
        .get("/api/payouts/?page=18446744073709551615&page_size=200")
        .await
        .problem(404, "not-found");
    let refused = bench
        .get("/api/payouts/?page=0&page_size=201&cursor=abc&status=x")
        .await;
    let errors = &refused.problem(400, "invalid-request")["errors"];
    for name in ["page", "page_size", "cursor", "status"] {
        assert!(errors[name].is_array(), "{name} in {errors}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let bench = Bench::new();
    for _ in 0..2 {
        bench.create().await;
    }
    let next = path_of(&bench.get("/api/payouts/?page_size=1").await.json()["next"]);
    bench
        .get(&format!("{next}&status=pending"))
        .await
        .problem(400, "invalid-request");
    assert_eq!(
        bench
            .get(&next.replace("page_size=1", "page_size=5"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_create_without_a_key_is_refused_where_one_is_required() {
    let repository = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    let bench = Bench::limited(repository, &["--require-idempotency-key=on"]).opened();
    let reply = bench
        .write(Method::POST, "/api/payouts/", &[], &new_payout())
        .await;
    let problem = reply.problem(400, "invalid-request");
    let message = problem["errors"]["Idempotency-Key"][0].as_str().unwrap();
    assert!(message.contains("wants this header on every create"), "{message}");
    assert_eq!(bench.get("/api/payouts/").await.json()["count"], 0);

    let key = [("idempotency-key", "order-7")];
    let reply = bench
        .write(Method::POST, "/api/payouts/", &key, &new_payout())
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    // A change of an existing payout is guarded by its state, and needs no key.
    let cancel = format!("{}cancel/", reply.header("location"));
    assert_eq!(bench.send(Method::POST, &cancel, &[], "").await.status, 200);
}
