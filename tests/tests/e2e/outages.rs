//! Redis or PostgreSQL away, from the start or later, and back.

use std::sync::Arc;
use std::time::Duration;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::store::{Backend, Store};
use payout_tests::throwaway::{Postgres, Redis};
use payout_tests::wait::{SOON, eventually};

use crate::support::BINARY;

async fn on_redis(redis: &Redis) -> Launch {
    let store = Store::new(Backend::Postgres).await.with_redis(redis.url());
    Launch::new(BINARY, Arc::new(store)).set("PAYOUT_LOG", "info")
}

fn on_postgres(postgres: &Postgres) -> Launch {
    Launch::new(BINARY, Arc::new(Store::on(postgres.url(), None))).set("PAYOUT_LOG", "info")
}

/// Waits until readiness reports this state of a dependency.
async fn until_says(app: &App, dependency: &str, state: &str) -> u16 {
    let what = format!("ready says that the {dependency} is {state}");
    eventually(&what, SOON, async || {
        let reply = app.get("/health/ready").await;
        (reply.json()["checks"][dependency]["status"] == state).then_some(reply.status)
    })
    .await
}

/// Counts the log's messages that a dependency went away. After that message, no refused request adds a line of its
/// own, or an outage under load would fill the disk.
fn said(app: &App, what: &str) -> usize {
    let log = app.log();
    let (mut times, mut known) = (0, false);
    for line in log.lines() {
        if line.contains("WARN") && line.contains(what) {
            (times, known) = (times + 1, true);
        } else if line.contains("answers again") || line.contains("is ready") {
            known = false;
        }
        let of_request = line.contains("request_id") && (line.contains("WARN") || line.contains("ERROR"));
        assert!(!(known && of_request), "a line for each refused request: {log}");
    }
    times
}

#[tokio::test]
async fn with_redis_away_from_the_start_payouts_are_created_and_paid() {
    let mut redis = Redis::reserved();
    let launch = on_redis(&redis).await;
    let app = launch.serve().await;
    let _worker = launch.worker();
    assert_eq!(
        until_says(&app, "queue", "unavailable").await,
        200,
        "degraded, not unavailable"
    );
    for _ in 0..5 {
        let path = path_of(&app.create(payout()).await);
        app.until(&path, "completed").await;
    }
    assert_eq!(said(&app, "the queue does not answer"), 1, "{}", app.log());
    redis.start().await;
    until_says(&app, "queue", "ok").await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
}

#[tokio::test]
async fn redis_may_go_and_come_back_empty() {
    let mut redis = Redis::reserved();
    redis.start().await;
    let launch = on_redis(&redis).await;
    let app = launch.serve().await;
    let _worker = launch.worker();
    for _ in 0..2 {
        until_says(&app, "queue", "ok").await;
        let path = path_of(&app.create(payout()).await);
        app.until(&path, "completed").await;
        redis.stop();
        let created = futures::future::join_all((0..10).map(|_| app.create(payout()))).await;
        for payout in &created {
            app.until(&path_of(payout), "completed").await;
        }
        until_says(&app, "queue", "unavailable").await;
        redis.start().await;
    }
    until_says(&app, "queue", "ok").await;
    assert_eq!(
        said(&app, "the queue does not answer"),
        2,
        "once for each time: {}",
        app.log()
    );
    // Hints arrive again: the payout completes long before a sweep.
    let slow = launch.clone().set("PAYOUT_SWEEP_MS", 60_000);
    drop(_worker);
    let worker = slow.worker();
    eventually("it works", SOON, async || {
        worker.log().contains("working").then_some(())
    })
    .await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
}

#[tokio::test]
async fn with_postgres_away_from_the_start_the_service_waits() {
    let mut postgres = Postgres::reserved();
    let launch = on_postgres(&postgres);
    let app = launch.start(&["run"]);
    eventually("it listens", SOON, async || {
        app.get("/health/live").send().await.ok()
    })
    .await;
    assert_eq!(until_says(&app, "database", "unavailable").await, 503);
    away(&app, false).await;
    // After more than one check, the log has one message.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(said(&app, "the database does not answer"), 1, "{}", app.log());
    postgres.start().await;
    let app = app.ready().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
}

