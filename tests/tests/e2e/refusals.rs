//! Invalid fields in `POST`, `PUT` and `PATCH`: each is refused with its problem document, and nothing is stored.

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with, payout_without, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{on_each_backend, serving};

on_each_backend!(
    each_missing_field_is_named,
    every_mistake_is_named_at_once,
    wrong_values_are_refused_by_field,
    a_currency_that_is_none_is_refused,
    unknown_and_read_only_fields_are_refused_by_name,
    a_new_payout_may_not_have_another_status,
    a_name_given_twice_is_refused,
    text_that_cannot_be_stored_is_refused,
    an_edit_refuses_what_a_create_refuses,
);

const REQUIRED: [&str; 4] = ["amount", "currency", "recipient_account", "recipient_name"];

/// Checks that a create is refused, that the problem names exactly these fields, and that nothing is stored.
async fn refused(app: &App, body: &Value, fields: &[&str]) {
    let problem = app.post(PAYOUTS).json(body).await.problem(400);
    assert_eq!(problem.fields(), fields, "{body}");
    nothing_stored(app).await;
}

pub(crate) async fn nothing_stored(app: &App) {
    assert_eq!(app.payout(PAYOUTS).await["count"], 0);
}

async fn each_missing_field_is_named(backend: Backend) {
    let app = serving(backend).await;
    for field in REQUIRED {
        refused(&app, &payout_without(field), &[field]).await;
    }
    refused(&app, &json!({}), &REQUIRED).await;
}

async fn every_mistake_is_named_at_once(backend: Backend) {
    let app = serving(backend).await;
    let body = json!({
        "amount": "x", "currency": "XXX", "recipient_account": "", "recipient_name": null, "description": 1,
        "status": "paid", "id": 1, "colour": "red",
    });
    let fields = [
        "amount",
        "colour",
        "currency",
        "description",
        "id",
        "recipient_account",
        "recipient_name",
        "status",
    ];
    refused(&app, &body, &fields).await;
}

fn wrong_values() -> Vec<(&'static str, Value)> {
    let mut wrong = Vec::new();
    for field in [
        "amount",
        "currency",
        "recipient_account",
        "recipient_name",
        "description",
    ] {
        wrong.extend(
            [json!(null), json!(true), json!([]), json!({}), json!(["a"])].map(|value| (field, value)),
        );
    }
    for field in ["currency", "recipient_account", "recipient_name", "description"] {
        wrong.push((field, json!(17)));
    }
    for field in ["currency", "recipient_account", "recipient_name"] {
        wrong.extend([json!(""), json!("  \t ")].map(|value| (field, value)));
    }
    for (field, length) in [
        ("recipient_account", 129),
        ("recipient_name", 129),
        ("description", 256),
    ] {
        wrong.extend([json!("x".repeat(length)), json!("é".repeat(length))].map(|value| (field, value)));
    }
    for field in ["recipient_account", "recipient_name"] {
        wrong.extend(
            [json!("a\nb"), json!("a\tb"), json!("a\u{1b}b"), json!("a\u{7f}b")].map(|value| (field, value)),
        );
    }
    wrong
}

async fn wrong_values_are_refused_by_field(backend: Backend) {
    let app = serving(backend).await;
    for (field, value) in wrong_values() {
        refused(&app, &payout_with(field, value), &[field]).await;
    }
}

async fn a_currency_that_is_none_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for currency in [
        "РУБ",
        "XXX",
        "XTS",
        "XAU",
        // Withdrawn currencies, and units of account.
        "BGN",
        "hrk",
        "ANG",
        "ZWL",
        "CLF",
        "USN",
        "ABC",
        "US",
        "USDT",
        "U$D",
        "840",
        "ＵＳＤ",
        "usd\u{0}",
    ] {
        refused(&app, &payout_with("currency", currency), &["currency"]).await;
    }
}

async fn unknown_and_read_only_fields_are_refused_by_name(backend: Backend) {
    let app = serving(backend).await;
    for field in [
        "colour",
        "Amount",
        "__proto__",
        "",
        "имя",
        "id",
        "needs_review",
        "failure",
        "provider_reference",
        "attempts",
        "created_at",
        "updated_at",
        "reason",
    ] {
        refused(&app, &payout_with(field, "x"), &[field]).await;
    }
}

async fn a_new_payout_may_not_have_another_status(backend: Backend) {
    let app = serving(backend).await;
    for status in [
        json!("processing"),
        json!("completed"),
        json!("failed"),
        json!("cancelled"),
        json!("x"),
        json!(null),
        json!(1),
    ] {
        refused(&app, &payout_with("status", status), &["status"]).await;
    }
}

async fn a_name_given_twice_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let body = payout().to_string().replacen('{', "{\"amount\": \"1.00\", ", 1);
    assert_eq!(
        app.post(PAYOUTS).text(body).await.problem(400).fields(),
        ["amount"]
    );
    nothing_stored(&app).await;
}

async fn text_that_cannot_be_stored_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for field in ["recipient_account", "recipient_name", "description"] {
        refused(&app, &payout_with(field, "a\u{0}b"), &[field]).await;
        let lone = payout_with(field, "LONE")
            .to_string()
            .replace("LONE", "a\\ud800b");
        assert_eq!(app.post(PAYOUTS).text(lone).await.problem(400).fields(), [field]);
    }
    nothing_stored(&app).await;
}

async fn an_edit_refuses_what_a_create_refuses(backend: Backend) {
    let app = serving(backend).await;
    let created = app.create(payout()).await;
    let path = path_of(&created);
    for (field, value) in wrong_values() {
        let problem = app
            .patch(&path)
            .json(with(json!({}), field, value.clone()))
            .await
            .problem(400);
        assert_eq!(problem.fields(), [field], "PATCH {field} {value}");
    }
    for field in REQUIRED {
        assert_eq!(
            app.put(&path)
                .json(payout_without(field))
                .await
                .problem(400)
                .fields(),
            [field],
            "PUT"
        );
    }
    for field in ["id", "attempts", "created_at", "colour"] {
        assert_eq!(
            app.patch(&path)
                .json(with(json!({}), field, 1))
                .await
                .problem(400)
                .fields(),
            [field]
        );
        assert_eq!(
            app.put(&path)
                .json(payout_with(field, 1))
                .await
                .problem(400)
                .fields(),
            [field]
        );
    }
    for body in ["", "[]", "{", "null"] {
        app.patch(&path).text(body).await.problem(400);
        app.put(&path).text(body).await.problem(400);
    }
    app.patch(&path).bytes("{}").await.problem(415);
    assert_eq!(app.payout(&path).await, created, "and nothing is changed");
}
