//! Rows that another session of the database holds for any length of time.

use std::time::Duration;

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::time::timeout;

use crate::support::{launch, serving};

/// Opens a session with a transaction that stays open.
async fn psql(app: &App, statement: &str) -> PgConnection {
    let mut session = PgConnection::connect(app.store().url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {statement}")))
        .execute(&mut session)
        .await
        .unwrap();
    session
}

#[tokio::test]
async fn payouts_whose_rows_are_held_while_they_are_sent_hold_up_no_other() {
    let app = launch(Backend::Postgres)
        .await
        .set("PAYOUT_SIMULATED_DELAY_MS", 700)
        .set("PAYOUT_WORKER_CONCURRENCY", 8)
        .set("PAYOUT_LOG", "info")
        .run()
        .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(path_of(&app.create(payout()).await));
    }
    for path in &held {
        app.until(path, "processing").await;
    }
    let session = psql(
        &app,
        "SELECT FROM payout_states WHERE status = 'processing' FOR UPDATE",
    )
    .await;
    // More payouts than there are slots are still claimed, sent and settled.
    for _ in 0..3 {
        let mut others = Vec::new();
        for _ in 0..8 {
            others.push(path_of(&app.create(payout()).await));
        }
        for path in &others {
            let done = timeout(Duration::from_secs(10), app.until(path, "completed"));
            done.await.expect("it waits for no other");
        }
    }
    for path in &held {
        assert_eq!(app.payout(path).await["status"], "processing");
    }
    eventually("the log says so", SOON, async || {
        app.log().contains("outcomes wait to be written").then_some(())
    })
    .await;
    // An edit, a step and a delete of a locked row give up soon.
    let begun = app.patch(&held[0]).json(json!({"description": "x"})).await;
    assert!(matches!(begun.status, 409 | 503), "{begun}");
    session.close().await.unwrap();
    for path in &held {
        app.until(path, "completed").await;
        assert_eq!(app.events(path).await, ["created", "claimed", "completed"]);
    }
}

#[tokio::test]
async fn a_change_of_a_held_payout_is_refused_soon_and_says_when_to_try_again() {
    let app = serving(Backend::Postgres).await;
    let path = path_of(&app.create(payout()).await);
    let session = psql(&app, "SELECT FROM payout_states FOR UPDATE").await;
    let edits = (0..40).map(|_| app.patch(&path).json(json!({"description": "held"})));
    let edits = timeout(
        Duration::from_secs(5),
        futures::future::join_all(edits.map(|edit| async { edit.await })),
    );
    // However many edits wait for the row, creates go on.
    let created = timeout(Duration::from_secs(1), app.create(payout()));
    let (edits, created) = tokio::join!(edits, created);
    created.expect("a create waits for no edit");
    for edit in edits.expect("they give up") {
        assert_eq!(edit.problem(503).kind, "urn:payout:problem:busy");
        assert_eq!(edit.header("retry-after"), Some("1"));
    }
    session.close().await.unwrap();
    let edited = app
        .patch(&path)
        .json(json!({"description": "free"}))
        .await
        .expect(200);
    assert_eq!(edited.json()["description"], "free");
}

#[tokio::test]
async fn an_idempotency_key_that_another_session_writes_holds_up_no_other_create() {
    let app = serving(Backend::Postgres).await;
    let first = app
        .post(PAYOUTS)
        .header("idempotency-key", "order-1")
        .json(payout())
        .await;
    let _ = first.expect(201);
    let store = app.store();
    store
        .execute("CREATE TABLE taken AS SELECT * FROM idempotency_keys; DELETE FROM idempotency_keys")
        .await;
    // The session stands for another process that is writing the same key.
    let session = psql(&app, "INSERT INTO idempotency_keys SELECT * FROM taken").await;
    for _ in 0..3 {
        let stuck = app
            .post(PAYOUTS)
            .header("idempotency-key", "order-1")
            .json(payout());
        let others = (0..20).map(|_| app.create(payout()));
        let others = timeout(Duration::from_secs(2), futures::future::join_all(others));
        let (stuck, others) = tokio::join!(async { stuck.await }, others);
        others.expect("they wait for no other");
        assert!(matches!(stuck.status, 409 | 503), "{stuck}");
        assert!(stuck.header("retry-after").is_some());
    }
    session.close().await.unwrap();
    let again = app
        .post(PAYOUTS)
        .header("idempotency-key", "order-1")
        .json(payout())
        .await;
    assert_eq!(again.status, 201, "{again}");
}

#[tokio::test]
async fn a_total_that_another_session_holds_holds_up_no_other_currency() {
    let app = launch(Backend::Postgres)
        .await
        .set("PAYOUT_LIMITS", "USD=/100000,EUR=/100000")
        .serve()
        .await;
    for currency in ["USD", "EUR"] {
        app.create(payout_with("currency", currency)).await;
    }
    let session = psql(&app, "SELECT FROM daily_totals WHERE currency = 'EUR' FOR UPDATE").await;
    for round in 0..3 {
        let stuck = (0..5).map(|_| app.post(PAYOUTS).json(payout_with("currency", "EUR")));
        let stuck = futures::future::join_all(stuck.map(|create| async { create.await }));
        let others =
            (0..20).map(|n| app.create(payout_with("currency", if n % 2 == 0 { "USD" } else { "GBP" })));
        let others = timeout(Duration::from_secs(2), futures::future::join_all(others));
        let (stuck, others) = tokio::join!(stuck, others);
        others.unwrap_or_else(|_| panic!("they wait for no other, round {round}"));
        for stuck in stuck {
            stuck.problem(503);
        }
    }
    session.close().await.unwrap();
    app.create(payout_with("currency", "EUR")).await;
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_503_and_all_goes_on_afterwards() {
    let app = launch(Backend::Sqlite).await.run().await;
    let before = path_of(&app.create(payout()).await);
    app.until(&before, "completed").await;
    let mut session = SqliteConnection::connect(app.store().url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut session)
        .await
        .unwrap();
    let creates = (0..10).map(|_| app.post(PAYOUTS).json(payout()));
    let creates = futures::future::join_all(creates.map(|create| async { create.await }));
    let creates = timeout(Duration::from_secs(15), creates)
        .await
        .expect("they give up");
    for create in creates {
        create.problem(503);
        assert!(create.header("retry-after").is_some());
    }
    // Reads go on.
    assert_eq!(app.payout(&before).await["status"], "completed");
    session.close().await.unwrap();
    eventually("creates go on", SOON, async || {
        let created = app.post(PAYOUTS).json(payout()).await;
        (created.status == 201).then_some(())
    })
    .await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
}
