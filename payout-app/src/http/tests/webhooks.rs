//! Webhooks over HTTP: endpoints, deliveries, and who may see them.

use std::sync::Arc;

use payout_adapters::storage::memory::MemoryRepository;
use payout_core::access::Scope;
use payout_core::ports::System;
use salvo::http::Method;
use serde_json::{Value, json};

use super::Bench;

const PATH: &str = "/api/webhooks/";

fn bench() -> Bench {
    Bench::with_providers(
        Arc::new(MemoryRepository::new(Arc::new(System::default()))),
        super::providers::none(),
    )
}

async fn made(bench: &Bench, body: Value) -> (String, Value) {
    let reply = bench.write(Method::POST, PATH, &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let body = reply.json();
    let path = format!("{PATH}{}/", body["webhook"]["id"].as_str().unwrap());
    (path, body)
}

fn shop() -> Value {
    json!({"url": "https://shop.example/hooks", "types": ["payout.failed", "payout.completed"], "description": "Shop"})
}

#[tokio::test]
async fn an_endpoint_is_made_changed_and_deleted_and_its_secret_is_shown_once() {
    let bench = bench();
    let (path, made) = made(&bench, shop()).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let endpoint = bench.get(&path).await;
    assert!(!endpoint.text.contains("whsec_"), "{endpoint:?}");
    assert_eq!(endpoint.json(), made["webhook"]);
    assert_eq!(
        endpoint.json()["types"],
        json!(["payout.completed", "payout.failed"])
    );
    let changes = json!({"url": "http://10.20.0.7:8080/", "types": [], "include_recipient": true});
    let changed = bench.write(Method::PATCH, &path, &[], &changes).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["description"], "Shop");
    assert_eq!(
        (&changed.json()["types"], &changed.json()["include_recipient"]),
        (&json!([]), &json!(true))
    );
    for (step, state, why) in [
        ("disable/", "disabled", json!("operator")),
        ("disable/", "disabled", json!("operator")),
        ("enable/", "enabled", Value::Null),
    ] {
        let reply = bench.send(Method::POST, &format!("{path}{step}"), &[], "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            (&reply.json()["state"], &reply.json()["disabled_why"]),
            (&json!(state), &why)
        );
    }
    assert_eq!(bench.get(PATH).await.json()["count"], 1);
    assert_eq!(bench.send(Method::DELETE, &path, &[], "").await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        bench.send(method, &path, &[], "").await.problem(404, "not-found");
    }
    assert_eq!(bench.get(PATH).await.json()["results"], json!([]));
}