/// Checks that every request that needs the database is answered by a problem with a time to retry.
async fn away(app: &App, keys_are_known: bool) {
    let path = format!("{PAYOUTS}0192f0c1-2345-7890-abcd-ef0123456789/");
    // Sent concurrently, since each may wait a while for the database.
    let calls = [
        app.post(PAYOUTS).json(payout()),
        app.post(PAYOUTS).json(payout()).header("idempotency-key", "k"),
        app.get(PAYOUTS),
        app.get(&path),
        app.patch(&path).json(serde_json::json!({"description": "x"})),
        app.delete(&path),
        app.post(&format!("{path}cancel/")),
        app.post(&format!("{path}retry/")),
        app.get(&format!("{path}events/")),
    ];
    for reply in futures::future::join_all(calls.map(|call| call.into_future())).await {
        reply.problem(503);
        assert!(
            reply
                .header("retry-after")
                .is_some_and(|wait| wait.parse::<u64>().is_ok()),
            "{reply}"
        );
    }
    // Invalid requests are refused as usual, once the service knows whether a key is required.
    let refused = app.post(PAYOUTS).json(serde_json::json!({})).await;
    refused.problem(if keys_are_known { 400 } else { 503 });
    app.get("/nothing").await.problem(404);
    let _ = app.get("/api/schema/").await.expect(200);
}

#[tokio::test]
async fn postgres_may_go_and_come_back() {
    let mut postgres = Postgres::reserved();
    postgres.start().await;
    let launch = on_postgres(&postgres)
        .set("PAYOUT_SIMULATED_DELAY_MS", 20)
        .call_timeout_ms(500);
    let app = launch.run().await;
    let mut answered = 0;
    for round in 1..=2 {
        let path = path_of(&app.create(payout()).await);
        app.until(&path, "completed").await;
        answered += 1;
        // The outage comes in the middle of a stream of creates.
        let creates = (0..60).map(async |number: u64| {
            tokio::time::sleep(Duration::from_millis(number * 5)).await;
            let reply = app.post(PAYOUTS).json(payout()).await;
            if reply.status != 201 {
                reply.problem(503);
                assert!(reply.header("retry-after").is_some(), "{reply}");
            }
            usize::from(reply.status == 201)
        });
        let stopped = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            postgres.stop();
        };
        let (made, ()) = tokio::join!(futures::future::join_all(creates), stopped);
        answered += made.iter().sum::<usize>();
        assert_eq!(until_says(&app, "database", "unavailable").await, 503);
        away(&app, true).await;
        assert_eq!(
            said(&app, "the database does not answer"),
            round,
            "once for each time: {}",
            app.log()
        );
        postgres.start().await;
        until_says(&app, "database", "ok").await;
    }
    let answered = i64::try_from(answered).unwrap();
    let store = app.store();
    eventually("all that is there is paid", SOON, async || {
        (store
            .number("SELECT count(*) FROM payouts WHERE status <> 'completed'")
            .await
            == 0)
            .then_some(())
    })
    .await;
    // A create whose acknowledgement was lost may be stored too. No acknowledged one is missing, and none is stored in
    // part.
    assert!(store.number("SELECT count(*) FROM payouts").await >= answered);
    let half = "SELECT count(*) FROM payouts p WHERE NOT EXISTS \
        (SELECT 1 FROM payout_trail e WHERE e.payout_id = p.id AND e.kind = 'created')";
    assert_eq!(store.number(half).await, 0);
    let orphans = "SELECT count(*) FROM payout_trail e WHERE NOT EXISTS (SELECT 1 FROM payouts p WHERE p.id = e.payout_id)";
    assert_eq!(store.number(orphans).await, 0);
}

#[tokio::test]
async fn what_waits_for_a_database_or_a_queue_can_be_stopped() {
    let (postgres, redis) = (Postgres::reserved(), Redis::reserved());
    let nowhere = on_postgres(&postgres).set("REDIS_URL", redis.url());
    let without_redis = on_redis(&redis).await;
    without_redis.migrate().await;
    for launch in [nowhere, without_redis] {
        for command in ["run", "serve", "worker"] {
            let bind = format!("127.0.0.1:{}", payout_tests::ports::free_port());
            let mut process = launch.clone().set("PAYOUT_BIND", bind).spawn(&[command]);
            eventually("it waits", SOON, async || {
                process.log().contains("does not answer").then_some(())
            })
            .await;
            let begun = payout_tests::wait::now();
            let status = process.terminate().await;
            assert_eq!(status.code(), Some(0), "{command}: {}", process.log());
            let took = payout_tests::wait::now() - begun;
            assert!(took < Duration::from_secs(6), "{command} took {took:?}");
        }
    }
}
