//! Bodies that are refused before any field is read.

use payout_tests::app::path_of;
use payout_tests::body::{payout, payout_with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;

use crate::refusals::nothing_stored;
use crate::support::{on_each_backend, serving};

on_each_backend!(
    a_body_that_is_no_json_object_is_refused,
    a_large_body_is_refused,
    a_body_of_another_type_is_refused,
    a_body_of_json_is_taken_however_it_says_so,
    an_encoded_body_is_refused_and_says_what_is_taken,
);

async fn a_body_that_is_no_json_object_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for body in [
        "",
        " ",
        "{",
        "{\"amount\": 1",
        "{\"amount\": }",
        "{'amount': 1}",
        "{\"amount\": 1,}",
        "{}x",
        "[]",
        "[{}]",
        "null",
        "true",
        "1",
        "\"text\"",
        "amount=1&currency=USD",
        "\u{feff}{}",
    ] {
        let problem = app.post(PAYOUTS).text(body).await.problem(400);
        assert!(problem.errors.is_empty(), "{body}: {problem:?}");
    }
    let deep = format!("{{\"amount\": {}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    app.post(PAYOUTS).text(deep).await.problem(400);
    let latin1 = payout().to_string().replace("Invoice", "X").into_bytes();
    let latin1 = latin1
        .into_iter()
        .map(|byte| if byte == b'X' { 0xe9 } else { byte })
        .collect::<Vec<u8>>();
    app.post(PAYOUTS).text(latin1).await.problem(400);
    app.post(PAYOUTS).await.problem(400);
    nothing_stored(&app).await;
}

async fn a_large_body_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let large = payout_with("description", "x".repeat(1024 * 1024));
    let path = path_of(&app.create(payout()).await);
    for call in [
        app.post(PAYOUTS),
        app.put(&path),
        app.patch(&path),
        app.post(&format!("{path}retry/")),
    ] {
        call.json(&large).await.problem(413);
    }
    // A chunked body does not declare its length.
    let head = format!(
        "POST {PAYOUTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let reply =
        payout_tests::raw::send(app.port(), (head + &chunk.repeat(16) + "0\r\n\r\n").as_bytes()).await;
    assert_eq!(reply.status, 413);
    reply.problem(PAYOUTS);
    assert_eq!(app.payout(PAYOUTS).await["count"], 1);
}

async fn a_body_of_another_type_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for name in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/json",
        "application/json; charset=latin1",
        "application/jsonp",
        "json",
        "*/*",
    ] {
        app.post(PAYOUTS)
            .header("content-type", name)
            .bytes(payout().to_string())
            .await
            .problem(415);
    }
    app.post(PAYOUTS).bytes(payout().to_string()).await.problem(415);
    nothing_stored(&app).await;
}

async fn a_body_of_json_is_taken_however_it_says_so(backend: Backend) {
    let app = serving(backend).await;
    for name in [
        "application/json; charset=utf8",
        "application/json;charset=\"utf-8\"",
        "APPLICATION/JSON ; Charset=UTF-8",
        "application/json;",
        "application/merge-patch+json",
    ] {
        let call = app.post(PAYOUTS).header("content-type", name);
        let _ = call.bytes(payout().to_string()).await.expect(201);
    }
}

async fn an_encoded_body_is_refused_and_says_what_is_taken(backend: Backend) {
    let app = serving(backend).await;
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let call = app.post(PAYOUTS).header("content-encoding", coding);
        let reply = call.text(vec![0x1f, 0x8b, 8, 0]).await;
        reply.problem(415);
        assert_eq!(reply.header("accept-encoding"), Some("identity"), "{coding}");
    }
    nothing_stored(&app).await;
    let identity = app.post(PAYOUTS).header("content-encoding", "identity");
    let _ = identity.json(payout()).await.expect(201);
}
