//! Who is paid, shown in full only to keys that may see it.

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    without_reveal_every_answer_is_masked,
    whoever_sees_a_mask_may_send_it_back_and_changes_nothing,
    without_reveal_nobody_searches,
);

const ACCOUNT: &str = "DE89370400440532013000";

/// A service whose provider declines, a key that sees everything, and one that does not.
async fn locked(backend: Backend) -> (App, String, String) {
    let launch = launch(backend).await.set("PAYOUT_SIMULATED_FAILURE_RATE", 1);
    launch.migrate().await;
    let full = launch.make_key("full", "read,write,operate,reveal").await;
    let blind = launch.make_key("blind", "read,write,operate").await;
    (launch.serve().await, full, blind)
}

fn to_ada() -> Value {
    with(
        payout_with("recipient_account", ACCOUNT),
        "recipient_name",
        "Ada Qlovelace",
    )
}

#[track_caller]
fn assert_masked(answer: &Value) {
    assert_eq!(answer["recipient_account"], "••••3000", "{answer}");
    assert_eq!(answer["recipient_name"], "A••• Q•••", "{answer}");
}

async fn without_reveal_every_answer_is_masked(backend: Backend) {
    let (app, full, blind) = locked(backend).await;
    let create = || {
        app.post(PAYOUTS)
            .key(&blind)
            .header("idempotency-key", "k")
            .json(to_ada())
    };
    let created = create().await.expect(201);
    assert_masked(&created.json());
    let replayed = create().await.expect(201);
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_masked(&replayed.json());
    let path = path_of(&created.json());
    let other = path_of(
        &app.post(PAYOUTS)
            .key(&blind)
            .json(to_ada())
            .await
            .expect(201)
            .json(),
    );

    assert_masked(&app.get(&path).key(&blind).await.expect(200).json());
    let page = app.get(PAYOUTS).key(&blind).await.expect(200).json();
    page["results"].as_array().unwrap().iter().for_each(assert_masked);
    let edit = json!({"description": "another"});
    assert_masked(&app.patch(&path).key(&blind).json(edit).await.expect(200).json());
    assert_masked(&app.put(&path).key(&blind).json(to_ada()).await.expect(200).json());
    let cancel = format!("{other}cancel/");
    assert_masked(&app.post(&cancel).key(&blind).await.expect(200).json());
    let events = app
        .get(&format!("{path}events/"))
        .key(&blind)
        .await
        .expect(200)
        .text();
    assert!(
        !events.contains(ACCOUNT) && !events.contains("Qlovelace"),
        "{events}"
    );

    let _worker = app.launch().worker();
    let failed = payout_tests::wait::eventually("it failed", payout_tests::wait::SOON, async || {
        let now = app.get(&path).key(&blind).await.expect(200).json();
        (now["status"] == "failed").then_some(now)
    });
    assert_masked(&failed.await);
    let retried = app
        .post(&format!("{path}retry/"))
        .key(&blind)
        .header("idempotency-key", "r");
    assert_masked(&retried.await.expect(202).json());

    let seen = app.get(&path).key(&full).await.expect(200).json();
    assert_eq!(seen["recipient_account"], ACCOUNT);
    assert_eq!(seen["recipient_name"], "Ada Qlovelace");
}

async fn whoever_sees_a_mask_may_send_it_back_and_changes_nothing(backend: Backend) {
    let (app, full, blind) = locked(backend).await;
    let created = app
        .post(PAYOUTS)
        .key(&blind)
        .json(to_ada())
        .await
        .expect(201)
        .json();
    let path = path_of(&created);
    let shown = app.get(&path).key(&blind).await.expect(200).json();
    let mut body = to_ada();
    for field in ["recipient_account", "recipient_name"] {
        body[field] = shown[field].clone();
    }
    body["description"] = "written by who sees a mask".into();
    assert_masked(&app.put(&path).key(&blind).json(&body).await.expect(200).json());
    let now = app.get(&path).key(&full).await.expect(200).json();
    assert_eq!(now["description"], "written by who sees a mask");
    assert_eq!(
        (&now["recipient_account"], &now["recipient_name"]),
        (&json!(ACCOUNT), &json!("Ada Qlovelace"))
    );

    for (field, mask) in [("recipient_account", "••••3001"), ("recipient_name", "A••• L•••")]
    {
        let problem = app
            .patch(&path)
            .key(&blind)
            .json(json!({field: mask}))
            .await
            .problem(400);
        assert!(problem.errors.contains_key(field), "{problem:?}");
    }
    let copied = app.post(PAYOUTS).key(&blind).json(&body).await.problem(400);
    assert_eq!(
        copied.errors.len(),
        2,
        "a mask is no recipient of a new payout: {copied:?}"
    );
    let named = json!({"recipient_account": "GB1"});
    let after = app.patch(&path).key(&blind).json(named).await.expect(200).json();
    assert_eq!(
        after["recipient_account"], "••••",
        "of three characters none is shown"
    );
}

async fn without_reveal_nobody_searches(backend: Backend) {
    let (app, full, blind) = locked(backend).await;
    app.post(PAYOUTS)
        .key(&full)
        .json(payout())
        .await
        .expect(201)
        .json();
    let _ = app
        .get(&format!("{PAYOUTS}?search=A"))
        .key(&blind)
        .await
        .problem(403);
    let found = app
        .get(&format!("{PAYOUTS}?search=Ada%20Qlovelace"))
        .key(&full)
        .await
        .expect(200)
        .json();
    assert_eq!(found["count"], 1);
}
