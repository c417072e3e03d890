//! `PAYOUT_LIMITS`: the maximum of one payout, and the maximum that one API key may pay out in a day.

use futures::future::join_all;
use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with, with};
use payout_tests::client::{PAYOUTS, Reply};
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{declining, launch, on_each_backend, serving};

on_each_backend!(
    a_payout_may_be_of_the_maximum_and_no_more,
    a_day_is_used_up_to_the_last_cent_by_each_key_for_itself,
    two_servers_use_a_day_up_together_and_no_more,
    a_repeated_request_gets_its_answer_after_the_limits_were_lowered,
    an_edit_is_no_way_round,
    a_retry_is_charged_once_to_the_day_of_whoever_asks,
    the_rule_for_all_others_holds_for_each_of_them,
    without_limits_and_in_other_currencies_there_are_none,
    what_limits_are_in_force_is_told,
);

/// Starts a server with these limits.
async fn limited(backend: Backend, limits: &str) -> App {
    launch(backend).await.set("PAYOUT_LIMITS", limits).serve().await
}

fn of(amount: &str, currency: &str) -> Value {
    with(payout_with("amount", amount), "currency", currency)
}

#[track_caller]
fn assert_over(reply: &Reply, detail: &str, message: &str) {
    let problem = reply.problem(422);
    assert_eq!(problem.kind, "urn:payout:problem:over-limit");
    assert_eq!(problem.detail, detail);
    assert_eq!(problem.errors["amount"], [message]);
    assert_eq!(problem.errors.len(), 1);
}

const PER_PAYOUT: &str = "One payout may be at most 1000.00 USD.";
const LESS: &str = "Ensure this value is less than or equal to 1000.00.";
const PER_DAY: &str = "The payouts that one API key makes in a day (UTC) may come to at most 100.00 USD; with this \
                       one they would be more.";
const LEFT: &str = "This is more than is left of the day's limit.";

async fn stored(app: &App) -> i64 {
    app.store().number("SELECT count(*) FROM payouts").await
}

async fn a_payout_may_be_of_the_maximum_and_no_more(backend: Backend) {
    let app = limited(backend, "USD=1000").await;
    app.create(of("1000.00", "USD")).await;
    let call = app.post(PAYOUTS).header("idempotency-key", "order-1");
    assert_over(&call.json(of("1000.01", "USD")).await, PER_PAYOUT, LESS);
    assert_eq!(stored(&app).await, 1);
    let records = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(app.store().number(records).await, 0);
    assert_eq!(app.store().number("SELECT count(*) FROM payout_trail").await, 1);
    // The refused request did not use up the key.
    let call = app.post(PAYOUTS).header("idempotency-key", "order-1");
    let _ = call.json(of("999", "USD")).await.expect(201);
}

async fn a_day_is_used_up_to_the_last_cent_by_each_key_for_itself(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_LIMITS", "USD=/100,JPY=/100");
    launch.migrate().await;
    let mut keys = Vec::new();
    for name in ["one", "other"] {
        keys.push(launch.make_key(name, "read,write,operate").await);
    }
    let app = launch.serve().await;
    for key in &keys {
        let create =
            async |amount: &str, currency: &str| app.post(PAYOUTS).key(key).json(of(amount, currency)).await;
        let first = create("60", "USD").await.expect(201).json();
        assert_over(&create("40.01", "USD").await, PER_DAY, LEFT);
        let _ = create("40", "USD").await.expect(201);
        // Cancelling a payout gives nothing back.
        let cancel = app.post(&format!("{}cancel/", path_of(&first))).key(key).await;
        let _ = cancel.expect(200);
        assert_over(&create("0.01", "USD").await, PER_DAY, LEFT);
        let _ = create("100", "JPY").await.expect(201);
    }
    assert_eq!(stored(&app).await, 6);
}

async fn two_servers_use_a_day_up_together_and_no_more(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_LIMITS", "USD=/700");
    launch.migrate().await;
    let key = launch.make_key("busy", "read,write").await;
    let servers = [launch.serve().await, launch.serve().await];
    let calls = (0..200).map(|number| {
        let call = servers[number % 2].post(PAYOUTS).key(&key);
        let call = if number % 3 == 0 {
            call.header("idempotency-key", &format!("order-{number}"))
        } else {
            call
        };
        call.json(of("7.00", "USD")).into_future()
    });
    let replies = join_all(calls).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(refused.problem(422).kind, "urn:payout:problem:over-limit");
    }
    assert_eq!(created, 100, "all of the day, and nothing beyond it");
    assert_eq!(stored(&servers[0]).await, 100);
}

async fn a_repeated_request_gets_its_answer_after_the_limits_were_lowered(backend: Backend) {
    let before = serving(backend).await;
    let body = of("1000", "USD");
    let send = async |app: &App, body: &Value| {
        let call = app.post(PAYOUTS).header("idempotency-key", "order-1");
        call.json(body).await
    };
    let first = send(&before, &body).await.expect(201).json();
    for limits in ["USD=500", "USD=/500"] {
        let after = before.launch().clone().set("PAYOUT_LIMITS", limits).serve().await;
        let again = send(&after, &body).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.expect(201).json(), first);
        let other = send(&after, &of("1001", "USD")).await;
        assert_eq!(other.problem(422).kind, "urn:payout:problem:key-reused");
    }
}

