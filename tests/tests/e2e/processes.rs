//! The binary's commands as processes: alone, together, and how they stop.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::ports::free_port;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually, now};

use crate::support::{BINARY, launch, on_each_backend, paying, serving};

on_each_backend!(
    a_server_and_two_workers_pay_everything,
    migrating_twice_does_nothing_the_second_time,
    servers_and_workers_wait_for_the_migration,
    with_a_schema_of_another_nothing_starts,
    told_to_stop_running_calls_finish_and_nothing_stays_processing,
    idle_processes_stop_at_once,
    several_processes_may_migrate_at_once,
);

#[tokio::test]
async fn alone_in_an_empty_folder_it_pays() {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let launch = Launch::bare(BINARY, store.clone()).set("PAYOUT_SIMULATED_DELAY_MS", 50);
    let mut app = launch.start(&[]).ready().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    assert!(
        store.folder().join("payouts.db").exists(),
        "in the working folder"
    );
    assert!(app.process().terminate().await.success());
    // The payout is still there after a restart.
    let app = launch.start(&[]).ready().await;
    assert_eq!(app.payout(&path).await["status"], "completed");
}

/// Creates this many payouts at once.
async fn create(app: &App, many: usize) -> Vec<String> {
    let created = futures::future::join_all((0..many).map(|_| app.create(payout()))).await;
    created.iter().map(path_of).collect()
}

async fn all_completed(app: &App, many: usize) {
    let what = format!("all {many} payouts are completed");
    eventually(&what, SOON, async || {
        let done = app
            .payout(&format!("{PAYOUTS}?status=completed&page_size=1"))
            .await;
        (done["count"] == many).then_some(())
    })
    .await;
}

async fn a_server_and_two_workers_pay_everything(backend: Backend) {
    let app = serving(backend).await;
    let workers = app
        .launch()
        .clone()
        .set("PAYOUT_SIMULATED_DELAY_MS", 30)
        .set("PAYOUT_WORKER_CONCURRENCY", 4);
    let _workers = [workers.worker(), workers.worker()];
    create(&app, 60).await;
    let paths = create(&app, 60).await;
    all_completed(&app, 120).await;
    let mut actors = HashSet::new();
    for path in &paths {
        assert_eq!(
            app.events(path).await,
            ["created", "claimed", "completed"],
            "each is paid once"
        );
        let events = app.payout(&format!("{path}events/")).await;
        actors.insert(events["results"][1]["actor"].as_str().unwrap().to_owned());
    }
    assert_eq!(actors.len(), 2, "both work, each under a name of its own");
}

#[tokio::test]
async fn without_a_queue_the_sweep_finds_what_another_process_created() {
    let launch = launch(Backend::Postgres)
        .await
        .unset("REDIS_URL")
        .set("QUEUE_URL", "memory:");
    let app = launch.serve().await;
    let _workers = [launch.worker(), launch.worker()];
    create(&app, 20).await;
    all_completed(&app, 20).await;
}

async fn migrating_twice_does_nothing_the_second_time(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let app = launch.serve().await;
    let path = path_of(&app.create(payout()).await);
    launch.migrate().await;
    assert_eq!(app.payout(&path).await["status"], "pending");
}

async fn several_processes_may_migrate_at_once(backend: Backend) {
    let launch = launch(backend).await;
    tokio::join!(launch.migrate(), launch.migrate(), launch.migrate());
    let app = launch.run().await;
    app.create(payout()).await;
}

