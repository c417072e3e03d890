//! `POST /api/payouts/`, and reading the created payout.

use payout_tests::app::path_of;
use payout_tests::body::{ACCOUNT, NAME, payout, payout_with, payout_without, unique};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{on_each_backend, paying, serving};

on_each_backend!(
    a_new_payout_is_answered_whole,
    a_payout_is_read_as_it_was_created,
    every_payout_has_an_id_and_a_path_of_its_own,
    a_payout_is_paid,
    a_description_may_be_left_away,
    a_new_payout_may_say_that_it_is_pending,
    a_currency_may_be_given_in_any_case,
    white_space_around_texts_is_cut_off,
    texts_of_the_greatest_length_are_kept,
    line_breaks_of_a_description_are_kept,
    any_script_is_kept,
    json_may_come_under_each_of_its_names,
    a_body_may_come_in_pieces,
    an_id_may_be_given_in_any_case,
);

async fn a_new_payout_is_answered_whole(backend: Backend) {
    let app = serving(backend).await;
    let account = unique(ACCOUNT);
    let reply = app
        .post(PAYOUTS)
        .json(payout_with("recipient_account", account.clone()))
        .await
        .expect(201);
    let created = reply.json();
    let (id, at) = (created["id"].clone(), created["created_at"].clone());
    let whole = json!({
        "id": id,
        "amount": "10.50",
        "currency": "USD",
        "recipient": {"type": "account", "account": account, "name": NAME},
        "recipient_account": account,
        "recipient_name": NAME,
        "description": "Invoice 7",
        "external_id": null,
        "metadata": {},
        "recipient_id": null,
        "statement_text": null,
        "scheduled_at": null,
        "created_by": "api",
        "batch_id": null,
        "status": "pending",
        "needs_review": false,
        "failure": null,
        "provider": null,
        "provider_reference": null,
        "waiting_for": null,
        "attempts": 0,
        "created_at": at,
        "updated_at": at,
        "completed_at": null,
        "returned": null,
    });
    assert_eq!(created, whole);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("location"), Some(path_of(&created).as_str()));
    assert!(reply.etag().starts_with('"'), "a strong tag: {}", reply.etag());
    let uuid: uuid::Uuid = id.as_str().unwrap().parse().unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert!(is_utc_to_the_microsecond(&at), "{at}");
}

/// `2026-11-24T09:30:00.123456Z`
fn is_utc_to_the_microsecond(time: &Value) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    time.as_str().unwrap().chars().map(shape).collect::<String>() == "0000-00-00T00:00:00.000000Z"
}

async fn a_payout_is_read_as_it_was_created(backend: Backend) {
    let app = serving(backend).await;
    let reply = app.post(PAYOUTS).json(payout()).await.expect(201);
    let read = app.get(reply.header("location").unwrap()).await.expect(200);
    assert_eq!(read.json(), reply.json());
    assert_eq!(read.etag(), reply.etag());
}

async fn every_payout_has_an_id_and_a_path_of_its_own(backend: Backend) {
    let app = serving(backend).await;
    let body = payout();
    let (one, other) = (app.create(&body).await, app.create(&body).await);
    assert_ne!(path_of(&one), path_of(&other));
}

async fn a_payout_is_paid(backend: Backend) {
    let app = paying(backend).await;
    let created = app.create(payout()).await;
    let paid = app.until(&path_of(&created), "completed").await;
    assert!(
        paid["provider_reference"]
            .as_str()
            .is_some_and(|reference| !reference.is_empty()),
        "{paid}"
    );
    assert_eq!(
        (&paid["failure"], &paid["needs_review"], &paid["attempts"]),
        (&json!(null), &json!(false), &json!(1))
    );
    assert_eq!(paid["created_at"], created["created_at"]);
    assert!(is_utc_to_the_microsecond(&paid["updated_at"]));
    assert!(paid["updated_at"].as_str() > created["updated_at"].as_str());
}

