//! `payout reconcile` over the real binary: disagreements of every kind are planted, and each is found.

use payout_tests::app::{Launch, path_of};
use payout_tests::body;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::{launch, on_each_backend};

on_each_backend!(planted_disagreements_are_found, a_service_in_order_agrees);

async fn on(provider: &Provider, backend: Backend) -> Launch {
    launch(backend)
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
}

/// The exit code and the report.
async fn reconciled(launch: &Launch, more: &[&str]) -> (i32, Value) {
    let args = [&["reconcile", "--since", "1d", "--format", "json"], more].concat();
    let mut process = launch.finish(&args).await;
    let code = process.ended().unwrap().code().unwrap();
    let report = serde_json::from_str(&process.printed());
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {} {}", process.printed(), process.log())),
    )
}

async fn a_service_in_order_agrees(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = on(&provider, backend).await;
    let app = launch.run().await;
    for _ in 0..20 {
        let path = path_of(&app.create(body::payout()).await);
        app.until(&path, "completed").await;
    }
    let (code, report) = reconciled(&launch, &[]).await;
    assert_eq!(
        (code, &report["payouts"], &report["disagreements"]),
        (0, &20.into(), &0.into()),
        "{report}"
    );
    let (code, report) = reconciled(&launch, &["--until", "1h"]).await;
    assert_eq!((code, &report["payouts"]), (0, &0.into()), "nothing is as old");
}

async fn planted_disagreements_are_found(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = on(&provider, backend).await;
    let app = launch.run().await;
    let mut planted = Vec::new();
    for (kind, sql) in [
        (
            "paid_there",
            "status = 'failed', failure_code = 'x', failure_message = 'y'",
        ),
        ("paid_there", "status = 'cancelled'"),
        ("other_reference", "provider_reference = 'another'"),
        (
            "processing_too_long",
            "status = 'processing', due_at = created_at, first_submitted_at = created_at",
        ),
    ] {
        let payout = app.create(body::payout()).await;
        app.until(&path_of(&payout), "completed").await;
        planted.push((payout, kind, sql));
    }
    let deleted = app.create(body::payout()).await;
    app.until(&path_of(&deleted), "completed").await;
    let _ = app.delete(&path_of(&deleted)).await.expect(204);
    planted.push((deleted, "other_reference", "provider_reference = 'another'"));
    // By hand: no worker may mend it meanwhile.
    drop(app);
    for (payout, _, sql) in &planted {
        let id = payout["id"].as_str().unwrap();
        let id = match backend {
            Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
            Backend::Postgres => format!("'{id}'"),
        };
        launch
            .store()
            .execute(format!("UPDATE payouts SET {sql} WHERE id = {id}"))
            .await;
    }
    let (code, report) = reconciled(&launch, &["--too-long", "0s"]).await;
    assert_eq!(code, 1, "{report}");
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<_> = findings
        .iter()
        .map(|line| (&line["payout_id"], line["finding"].as_str().unwrap()))
        .collect();
    let expected: Vec<_> = planted
        .iter()
        .map(|(payout, kind, _)| (&payout["id"], *kind))
        .collect();
    assert_eq!(found, expected, "{report}");
    assert_eq!(findings[4]["deleted"], true);

    // A provider that has lost its ledger knows none of them.
    let empty = Provider::that(Deed::Pay).await;
    let (code, report) = reconciled(&launch.clone().set("PAYOUT_PROCESSOR_URL", empty.url()), &[]).await;
    let kinds: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["finding"].as_str().unwrap())
        .collect();
    assert_eq!((code, kinds), (1, vec!["unknown_there"; 2]), "{report}");
    // One that does not answer leaves everything open.
    let silent = launch.set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/");
    let (code, report) = reconciled(&silent, &[]).await;
    assert_eq!((code, &report["unanswered"]), (2, &5.into()), "{report}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_failure_and_not_a_disagreement() {
    let launch = launch(Backend::Sqlite)
        .await
        .set("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:9/x");
    let mut process = launch.finish(&["reconcile", "--since", "1d"]).await;
    assert_eq!(process.ended().unwrap().code(), Some(2), "{}", process.log());
    assert!(!process.log().contains("hunter2"));
}
