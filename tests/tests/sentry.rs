//! Errors and panics reach Sentry, and nothing that identifies a recipient does. The binary is real; Sentry is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use payout_tests::app::{Launch, path_of};
use payout_tests::body::{PERSONAL, payout};
use payout_tests::client::PAYOUTS;
use payout_tests::provider::{Deed, Provider};
use payout_tests::sink::Sink;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");

/// Returns the reports so far, and all data that was sent for them, as text.
fn reports(sentry: &Sink) -> (Vec<Value>, String) {
    let mut reports = Vec::new();
    let mut all = String::new();
    for request in sentry.kept() {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/api/7/envelope/")
        );
        let body = String::from_utf8(request.body).unwrap();
        reports.push(serde_json::from_str(body.lines().nth(2).unwrap()).unwrap());
        all += &format!("{:?}\n{body}\n", request.headers);
    }
    (reports, all)
}

async fn launch(sentry: &Sink, provider: &Provider) -> Launch {
    Launch::new(BINARY, Arc::new(Store::new(Backend::Sqlite).await))
        .set(
            "SENTRY_DSN",
            format!("http://0123456789abcdef@127.0.0.1:{}/7", sentry.port()),
        )
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
        .set("PAYOUT_PROCESSOR_TOKEN", "s3cr3t-t0ken")
        .set("PAYOUT_MAX_ATTEMPTS", 1)
        .call_timeout_ms(100)
}

#[tokio::test]
async fn an_error_is_reported_with_the_payout_and_nothing_of_its_recipient() {
    let (sentry, provider) = (Sink::start().await, Provider::that(Deed::Hang).await);
    let app = launch(&sentry, &provider).await.run().await;
    let body = payout();
    let _ = app
        .get(&format!("{PAYOUTS}?search=canary-query"))
        .await
        .expect(200);
    let created = app
        .post(PAYOUTS)
        .header("x-request-id", "canary-header")
        .json(&body);
    let path = path_of(&created.await.expect(201).json());
    app.until_review(&path).await;
    let (reports, all) = eventually("the review is reported", SOON, async || {
        Some(reports(&sentry)).filter(|(reports, _)| !reports.is_empty())
    })
    .await;
    let report = &reports[0];
    assert_eq!(report["message"], "a payout needs a person's review", "{report}");
    assert_eq!(
        report.get("level"),
        None,
        "an error, unless something else is said"
    );
    assert_eq!(report["logger"], "payout_core::worker::settle");
    let id = path.trim_start_matches(PAYOUTS).trim_end_matches('/');
    assert_eq!(report["tags"]["payout_id"], id);
    let mut secret = vec!["s3cr3t-t0ken", "canary-query", "canary-header"];
    secret.extend(PERSONAL);
    for field in ["recipient_account", "recipient_name", "description"] {
        secret.extend(body[field].as_str());
    }
    for text in secret {
        assert!(!all.contains(text), "{text} in {all}");
    }
}

#[tokio::test]
async fn a_panic_is_reported_by_its_place_and_not_by_its_words() {
    let (sentry, provider) = (Sink::start().await, Provider::that(Deed::Pay).await);
    let launch = launch(&sentry, &provider).await.set("PANIC_AFTER_MS", 500);
    let mut worker = launch.worker();
    let (reports, all) = eventually("the panic is reported", SOON, async || {
        Some(reports(&sentry)).filter(|(reports, _)| !reports.is_empty())
    })
    .await;
    assert_eq!(reports[0]["message"], "a task panicked");
    let place = reports[0]["tags"]["place"].as_str().unwrap();
    assert!(place.contains("payout-under-test.rs:"), "{place}");
    assert!(!all.contains("canary"), "{all}");
    worker.terminate().await;
}

#[tokio::test]
async fn without_a_dsn_nothing_is_reported() {
    let (sentry, provider) = (Sink::start().await, Provider::that(Deed::Hang).await);
    let app = launch(&sentry, &provider).await.unset("SENTRY_DSN").run().await;
    app.until_review(&path_of(&app.create(payout()).await)).await;
    eventually("it is logged", SOON, async || {
        app.log().contains("needs a person").then_some(())
    })
    .await;
    assert!(sentry.kept().is_empty());
}

#[tokio::test]
async fn a_dsn_that_is_none_stops_the_start_and_is_not_shown() {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let mut process = Launch::new(BINARY, store)
        .set("SENTRY_DSN", "hunter2")
        .finish(&["worker"])
        .await;
    assert_eq!(process.ended().unwrap().code(), Some(2));
    assert!(process.log().contains("SENTRY_DSN: use https://KEY@HOST/PROJECT"));
    assert!(!process.log().contains("hunter2"));
}
