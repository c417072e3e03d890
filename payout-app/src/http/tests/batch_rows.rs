//! Rows that name stored recipients and allow duplicates, and what a dry run foretells.

use payout_core::access::Scope;
use serde_json::{Value, json};

use super::batch_approvals::bench;
use super::*;

/// Stores a recipient, and returns its path and its id.
async fn recipient(bench: &Bench) -> (String, String) {
    let body =
        json!({"recipient": {"type": "iban", "name": "Ada Lovelace", "iban": "DE89370400440532013000"}});
    let reply = bench.write(Method::POST, "/api/recipients/", &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    (format!("/api/recipients/{id}/"), id)
}

async fn send(bench: &Bench, query: &str, rows: &[Value]) -> Reply {
    let body = json!({ "payouts": rows });
    bench
        .write(Method::POST, &format!("/api/batches/{query}"), &[], &body)
        .await
}

fn row(amount: &str, account: &str) -> Value {
    json!({"amount": amount, "currency": "EUR", "recipient_account": account, "recipient_name": "N"})
}

#[tokio::test]
async fn rows_copy_stored_recipients() {
    let bench = bench(&[]);
    let (path, id) = recipient(&bench).await;
    let rows = [
        json!({"amount": "1", "currency": "EUR", "recipient_id": id}),
        row("2", "ACC-2"),
    ];
    let stored = send(&bench, "", &rows).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let members = format!("{}payouts/", stored.header("location"));
    let payout = bench.get(&members).await.json()["results"][0].clone();
    assert_eq!(payout["recipient_id"], *id);
    assert_eq!(payout["recipient"]["iban"], "DE89370400440532013000");

    let csv = format!("amount;currency;recipient_id\n1;EUR;{id}\n2;EUR;{id}\n");
    let headers = [("content-type", "text/csv")];
    let file = bench.send(Method::POST, "/api/batches/", &headers, &csv).await;
    assert_eq!(file.status, 201, "{file:?}");

    // Archived since: what was stored is recognized, and nothing more is made from it.
    let archived = bench
        .send(Method::POST, &format!("{path}archive/"), &[], "")
        .await;
    assert_eq!(archived.status, 200, "{archived:?}");
    let again = send(&bench, "", &rows).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
    let other = send(&bench, "?dry_run=true", &rows[..1]).await;
    other.problem(400, "wrong-rows");
    assert_eq!(other.json()["rows"][0]["column"], "recipient_id");
    let unknown =
        json!({"amount": "1", "currency": "EUR", "recipient_id": "019ac4a5-0000-7000-8000-000000000001"});
    let reply = send(&bench, "", &[unknown]).await;
    reply.problem(400, "wrong-rows");
    assert_eq!(reply.json()["rows"][0]["message"], "There is no such recipient.");
}

#[tokio::test]
async fn a_batch_that_names_a_recipient_is_the_same_after_that_was_edited() {
    let bench = bench(&[]);
    let (path, id) = recipient(&bench).await;
    let rows = [json!({"amount": "1", "currency": "EUR", "recipient_id": id})];
    assert_eq!(send(&bench, "", &rows).await.status, 201);
    let edit = json!({"recipient": {"type": "iban", "name": "Ada King", "iban": "DE89370400440532013000"}});
    let edited = bench.write(Method::PATCH, &path, &[], &edit).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let again = send(&bench, "", &rows).await;
    assert_eq!(again.header("idempotent-replayed"), "true", "{again:?}");
}

#[tokio::test]
async fn a_row_may_allow_a_duplicate() {
    let bench = bench(&["--duplicate-days=7"]);
    let mut allowed = row("5", "ACC-1");
    allowed["allow_duplicate"] = json!(true);
    let rows = [row("5", "ACC-1"), row("5", "ACC-1"), allowed];
    let stored = send(&bench, "", &rows).await;
    let members = format!("{}payouts/", stored.header("location"));
    let results = bench.get(&members).await.json()["results"].clone();
    let statuses = [
        &results[0]["status"],
        &results[1]["status"],
        &results[2]["status"],
    ];
    assert_eq!(statuses, ["pending", "awaiting_approval", "pending"]);
    let events = format!("/api/payouts/{}/events/", results[2]["id"].as_str().unwrap());
    let created = bench.get(&events).await.json()["results"][0].clone();
    assert_eq!(created["detail"], "The request allows a duplicate.");
    let held = [row("5", "ACC-1"), row("5", "ACC-1"), row("5", "ACC-1")];
    assert_eq!(send(&bench, "", &held).await.status, 201, "another batch");
}

#[tokio::test]
async fn a_dry_run_foretells_approvals_and_likely_duplicates() {
    let bench = bench(&["--approvals=EUR=100:1,EUR=5000:2", "--duplicate-days=7"]);
    let stored = bench
        .write(Method::POST, "/api/payouts/", &[], &row("7", "ACC-7"))
        .await
        .json();
    let rows = [
        row("1", "ACC-1"),
        row("100", "ACC-2"),
        row("7", "ACC-7"),
        row("5000", "ACC-3"),
        row("1", "ACC-1"),
    ];
    let report = send(&bench, "?dry_run=true", &rows).await.json()["report"].clone();
    let expected = json!({
        "awaiting_approval": 4, "for_amount": 2, "for_duplicate": 2, "approvers": 2,
        "likely_duplicates": [
            {"row": 3, "of_row": null, "of_payout": stored["id"]},
            {"row": 5, "of_row": 1, "of_payout": null},
        ],
        "exceeded_limits": [],
    });
    assert_eq!(report["forecast"], expected);
    assert_eq!(report["providers"][0]["rows"], json!([{"first": 1, "last": 5}]));

    // What is foretold is what comes.
    let sent = send(&bench, "", &rows).await;
    assert_eq!(sent.json()["report"]["forecast"], Value::Null);
    let batch = bench.get(sent.header("location")).await.json();
    assert_eq!(batch["awaiting_approval"], 4);
}

#[tokio::test]
async fn a_key_that_may_not_see_recipients_learns_of_none_by_dry_runs() {
    let bench = bench(&["--duplicate-days=7"]);
    bench
        .write(Method::POST, "/api/payouts/", &[], &row("7", "ACC-7"))
        .await;
    let writer = bench.key("writer", [Scope::Write]).await;
    let body = json!({"payouts": [row("7", "ACC-7"), row("7", "ACC-7")]}).to_string();
    let reply = bench
        .ask_with(&writer, Method::POST, "/api/batches/?dry_run=true", &body)
        .await;
    let expected = json!([{"row": 2, "of_row": 1, "of_payout": null}]);
    assert_eq!(reply.json()["report"]["forecast"]["likely_duplicates"], expected);
}

#[tokio::test]
async fn a_dry_run_compares_no_row_with_a_stored_recipient_that_the_key_may_not_see() {
    let bench = bench(&["--duplicate-days=7"]);
    let (_, id) = recipient(&bench).await;
    let stored = json!({"amount": "7", "currency": "EUR", "recipient_id": id});
    let guess = row("7", "DE89370400440532013000");
    let rows = [guess.clone(), stored.clone(), guess, stored];
    let body = json!({ "payouts": rows }).to_string();
    let keys = [
        ("clerk", vec![Scope::Read, Scope::Write]),
        ("revealing", vec![Scope::Write, Scope::Reveal]),
        ("full", vec![Scope::Read, Scope::Write, Scope::Reveal]),
    ];
    for (name, scopes) in keys {
        let sees = scopes.len() == 3;
        let key = bench.key(name, scopes).await;
        let reply = bench
            .ask_with(&key, Method::POST, "/api/batches/?dry_run=true", &body)
            .await;
        let duplicates = reply.json()["report"]["forecast"]["likely_duplicates"].clone();
        let of_rows: Vec<_> = duplicates
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["of_row"])
            .collect();
        let expected = if sees {
            vec![json!(1), json!(2), json!(3)]
        } else {
            vec![json!(1), json!(2)]
        };
        assert_eq!(of_rows, expected.iter().collect::<Vec<_>>(), "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn without_read_a_report_tells_no_provider_of_a_stored_recipient() {
    let bench = bench(&[]);
    let (_, id) = recipient(&bench).await;
    let rows = [
        row("1", "ACC-1"),
        json!({"amount": "2", "currency": "EUR", "recipient_id": id}),
        row("3", "ACC-3"),
    ];
    let body = json!({ "payouts": rows }).to_string();
    let (writer, clerk) = (
        bench.key("writer", [Scope::Write]).await,
        bench.key("clerk", [Scope::Read, Scope::Write]).await,
    );
    let planned = async |key: &Token, query: &str| {
        let path = format!("/api/batches/{query}");
        let reply = bench.ask_with(key, Method::POST, &path, &body).await;
        let report = reply.json()["report"].clone();
        assert_eq!(report["payouts"], 3, "{reply:?}");
        report["providers"][0]["rows"].clone()
    };
    let without = json!([{"first": 1, "last": 1}, {"first": 3, "last": 3}]);
    assert_eq!(planned(&writer, "?dry_run=true").await, without);
    assert_eq!(
        planned(&clerk, "?dry_run=true").await,
        json!([{"first": 1, "last": 3}])
    );
    assert_eq!(planned(&writer, "").await, without);
}

#[tokio::test]
async fn a_dry_run_foretells_the_daily_limits_that_it_exceeds() {
    let bench = bench(&["--limits=EUR=/100,USD=/100"]);
    bench
        .write(Method::POST, "/api/payouts/", &[], &row("60", "ACC-1"))
        .await;
    let forecast = async |amount: &str| {
        let rows = [row(amount, "ACC-2"), row("1", "ACC-3")];
        send(&bench, "?dry_run=true", &rows).await.json()["report"]["forecast"]["exceeded_limits"].clone()
    };
    assert_eq!(forecast("39").await, json!([]));
    let expected = json!([{"currency": "EUR", "limit": "100.00", "charged": "60.00", "sum": "40.01"}]);
    assert_eq!(forecast("39.01").await, expected);
}
