//! `PUT` and `PATCH` of fields, and `DELETE`.

use payout_tests::app::{App, path_of};
use payout_tests::body::{NAME, payout, payout_with, payout_without, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{State, launch, on_each_backend, paying, serving};

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
    what_was_sent_cannot_be_deleted,
    a_deleted_payout_is_seen_by_whoever_operates_and_asks,
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
        let mut expected = with(
            with(created, field, value.clone()),
            "updated_at",
            patched["updated_at"].clone(),
        );
        // The recipient is shown in both forms.
        if let Some(part) = field.strip_prefix("recipient_") {
            expected["recipient"][part] = value;
        }
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
    // An omitted field gets its default, as PUT means it.
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
    // 10.50 USD and 10.500 BHD are the same number.
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
    // The rows are hidden, not lost.
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

/// Holds for every outcome, and also after the payout is pending or cancelled again.
async fn what_was_sent_cannot_be_deleted(backend: Backend) {
    for state in [
        State::Completed,
        State::Failed,
        State::Processing,
        State::UnderReview,
    ] {
        let app = state.service(backend).await;
        let path = state.payout(&app).await;
        let kept = app.delete(&path).await.problem(409);
        assert_eq!(kept.kind, "urn:payout:problem:illegal-step");
        assert!(
            kept.detail.contains(state.status()) && kept.detail.contains("is kept"),
            "{kept:?}"
        );
        assert_eq!(app.payout(&path).await["status"], state.status());
    }
    let mut failing = State::Failed.service(backend).await;
    let path = State::Failed.payout(&failing).await;
    failing.process().kill();
    let app = failing.launch().clone().serve().await;
    let _ = app.post(&format!("{path}retry/")).await.expect(202);
    app.delete(&path).await.problem(409);
    let _ = app.post(&format!("{path}cancel/")).await.expect(200);
    app.delete(&path).await.problem(409);
    // For a client of the old service, a payout that was never sent can be deleted as before.
    for cancelled in [false, true] {
        let path = path_of(&app.create(payout()).await);
        if cancelled {
            let _ = app.post(&format!("{path}cancel/")).await.expect(200);
        }
        deleted(&app, &path).await;
        app.get(&path).await.problem(404);
    }
}

async fn a_deleted_payout_is_seen_by_whoever_operates_and_asks(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let desk = launch.make_key("desk", "read,operate").await;
    let shop = launch.make_key("shop", "read,write,reveal").await;
    let app = launch.serve().await;
    let create = async || {
        app.post(PAYOUTS)
            .key(&shop)
            .json(payout())
            .await
            .expect(201)
            .json()
    };
    let (kept, gone, paid) = (create().await, create().await, create().await);
    let _ = app.delete(&path_of(&gone)).key(&shop).await.expect(204);
    // Earlier releases allowed the deletion of payouts that were sent; such a payout is listed too.
    let id = paid["id"].as_str().unwrap();
    let id = match backend {
        Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
        Backend::Postgres => format!("'{id}'"),
    };
    let sql = format!(
        "UPDATE payout_states SET status = 'completed', provider_reference = 'ref', due_at = NULL, deleted_at = updated_at, \
         claims = 1, fence = 1, claimed_at = updated_at, quiet_at = updated_at, first_submitted_at = updated_at WHERE id = {id}; \
         UPDATE payout_details SET deleted_at = created_at WHERE id = {id}"
    );
    app.store().execute(sql).await;

    let page = async |query: &str| {
        let page = app.get(&format!("{PAYOUTS}?{query}")).key(&desk).await;
        let page = page.expect(200).json();
        let rows = page["results"].as_array().unwrap().iter();
        let ids: Vec<Value> = rows.map(|row| row["id"].clone()).collect();
        assert_eq!(page["count"], ids.len(), "{page}");
        (ids, page)
    };
    let ids = |payouts: &[&Value]| {
        payouts
            .iter()
            .map(|payout| payout["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(page("").await.0, ids(&[&kept]));
    let (only, rows) = page("deleted=only").await;
    assert_eq!(only, ids(&[&paid, &gone]));
    for row in rows["results"].as_array().unwrap() {
        assert!(row["deleted_at"].is_string(), "{row}");
    }
    let (with, rows) = page("deleted=with&count=exact").await;
    assert_eq!(with, ids(&[&paid, &gone, &kept]));
    assert_eq!(rows["results"][2].get("deleted_at"), None, "it is not deleted");
    assert_eq!(page("deleted=only&status=completed").await.0, ids(&[&paid]));
    // A cursor is valid for its own list only.
    let first = app
        .get(&format!("{PAYOUTS}?deleted=with&page_size=2"))
        .key(&desk)
        .await;
    let next = first.expect(200).json()["next"].as_str().unwrap().to_owned();
    let second = app.get(&next).key(&desk).await.expect(200).json();
    assert_eq!(second["results"][0]["id"], kept["id"]);
    app.get(&next.replace("deleted=with", "deleted=only"))
        .key(&desk)
        .await
        .problem(400);

    for payout in [&gone, &paid] {
        let path = path_of(payout);
        app.get(&path).key(&desk).await.problem(404);
        for query in ["deleted=with", "deleted=only"] {
            let found = app
                .get(&format!("{path}?{query}"))
                .key(&desk)
                .await
                .expect(200)
                .json();
            assert!(found["deleted_at"].is_string(), "{found}");
            app.get(&format!("{path}?{query}")).key(&shop).await.problem(403);
        }
    }
    let trail = format!("{}events/", path_of(&gone));
    let events = app.get(&trail).key(&desk).await.expect(200).json();
    assert_eq!(events["results"][1]["event"], "deleted");
    assert_eq!(events["results"][1]["actor"], "shop");
    app.get(&trail).key(&shop).await.problem(404);
    let path = path_of(&kept);
    let found = app
        .get(&format!("{path}?deleted=with"))
        .key(&desk)
        .await
        .expect(200)
        .json();
    assert_eq!(found.get("deleted_at"), None);
    app.get(&format!("{path}?deleted=only"))
        .key(&desk)
        .await
        .problem(404);
    app.get(&format!("{path}?deleted=yes"))
        .key(&desk)
        .await
        .problem(400);
    app.get(&format!("{PAYOUTS}?deleted=yes"))
        .key(&desk)
        .await
        .problem(400);
    app.get(&format!("{PAYOUTS}?deleted=only"))
        .key(&shop)
        .await
        .problem(403);
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
