//! `payout reconcile` over the real binary: disagreements of every kind are planted, and each is found.

use payout_tests::app::{Launch, path_of};
use payout_tests::body;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    planted_disagreements_are_found,
    what_stands_in_the_providers_books_alone_is_found,
    a_service_in_order_agrees,
);

async fn on(provider: &Provider, backend: Backend) -> Launch {
    launch(backend)
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
}

/// Returns the exit code and the report.
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
    // Earlier releases allowed the deletion of payouts that were sent.
    planted.push((
        deleted,
        "other_reference",
        "provider_reference = 'another', deleted_at = updated_at",
    ));
    // Written directly, with the service stopped, so that no worker repairs it meanwhile.
    drop(app);
    for (payout, _, sql) in &planted {
        let id = payout["id"].as_str().unwrap();
        let id = match backend {
            Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
            Backend::Postgres => format!("'{id}'"),
        };
        launch
            .store()
            .execute(format!(
                "UPDATE payout_states SET {sql} WHERE id = {id}; UPDATE payout_details SET deleted_at = (
                    SELECT deleted_at FROM payout_states WHERE payout_states.id = payout_details.id) WHERE id = {id}"
            ))
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

    // A provider that has lost its ledger knows none of the payouts.
    let empty = Provider::that(Deed::Pay).await;
    let (code, report) = reconciled(&launch.clone().set("PAYOUT_PROCESSOR_URL", empty.url()), &[]).await;
    let kinds: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["finding"].as_str().unwrap())
        .collect();
    assert_eq!((code, kinds), (1, vec!["unknown_there"; 2]), "{report}");
    // A provider that does not answer leaves every question open.
    let silent = launch.set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/");
    let (code, report) = reconciled(&silent, &[]).await;
    assert_eq!((code, &report["unanswered"]), (2, &5.into()), "{report}");
}

async fn what_stands_in_the_providers_books_alone_is_found(backend: Backend) {
    let first_of = |key: &str| {
        if key.ends_with(":0") {
            Deed::Decline
        } else {
            Deed::Pay
        }
    };
    let provider = Provider::deciding(move |key, _| first_of(key)).await;
    let launch = on(&provider, backend).await;
    let key = |payout: &Value, generation: u32| format!("{}:{generation}", payout["id"].as_str().unwrap());
    let app = launch.run().await;
    let mut retried = Vec::new();
    for _ in 0..2 {
        let payout = app.create(body::payout()).await;
        let path = path_of(&payout);
        app.until(&path, "failed").await;
        let _ = app.post(&format!("{path}retry/")).await.expect(202);
        app.until(&path, "completed").await;
        retried.push(payout);
    }
    drop(app);
    // No worker runs, so that these stay pending.
    let app = launch.serve().await;
    let accepted = app.create(body::payout()).await;
    let refused = app.create(body::payout()).await;
    drop(app);
    let declined = json!({"status": "failed", "code": "no", "message": "No."});
    provider.plant(
        &key(&retried[0], 0),
        json!({"status": "completed", "reference": "=twice,"}),
    );
    provider.plant(&key(&retried[1], 1), declined.clone());
    provider.plant(
        &key(&accepted, 0),
        json!({"status": "pending", "reference": "later"}),
    );
    provider.plant(&key(&refused, 0), declined);

    let (code, report) = reconciled(&launch, &[]).await;
    let found: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ["key", "finding", "there"].map(|name| line[name].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        (&retried[0], 0, "paid_there", "paid"),
        (&retried[0], 1, "paid_twice", "paid"),
        (&retried[1], 1, "declined_there", "declined"),
        (&accepted, 0, "accepted_there", "accepted"),
        (&refused, 0, "declined_there", "declined"),
    ];
    let expected = expected.map(|(payout, generation, kind, there)| {
        [key(payout, generation), kind.to_owned(), there.to_owned()]
    });
    assert_eq!((code, found), (1, expected.to_vec()), "{report}");

    let mut process = launch
        .finish(&["reconcile", "--since", "1d", "--format", "csv"])
        .await;
    assert_eq!(process.ended().unwrap().code(), Some(1), "{}", process.log());
    let csv = process.printed();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 6, "a line for each, below their names: {csv}");
    assert!(lines[0].starts_with("payout_id,created_at,amount,"), "{csv}");
    assert!(lines[1].contains(",paid_there,paid,"), "{csv}");
    assert!(
        lines[1].ends_with(",\"'=twice,\",,"),
        "quoted, and no formula: {csv}"
    );
    assert!(
        process
            .log()
            .contains("4 payouts looked up: 5 disagreements, 0 without an answer")
    );
}

#[tokio::test]
async fn a_period_without_time_in_it_is_a_failure_and_not_an_agreement() {
    let provider = Provider::that(Deed::Pay).await;
    let launch = on(&provider, Backend::Sqlite).await;
    launch.migrate().await;
    for period in [["--since=1h", "--until=2h"], ["--since=2999-01-01", "--until=0s"]] {
        let mut process = launch.finish(&[&["reconcile"][..], &period].concat()).await;
        assert_eq!(process.ended().unwrap().code(), Some(2), "{}", process.log());
        assert!(process.log().contains("--since"), "{}", process.log());
    }
}

#[tokio::test]
async fn a_simulated_provider_has_no_books() {
    let launch = launch(Backend::Sqlite).await.set("PAYOUT_PROCESSOR", "simulated");
    launch.migrate().await;
    let mut process = launch.finish(&["reconcile", "--since", "1d"]).await;
    assert_eq!(process.ended().unwrap().code(), Some(2), "{}", process.log());
    assert!(process.log().contains("PAYOUT_PROCESSOR"), "{}", process.log());
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
