//! A database or a queue that answers but accepts no writes: the service reports it, acknowledges nothing, and recovers
//! by itself.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::store::{Backend, Store};
use payout_tests::throwaway::Redis;
use payout_tests::wait::{SOON, eventually};

use crate::support::{BINARY, launch};

/// The time that recovery may take, even under load.
const SECONDS: Duration = Duration::from_secs(10);

/// Waits until readiness reports this state of a dependency; returns the HTTP status and the reason.
async fn until_says(app: &App, dependency: &str, state: &str) -> (u16, String) {
    let what = format!("ready says that the {dependency} is {state}");
    eventually(&what, SOON, async || {
        let reply = app.get("/health/ready").await;
        let check = reply.json()["checks"][dependency].clone();
        let detail = check["detail"].as_str().unwrap_or_default().to_owned();
        (check["status"] == state).then_some((reply.status, detail))
    })
    .await
}

/// Waits until payouts are accepted again, and until all existing ones are paid.
async fn recovers(app: &App) {
    eventually("it takes payouts again", SECONDS, async || {
        let reply = app.post(PAYOUTS).json(payout()).await;
        assert!(matches!(reply.status, 201 | 503), "{reply}");
        (reply.status == 201).then_some(())
    })
    .await;
    assert_eq!(until_says(app, "database", "ok").await.0, 200);
    let open = "SELECT count(*) FROM payouts WHERE status <> 'completed'";
    eventually("all that is there is paid", SECONDS, async || {
        (app.store().number(open).await == 0).then_some(())
    })
    .await;
}

fn warnings(app: &App, what: &str) -> usize {
    let log = app.log();
    log.lines()
        .filter(|line| line.contains("WARN") && line.contains(what))
        .count()
}

/// Limits the size of the service's files; further writes fail, as on a full disk.
fn bound_files(app: &App, bytes: &str) {
    let bound = Command::new("prlimit")
        .args(["--pid", &app.id().to_string(), &format!("--fsize={bytes}:")])
        .status()
        .expect("prlimit, of util-linux");
    assert!(bound.success(), "no bound of {bytes}");
}

#[tokio::test]
async fn sqlite_goes_on_once_there_is_room_again() {
    // Without this, exceeding the file limit would kill the process.
    let launch = launch(Backend::Sqlite)
        .await
        .through(&["env", "--ignore-signal=XFSZ"])
        .set("PAYOUT_LOG", "info");
    let app = launch.run().await;
    for _ in 0..2 {
        app.create(payout()).await;
        let log = app.store().folder().join("payouts.db-wal");
        let bound = std::fs::metadata(log).unwrap().len() + 60_000;
        bound_files(&app, &bound.to_string());
        let refused = eventually("there is no room", SOON, async || {
            let reply = app.post(PAYOUTS).json(payout()).await;
            (reply.status != 201).then_some(reply)
        });
        refused.await.problem(503);
        assert_eq!(until_says(&app, "database", "unavailable").await.0, 503);
        for _ in 0..5 {
            let refused = app.post(PAYOUTS).json(payout()).await;
            assert!(refused.header("retry-after").is_some(), "{refused}");
            refused.problem(503);
        }
        let _ = app.get(PAYOUTS).await.expect(200);
        let doctor = app.launch().finish(&["doctor"]).await;
        assert!(
            doctor.printed().contains("ok    writes"),
            "it has no bound: {}",
            doctor.printed()
        );
        bound_files(&app, "unlimited");
        recovers(&app).await;
    }
    assert!(!app.log().contains("begin_with"), "{}", app.log());
}

#[tokio::test]
async fn sqlite_writes_to_no_file_that_is_gone() {
    // A short lease: a claim that was not acknowledged is taken over soon.
    let launch = launch(Backend::Sqlite)
        .await
        .set("PAYOUT_LOG", "info")
        .call_timeout_ms(500);
    let mut app = launch.run().await;
    app.create(payout()).await;
    let file = app.store().folder().join("payouts.db");
    let aside = app.store().folder().join("aside.db");
    std::fs::rename(&file, &aside).unwrap();
    for _ in 0..3 {
        app.post(PAYOUTS).json(payout()).await.problem(503);
    }
    let (status, detail) = until_says(&app, "database", "unavailable").await;
    assert_eq!(status, 503);
    assert!(detail.contains("deleted, moved or replaced"), "{detail}");
    std::fs::rename(&aside, &file).unwrap();
    recovers(&app).await;
    assert_eq!(warnings(&app, "not the one that is open"), 1, "{}", app.log());
    // The file is gone for good: a restart would begin with a new one, without mention of the old.
    std::fs::remove_file(&file).unwrap();
    app.post(PAYOUTS).json(payout()).await.problem(503);
    assert!(app.process().terminate().await.success(), "{}", app.log());
}

/// Sets whether new sessions of the database are read-only.
async fn read_only(store: &Store, on: bool) {
    let how = if on {
        "SET default_transaction_read_only = on"
    } else {
        "RESET default_transaction_read_only"
    };
    let alter = format!(
        "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {how}', current_database()); END $$; COMMIT"
    );
    store.execute(alter).await;
}

