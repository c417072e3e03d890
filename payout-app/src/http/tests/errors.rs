//! Every failure is answered with a whole problem document.

use std::sync::Arc;

use payout_core::payout::{Caller, NewPayout, PaymentDetails, Payout};
use payout_core::ports::{LockedPart, MockPayoutRepository, RepositoryError};
use salvo::http::Method;
use serde_json::json;

use super::{Bench, new_payout};

const ID: &str = "/api/payouts/01935d2c-7f3a-7bcd-8123-456789abcdef/";

fn unavailable() -> RepositoryError {
    RepositoryError::Unavailable("connection refused: SELECT secret".into())
}

/// A repository on which every call fails.
fn failing(error: fn() -> RepositoryError) -> Bench {
    let mut repository = MockPayoutRepository::new();
    repository.expect_insert().returning(move |_| Err(error()));
    repository.expect_apply().returning(move |_, _| Err(error()));
    repository.expect_find().returning(move |_| Err(error()));
    repository.expect_find_answer().returning(move |_| Err(error()));
    repository.expect_events().returning(move |_, _| Err(error()));
    repository.expect_list().returning(move |_| Err(error()));
    repository.expect_count().returning(move |_, _| Err(error()));
    repository.expect_now().returning(move || Err(error()));
    Bench::over(Arc::new(repository))
}

fn locked() -> RepositoryError {
    RepositoryError::Locked {
        part: LockedPart::Row,
        source: "canceling statement due to lock timeout: SELECT secret".into(),
    }
}

fn overloaded() -> RepositoryError {
    RepositoryError::Overloaded("as many run and wait as may: SELECT secret".into())
}

#[tokio::test]
async fn what_is_locked_or_too_much_at_once_is_503_and_says_when_to_try_again() {
    for error in [locked, overloaded] {
        let bench = failing(error);
        for each in EVERY_CALL {
            let reply = call(&bench, each).await;
            reply.problem(503, "busy");
            assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
            assert!(!reply.text.contains("secret"), "{reply:?}");
        }
    }
}

const EVERY_CALL: [(Method, &str, &str); 9] = [
    (Method::GET, "/api/payouts/", ""),
    (Method::POST, "/api/payouts/", "new"),
    (Method::GET, ID, ""),
    (Method::PATCH, ID, "{}"),
    (Method::PUT, ID, "new"),
    (Method::DELETE, ID, ""),
    (
        Method::GET,
        "/api/payouts/01935d2c-7f3a-7bcd-8123-456789abcdef/events",
        "",
    ),
    (
        Method::POST,
        "/api/payouts/01935d2c-7f3a-7bcd-8123-456789abcdef/retry",
        "{}",
    ),
    (
        Method::POST,
        "/api/payouts/01935d2c-7f3a-7bcd-8123-456789abcdef/cancel",
        "{}",
    ),
];

async fn call(bench: &Bench, (method, path, body): (Method, &str, &str)) -> super::Reply {
    let body = if body == "new" {
        new_payout().to_string()
    } else {
        body.to_owned()
    };
    bench
        .send(method, path, &[("content-type", "application/json")], &body)
        .await
}

