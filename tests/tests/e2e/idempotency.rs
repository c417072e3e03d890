//! `Idempotency-Key` on create and retry.

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with, payout_without, unique, with};
use payout_tests::client::{Api, Call, PAYOUTS};
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{State, declining, on_each_backend, serving};

on_each_backend!(
    the_same_request_is_answered_the_same,
    a_replay_tells_what_was_answered_and_not_what_became_of_it,
    requests_that_mean_the_same_are_the_same,
    another_request_under_the_key_is_refused,
    a_key_is_taken_quoted_or_bare,
    what_is_no_key_is_refused,
    a_refused_request_stores_nothing,
    a_key_outlives_the_process,
    of_many_racing_requests_one_makes_the_payout,
    of_requests_racing_through_two_servers_one_makes_the_payout,
    a_retry_under_a_key_is_made_once,
    of_many_racing_retries_one_is_made,
    a_refused_retry_stores_nothing,
    a_key_of_a_create_is_none_for_a_retry,
);

fn create<'a>(api: &'a Api, key: &str, body: &Value) -> Call<'a> {
    api.post(PAYOUTS).json(body).header("idempotency-key", key)
}

async fn count(app: &App) -> u64 {
    app.payout(PAYOUTS).await["count"].as_u64().unwrap()
}

async fn the_same_request_is_answered_the_same(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let first = create(&app, "order-1", &body).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    for _ in 0..3 {
        let again = create(&app, "order-1", &body).await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.body, first.body);
        for name in ["location", "etag", "content-type"] {
            assert_eq!(again.header(name), first.header(name));
        }
    }
    let other = create(&app, "order-2", &body).await.expect(201);
    assert_ne!(
        other.json()["id"],
        first.json()["id"],
        "another key, another payout"
    );
    assert_eq!(count(&app).await, 2);
}

async fn a_replay_tells_what_was_answered_and_not_what_became_of_it(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let first = create(&app, "k", &body).await.expect(201);
    let path = path_of(&first.json());
    let _ = app
        .patch(&path)
        .json(json!({"description": "edited", "amount": "77.00"}))
        .await
        .expect(200);
    assert_eq!(create(&app, "k", &body).await.expect(201).body, first.body);
    let _ = app.delete(&path).await.expect(204);
    assert_eq!(create(&app, "k", &body).await.expect(201).body, first.body);
    assert_eq!(count(&app).await, 0, "and nothing is made anew");
}

async fn requests_that_mean_the_same_are_the_same(backend: Backend) {
    let app = serving(backend).await;
    let body = with(payout_without("description"), "amount", "10.50");
    let first = create(&app, "k", &body).await.expect(201);
    for same in [
        with(body.clone(), "amount", 10.5),
        with(body.clone(), "description", ""),
        with(body.clone(), "currency", "usd"),
        with(body.clone(), "status", "pending"),
    ] {
        assert_eq!(
            create(&app, "k", &same).await.expect(201).body,
            first.body,
            "{same}"
        );
    }
}

async fn another_request_under_the_key_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let first = create(&app, "k", &body).await.expect(201);
    for (field, value) in [
        ("amount", "10.51"),
        ("currency", "EUR"),
        ("recipient_account", "X"),
        ("recipient_name", "X"),
        ("description", "X"),
    ] {
        create(&app, "k", &with(body.clone(), field, value))
            .await
            .problem(422);
    }
    assert_eq!(count(&app).await, 1);
    assert_eq!(app.payout(&path_of(&first.json())).await, first.json());
}

async fn a_key_is_taken_quoted_or_bare(backend: Backend) {
    let app = serving(backend).await;
    let long = "k".repeat(255);
    for key in [
        "k",
        "0192f0c1-2345-7890-abcd-ef0123456789",
        "!#$%&'*+-.^_`|~:;<=>?@[\\]{}/(),",
        long.as_str(),
    ] {
        let body = payout();
        let first = create(&app, key, &body).await.expect(201);
        let quoted = create(&app, &format!("\"{key}\""), &body).await.expect(201);
        assert_eq!(
            (quoted.body, quoted.headers.contains_key("idempotent-replayed")),
            (first.body, true),
            "{key}"
        );
    }
}

async fn what_is_no_key_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    for key in ["", "\"\"", "a b", "a\tb", "schlüssel", &"k".repeat(256)] {
        assert_eq!(
            create(&app, key, &body).await.problem(400).fields(),
            ["Idempotency-Key"],
            "{key:?}"
        );
    }
    let twice = create(&app, "a", &body).header("idempotency-key", "b");
    assert_eq!(twice.await.problem(400).fields(), ["Idempotency-Key"]);
    assert_eq!(count(&app).await, 0);
}

async fn a_refused_request_stores_nothing(backend: Backend) {
    let app = serving(backend).await;
    create(&app, "k", &payout_with("amount", "x")).await.problem(400);
    app.post(PAYOUTS)
        .header("idempotency-key", "k")
        .text("{")
        .await
        .problem(400);
    app.post(PAYOUTS)
        .header("idempotency-key", "k")
        .bytes("{}")
        .await
        .problem(415);
    let made = create(&app, "k", &payout()).await.expect(201);
    assert_eq!(made.header("idempotent-replayed"), None);
}