async fn an_edit_is_no_way_round(backend: Backend) {
    let app = limited(backend, "USD=1000/1500,EUR=/100").await;
    let path = path_of(&app.create(of("1", "USD")).await);
    let etag = async || app.get(&path).await.header("etag").map(str::to_owned);
    let before = etag().await;
    for reply in [
        app.patch(&path).json(json!({"amount": "1000.01"})).await,
        app.put(&path).json(of("1000.01", "USD")).await,
    ] {
        assert_over(&reply, PER_PAYOUT, LESS);
    }
    let day = app
        .patch(&path)
        .json(json!({"amount": "100.01", "currency": "EUR"}));
    assert_eq!(day.await.problem(422).errors["amount"], [LEFT]);
    assert_eq!(etag().await, before, "what is refused changes nothing");
    let patch = async |amount: &str| app.patch(&path).json(json!({"amount": amount})).await.expect(200);
    let _ = patch("1000").await;
    // A decrease gives nothing back, and an increase is charged by the difference alone.
    let _ = patch("500.00").await;
    let _ = patch("1000").await;
    let _ = app
        .patch(&path)
        .json(json!({"description": "Invoice 8"}))
        .await
        .expect(200);
    let one = app.post(PAYOUTS).json(of("0.01", "USD")).await;
    assert_eq!(one.problem(422).errors["amount"], [LEFT]);
    let _ = app.patch(&path).json(json!({"amount": "1"})).await.expect(200);
}

/// The payouts failed on earlier days, here before the limits were set: a retry is charged to the day on which it is
/// made.
async fn a_retry_is_charged_once_to_the_day_of_whoever_asks(backend: Backend) {
    let mut before = declining(backend).await;
    let mut paths = Vec::new();
    for _ in 0..5 {
        let path = path_of(&before.create(of("60", "USD")).await);
        before.until(&path, "failed").await;
        paths.push(path);
    }
    before.process().kill();
    let limits = "USD=/150";
    let app = before.launch().clone().set("PAYOUT_LIMITS", limits).serve().await;
    let retry = |path: &str, key: &'static str| {
        let call = app.post(&format!("{path}retry/"));
        call.header("idempotency-key", key)
    };
    let first = retry(&paths[0], "again-0").await.expect(202);
    for _ in 0..3 {
        let replayed = retry(&paths[0], "again-0").await.expect(202);
        assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
        assert_eq!(replayed.json(), first.json());
    }
    let step = app.patch(&paths[1]).json(json!({"status": "pending"})).await;
    assert_eq!(step.expect(200).json()["status"], "pending");
    let detail = PER_DAY.replace("100.00", "150.00");
    assert_over(&retry(&paths[2], "again-2").await, &detail, LEFT);
    let step = app.patch(&paths[2]).json(json!({"status": "pending"})).await;
    assert_over(&step, &detail, LEFT);
    assert_over(&app.post(&format!("{}retry/", paths[2])).await, &detail, LEFT);
    assert_eq!(app.payout(&paths[2]).await["status"], "failed");
    let _ = app.post(PAYOUTS).json(of("30", "USD")).await.expect(201);
    assert_over(&app.post(PAYOUTS).json(of("0.01", "USD")).await, &detail, LEFT);
    // A per-payout maximum that was set later applies too.
    let lower = before.launch().clone().set("PAYOUT_LIMITS", "*=59").serve().await;
    let refused = lower.post(&format!("{}retry/", paths[3])).await;
    let message = "Ensure this value is less than or equal to 59.00.";
    assert_over(&refused, "One payout may be at most 59.00 USD.", message);
}

async fn the_rule_for_all_others_holds_for_each_of_them(backend: Backend) {
    let app = limited(backend, "USD=1000,*=100/150").await;
    app.create(of("1000", "USD")).await;
    for currency in ["EUR", "JPY"] {
        let refused = app.post(PAYOUTS).json(of("101", currency)).await;
        assert_eq!(refused.problem(422).kind, "urn:payout:problem:over-limit");
        app.create(of("100", currency)).await;
        app.create(of("50", currency)).await;
        let refused = app.post(PAYOUTS).json(of("1", currency)).await;
        assert_eq!(refused.problem(422).errors["amount"], [LEFT]);
    }
}

async fn without_limits_and_in_other_currencies_there_are_none(backend: Backend) {
    let without = serving(backend).await;
    without.create(of("9999999999999999", "USD")).await;
    let app = limited(backend, "USD=1/1").await;
    app.create(of("9999999999999999", "EUR")).await;
    for app in [without, app] {
        let rows = "SELECT count(*) FROM daily_totals";
        assert_eq!(app.store().number(rows).await, 0, "nothing is counted");
        app.create(payout_with("currency", "EUR")).await;
    }
}

async fn what_limits_are_in_force_is_told(backend: Backend) {
    let launch = launch(backend)
        .await
        .set("PAYOUT_LIMITS", "USD=1000/50000,JPY=/9");
    let mut app = launch.serve().await;
    app.create(payout()).await;
    assert!(app.log().contains("USD=1000.00/50000.00,JPY=/9"), "{}", app.log());
    app.process().kill();
    let doctor = launch.finish(&["doctor"]).await;
    let told = "money is limited to USD=1000.00/50000.00,JPY=/9";
    assert!(doctor.printed().contains(told), "{}", doctor.printed());
    let refused = launch.set("PAYOUT_LIMITS", "USD=5,EUR").finish(&["serve"]).await;
    let line = "PAYOUT_LIMITS: \"EUR\": use CURRENCY=MAXIMUM";
    assert!(refused.log().contains(line), "{}", refused.log());
}
