//! First steps: the messages that a newcomer sees at the first start, and the places that they lead to.

use std::sync::Arc;

use payout_tests::app::{Launch, path_of};
use payout_tests::body;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::Value;

use crate::support::BINARY;

/// Starts the service as `make run` does, in an empty folder.
async fn alone() -> Launch {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    Launch::bare(BINARY, store).set("PAYOUT_SIMULATED_DELAY_MS", 50)
}

#[tokio::test]
async fn the_start_says_that_nobody_is_paid_and_where_to_go() {
    let app = alone().await.start(&[]).ready().await;
    let log = eventually("everything is said", SOON, async || {
        Some(app.log()).filter(|log| log.contains("curl"))
    })
    .await;
    let base = format!("http://127.0.0.1:{}", app.port());
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("NOBODY IS PAID"),
        "the recommended way is none to warn of: {log}"
    );
    assert!(log.contains(&format!("{base}/api/docs/")), "{log}");
    for part in ["stored in plain", "there are no API keys"] {
        assert!(
            log.lines()
                .any(|line| line.contains(" INFO ") && line.contains(part)),
            "{log}"
        );
    }
    // The request that the log suggests works.
    let line = log.lines().find(|line| line.contains("curl -i")).unwrap();
    assert!(line.contains(&format!(" {base}/api/payouts/ ")), "{line}");
    let (_, rest) = line.split_once(" -d '").unwrap();
    let body: Value = serde_json::from_str(rest.trim_end().trim_end_matches('\'')).unwrap();
    let path = path_of(&app.create(body).await);
    app.until(&path, "completed").await;
    assert_eq!(app.get("/api/docs/").await.status, 200);
}

#[tokio::test]
async fn the_first_start_on_an_empty_postgresql_misses_no_table() {
    let store = Arc::new(Store::new(Backend::Postgres).await);
    let launch = Launch::new(BINARY, store)
        .unset("REDIS_URL")
        .unset("PAYOUT_REDIS_PREFIX")
        .set("QUEUE_URL", "postgres:");
    let app = launch.start(&["run"]).ready().await;
    eventually("the queue is found", SOON, async || {
        let ready = app.payout("/health/ready").await;
        (ready["checks"]["queue"]["status"] == "ok").then_some(())
    })
    .await;
    let log = app.log();
    let mut warnings = log.lines().filter(|line| line.contains(" WARN "));
    assert!(
        warnings.all(|line| !line.contains("queue") && !line.contains("does not exist")),
        "{log}"
    );
}

#[tokio::test]
async fn a_log_for_programs_stays_one() {
    let launch = alone().await.set("PAYOUT_LOG_FORMAT", "json");
    let app = launch.start(&[]).ready().await;
    let log = eventually("everything is said", SOON, async || {
        Some(app.log()).filter(|log| log.contains("there are no API keys"))
    })
    .await;
    assert!(log.contains("NOBODY IS PAID") && !log.contains("curl"), "{log}");
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
    }
}

#[tokio::test]
async fn real_payouts_are_warned_of_instead_of_tried_out() {
    let launch = alone()
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/");
    let app = launch.start(&[]).ready().await;
    let log = eventually("everything is said", SOON, async || {
        Some(app.log()).filter(|log| log.contains("there are no API keys"))
    })
    .await;
    assert!(!log.contains("NOBODY IS PAID") && !log.contains("curl"), "{log}");
    for part in ["stored in plain", "there are no API keys"] {
        assert!(
            log.lines()
                .any(|line| line.contains(" WARN ") && line.contains(part)),
            "{log}"
        );
    }
}

#[tokio::test]
async fn every_create_has_a_key_where_that_is_required() {
    let launch = alone().await.set("PAYOUT_REQUIRE_IDEMPOTENCY_KEY", "on");
    let app = launch.start(&[]).ready().await;
    let refused = app.post("/api/payouts/").json(body::payout()).await;
    let problem = refused.problem(400);
    assert!(refused.text().contains("Idempotency-Key"), "{}", problem.kind);
    let created = app
        .post("/api/payouts/")
        .header("idempotency-key", "order-7")
        .json(body::payout())
        .await
        .expect(201);
    app.until(&path_of(&created.json()), "completed").await;
}
