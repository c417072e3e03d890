//! Settings: the effects of valid ones.

use payout_tests::app::path_of;
use payout_tests::body::{NAME, payout, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;

use crate::support::{launch, on_each_backend};

#[tokio::test]
async fn a_file_in_the_working_folder_sets_what_the_environment_does_not() {
    let launch = launch(Backend::Sqlite).await;
    let file = "PAYOUT_SIMULATED_FAILURE_RATE=1\nPAYOUT_SIMULATED_DELAY_MS=nonsense\n";
    std::fs::write(launch.store().folder().join(".env"), file).unwrap();
    let app = launch.run().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "failed").await;
}

#[tokio::test]
async fn memory_needs_nothing_and_keeps_nothing() {
    let launch = launch(Backend::Sqlite).await.set("DATABASE_URL", "memory:");
    let app = launch.run().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    assert_eq!(std::fs::read_dir(launch.store().folder()).unwrap().count(), 0);
}

on_each_backend!(few_connections_and_short_timeouts_pay_all_the_same);

/// Every statement has one connection or two to run on.
async fn few_connections_and_short_timeouts_pay_all_the_same(backend: Backend) {
    let app = launch(backend)
        .await
        .set("PAYOUT_POSTGRES_CONNECTIONS", 2)
        .set("PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS", 1_000)
        .set("PAYOUT_POSTGRES_LOCK_TIMEOUT_MS", 100)
        .set("PAYOUT_SQLITE_READERS", 1)
        .set("PAYOUT_READ_CONNECTIONS", 1)
        .run()
        .await;
    let mut paths = Vec::new();
    for _ in 0..20 {
        paths.push(path_of(&app.create(payout()).await));
    }
    for path in paths {
        app.until(&path, "completed").await;
    }
}

#[tokio::test]
async fn log_lines_can_be_json() {
    let mut app = launch(Backend::Sqlite)
        .await
        .set("PAYOUT_LOG_FORMAT", "json")
        .run()
        .await;
    app.create(payout()).await;
    assert!(app.process().terminate().await.success());
    let log = app.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "{line}");
    }
}

/// This holds for every process of these tests; here it is tested at the finest log level, with every field that
/// a client may send.
#[tokio::test]
async fn no_log_level_tells_who_is_paid() {
    let launch = launch(Backend::Sqlite).await.set("PAYOUT_LOG", "trace");
    let mut app = launch.run().await;
    let body = payout();
    let path = path_of(&app.create(&body).await);
    app.until(&path, "completed").await;
    let _ = app.put(&path).json(&body).await.expect(200);
    app.post(PAYOUTS)
        .json(with(body.clone(), "currency", NAME))
        .await
        .problem(400);
    app.post(PAYOUTS)
        .text(body.to_string().replace('}', ""))
        .await
        .problem(400);
    let _ = app
        .post(PAYOUTS)
        .json(&body)
        .header("idempotency-key", "k")
        .await
        .expect(201);
    app.post(PAYOUTS)
        .json(with(body.clone(), "amount", 3))
        .header("idempotency-key", "k")
        .await
        .problem(422);
    let account = body["recipient_account"].as_str().unwrap();
    let _ = app.get(&format!("{PAYOUTS}?search={account}")).await.expect(200);
    app.get(&format!("{PAYOUTS}?search={account}%00"))
        .await
        .problem(400);
    assert!(app.process().terminate().await.success());
    assert!(
        app.log().contains("TRACE") || app.log().contains("DEBUG"),
        "{}",
        app.log()
    );
}