#[tokio::test]
async fn an_address_inside_is_refused_by_name() {
    let bench = bench();
    for url in [
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://user:pass@shop.example/",
        "http://shop.example.com:80@127.0.0.1/",
        "http://8.8.8.8/",
        "ftp://shop.example/",
        "shop.example",
    ] {
        let reply = bench.write(Method::POST, PATH, &[], &json!({"url": url})).await;
        let problem = reply.problem(400, "invalid-request");
        assert_eq!(
            problem["errors"]["url"].as_array().unwrap().len(),
            1,
            "{url}: {problem}"
        );
    }
    let wrong = json!({"url": 7, "types": ["payout.gone"], "include_recipient": "yes", "secret": "x"});
    let problem = bench
        .write(Method::POST, PATH, &[], &wrong)
        .await
        .problem(400, "invalid-request");
    for name in ["url", "types", "include_recipient", "secret"] {
        assert!(problem["errors"][name].is_array(), "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_rotation_shows_the_new_secret_and_the_old_one_signs_for_a_while() {
    let bench = bench();
    let (path, made) = made(&bench, shop()).await;
    let rotate = format!("{path}rotate/");
    let rotated = bench
        .write(Method::POST, &rotate, &[], &json!({"overlap_seconds": 60}))
        .await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_ne!(rotated.json()["secret"], made["secret"]);
    assert!(rotated.json()["webhook"]["previous_secret_until"].is_string());
    let at_once = bench
        .write(Method::POST, &rotate, &[], &json!({"overlap_seconds": 0}))
        .await;
    assert!(at_once.json()["webhook"]["previous_secret_until"].is_null());
}

#[tokio::test]
async fn a_test_is_a_delivery_that_can_be_looked_at_and_repeated() {
    let bench = bench();
    let (path, _) = made(&bench, shop()).await;
    let test = bench.send(Method::POST, &format!("{path}test/"), &[], "").await;
    assert_eq!(test.status, 202, "{test:?}");
    assert_eq!(
        (&test.json()["number"], &test.json()["type"]),
        (&json!(1), &json!("webhook.test"))
    );
    let body: Value = serde_json::from_str(test.json()["request_body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&body["id"], &body["type"]),
        (&test.json()["event_id"], &json!("webhook.test"))
    );
    let again = bench
        .send(Method::POST, &format!("{path}deliveries/1/redeliver/"), &[], "")
        .await;
    assert_eq!(
        (again.status, &again.json()["number"]),
        (202, &json!(1)),
        "it still waits"
    );
    let detail = bench.get(&format!("{path}deliveries/1/")).await.json();
    assert_eq!(
        (&detail["delivery"]["status"], &detail["attempts"]),
        (&json!("pending"), &json!([]))
    );
    let listed = bench
        .get(&format!("{path}deliveries/?status=pending&page_size=1"))
        .await
        .json();
    assert_eq!(
        (listed["results"].as_array().unwrap().len(), &listed["next"]),
        (1, &json!(1))
    );
    let rest = bench.get(&format!("{path}deliveries/?before=1")).await.json();
    assert_eq!((&rest["results"], &rest["next"]), (&json!([]), &Value::Null));
    for unknown in [
        "deliveries/2/",
        "deliveries/0/",
        "deliveries/x/",
        "deliveries/01/",
    ] {
        bench
            .get(&format!("{path}{unknown}"))
            .await
            .problem(404, "not-found");
    }
}

#[tokio::test]
async fn one_range_is_replayed_at_a_time() {
    let bench = bench();
    let (path, _) = made(&bench, shop()).await;
    let replay = format!("{path}replay/");
    let start = json!({"after": "0".repeat(32)});
    let replayed = bench.write(Method::POST, &replay, &[], &start).await;
    assert_eq!(replayed.status, 202, "{replayed:?}");
    assert_eq!(replayed.json()["replay"]["after"], "0".repeat(32));
    let second = bench.write(Method::POST, &replay, &[], &start).await;
    second.problem(409, "replay-running");
    let wrong = bench
        .write(Method::POST, &replay, &[], &json!({"after": "1"}))
        .await;
    wrong.problem(400, "invalid-request");
    let backwards = json!({"after": "7".repeat(32), "until": "0".repeat(32)});
    let backwards = bench.write(Method::POST, &replay, &[], &backwards).await;
    assert!(backwards.problem(400, "invalid-request")["errors"]["until"].is_array());
    for beyond in [
        json!({"after": "7".repeat(32)}),
        json!({"after": "6".repeat(32), "until": "7".repeat(32)}),
    ] {
        let reply = bench.write(Method::POST, &replay, &[], &beyond).await;
        let problem = reply.problem(400, "invalid-request");
        assert_eq!(
            problem["errors"],
            json!({"after": ["This position is beyond the end of the feed."]}),
            "{beyond}"
        );
    }
}

#[tokio::test]
async fn only_administrators_see_webhooks() {
    let bench = bench();
    let (path, _) = made(&bench, shop()).await;
    let clerk = bench
        .key(
            "clerk",
            [Scope::Read, Scope::Write, Scope::Operate, Scope::Reveal],
        )
        .await;
    let admin = bench.key("admin", [Scope::Admin]).await;
    for (method, path) in [
        (Method::GET, PATH.to_owned()),
        (Method::GET, path.clone()),
        (Method::GET, format!("{path}deliveries/")),
        (Method::POST, format!("{path}test/")),
        (Method::DELETE, path.clone()),
    ] {
        let refused = bench.ask_with(&clerk, method.clone(), &path, "").await;
        refused.problem(403, "forbidden");
        let allowed = bench.ask_with(&admin, method, &path, "").await;
        assert!((200..300).contains(&allowed.status), "{path}: {allowed:?}");
    }
}
