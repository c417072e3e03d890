//! Approvals, rejections and exports of whole batches.

use payout_core::access::Scope;
use serde_json::{Value, json};

use super::exports::{column, table};
use super::*;

const RULES: &str = "--approvals=EUR=100:1,EUR=5000:2";

/// Builds a service with batches.
pub(super) fn bench(settings: &[&str]) -> Bench {
    let repository = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    Bench::assembled(
        repository.clone(),
        Some(repository),
        settings,
        providers::none(),
        None,
    )
    .opened()
}

/// Stores a batch of these amounts, and returns its path.
async fn stored(bench: &Bench, key: &Token, amounts: &[&str]) -> String {
    let payouts = amounts.iter().enumerate().map(|(place, amount)| {
        json!({
            "amount": amount, "currency": "EUR", "recipient_account": format!("ACC-{place}"),
            "recipient_name": "Ada Lovelace",
        })
    });
    let body = json!({"payouts": payouts.collect::<Vec<_>>()}).to_string();
    let reply = bench.ask_with(key, Method::POST, "/api/batches/", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.header("location").to_owned()
}

async fn step(bench: &Bench, key: &Token, path: &str, step: &str, body: &str) -> Reply {
    bench
        .ask_with(key, Method::POST, &format!("{path}{step}/"), body)
        .await
}

/// Returns the numbers of an answer, without the batch.
fn counts(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut body = reply.json();
    body.as_object_mut().unwrap().remove("progress");
    body
}

#[tokio::test]
async fn a_batch_is_approved_by_others_than_its_creator() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let eve = bench.key_of("eve", "Eve").await;
    let path = stored(&bench, &ada, &["1", "100", "5000"]).await;
    let ask = async |key: &Token| bench.ask_with(key, Method::GET, &path, "").await.json();
    for (key, approvable) in [(&ada, 0), (&bob, 2)] {
        let batch = ask(key).await;
        assert_eq!(
            (&batch["awaiting_approval"], &batch["approvable"]),
            (&json!(2), &json!(approvable))
        );
    }
    let own = step(&bench, &ada, &path, "approve", "").await;
    let none = json!({
        "approved": 0, "completed": 0, "already_approved": 0, "not_allowed": 2, "too_late": 0, "refused": [],
        "is_partial": false,
    });
    assert_eq!(counts(&own), none);
    let first = step(&bench, &bob, &path, "approve", r#"{"reason": "Checked."}"#).await;
    let mut expected = none.clone();
    expected["not_allowed"] = json!(0);
    expected["approved"] = json!(2);
    expected["completed"] = json!(1);
    assert_eq!(counts(&first), expected);
    assert_eq!(first.json()["progress"]["awaiting_approval"], 1);
    let again = step(&bench, &bob, &path, "approve", "").await;
    expected["approved"] = json!(0);
    expected["completed"] = json!(0);
    expected["already_approved"] = json!(2);
    assert_eq!(counts(&again), expected);
    let last = step(&bench, &eve, &path, "approve", "").await;
    expected["approved"] = json!(1);
    expected["completed"] = json!(1);
    expected["already_approved"] = json!(0);
    expected["too_late"] = json!(1);
    assert_eq!(counts(&last), expected);
    assert_eq!(bench.claim().await.len(), 3);
}

#[tokio::test]
async fn what_changed_since_the_approver_looked_is_not_approved() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let path = stored(&bench, &ada, &["100", "200"]).await;
    let seen = bench.ask_with(&bob, Method::GET, &path, "").await.json();
    let list = bench
        .ask_with(&ada, Method::GET, &format!("{path}payouts/"), "")
        .await
        .json();
    let edited = list["results"][0]["id"].as_str().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let edit = bench
        .ask_with(
            &ada,
            Method::PATCH,
            &format!("/api/payouts/{edited}/"),
            r#"{"amount": "4999"}"#,
        )
        .await;
    assert_eq!(edit.status, 200, "{edit:?}");
    let body = json!({"unchanged_since": seen["updated_at"]}).to_string();
    let approved = counts(&step(&bench, &bob, &path, "approve", &body).await);
    assert_eq!(
        (&approved["approved"], &approved["refused"][0]["id"]),
        (&json!(1), &json!(edited))
    );
    let seen = bench.ask_with(&bob, Method::GET, &path, "").await.json();
    let body = json!({"unchanged_since": seen["updated_at"]}).to_string();
    let approved = counts(&step(&bench, &bob, &path, "approve", &body).await);
    assert_eq!(approved["approved"], 1, "it was looked at again");
    let nonsense = step(&bench, &bob, &path, "approve", r#"{"unchanged_since": "today"}"#).await;
    nonsense.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_batch_is_rejected_with_a_reason() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let path = stored(&bench, &ada, &["1", "100", "200"]).await;
    for body in ["", "{}", r#"{"reason": " "}"#] {
        assert_eq!(
            step(&bench, &bob, &path, "reject", body).await.status,
            400,
            "{body}"
        );
    }
    let reason = r#"{"reason": "The wrong file."}"#;
    let rejected = step(&bench, &bob, &path, "reject", reason).await;
    assert_eq!(counts(&rejected), json!({"rejected": 2, "too_late": 0}));
    let again = step(&bench, &bob, &path, "reject", reason).await;
    assert_eq!(counts(&again), json!({"rejected": 0, "too_late": 0}));
    let late = step(&bench, &bob, &path, "approve", "").await;
    assert_eq!(late.json()["too_late"], 2);
    assert_eq!(
        bench.claim().await.len(),
        1,
        "what required no approval is not rejected"
    );
}

#[tokio::test]
async fn approvals_of_batches_need_their_scope_and_a_person() {
    let open = bench(&[RULES]);
    let body = json!({"payouts": [new_payout()]});
    let reply = open.write(Method::POST, "/api/batches/", &[], &body).await;
    let path = reply.header("location").to_owned();
    let reply = open.send(Method::POST, &format!("{path}approve/"), &[], "").await;
    reply.problem(403, "not-an-approver");

    let bench = bench(&[RULES]);
    let ada = bench.key_of("ada", "Ada").await;
    let operate = bench.key("operate", [Scope::Operate, Scope::Write]).await;
    let approve = bench.key("approve", [Scope::Approve]).await;
    let path = stored(&bench, &ada, &["100"]).await;
    let reason = r#"{"reason": "Wrong."}"#;
    for name in ["approve", "reject"] {
        let refused = step(&bench, &operate, &path, name, reason).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let done = step(&bench, &approve, &path, name, reason).await;
        assert_eq!(done.json()["progress"], Value::Null, "without the scope read");
    }
}

#[tokio::test]
async fn a_batch_is_exported_in_the_order_of_its_rows() {
    let bench = Bench::new();
    let ada = bench.key_of("ada", "Ada").await;
    let path = stored(&bench, &ada, &["3", "1", "2"]).await;
    stored(&bench, &ada, &["9"]).await;
    let ask = async |query: &str| {
        let path = format!("{path}export/{query}");
        bench.ask_with(&ada, Method::GET, &path, "").await
    };
    let reply = ask("").await;
    let name = reply.header("content-disposition");
    assert!(name.starts_with("attachment; filename=\"batch-"), "{name}");
    assert_eq!(column(&table(&reply), "amount"), ["3.00", "1.00", "2.00"]);
    let lines = ask("?format=ndjson").await;
    assert_eq!(lines.text.lines().count(), 3);
    assert_eq!(ask("?format=xlsx").await.status, 400);
    let reader = bench.key("reader", [Scope::Read]).await;
    let masked = bench
        .ask_with(&reader, Method::GET, &format!("{path}export/"), "")
        .await;
    assert!(!masked.text.contains("Lovelace"), "{masked:?}");
    let nowhere = "/api/batches/019ac4a5-0000-7000-8000-000000000001/export/";
    bench
        .ask_with(&ada, Method::GET, nowhere, "")
        .await
        .problem(404, "not-found");
}
