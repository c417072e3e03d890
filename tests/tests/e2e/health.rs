//! `GET /health/live`, `GET /health/ready` and `GET /metrics`

use payout_tests::app::path_of;
use payout_tests::body::payout;
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::ports::free_port;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::support::{launch, on_each_backend, paying, serving};

on_each_backend!(
    a_service_says_that_it_is_alive_and_ready,
    metrics_count_requests_and_payouts,
    metrics_tell_how_many_payouts_there_are_and_where_they_stand,
    metrics_with_an_address_of_their_own_are_served_only_there,
    a_worker_tells_its_health_where_it_is_told_to,
);

async fn a_service_says_that_it_is_alive_and_ready(backend: Backend) {
    let app = serving(backend).await;
    assert_eq!(app.payout("/health/live").await, json!({"status": "ok"}));
    let (database, queue) = match backend {
        Backend::Sqlite => ("sqlite", "memory"),
        Backend::Postgres => ("postgres", "redis"),
    };
    let ready = json!({
        "status": "ok",
        "checks": {
            "database": {"status": "ok", "backend": database},
            "queue": {"status": "ok", "backend": queue},
        },
    });
    // The service may have checked the database but not yet the queue.
    eventually("both are found", SOON, async || {
        (app.payout("/health/ready").await == ready).then_some(())
    })
    .await;
}

async fn metrics_count_requests_and_payouts(backend: Backend) {
    let app = paying(backend).await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    app.get("/nothing").await.problem(404);
    let metrics = app.get("/metrics").await.expect(200);
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|name| name.starts_with("text/plain")),
        "{metrics}"
    );
    let text = metrics.text();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (_, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    for name in ["# TYPE payout_", "payout_queue_depth", "payout_http_requests"] {
        assert!(text.contains(name), "no {name} in {text}");
    }
    let id = path.trim_start_matches(PAYOUTS).trim_end_matches('/');
    assert!(
        !text.contains(id) && !text.contains("/nothing"),
        "labels that clients can multiply: {text}"
    );
}

async fn metrics_tell_how_many_payouts_there_are_and_where_they_stand(backend: Backend) {
    let app = serving(backend).await;
    let mut scheduled = payout();
    scheduled["currency"] = json!("KWD");
    app.create(scheduled).await;
    let line = r#"payout_payouts{status="pending",currency="KWD"} 1"#;
    eventually("it was counted", SOON, async || {
        let text = app.get("/metrics").await.expect(200).text();
        (text.contains(line) && !text.contains("payout_oldest_due_age_seconds 0\n")).then_some(())
    })
    .await;
    let text = app.get("/metrics").await.expect(200).text();
    for name in [
        "payout_in_review 0",
        "payout_database_pool_connections{state=\"in_use\"}",
        "payout_database_pool_connections_max",
        "payout_batch_size_count{batch=\"create\"} 1",
    ] {
        assert!(text.contains(name), "no {name} in {text}");
    }
}

async fn metrics_with_an_address_of_their_own_are_served_only_there(backend: Backend) {
    let port = free_port();
    let launch = launch(backend).await;
    let app = launch
        .set("PAYOUT_METRICS_BIND", format!("127.0.0.1:{port}"))
        .serve()
        .await;
    app.get("/metrics").await.problem(404);
    let _ = app.get("/health/live").await.expect(200);
    let operators = Api::on_port(port);
    let _ = operators.get("/metrics").await.expect(200);
    let _ = operators.get("/health/live").await.expect(200);
}

async fn a_worker_tells_its_health_where_it_is_told_to(backend: Backend) {
    let app = serving(backend).await;
    let port = free_port();
    let worker = app
        .launch()
        .clone()
        .set("PAYOUT_METRICS_BIND", format!("127.0.0.1:{port}"));
    let _worker = worker.worker();
    let api = Api::on_port(port);
    eventually("the worker is ready", SOON, async || {
        api.is_ready().await.then_some(())
    })
    .await;
    let _ = api.get("/health/live").await.expect(200);
    let _ = api.get("/metrics").await.expect(200);
    api.get(PAYOUTS).await.problem(404);
}