#[tokio::test]
async fn postgres_that_takes_no_writes_is_not_ready_and_comes_back() {
    let launch = launch(Backend::Postgres).await.set("PAYOUT_LOG", "info");
    let app = launch.run().await;
    app.create(payout()).await;
    read_only(app.store(), true).await;
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    app.store().number(others).await;
    let (status, detail) = until_says(&app, "database", "unavailable").await;
    assert_eq!(status, 503);
    let (_, detail) = if detail.contains("read-only") {
        (status, detail)
    } else {
        until_read_only(&app).await
    };
    assert!(detail.contains("read-only"), "{detail}");
    app.post(PAYOUTS).json(payout()).await.problem(503);
    let _ = app.get(PAYOUTS).await.expect(200);
    let mut doctor = app.launch().finish(&["doctor"]).await;
    assert_eq!(doctor.ended().unwrap().code(), Some(1));
    assert!(doctor.printed().contains("FAIL  writes"), "{}", doctor.printed());
    read_only(app.store(), false).await;
    recovers(&app).await;
    assert_eq!(warnings(&app, "the database takes no writes"), 1, "{}", app.log());
}

/// Waits for the read-only report, which comes after the report of the terminated sessions.
async fn until_read_only(app: &App) -> (u16, String) {
    eventually("ready says that it is read-only", SOON, async || {
        let reply = app.get("/health/ready").await;
        let detail = reply.json()["checks"]["database"]["detail"].as_str()?.to_owned();
        detail.contains("read-only").then_some((reply.status, detail))
    })
    .await
}

#[tokio::test]
async fn redis_that_takes_no_hints_is_degraded_and_what_is_not_sent_is_counted() {
    let mut redis = Redis::reserved();
    redis.start().await;
    let store = Store::new(Backend::Postgres).await.with_redis(redis.url());
    let launch = Launch::new(BINARY, Arc::new(store)).set("PAYOUT_LOG", "info");
    let app = launch.run().await;
    for (round, (refuse, take)) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ]
    .into_iter()
    .enumerate()
    {
        until_says(&app, "queue", "ok").await;
        redis.tell(refuse).await;
        let (status, detail) = until_says(&app, "queue", "unavailable").await;
        assert_eq!(status, 200, "degraded, not unavailable");
        assert!(detail.contains("takes no hints"), "{detail}");
        assert_eq!(app.get("/health/ready").await.json()["status"], "degraded");
        let path = path_of(&app.create(payout()).await);
        app.until(&path, "completed").await;
        eventually("the hint is counted", SOON, async || {
            let text = app.get("/metrics").await.expect(200).text();
            let counted = format!("payout_hints_dropped_total {}", round + 1);
            text.contains(&counted).then_some(())
        })
        .await;
        let doctor = app.launch().finish(&["doctor"]).await;
        assert!(
            doctor.printed().contains("takes no hints"),
            "{}",
            doctor.printed()
        );
        redis.tell(take).await;
    }
    until_says(&app, "queue", "ok").await;
    let log = app.log();
    assert_eq!(warnings(&app, "queue"), 2, "once for each time: {log}");
    eventually("both ends are in the log", SOON, async || {
        (app.log().matches("the queue answers again").count() == 2).then_some(())
    })
    .await;
}

/// A Redis in protected mode says why and closes the connection. The reason is in the log and in the report of doctor, and
/// the health check tells that it answers.
#[tokio::test]
async fn a_queue_that_refuses_every_connection_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    // In a thread of its own: what the store removes at the end waits for an answer.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let refusal = b"-DENIED Redis is running in protected mode\r\n";
            let _ = stream.and_then(|mut stream| stream.write_all(refusal));
        }
    });
    let store = Store::new(Backend::Postgres).await.with_redis(url);
    let queue = Launch::new(BINARY, Arc::new(store)).set("PAYOUT_LOG", "info");
    let app = queue.run().await;
    let (status, detail) = until_says(&app, "queue", "unavailable").await;
    assert_eq!(status, 200, "degraded, not unavailable");
    assert!(detail.contains("takes no hints"), "{detail}");
    eventually("the log has the cause", SOON, async || {
        let log = app.log();
        let mut lines = log
            .lines()
            .filter(|line| line.contains("the queue takes no hints"));
        lines.any(|line| line.contains("(DENIED)")).then_some(())
    })
    .await;
    let doctor = queue.finish(&["doctor"]).await;
    assert!(doctor.printed().contains("(DENIED)"), "{}", doctor.printed());
}

#[tokio::test]
async fn the_line_of_a_dependency_has_its_cause_also_in_json() {
    let mut redis = Redis::reserved();
    redis.start().await;
    redis.tell("REPLICAOF 127.0.0.1 1").await;
    let store = Store::new(Backend::Postgres).await.with_redis(redis.url());
    let queue = Launch::new(BINARY, Arc::new(store))
        .set("PAYOUT_LOG", "info")
        .set("PAYOUT_LOG_FORMAT", "json");
    let app = queue.run().await;
    until_says(&app, "queue", "unavailable").await;
    eventually("the log has the cause", SOON, async || {
        let log = app.log();
        let mut lines = log
            .lines()
            .filter(|line| line.contains("the queue takes no hints"));
        lines.any(|line| line.contains("READONLY")).then_some(())
    })
    .await;
    let doctor = queue.finish(&["doctor"]).await;
    assert!(doctor.printed().contains("READONLY"), "{}", doctor.printed());
    let launch = launch(Backend::Postgres)
        .await
        .set("PAYOUT_LOG", "info")
        .set("PAYOUT_LOG_FORMAT", "json");
    let app = launch.run().await;
    read_only(app.store(), true).await;
    // Sessions that were open already go on writing, until they end.
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    app.store().number(others).await;
    until_read_only(&app).await;
    app.post(PAYOUTS).json(payout()).await.problem(503);
    assert!(app.log().contains("read-only"), "{}", app.log());
    read_only(app.store(), false).await;
}