async fn a_description_may_be_left_away(backend: Backend) {
    let app = serving(backend).await;
    assert_eq!(app.create(payout_without("description")).await["description"], "");
    assert_eq!(
        app.create(payout_with("description", "")).await["description"],
        ""
    );
}

async fn a_new_payout_may_say_that_it_is_pending(backend: Backend) {
    let app = serving(backend).await;
    assert_eq!(
        app.create(payout_with("status", "pending")).await["status"],
        "pending"
    );
}

async fn a_currency_may_be_given_in_any_case(backend: Backend) {
    let app = serving(backend).await;
    for given in ["usd", "Usd", "USD"] {
        assert_eq!(
            app.create(payout_with("currency", given)).await["currency"],
            "USD",
            "{given}"
        );
    }
}

async fn white_space_around_texts_is_cut_off(backend: Backend) {
    let app = serving(backend).await;
    for field in ["recipient_account", "recipient_name", "description"] {
        let text = unique(ACCOUNT);
        let created = app.create(payout_with(field, format!(" \t{text}\u{a0} "))).await;
        assert_eq!(created[field], text.as_str());
    }
}

async fn texts_of_the_greatest_length_are_kept(backend: Backend) {
    let app = serving(backend).await;
    // Characters are counted, not bytes.
    for letter in ["x", "é", "𝄞"] {
        for (field, length) in [
            ("recipient_account", 128),
            ("recipient_name", 128),
            ("description", 255),
        ] {
            let text = letter.repeat(length);
            let created = app.create(payout_with(field, text.clone())).await;
            assert_eq!(app.payout(&path_of(&created)).await[field], text.as_str());
        }
    }
}

async fn line_breaks_of_a_description_are_kept(backend: Backend) {
    let app = serving(backend).await;
    let created = app
        .create(payout_with("description", "one\r\ntwo\n\tthree"))
        .await;
    assert_eq!(
        app.payout(&path_of(&created)).await["description"],
        "one\r\ntwo\n\tthree"
    );
}

async fn any_script_is_kept(backend: Backend) {
    let app = serving(backend).await;
    for name in [
        "Ярослав Ёлкин",
        "毛利 蘭",
        "زينب",
        "O'Neil; DROP TABLE payouts;--",
        "\"\\/<script>",
        "👩‍👩‍👧‍👦",
        "%_*?",
    ] {
        let created = app.create(payout_with("recipient_name", name)).await;
        assert_eq!(app.payout(&path_of(&created)).await["recipient_name"], name);
    }
    let escaped = payout().to_string().replace("Invoice", "\\ud83d\\ude00 \\u00e9");
    let created = app.post(PAYOUTS).text(escaped).await.expect(201).json();
    assert_eq!(created["description"], "😀 é 7");
}

async fn json_may_come_under_each_of_its_names(backend: Backend) {
    let app = serving(backend).await;
    for name in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.api+json",
    ] {
        let call = app
            .post(PAYOUTS)
            .header("content-type", name)
            .bytes(payout().to_string());
        let _ = call.await.expect(201);
    }
}

async fn a_body_may_come_in_pieces(backend: Backend) {
    let app = serving(backend).await;
    let body = payout().to_string();
    let (one, other) = body.split_at(body.len() / 2);
    let head = "POST /api/payouts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let chunks = format!(
        "{:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n",
        one.len(),
        other.len()
    );
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    assert_eq!(
        payout_tests::raw::send(app.port(), chunked.as_bytes())
            .await
            .status,
        201
    );
    let waiting = format!(
        "{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = payout_tests::raw::send(app.port(), waiting.as_bytes()).await;
    assert!(matches!(reply.status, 100 | 201), "{reply:?}");
    assert_eq!(app.payout(PAYOUTS).await["count"], 2);
}

async fn an_id_may_be_given_in_any_case(backend: Backend) {
    let app = serving(backend).await;
    let created = app.create(payout()).await;
    let id = created["id"].as_str().unwrap().to_uppercase();
    assert_eq!(app.payout(&format!("{PAYOUTS}{id}/")).await, created);
}