async fn a_key_outlives_the_process(backend: Backend) {
    let mut app = serving(backend).await;
    let body = payout();
    let first = create(&app, "k", &body).await.expect(201);
    assert!(app.process().terminate().await.success());
    let app = app.launch().serve().await;
    let again = create(&app, "k", &body).await.expect(201);
    assert_eq!(
        (again.header("idempotent-replayed"), &again.body),
        (Some("true"), &first.body)
    );
}

/// Checks that every answer is either the payout or "still running, come back", and that there is one payout.
async fn one_is_made(app: &App, others: &[&App]) {
    let body = payout();
    let key = unique("race-");
    let servers: Vec<&App> = std::iter::once(app).chain(others.iter().copied()).collect();
    let calls = (0..64).map(|number| create(servers[number % servers.len()], &key, &body).into_future());
    let replies = futures::future::join_all(calls).await;
    let (made, running): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
    for reply in running {
        reply.problem(409);
        assert!(reply.header("retry-after").is_some(), "{reply}");
    }
    let fresh = made
        .iter()
        .filter(|reply| reply.header("idempotent-replayed").is_none());
    assert_eq!(fresh.count(), 1, "one made it");
    assert!(made.iter().all(|reply| reply.body == made[0].body));
    assert_eq!(create(app, &key, &body).await.expect(201).body, made[0].body);
    assert_eq!(count(app).await, 1);
}

async fn of_many_racing_requests_one_makes_the_payout(backend: Backend) {
    one_is_made(&serving(backend).await, &[]).await;
}

async fn of_requests_racing_through_two_servers_one_makes_the_payout(backend: Backend) {
    let app = serving(backend).await;
    let other = app.launch().serve().await;
    one_is_made(&app, &[&other]).await;
}

async fn a_retry_under_a_key_is_made_once(backend: Backend) {
    let app = declining(backend).await;
    let path = State::Failed.payout(&app).await;
    let retry = format!("{path}retry/");
    let first = app
        .post(&retry)
        .header("idempotency-key", "again")
        .await
        .expect(202);
    assert_eq!(
        (first.header("idempotent-replayed"), &first.json()["status"]),
        (None, &json!("pending"))
    );
    app.until(&path, "failed").await;
    let replayed = app
        .post(&retry)
        .header("idempotency-key", "again")
        .await
        .expect(202);
    assert_eq!(
        (replayed.header("idempotent-replayed"), &replayed.body),
        (Some("true"), &first.body)
    );
    let trail = ["created", "claimed", "failed", "retried", "claimed", "failed"];
    assert_eq!(app.events(&path).await, trail);
    let other = State::Failed.payout(&app).await;
    app.post(&format!("{other}retry/"))
        .header("idempotency-key", "again")
        .await
        .problem(422);
    let call = app
        .post(&retry)
        .header("idempotency-key", "again")
        .json(json!({"reason": "another"}));
    call.await.problem(422);
}

async fn of_many_racing_retries_one_is_made(backend: Backend) {
    let mut app = declining(backend).await;
    let (path, other) = (State::Failed.payout(&app).await, State::Failed.payout(&app).await);
    // With the worker stopped, the payouts are not claimed again.
    assert!(app.process().terminate().await.success());
    let app = app.launch().serve().await;
    let (retry, keyless) = (format!("{path}retry/"), format!("{other}retry/"));
    let racing = (0..32).map(|_| app.post(&retry).header("idempotency-key", "k").into_future());
    let without_key = (0..32).map(|_| app.post(&keyless).into_future());
    let (replies, others) = tokio::join!(
        futures::future::join_all(racing),
        futures::future::join_all(without_key)
    );
    let made: Vec<_> = replies.iter().filter(|reply| reply.status == 202).collect();
    assert!(made.iter().all(|reply| reply.body == made[0].body));
    let fresh = made
        .iter()
        .filter(|reply| reply.header("idempotent-replayed").is_none());
    assert_eq!(fresh.count(), 1);
    assert_eq!(
        others.iter().filter(|reply| reply.status == 202).count(),
        1,
        "without a key nobody is answered twice"
    );
    for reply in replies.iter().chain(&others).filter(|reply| reply.status != 202) {
        reply.problem(409);
    }
    for path in [path, other] {
        assert_eq!(
            app.events(&path).await,
            ["created", "claimed", "failed", "retried"]
        );
    }
}

async fn a_refused_retry_stores_nothing(backend: Backend) {
    let app = declining(backend).await;
    let path = format!("{PAYOUTS}0192f0c1-2345-7890-abcd-ef0123456789/");
    let other = State::Failed.payout(&app).await;
    app.post(&format!("{path}retry/"))
        .header("idempotency-key", "k")
        .await
        .problem(404);
    let made = app
        .post(&format!("{other}retry/"))
        .header("idempotency-key", "k")
        .await
        .expect(202);
    assert_eq!(made.header("idempotent-replayed"), None);
}

async fn a_key_of_a_create_is_none_for_a_retry(backend: Backend) {
    let app = declining(backend).await;
    let path = path_of(&create(&app, "k", &payout()).await.expect(201).json());
    app.until(&path, "failed").await;
    app.post(&format!("{path}retry/"))
        .header("idempotency-key", "k")
        .await
        .problem(422);
    assert_eq!(app.payout(&path).await["status"], "failed");
}