async fn servers_and_workers_wait_for_the_migration(backend: Backend) {
    let launch = launch(backend).await;
    let (app, _worker) = (launch.start(&["serve"]), launch.worker());
    let not_ready = eventually("it says that it waits", SOON, async || {
        let reply = app.get("/health/ready").send().await.ok()?;
        reply.json()["checks"]["database"]["detail"]
            .as_str()?
            .contains("migrate")
            .then_some(reply)
    });
    let not_ready = not_ready.await.expect(503);
    assert_eq!(not_ready.json()["checks"]["database"]["status"], "unavailable");
    let _ = app.get("/health/live").await.expect(200);
    let refused = app.post(PAYOUTS).json(payout()).await;
    refused.problem(503);
    assert!(refused.header("retry-after").is_some());
    app.get(PAYOUTS).await.problem(503);
    launch.migrate().await;
    let app = app.ready().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    let warnings = app
        .log()
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("migrate"))
        .count();
    assert_eq!(warnings, 1, "said once: {}", app.log());
}

async fn with_a_schema_of_another_nothing_starts(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let altered = "UPDATE _sqlx_migrations SET checksum = checksum || checksum WHERE version = 1";
    launch.store().execute(altered).await;
    for command in ["run", "serve", "worker", "migrate"] {
        let mut process = launch.finish(&[command]).await;
        let ended = process.ended().unwrap();
        assert!(!ended.success(), "payout {command}");
        let log = process.log();
        assert!(log.contains("migration 1 was"), "payout {command}: {log}");
    }
}

async fn told_to_stop_running_calls_finish_and_nothing_stays_processing(backend: Backend) {
    let launch = launch(backend)
        .await
        .set("PAYOUT_SIMULATED_DELAY_MS", 600)
        .set("PAYOUT_WORKER_CONCURRENCY", 10);
    let mut app = launch.run().await;
    create(&app, 25).await;
    eventually("some are processing", SOON, async || {
        let running = app.payout(&format!("{PAYOUTS}?status=processing")).await;
        (running["count"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let status = app.process().terminate().await;
    assert_eq!(status.code(), Some(0), "{}", app.log());
    let count = async |status: &str| {
        app.store()
            .number(format!("SELECT count(*) FROM payouts WHERE status = '{status}'"))
            .await
    };
    assert_eq!(count("processing").await, 0);
    let (completed, pending) = (count("completed").await, count("pending").await);
    assert!(
        completed > 0 && completed + pending == 25,
        "{completed} completed, {pending} pending"
    );
    // The next process pays the payouts that were not begun.
    let app = launch.set("PAYOUT_SIMULATED_DELAY_MS", 0).run().await;
    all_completed(&app, 25).await;
}

async fn idle_processes_stop_at_once(backend: Backend) {
    let app = serving(backend).await;
    let bind = |launch: &Launch| {
        launch
            .clone()
            .set("PAYOUT_BIND", format!("127.0.0.1:{}", free_port()))
    };
    for command in ["run", "serve", "worker"] {
        for signal in ["TERM", "INT"] {
            let mut process = bind(app.launch()).spawn(&[command]);
            eventually("it has begun", SOON, async || {
                process.log().contains("ing").then_some(())
            })
            .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let begun = now();
            process.signal(signal);
            let status = process.end_within(SOON).await;
            assert_eq!(status.code(), Some(0), "{command} {signal}: {}", process.log());
            assert!(
                now() - begun < Duration::from_secs(5),
                "{command} {signal} took {:?}",
                now() - begun
            );
        }
    }
}

#[tokio::test]
async fn a_stopped_server_has_answered_what_it_took() {
    let mut app = paying(Backend::Sqlite).await;
    let answered = {
        let calls = (0..50).map(|_| app.post(PAYOUTS).json(payout()).send());
        let calls = futures::future::join_all(calls);
        let signalled = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = std::process::Command::new("kill")
                .args(["-TERM", &app.id().to_string()])
                .status();
        };
        let (replies, ()) = tokio::join!(calls, signalled);
        replies
            .into_iter()
            .flatten()
            .filter(|reply| reply.status == 201)
            .count()
    };
    assert_eq!(app.process().end_within(SOON).await.code(), Some(0));
    let stored = app.store().number("SELECT count(*) FROM payouts").await;
    assert!(
        stored >= i64::try_from(answered).unwrap(),
        "{answered} were answered, {stored} are stored"
    );
}
