//! Exports: all payouts of a list, as CSV or as lines of JSON.

use std::sync::atomic::{AtomicU32, Ordering};

use payout_core::Timestamp;
use payout_core::access::Principal;
use payout_core::contract::build;
use payout_core::payout::Payout;
use payout_core::ports::{Cursor, Listed, MockPayoutRepository, RepositoryError};
use salvo::Server;
use salvo::conn::{Acceptor, Listener, TcpListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::export::ExportFormat;
use crate::http::answer::{PayoutBody, cells};

/// The cells of a CSV file, with its header.
pub(super) fn table(reply: &Reply) -> Vec<Vec<String>> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), ExportFormat::CSV_TYPE);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(reply.text.as_bytes());
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect());
    rows.collect()
}

/// The cells of one column, without its header.
pub(super) fn column<'t>(table: &'t [Vec<String>], name: &str) -> Vec<&'t str> {
    let place = table[0].iter().position(|column| column == name);
    let place = place.unwrap_or_else(|| panic!("no column {name}"));
    table[1..].iter().map(|row| row[place].as_str()).collect()
}

async fn create(bench: &Bench, changes: Value) {
    let mut body = new_payout();
    body.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    let reply = bench.write(Method::POST, "/api/payouts/", &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn a_table_has_a_row_for_each_payout_in_the_order_of_the_list() {
    let bench = Bench::new();
    for amount in ["1.00", "2.00", "3.00"] {
        create(&bench, json!({ "amount": amount })).await;
    }
    let newest = table(&bench.get("/api/payouts/export/").await);
    assert_eq!(newest[0], cells::COLUMNS);
    assert!(newest.iter().all(|row| row.len() == cells::COLUMNS.len()));
    assert_eq!(column(&newest, "amount"), ["3.00", "2.00", "1.00"]);
    assert_eq!(column(&newest, "status"), ["pending"; 3]);
    assert_eq!(
        column(&newest, "recipient_account"),
        ["DE89370400440532013000"; 3]
    );
    let oldest = table(
        &bench
            .get("/api/payouts/export/?format=csv&ordering=created_at")
            .await,
    );
    assert_eq!(column(&oldest, "amount"), ["1.00", "2.00", "3.00"]);
    let of_none = table(&bench.get("/api/payouts/export/?currency=JPY").await);
    assert_eq!(of_none.len(), 1, "the header alone");
}

#[tokio::test]
async fn lines_of_json_are_the_payouts_of_the_list() {
    let bench = Bench::new();
    create(&bench, json!({"description": "two\nlines"})).await;
    create(&bench, json!({"currency": "USD"})).await;
    let list = bench.get("/api/payouts/").await.json();
    let reply = bench.get("/api/payouts/export/?format=ndjson").await;
    assert_eq!(reply.header("content-type"), ExportFormat::NDJSON_TYPE);
    let lines = reply
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(Value::Array(lines.collect()), list["results"]);
    let dollars = bench.get("/api/payouts/export/?format=ndjson&currency=usd").await;
    assert_eq!(dollars.text.lines().count(), 1);
}

#[tokio::test]
async fn what_a_spreadsheet_would_run_is_a_text() {
    let bench = Bench::new();
    for text in ["=1+1", "+1", "-1", "@x"] {
        create(
            &bench,
            json!({"description": text, "recipient_name": text, "recipient_account": text}),
        )
        .await;
    }
    let table = table(&bench.get("/api/payouts/export/?ordering=created_at").await);
    for name in ["description", "recipient_name", "recipient_account"] {
        assert_eq!(column(&table, name), ["'=1+1", "'+1", "'-1", "'@x"], "{name}");
    }
}

#[tokio::test]
async fn without_reveal_the_recipient_is_masked_and_not_searched() {
    let bench = Bench::new();
    let reader = bench.key("reader", [Scope::Read]).await;
    let writer = bench.key("writer", [Scope::Write]).await;
    let body = new_payout().to_string();
    bench
        .ask_with(&writer, Method::POST, "/api/payouts/", &body)
        .await;
    let ask = async |path: &str| bench.ask_with(&reader, Method::GET, path, "").await;
    for format in ["csv", "ndjson"] {
        let reply = ask(&format!("/api/payouts/export/?format={format}")).await;
        assert!(reply.text.contains("••••3000"), "{reply:?}");
        assert!(!reply.text.contains("DE89370400440532013000") && !reply.text.contains("Lovelace"));
    }
    ask("/api/payouts/export/?search=Ada")
        .await
        .problem(403, "forbidden");
    ask("/api/payouts/export/?deleted=with")
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn what_is_no_filter_of_a_list_is_refused() {
    let bench = Bench::new();
    for query in ["format=xml", "page_size=3", "cursor=x", "status=gone"] {
        let reply = bench.get(&format!("/api/payouts/export/?{query}")).await;
        reply.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn an_export_that_cannot_begin_is_a_problem() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    repository
        .expect_list()
        .returning(|_| Err(RepositoryError::Overloaded("full".into())));
    let bench = Bench::over(Arc::new(repository));
    let reply = bench.get("/api/payouts/export/").await;
    reply.problem(503, "busy");
}

/// A repository that fails after its first page.
fn failing_midway() -> MockPayoutRepository {
    let mut repository = MockPayoutRepository::new();
    let pages = AtomicU32::new(0);
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    repository.expect_list().returning(move |query| {
        if pages.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(RepositoryError::unavailable("gone"));
        }
        let row = || {
            Listed::Unreadable(Cursor {
                at: Timestamp::UNIX_EPOCH,
                id: build::fresh_id(),
            })
        };
        Ok((0..query.limit).map(|_| row()).collect())
    });
    repository
}

/// Returns everything that a client receives until the connection ends.
async fn received(bench: Bench, path: &str) -> String {
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.holdings()[0].local_addr.clone().into_std();
    let address = address.unwrap().to_string();
    let server = tokio::spawn(Server::new(acceptor).serve(bench.service));
    let mut client = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A connection that is reset is an end too.
    let _ = client.read_to_end(&mut bytes).await;
    server.abort();
    String::from_utf8(bytes).unwrap()
}

/// The last chunk of a whole answer (RFC 9112 §7.1).
const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

#[tokio::test]
async fn an_export_that_fails_midway_is_broken_off() {
    for format in ["csv", "ndjson"] {
        let bench = Bench::over(Arc::new(failing_midway()));
        let answer = received(bench, &format!("/api/payouts/export/?format={format}")).await;
        // The connection may end before the first rows leave it.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 200 OK"),
            "{answer}"
        );
        assert!(!answer.ends_with(LAST_CHUNK), "it looks whole");
    }
    let bench = Bench::new();
    create(&bench, json!({})).await;
    let answer = received(bench, "/api/payouts/export/").await;
    assert!(answer.ends_with(LAST_CHUNK), "{answer}");
}

#[tokio::test]
async fn a_payout_that_cannot_be_read_has_its_row() {
    let mut repository = MockPayoutRepository::new();
    let id = build::fresh_id();
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    repository.expect_list().returning(move |_| {
        Ok(vec![Listed::Unreadable(Cursor {
            at: Timestamp::UNIX_EPOCH,
            id,
        })])
    });
    let bench = Bench::over(Arc::new(repository));
    let rows = table(&bench.get("/api/payouts/export/").await);
    assert_eq!(column(&rows, "id"), [id.to_string()]);
    assert_eq!(column(&rows, "unreadable"), ["true"]);
    let line = bench.get("/api/payouts/export/?format=ndjson").await.json();
    assert_eq!(
        (&line["id"], &line["unreadable"]),
        (&json!(id.to_string()), &json!(true))
    );
}

/// A column, or several, for each field of a payout: a field that comes later must not be forgotten.
#[test]
fn every_field_of_a_payout_has_a_column() {
    let payout: Payout = build::new_payout().stored_at(Timestamp::UNIX_EPOCH);
    let body = PayoutBody::of(&payout, &Principal::open()).deleted_at(Some(Timestamp::UNIX_EPOCH));
    let body = serde_json::to_value(body).unwrap();
    for name in body.as_object().unwrap().keys() {
        let has_column = cells::COLUMNS
            .iter()
            .any(|column| column == name || column.starts_with(&format!("{name}_")));
        assert!(has_column, "no column for {name}");
    }
}
