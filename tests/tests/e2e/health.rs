//! `GET /health/live`, `GET /health/ready` and `GET /metrics`

use payout_tests::app::path_of;
use payout_tests::body::payout;
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::ports::free_port;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::support::{on_each_backend, paying, serving};

on_each_backend!(
    a_service_says_that_it_is_alive_and_ready,
    metrics_count_requests_and_payouts,
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
    // It may have looked at the database and not yet at the queue.
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
