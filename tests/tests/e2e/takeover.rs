//! Workers that die or freeze during a call: another worker takes over within the lease and a sweep, and nothing is
//! paid twice, by the provider's ledger.

use std::time::Duration;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::process::Process;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually, now};
use serde_json::json;

use crate::support::{on_each_backend, serving};

on_each_backend!(
    a_killed_workers_payout_is_taken_over_and_sent_again,
    a_killed_workers_payment_is_found_and_not_repeated,
    a_worker_that_slept_past_its_lease_changes_nothing,
    a_killed_process_goes_on_after_its_restart,
    a_cancel_and_a_claim_cannot_both_win,
);

const LEASE: Duration = Duration::from_millis(1_500);

/// Returns a launch for workers with this provider, whose calls may last as long as the lease allows.
fn workers(app: &App, provider: &Provider) -> Launch {
    let launch = app
        .launch()
        .clone()
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    launch
        .call_timeout_ms(u64::try_from(LEASE.as_millis()).unwrap() / 3)
        .set("PAYOUT_BACKOFF_BASE_MS", 20_000)
}

/// Starts a worker, and creates a payout that it is sending.
async fn mid_call(app: &App, provider: &Provider) -> (Process, String, String) {
    let worker = workers(app, provider).worker();
    let payout = app.create(payout()).await;
    let key = format!("{}:0", payout["id"].as_str().unwrap());
    eventually("the provider has the call", SOON, async || {
        (provider.entry(&key).submissions == 1).then_some(())
    })
    .await;
    (worker, path_of(&payout), key)
}

async fn taken_over(app: &App, path: &str) {
    let begun = now();
    app.until(path, "completed").await;
    let took = now() - begun;
    assert!(
        took < LEASE + Duration::from_millis(200) + Duration::from_secs(3),
        "taken over after {took:?}"
    );
}

async fn a_killed_workers_payout_is_taken_over_and_sent_again(backend: Backend) {
    let app = serving(backend).await;
    let provider = Provider::deciding(|_, number| if number == 1 { Deed::Hang } else { Deed::Pay }).await;
    let (mut worker, path, key) = mid_call(&app, &provider).await;
    worker.kill();
    let _other = workers(&app, &provider).worker();
    taken_over(&app, &path).await;
    let entry = provider.entry(&key);
    assert_eq!(
        (entry.payments, entry.submissions, entry.lookups),
        (1, 2, 1),
        "looked up first, then sent again"
    );
    assert_eq!(entry.bodies[0], entry.bodies[1], "the very same instruction");
    assert_eq!(
        app.events(&path).await,
        ["created", "claimed", "claimed", "completed"]
    );
    assert_eq!(app.payout(&path).await["attempts"], 2);
}

async fn a_killed_workers_payment_is_found_and_not_repeated(backend: Backend) {
    let app = serving(backend).await;
    let provider = Provider::that(Deed::PayAndHang).await;
    let (mut worker, path, key) = mid_call(&app, &provider).await;
    worker.kill();
    let _other = workers(&app, &provider).worker();
    taken_over(&app, &path).await;
    let entry = provider.entry(&key);
    assert_eq!((entry.payments, entry.submissions, entry.lookups), (1, 1, 1));
    assert_eq!(
        app.payout(&path).await["provider_reference"],
        format!("ref-{key}")
    );
}

async fn a_worker_that_slept_past_its_lease_changes_nothing(backend: Backend) {
    let app = serving(backend).await;
    let provider = Provider::deciding(|_, number| if number == 1 { Deed::Hang } else { Deed::Pay }).await;
    let (sleeper, path, key) = mid_call(&app, &provider).await;
    sleeper.signal("STOP");
    let _other = workers(&app, &provider).worker();
    taken_over(&app, &path).await;
    let settled = app.get(&path).await;
    sleeper.signal("CONT");
    eventually("the late outcome is on record", SOON, async || {
        (app.events(&path)
            .await
            .last()
            .is_some_and(|kind| kind == "late_outcome"))
        .then_some(())
    })
    .await;
    let after = app.get(&path).await;
    assert_eq!(after.json(), settled.json(), "evidence only");
    assert_eq!(provider.entry(&key).payments, 1);
}

async fn a_killed_process_goes_on_after_its_restart(backend: Backend) {
    let app = serving(backend).await;
    let provider = Provider::deciding(|_, number| {
        if number == 1 {
            Deed::PayAndVanish
        } else {
            Deed::Pay
        }
    })
    .await;
    let launch = workers(&app, &provider).set("PAYOUT_BACKOFF_BASE_MS", 50);
    let mut run = launch.run().await;
    for _ in 0..3 {
        futures::future::join_all((0..10).map(|_| run.create(payout()))).await;
        run.process().kill();
        run = launch.run().await;
    }
    eventually("all are completed", SOON, async || {
        (app.payout(&format!("{PAYOUTS}?status=completed")).await["count"] == 30).then_some(())
    })
    .await;
    let ledger = provider.ledger();
    assert_eq!(ledger.len(), 30);
    assert!(ledger.values().all(|entry| entry.payments == 1), "{ledger:?}");
}

async fn a_cancel_and_a_claim_cannot_both_win(backend: Backend) {
    let app = serving(backend).await;
    let provider = Provider::that(Deed::Pay).await;
    let _worker = workers(&app, &provider).worker();
    let racing = (0..40).map(async |_| {
        let payout = app.create(payout()).await;
        let reply = app.post(&format!("{}cancel/", path_of(&payout))).await;
        (payout, reply)
    });
    for (payout, reply) in futures::future::join_all(racing).await {
        let paid = if reply.status == 200 {
            assert_eq!(app.payout(&path_of(&payout)).await["status"], "cancelled");
            0
        } else {
            reply.problem(409);
            app.until(&path_of(&payout), "completed").await;
            1
        };
        let key = format!("{}:0", payout["id"].as_str().unwrap());
        assert_eq!(provider.entry(&key).payments, paid);
    }
    let stuck = app.payout(&format!("{PAYOUTS}?status=processing")).await;
    assert_eq!(stuck["results"], json!([]));
}
