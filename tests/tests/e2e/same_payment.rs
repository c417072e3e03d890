//! One idempotency key is one payment: across the first API key, from one API key to its successor, and after a
//! restore.

use payout_tests::app::{App, Launch, path_of};
use payout_tests::backup::Backup;
use payout_tests::body::{payout, with};
use payout_tests::client::{PAYOUTS, Reply};
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::support::{BINARY, launch, on_each_backend};

on_each_backend!(
    a_request_of_before_the_first_key_is_answered_to_whoever_comes_after,
    a_key_that_succeeds_another_is_answered_as_that_one,
    a_key_that_succeeds_another_pays_out_of_its_day,
    a_create_that_is_repeated_after_a_restore_is_the_same_payment,
    a_create_that_is_repeated_after_its_record_was_forgotten_is_another_payment,
);

async fn with_provider(backend: Backend, provider: &Provider) -> Launch {
    launch(backend)
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
}

async fn create(app: &App, token: Option<&str>, body: &Value) -> Reply {
    let request = app.post(PAYOUTS).json(body).header("idempotency-key", "order-7");
    match token {
        Some(token) => request.key(token).await,
        None => request.await,
    }
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == Some("true")
}

async fn rows(app: &App) -> i64 {
    app.store().number("SELECT count(*) FROM payouts").await
}

/// Waits until the process knows the key, which takes two seconds at most.
async fn known(app: &App, token: &str) {
    eventually("the key is known", SOON, async || {
        (app.get(PAYOUTS).key(token).await.status == 200).then_some(())
    })
    .await;
}

/// Waits until the service knows that it has a key.
async fn locked(app: &App) {
    eventually("it is locked", SOON, async || {
        let answer = app.get(PAYOUTS).send().await.ok()?;
        (answer.status == 401).then_some(())
    })
    .await;
}

async fn a_request_of_before_the_first_key_is_answered_to_whoever_comes_after(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = with_provider(backend, &provider).await;
    let app = launch.run().await;
    let other = launch.start(&["serve"]).ready().await;
    let body = payout();
    let first = create(&app, None, &body).await.expect(201);
    app.until(&path_of(&first.json()), "completed").await;

    let token = launch.make_key("shop", "read,write").await;
    let second = launch.make_key("till", "read,write").await;
    for app in [&app, &other] {
        locked(app).await;
        for token in [&token, &second] {
            known(app, token).await;
            let again = create(app, Some(token), &body).await.expect(201);
            assert!(is_replayed(&again));
            assert_eq!(again.json()["id"], first.json()["id"]);
            let another = with(body.clone(), "amount", "11.00");
            create(app, Some(token), &another).await.problem(422);
        }
    }
    assert_eq!(rows(&app).await, 1);
    assert_eq!(provider.ledger().len(), 1);
    // An idempotency key that was not used before the first API key belongs to each API key separately.
    let own = |token: String| {
        let request = app.post(PAYOUTS).json(&body).header("idempotency-key", "order-8");
        async move { request.key(&token).await.expect(201) }
    };
    let (one, other) = (own(token).await, own(second).await);
    assert_ne!(one.json()["id"], other.json()["id"]);
}

