//! Recipients, shown in full only to keys with the right scope.

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with, with};
use payout_tests::client::{PAYOUTS, Reply};
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    without_reveal_every_answer_is_masked,
    whoever_sees_a_mask_may_send_it_back_and_changes_nothing,
    without_reveal_nobody_searches,
    without_reveal_no_answer_tells_whether_a_guess_was_right,
    without_read_an_answer_is_a_receipt_and_tells_of_no_guess,
);

const ACCOUNT: &str = "DE89370400440532013000";

/// Starts a service whose provider declines, with a key that sees everything and one that does not.
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

/// Returns the parts of an answer that could reveal whether a guess was right.
fn told(reply: &Reply) -> (u16, Option<String>, Value) {
    let mut body = if reply.status == 200 {
        reply.json()
    } else {
        Value::Null
    };
    if let Some(fields) = body.as_object_mut() {
        for written in ["recipient", "recipient_account", "recipient_name", "updated_at"] {
            fields.remove(written);
        }
    }
    (reply.status, reply.header("etag").map(str::to_owned), body)
}

async fn without_reveal_no_answer_tells_whether_a_guess_was_right(backend: Backend) {
    let (app, full, blind) = locked(backend).await;
    let create = async || {
        app.post(PAYOUTS)
            .key(&full)
            .json(to_ada())
            .await
            .expect(201)
            .json()
    };
    let guesses = |name: &str| match name {
        "recipient_account" => [ACCOUNT, "GB33BUKB20201555555555"],
        _ => ["Ada Qlovelace", "Grace Hopper"],
    };
    // While the payout is pending, a guess is a change, right or wrong.
    for name in ["recipient_account", "recipient_name"] {
        let mut answers = Vec::new();
        for guess in guesses(name) {
            let path = path_of(&create().await);
            let guessed = app.patch(&path).key(&blind).json(json!({name: guess})).await;
            let mut answer = told(&guessed);
            answer.2["id"] = Value::Null;
            answer.2["created_at"] = Value::Null;
            assert_eq!((answer.0, answer.1.as_deref()), (200, Some("\"2\"")), "{guessed}");
            let trail = app
                .get(&format!("{path}events/"))
                .key(&blind)
                .await
                .expect(200)
                .json();
            assert_eq!(trail["count"], 2, "{trail}");
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1]);
    }
    // Once the payout cannot be edited, a guess is refused, right or wrong, and recorded in the trail.
    let path = path_of(&create().await);
    let _ = app.post(&format!("{path}cancel/")).key(&full).await.expect(200);
    for name in ["recipient_account", "recipient_name"] {
        for guess in guesses(name) {
            let refused = app.patch(&path).key(&blind).json(json!({name: guess})).await;
            let problem = refused.problem(409);
            assert_eq!(problem.detail, "A payout that is cancelled cannot be edited.");
            let mut whole = to_ada();
            whole[name] = guess.into();
            app.put(&path).key(&blind).json(&whole).await.problem(409);
            let step = json!({"status": "failed", name: guess});
            app.patch(&path).key(&blind).json(step).await.problem(400);
        }
    }
    let trail = app
        .get(&format!("{path}events/"))
        .key(&full)
        .await
        .expect(200)
        .json();
    let refused: Vec<&Value> = trail["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "edit_refused")
        .collect();
    assert_eq!(refused.len(), 12, "{trail}");
    for event in &refused {
        assert_eq!(event["actor"], "blind");
        assert!(
            event["detail"].as_str().unwrap().starts_with("recipient_"),
            "{event}"
        );
    }
    let after = app.get(&path).key(&full).await.expect(200);
    assert_eq!(after.etag(), "\"2\"", "evidence is no change");
    // A client that may see the recipient can still repeat its edit without effect or trace.
    let same = app.put(&path).key(&full).json(to_ada()).await.expect(200);
    assert_eq!(same.etag(), "\"2\"");
    // Beyond a number of refusals per minute, the client must wait, and no more refusals are recorded.
    let mut last = 409;
    for _ in 0..40 {
        let guess = json!({"recipient_account": "GB33BUKB20201555555555"});
        let reply = app.patch(&path).key(&blind).json(guess).await;
        last = reply.status;
        if last == 429 {
            assert!(reply.header("retry-after").is_some(), "{reply}");
            break;
        }
    }
    assert_eq!(last, 429);
    let refused = app
        .store()
        .number("SELECT count(*) FROM payout_events WHERE kind = 'edit_refused'")
        .await;
    assert!((30..=32).contains(&refused), "{refused}");
    // The client can still make its permitted edits.
    let other = path_of(&create().await);
    let edit = json!({"description": "another"});
    let _ = app.patch(&other).key(&blind).json(edit).await.expect(200);
}

async fn without_read_an_answer_is_a_receipt_and_tells_of_no_guess(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let full = launch.make_key("full", "read,write,operate,reveal").await;
    let write = launch.make_key("writer", "write").await;
    let operate = launch.make_key("operator", "operate").await;
    let app = launch.serve().await;
    let created = app
        .post(PAYOUTS)
        .key(&full)
        .json(to_ada())
        .await
        .expect(201)
        .json();
    let path = path_of(&created);
    let receipt = |status: &str| json!({"id": created["id"], "status": status});
    let empty = app.patch(&path).key(&write).json(json!({})).await.expect(200);
    assert_eq!(
        (empty.json(), empty.etag()),
        (receipt("pending"), "\"1\"".to_owned())
    );
    let same = app
        .patch(&path)
        .key(&operate)
        .json(json!({"status": "pending"}))
        .await;
    assert_eq!(same.expect(200).json(), receipt("pending"));
    // Every value that the client sends counts as a change, whatever is stored: the amount and the description are not
    // revealed either.
    let mut version = 1;
    for body in [
        json!({"amount": created["amount"]}),
        json!({"currency": created["currency"]}),
        json!({"description": created["description"]}),
        json!({"recipient_account": ACCOUNT}),
        json!({"description": "another"}),
    ] {
        version += 1;
        let edited = app.patch(&path).key(&write).json(&body).await.expect(200);
        assert_eq!(edited.json(), receipt("pending"));
        assert_eq!(edited.etag(), format!("\"{version}\""), "{body}");
    }
    let put = app.put(&path).key(&write).json(to_ada()).await.expect(200);
    assert_eq!(put.json(), receipt("pending"));
    // The client was shown no mask, so it cannot send one back.
    for mask in ["••••3000", "••••3001"] {
        let guess = json!({"recipient_account": mask});
        app.patch(&path).key(&write).json(guess).await.problem(400);
    }
    let unfit = app
        .patch(&path)
        .key(&write)
        .json(json!({"amount": "1.2345"}))
        .await
        .problem(400);
    assert!(!unfit.errors["amount"][0].contains("USD"), "{unfit:?}");
    let cancelled = app
        .post(&format!("{path}cancel/"))
        .key(&operate)
        .await
        .expect(200);
    assert_eq!(cancelled.json(), receipt("cancelled"));
    for body in [
        json!({"amount": created["amount"]}),
        json!({"description": ""}),
        json!({"recipient_name": "Ada Qlovelace"}),
        json!({"recipient_name": "Somebody Else"}),
    ] {
        app.patch(&path).key(&write).json(&body).await.problem(409);
    }
    // The client sees its own new payout, with a mask, and sees it again when it repeats the create.
    for _ in 0..2 {
        let call = app.post(PAYOUTS).key(&write).header("idempotency-key", "own");
        let own = call.json(to_ada()).await.expect(201).json();
        assert_masked(&own);
        assert_eq!(own["amount"], created["amount"]);
    }
}