#[tokio::test]
async fn a_database_that_is_away_is_503_everywhere() {
    let bench = failing(unavailable);
    for each in EVERY_CALL {
        let reply = call(&bench, each).await;
        reply.problem(503, "unavailable");
        assert_eq!(reply.header("retry-after"), "1");
        assert!(!reply.text.contains("secret"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_store_that_refuses_is_500_and_says_nothing() {
    let bench = failing(|| RepositoryError::Refused("column secret does not exist".into()));
    for each in EVERY_CALL {
        let reply = call(&bench, each).await;
        reply.problem(500, "internal");
        assert!(!reply.text.contains("secret"), "{reply:?}");
    }
}

#[tokio::test]
async fn nothing_is_done_before_the_database_is_ready() {
    let bench = Bench::closed(Arc::new(MockPayoutRepository::new()));
    for each in EVERY_CALL {
        let reply = call(&bench, each).await;
        reply.problem(503, "unavailable");
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert_eq!(bench.get("/health/live").await.status, 200);
    let ready = bench.get("/health/ready").await;
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (503, &json!("unavailable"))
    );
    assert_eq!(ready.json()["checks"]["database"]["detail"], "starting");
}

/// A pending payout at version 1.
fn stored() -> Payout {
    let details = PaymentDetails::new(
        payout_core::money::Money::new("1".parse().unwrap(), "USD".parse().unwrap()).unwrap(),
        payout_core::payout::Recipient::new(
            payout_core::payout::RecipientAccount::new("A").unwrap(),
            payout_core::payout::RecipientName::new("N").unwrap(),
        ),
    );
    let id = ID
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    NewPayout {
        id,
        details,
        batch: None,
        caller: Caller::named("t"),
        request: None,
        charge: None,
        provider: None,
        approval: None,
    }
    .stored_at(payout_core::Timestamp::UNIX_EPOCH)
}

#[tokio::test]
async fn losing_a_race_is_409_and_412_with_if_match() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| Ok(Some(stored())));
    repository
        .expect_apply()
        .returning(|_, _| Err(RepositoryError::VersionConflict));
    let bench = Bench::over(Arc::new(repository));
    let body = json!({"description": "x"});
    bench
        .write(Method::PATCH, ID, &[], &body)
        .await
        .problem(409, "changed-meanwhile");
    let conditional = bench
        .write(Method::PATCH, ID, &[("if-match", "\"1\"")], &body)
        .await;
    conditional.problem(412, "precondition-failed");
}

#[tokio::test]
async fn a_key_whose_first_request_runs_elsewhere_is_409() {
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_insert()
        .returning(|_| Ok(vec![payout_core::ports::Insertion::KeyTaken]));
    repository.expect_find_answer().returning(|_| Ok(None));
    let bench = Bench::over(Arc::new(repository));
    let reply = bench
        .write(
            Method::POST,
            "/api/payouts/",
            &[("idempotency-key", "k")],
            &new_payout(),
        )
        .await;
    reply.problem(409, "key-in-flight");
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let bench = Bench::new();
    for path in [
        "/index.html",
        "/apis",
        "/api/payout",
        "/api/payouts/x/y/z",
        "/%ff",
        "/api/payouts%2f",
        "/..%2fetc",
        "/favicon.png",
        "/api/docs/nothing.js",
    ] {
        let problem = bench.get(path).await.problem(404, "unknown-path");
        assert_eq!(problem["instance"], path);
    }
    let problem = bench
        .get("/nowhere?token=secret")
        .await
        .problem(404, "unknown-path");
    assert_eq!(problem["instance"], "/nowhere");
    for (method, path, allow) in [
        (Method::DELETE, "/api/payouts/", "GET, HEAD, POST"),
        (Method::POST, ID, "DELETE, GET, HEAD, PATCH, PUT"),
        (Method::GET, "/api/payouts/1/retry/", "POST"),
        (Method::OPTIONS, "/api/payouts/", "GET, HEAD, POST"),
        (Method::POST, "/health/live", "GET, HEAD"),
    ] {
        let reply = bench.send(method, path, &[], "").await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let bench = Bench::new();
    let hosts = [("host", "localhost"), ("host", "evil.example")];
    let reply = bench.send(Method::GET, "/api/payouts/", &hosts, "").await;
    let problem = reply.problem(400, "invalid-request");
    assert_eq!(
        problem["errors"],
        json!({"Host": ["This header is given more than once."]})
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_404() {
    let bench = Bench::new();
    for id in [
        "1",
        "x",
        "01935d2c7f3a7bcd8123456789abcdef",
        "%00",
        "%ff",
        "01935d2c-7f3a-7bcd-8123-456789abcdeg",
    ] {
        for method in [Method::GET, Method::DELETE] {
            let reply = bench.send(method, &format!("/api/payouts/{id}/"), &[], "").await;
            assert_eq!(reply.status, 404, "{id}: {reply:?}");
        }
    }
    bench.get(ID).await.problem(404, "not-found");
}

#[tokio::test]
async fn bodies_must_be_json_and_small() {
    let bench = Bench::new();
    let path = "/api/payouts/";
    let json_type = [("content-type", "application/json")];
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        let reply = bench
            .send(Method::POST, path, &[("content-type", content_type)], "{}")
            .await;
        reply.problem(415, "unsupported-media-type");
    }
    bench
        .send(Method::POST, path, &[], "{}")
        .await
        .problem(415, "unsupported-media-type");
    let broken = bench
        .send(Method::POST, path, &json_type, "{\"amount\": 1,}")
        .await;
    let problem = broken.problem(400, "malformed-body");
    assert_eq!(
        problem["detail"],
        "The body is not JSON: key must be a string at line 1 column 14."
    );
    bench
        .send(Method::POST, path, &json_type, "")
        .await
        .problem(400, "malformed-body");
    for size in [64 * 1024 + 1, 1024 * 1024] {
        let reply = bench
            .send(Method::POST, path, &json_type, &" ".repeat(size))
            .await;
        reply.problem(413, "body-too-large");
    }
    let mut largest = new_payout().to_string();
    largest.push_str(&" ".repeat(64 * 1024 - largest.len()));
    assert_eq!(
        bench.send(Method::POST, path, &json_type, &largest).await.status,
        201
    );
}

#[tokio::test]
async fn every_refused_field_is_named() {
    let bench = Bench::new();
    let body = json!({
        "amount": "10.5", "currency": "JPY", "recipient_account": "", "recipient_name": "x".repeat(129),
        "description": "\u{0}", "status": "completed", "id": "mine", "extra": {},
    });
    let problem = bench
        .write(Method::POST, "/api/payouts/", &[], &body)
        .await
        .problem(400, "invalid-request");
    let errors = problem["errors"].as_object().unwrap();
    assert_eq!(errors.len(), 7, "{errors:?}");
    assert_eq!(errors["extra"], json!(["Unknown field."]));
    assert_eq!(errors["id"], json!(["This field is read-only."]));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    let bench = Bench::new();
    let reply = bench.get("/panic").await;
    reply.problem(500, "internal");
    assert!(!reply.text.contains("purpose"));
    assert_eq!(bench.get("/api/payouts/").await.status, 200);
}

#[tokio::test]
async fn answers_are_counted_by_route() {
    let bench = Bench::new();
    bench.get(ID).await;
    bench.get("/no/such/path").await;
    let metrics = bench.get("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        r#"payout_http_requests_total{route="/api/payouts/{id}",method="GET",status="404"} 1"#,
        r#"payout_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
    ] {
        assert!(metrics.text.contains(line), "{line} in {}", metrics.text);
    }
    assert!(!metrics.text.contains("01935d2c"), "an id is no label");
}