async fn a_key_that_succeeds_another_is_answered_as_that_one(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = with_provider(backend, &provider).await;
    let app = launch.run().await;
    let admin = launch.make_key("admin", "read,write,admin").await;
    let old = launch.make_key("shop", "read,write").await;
    locked(&app).await;
    known(&app, &old).await;
    let body = payout();
    let first = create(&app, Some(&old), &body).await.expect(201);
    let mut revoked = launch.finish(&["keys", "revoke", "shop"]).await;
    assert!(revoked.ended().unwrap().success());

    let arguments = [
        "keys",
        "create",
        "shop-2",
        "--scopes",
        "read,write",
        "--succeeds",
        "shop",
    ];
    let mut made = launch.finish(&arguments).await;
    assert!(made.ended().unwrap().success(), "{}", made.log());
    let token = made.printed().trim_end().to_owned();
    let request = json!({"name": "shop-3", "scopes": ["read", "write"], "succeeds": "shop-2"});
    let third = app
        .post("/api/keys/")
        .key(&admin)
        .json(&request)
        .await
        .expect(201)
        .json();
    let listed = app.get("/api/keys/").key(&admin).await.expect(200).json();
    let scope_of = |name: &str| {
        let keys = listed["results"].as_array().unwrap();
        let key = keys.iter().find(|key| key["name"] == name).unwrap();
        (key["id"].clone(), key["idempotency_scope"].clone())
    };
    let (id, scope) = scope_of("shop");
    assert_eq!(id, scope);
    assert_eq!(
        (&scope_of("shop-2").1, &third["key"]["idempotency_scope"]),
        (&id, &id)
    );
    for token in [token.as_str(), third["token"].as_str().unwrap()] {
        let again = eventually("the key is known", SOON, async || {
            let reply = create(&app, Some(token), &body).await;
            (reply.status != 401).then_some(reply)
        })
        .await
        .expect(201);
        assert!(is_replayed(&again));
        assert_eq!(again.json()["id"], first.json()["id"]);
    }
    let stranger = launch.make_key("stranger", "read,write").await;
    let own = eventually("the key is known", SOON, async || {
        let reply = create(&app, Some(&stranger), &body).await;
        (reply.status != 401).then_some(reply)
    })
    .await
    .expect(201);
    assert!(!is_replayed(&own), "another client's key is its own");
    assert_eq!(rows(&app).await, 2);

    let arguments = ["keys", "create", "x", "--scopes", "read", "--succeeds", "nobody"];
    let mut refused = launch.finish(&arguments).await;
    assert!(!refused.ended().unwrap().success());
    assert!(
        refused
            .log()
            .contains("there is no key of the name that is to be succeeded"),
        "{}",
        refused.log()
    );
    let request = json!({"name": "x", "scopes": ["read"], "succeeds": "nobody"});
    let problem = app
        .post("/api/keys/")
        .key(&admin)
        .json(&request)
        .await
        .problem(400);
    assert_eq!(problem.errors["succeeds"].len(), 1);
}

async fn a_key_that_succeeds_another_pays_out_of_its_day(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_LIMITS", "USD=/20");
    let app = launch.serve().await;
    let old = launch.make_key("shop", "read,write").await;
    locked(&app).await;
    let pay = async |token: &str| app.post(PAYOUTS).key(token).json(payout()).await;
    let _ = pay(&old).await.expect(201);
    let arguments = [
        "keys",
        "create",
        "shop-2",
        "--scopes",
        "read,write",
        "--succeeds",
        "shop",
    ];
    let made = launch.finish(&arguments).await;
    let token = made.printed().trim_end().to_owned();
    eventually("the key is known", SOON, async || {
        (pay(&token).await.status == 422).then_some(())
    })
    .await;
    assert_eq!(rows(&app).await, 1);
}

async fn a_create_that_is_repeated_after_a_restore_is_the_same_payment(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = with_provider(backend, &provider).await;
    let app = launch.run().await;
    let backup = Backup::of(&launch, "copy").await;
    let body = payout();
    let before = create(&app, None, &body).await.expect(201);
    let before = app.until(&path_of(&before.json()), "completed").await;
    drop(app);

    let store = std::sync::Arc::new(backup.restore().await);
    let restored = Launch::new(BINARY, store)
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    let app = restored.start(&["run", "--restored"]).ready().await;
    let again = create(&app, None, &body).await.expect(201);
    assert!(!is_replayed(&again), "the store has forgotten it");
    let again = app.until(&path_of(&again.json()), "completed").await;
    assert_ne!(again["id"], before["id"]);
    assert_eq!(again["provider_reference"], before["provider_reference"]);
    let ledger = provider.ledger();
    let [(key, entry)] = &ledger.iter().collect::<Vec<_>>()[..] else {
        panic!("{ledger:?}")
    };
    assert_eq!((entry.payments, entry.submissions), (1, 2));
    assert!(key.len() <= 64 && !key.contains("order-7"), "{key}");

    // A different request under the key is a different payment.
    let other = with(body, "amount", "11.00");
    let other = app
        .post(PAYOUTS)
        .json(&other)
        .header("idempotency-key", "order-9")
        .await
        .expect(201);
    app.until(&path_of(&other.json()), "completed").await;
    assert_eq!(provider.ledger().len(), 2);
}

async fn a_create_that_is_repeated_after_its_record_was_forgotten_is_another_payment(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let app = with_provider(backend, &provider).await.run().await;
    let body = payout();
    let mut references = Vec::new();
    for time in 1..=3 {
        let created = create(&app, None, &body).await.expect(201);
        assert!(!is_replayed(&created), "the {time}. time");
        let paid = app.until(&path_of(&created.json()), "completed").await;
        references.push(paid["provider_reference"].to_string());
        app.store().execute("DELETE FROM idempotency_keys").await;
    }
    references.dedup();
    assert_eq!(references.len(), 3, "{references:?}");
    let ledger = provider.ledger();
    assert_eq!(ledger.len(), 3);
    assert!(ledger.values().all(|entry| entry.payments == 1));
}
