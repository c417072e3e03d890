//! Backups made while payouts flow, and restored services: nothing is paid twice.

use std::sync::Arc;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::backup::Backup;
use payout_tests::body;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::{BINARY, launch, on_each_backend};

on_each_backend!(
    a_backup_under_load_is_whole_and_serves,
    a_restored_service_adopts_what_was_paid_since_and_pays_nothing_twice,
    a_retry_that_the_backup_does_not_know_is_adopted_and_not_paid_again,
    what_was_edited_and_paid_since_is_reviewed_and_not_paid_again,
);

async fn with_provider(launch: Launch, provider: &Provider) -> Launch {
    launch
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
}

fn key(payout: &Value, generation: u32) -> String {
    format!("{}:{generation}", payout["id"].as_str().unwrap())
}

/// Restores a backup, and returns a launch with the provider's settings.
async fn restored(backup: &Backup, provider: &Provider) -> Launch {
    let store = Arc::new(backup.restore().await);
    with_provider(Launch::new(BINARY, store), provider).await
}

async fn create(app: &App, count: usize) -> Vec<Value> {
    let mut created = Vec::new();
    for _ in 0..count {
        created.push(app.create(body::payout()).await);
    }
    created
}

async fn a_backup_under_load_is_whole_and_serves(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = with_provider(launch(backend).await, &provider).await;
    let app = launch.run().await;
    let before = create(&app, 10).await;
    let (during, backup) = tokio::join!(create(&app, 60), Backup::of(&launch, "copy"));
    drop(app);

    let service = restored(&backup, &provider)
        .await
        .start(&["run", "--restored"])
        .ready()
        .await;
    for payout in &before {
        service.until(&path_of(payout), "completed").await;
    }
    // Each payout that was created during the backup is restored completely, or not at all.
    for payout in &during {
        let path = path_of(payout);
        if service.get(&path).await.status == 200 {
            service.until(&path, "completed").await;
            assert!(
                service
                    .events(&path)
                    .await
                    .first()
                    .is_some_and(|kind| kind == "created")
            );
        }
    }
    let new = create(&service, 1).await.remove(0);
    service.until(&path_of(&new), "completed").await;
    assert!(provider.ledger().values().all(|entry| entry.payments == 1));
}

async fn a_restored_service_adopts_what_was_paid_since_and_pays_nothing_twice(backend: Backend) {
    // The provider forgets no key, and would pay an unknown one. It declines every third payout.
    let provider = Provider::deciding(|key, _| {
        if key.as_bytes()[35] % 3 == 0 {
            Deed::Decline
        } else {
            Deed::Pay
        }
    })
    .await;
    let launch = with_provider(launch(backend).await, &provider).await;
    let server = launch.serve().await;
    let payouts = create(&server, 30).await;
    let backup = Backup::of(&launch, "copy").await;

    // After the backup, all payouts are sent, and more are created.
    let worker = launch.worker();
    let mut ended = Vec::new();
    for payout in &payouts {
        let path = path_of(payout);
        ended.push(
            payout_tests::wait::eventually("it is final", payout_tests::wait::SOON, async || {
                let now = server.payout(&path).await;
                ["completed", "failed"]
                    .contains(&now["status"].as_str().unwrap())
                    .then_some(now)
            })
            .await,
        );
    }
    drop((worker, server));
    let submissions: u32 = provider.ledger().values().map(|entry| entry.submissions).sum();
    assert_eq!(submissions, 30);

    let service = restored(&backup, &provider)
        .await
        .start(&["run", "--restored"])
        .ready()
        .await;
    for before in &ended {
        let now = service
            .until(&path_of(before), before["status"].as_str().unwrap())
            .await;
        assert_eq!(now["provider_reference"], before["provider_reference"]);
        assert_eq!(now["failure"], before["failure"]);
        // It was looked up, and not sent again.
        let entry = provider.entry(&key(before, 0));
        assert_eq!((entry.submissions, entry.lookups), (1, 1), "{before}");
    }
    let first = service.events(&path_of(&ended[0])).await;
    assert_eq!(first[..3], ["created", "claimed", "claimed"]);
    // A payout that was never sent is sent.
    let new = create(&service, 1).await.remove(0);
    let expected = if new["id"].as_str().unwrap().as_bytes()[35] % 3 == 0 {
        "failed"
    } else {
        "completed"
    };
    service.until(&path_of(&new), expected).await;
    assert!(provider.ledger().values().all(|entry| entry.payments <= 1));
}

async fn a_retry_that_the_backup_does_not_know_is_adopted_and_not_paid_again(backend: Backend) {
    let provider = Provider::deciding(|key, _| {
        if key.ends_with(":0") {
            Deed::Decline
        } else {
            Deed::Pay
        }
    })
    .await;
    let launch = with_provider(launch(backend).await, &provider).await;
    let app = launch.run().await;
    let payout = create(&app, 1).await.remove(0);
    let path = path_of(&payout);
    app.until(&path, "failed").await;
    let backup = Backup::of(&launch, "copy").await;
    let _ = app.post(&format!("{path}retry/")).await.expect(202);
    app.until(&path, "completed").await;
    drop(app);

    let launch = restored(&backup, &provider).await;
    let service = launch.start(&["run", "--restored"]).ready().await;
    assert_eq!(
        service.payout(&path).await["status"],
        "failed",
        "a final state changes by a person only"
    );
    // Reconciliation reports it, the operator repeats the retry, and the worker finds the payout paid.
    let mut reconciled = launch
        .finish(&["reconcile", "--since", "1d", "--format", "csv"])
        .await;
    assert_eq!(reconciled.ended().unwrap().code(), Some(1));
    assert!(
        reconciled.printed().contains("later_attempt_there,paid"),
        "{}",
        reconciled.printed()
    );
    let _ = service.post(&format!("{path}retry/")).await.expect(202);
    service.until(&path, "completed").await;
    let entry = provider.entry(&key(&payout, 1));
    assert_eq!((entry.payments, entry.submissions), (1, 1));
    let mut reconciled = launch.finish(&["reconcile", "--since", "1d"]).await;
    assert_eq!(
        reconciled.ended().unwrap().code(),
        Some(0),
        "{}",
        reconciled.printed()
    );
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let _ = Backup::of(&launch, "copy").await;
    let file = launch.store().folder().join("copy");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut again = launch.finish(&["backup", file.to_str().unwrap()]).await;
    assert!(!again.ended().unwrap().success() && again.log().contains("is there already"));
}

/// The backup is older than an edit, so the payment that was made since differs from the restored row.
async fn what_was_edited_and_paid_since_is_reviewed_and_not_paid_again(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = with_provider(launch(backend).await, &provider).await;
    let server = launch.serve().await;
    let payout = create(&server, 1).await.remove(0);
    let backup = Backup::of(&launch, "copy").await;
    let edit = serde_json::json!({"recipient_name": "Grace Hopper"});
    let _ = server.patch(&path_of(&payout)).json(edit).await.expect(200);
    let worker = launch.worker();
    server.until(&path_of(&payout), "completed").await;
    drop((worker, server));

    let service = restored(&backup, &provider)
        .await
        .start(&["run", "--restored"])
        .ready()
        .await;
    service.until_review(&path_of(&payout)).await;
    let entry = provider.entry(&key(&payout, 0));
    assert_eq!((entry.payments, entry.submissions), (1, 1));
}
