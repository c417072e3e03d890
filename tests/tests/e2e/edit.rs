//! `PUT` and `PATCH` of fields, and `DELETE`.

use payout_tests::app::{App, path_of};
use payout_tests::body::{NAME, payout, payout_with, payout_without, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{on_each_backend, paying, serving};

on_each_backend!(
    a_patch_changes_the_field_it_names_and_no_other,
    a_patch_may_change_all_fields_at_once,
    a_put_sets_every_field,
    an_amount_is_held_against_the_currency_it_will_have,
    an_edit_that_changes_nothing_leaves_the_payout_as_it_is,
    an_edited_payout_is_paid_as_it_was_edited,
    a_step_is_not_combined_with_changes_of_fields,
    a_put_of_the_same_fields_may_take_a_step,
    a_deleted_payout_is_gone,
    a_deleted_payout_is_never_paid,
    what_does_not_exist_cannot_be_changed,
);

async fn a_patch_changes_the_field_it_names_and_no_other(backend: Backend) {
    let app = serving(backend).await;
    for (field, value) in [
        ("amount", json!("99.00")),
        ("currency", json!("EUR")),
        ("recipient_account", json!("OTHER")),
        ("recipient_name", json!("Somebody Else")),
        ("description", json!("")),
    ] {
        let created = app.create(payout()).await;
        let patched = app
            .patch(&path_of(&created))
            .json(with(json!({}), field, value.clone()))
            .await
            .expect(200)
            .json();
        let expected = with(
            with(created, field, value),
            "updated_at",
            patched["updated_at"].clone(),
        );
        assert_eq!(patched, expected);
        assert_eq!(app.payout(&path_of(&patched)).await, expected);
        assert!(patched["updated_at"].as_str() > patched["created_at"].as_str());
    }
}

async fn a_patch_may_change_all_fields_at_once(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let body = json!({
        "amount": 1.125, "currency": "bhd", "recipient_account": "A", "recipient_name": "N", "description": "D",
        "status": "pending", "reason": "a slip of the pen",
    });
    let patched = app.patch(&path).json(body).await.expect(200).json();
    assert_eq!(
        (&patched["amount"], &patched["currency"]),
        (&json!("1.125"), &json!("BHD"))
    );
    assert_eq!(
        (&patched["recipient_account"], &patched["recipient_name"]),
        (&json!("A"), &json!("N"))
    );
    assert_eq!(
        (&patched["description"], &patched["status"]),
        (&json!("D"), &json!("pending"))
    );
}

async fn a_put_sets_every_field(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let mut body = payout_with("amount", 7);
    body["recipient_name"] = "Somebody Else".into();
    let put = app.put(&path).json(&body).await.expect(200).json();
    assert_eq!(
        (&put["amount"], &put["recipient_name"]),
        (&json!("7.00"), &body["recipient_name"])
    );
    assert_eq!(put["recipient_account"], body["recipient_account"]);
    // What is left away gets its default, as a PUT means it.
    let put = app
        .put(&path)
        .json(payout_without("description"))
        .await
        .expect(200)
        .json();
    assert_eq!(put["description"], "");
}

async fn an_amount_is_held_against_the_currency_it_will_have(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    for body in [
        json!({"amount": "1.005"}),
        json!({"currency": "JPY"}),
        json!({"amount": "1.5", "currency": "JPY"}),
    ] {
        let problem = app.patch(&path).json(&body).await.problem(400);
        assert_eq!(problem.fields(), ["amount"], "{body}");
    }
    // 10.50 USD is 10.500 BHD's number as well.
    assert_eq!(
        app.patch(&path)
            .json(json!({"currency": "BHD"}))
            .await
            .expect(200)
            .json()["amount"],
        "10.500"
    );
    let whole = app
        .patch(&path)
        .json(json!({"amount": 3, "currency": "JPY"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&whole["amount"], &whole["currency"]),
        (&json!("3"), &json!("JPY"))
    );
    assert_eq!(
        app.patch(&path)
            .json(json!({"currency": "USD"}))
            .await
            .expect(200)
            .json()["amount"],
        "3.00"
    );
}

async fn an_edit_that_changes_nothing_leaves_the_payout_as_it_is(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let created = app.post(PAYOUTS).json(&body).await.expect(201);
    let path = path_of(&created.json());
    for reply in [
        app.patch(&path).json(json!({})).await.expect(200),
        app.patch(&path)
            .json(json!({"recipient_name": NAME, "amount": 10.5}))
            .await
            .expect(200),
        app.put(&path).json(&body).await.expect(200),
        app.get(&path).await.expect(200),
    ] {
        assert_eq!(reply.json(), created.json());
        assert_eq!(reply.etag(), created.etag());
    }
    assert_eq!(app.events(&path).await, ["created"]);
}

async fn an_edited_payout_is_paid_as_it_was_edited(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let _ = app
        .patch(&path)
        .json(json!({"amount": "20.00"}))
        .await
        .expect(200);
    let _worker = app.launch().worker();
    let paid = app.until(&path, "completed").await;
    assert_eq!(paid["amount"], "20.00");
    assert_eq!(
        app.events(&path).await,
        ["created", "edited", "claimed", "completed"]
    );
}

async fn a_step_is_not_combined_with_changes_of_fields(backend: Backend) {
    let app = serving(backend).await;
    let created = app.create(payout()).await;
    let path = path_of(&created);
    let body = json!({"status": "cancelled", "description": "Invoice 8"});
    assert_eq!(
        app.patch(&path).json(body).await.problem(400).fields(),
        ["status"]
    );
    assert_eq!(app.payout(&path).await, created);
}

async fn a_put_of_the_same_fields_may_take_a_step(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let path = path_of(&app.create(&body).await);
    let put = app
        .put(&path)
        .json(with(body, "status", "cancelled"))
        .await
        .expect(200)
        .json();
    assert_eq!(put["status"], "cancelled");
}

async fn deleted(app: &App, path: &str) {
    let reply = app.delete(path).await.expect(204);
    assert!(
        reply.body.is_empty() && reply.header("content-type").is_none(),
        "{reply}"
    );
}

async fn a_deleted_payout_is_gone(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let (path, kept) = (path_of(&app.create(&body).await), app.create(payout()).await);
    deleted(&app, &path).await;
    app.get(&path).await.problem(404);
    app.delete(&path).await.problem(404);
    app.patch(&path)
        .json(json!({"description": "x"}))
        .await
        .problem(404);
    app.put(&path).json(&body).await.problem(404);
    for below in ["cancel/", "retry/"] {
        app.post(&format!("{path}{below}")).await.problem(404);
    }
    app.get(&format!("{path}events/")).await.problem(404);
    let list = app.payout(PAYOUTS).await;
    assert_eq!(
        (&list["count"], &list["results"]),
        (&json!(1), &Value::Array(vec![kept]))
    );
    let account = body["recipient_account"].as_str().unwrap();
    assert_eq!(
        app.payout(&format!("{PAYOUTS}?search={account}")).await["count"],
        0
    );
    // Hidden, not lost.
    assert_eq!(app.store().number("SELECT count(*) FROM payouts").await, 2);
    assert_eq!(
        app.store()
            .number("SELECT count(*) FROM payout_events WHERE kind = 'deleted'")
            .await,
        1
    );
}

async fn a_deleted_payout_is_never_paid(backend: Backend) {
    let app = serving(backend).await;
    let (path, other) = (
        path_of(&app.create(payout()).await),
        path_of(&app.create(payout()).await),
    );
    deleted(&app, &path).await;
    let _worker = app.launch().worker();
    app.until(&other, "completed").await;
    assert_eq!(
        app.store()
            .number("SELECT count(*) FROM payouts WHERE status = 'completed'")
            .await,
        1
    );
}

async fn what_does_not_exist_cannot_be_changed(backend: Backend) {
    let app = paying(backend).await;
    for id in [
        "0192f0c1-2345-7890-abcd-ef0123456789",
        "1",
        "x",
        "00000000-0000-0000-0000-000000000000",
        "%00",
        "%7Bid%7D",
        "null",
    ] {
        let path = format!("{PAYOUTS}{id}/");
        app.get(&path).await.problem(404);
        app.put(&path).json(payout()).await.problem(404);
        app.patch(&path)
            .json(json!({"description": "x"}))
            .await
            .problem(404);
        app.patch(&path)
            .json(json!({"status": "cancelled"}))
            .await
            .problem(404);
        app.delete(&path).await.problem(404);
        app.post(&format!("{path}retry/")).await.problem(404);
        app.post(&format!("{path}cancel/")).await.problem(404);
        app.get(&format!("{path}events/")).await.problem(404);
    }
}
