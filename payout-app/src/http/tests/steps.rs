//! Edit, delete, cancel, retry, resolve, and the audit trail.

use std::sync::Arc;

use payout_adapters::storage::memory::MemoryRepository;
use payout_core::attempt::Verdict;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::ports::System;
use salvo::http::Method;
use serde_json::{Value, json};

use super::{Bench, Reply, id_of, new_payout};

async fn patch(bench: &Bench, path: &str, body: Value) -> Reply {
    bench.write(Method::PATCH, path, &[], &body).await
}

fn declined() -> Verdict {
    Verdict::Failed(Failure::new("account_closed", "The account is closed."))
}

fn paid() -> Verdict {
    Verdict::Completed {
        reference: ProviderReference::new("ref-1").unwrap(),
        recheck_in: None,
    }
}

fn review() -> Verdict {
    Verdict::Review {
        why: "no answer".to_owned(),
    }
}

#[tokio::test]
async fn fields_are_edited_while_pending_only() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let edited = patch(
        &bench,
        &path,
        json!({"amount": 7, "currency": "JPY", "description": "line\nbreak"}),
    )
    .await;
    assert_eq!((edited.status, edited.header("etag")), (200, "\"2\""));
    assert_eq!(edited.json()["amount"], "7");
    let same = patch(&bench, &path, json!({"amount": "7"})).await;
    assert_eq!(
        same.header("etag"),
        "\"2\"",
        "an edit that changes nothing is no write"
    );
    let refused = patch(&bench, &path, json!({"amount": "7.5"}))
        .await
        .problem(400, "invalid-request");
    assert!(
        refused["errors"]["amount"][0]
            .as_str()
            .unwrap()
            .contains("decimal places for JPY")
    );

    bench.claim().await;
    patch(&bench, &path, json!({"amount": 8}))
        .await
        .problem(409, "illegal-step");
    assert_eq!(patch(&bench, &path, json!({"amount": 7})).await.status, 200);
    assert_eq!(patch(&bench, &path, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_put_sets_every_field() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let mut whole = new_payout();
    whole.as_object_mut().unwrap().remove("description");
    whole["recipient_name"] = json!("Grace");
    let body = bench.write(Method::PUT, &path, &[], &whole).await.json();
    assert_eq!(
        (&body["recipient_name"], &body["description"]),
        (&json!("Grace"), &json!(""))
    );
    let problem = bench
        .write(Method::PUT, &path, &[], &json!({"amount": 1}))
        .await
        .problem(400, "invalid-request");
    assert_eq!(problem["errors"].as_object().unwrap().len(), 3);

    // Unchanged fields and a step: a client that reads, changes the status and writes back.
    whole["description"] = json!("");
    whole["status"] = json!("cancelled");
    let cancelled = bench.write(Method::PUT, &path, &[], &whole).await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["status"]),
        (200, &json!("cancelled"))
    );
}

#[tokio::test]
async fn a_step_is_not_combined_with_an_edit() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let refused = patch(&bench, &path, json!({"status": "cancelled", "description": "x"})).await;
    let problem = refused.problem(400, "invalid-request");
    assert!(
        problem["errors"]["status"][0]
            .as_str()
            .unwrap()
            .contains("cannot be combined")
    );
    let edited = patch(&bench, &path, json!({"status": "pending", "description": "x"})).await;
    assert_eq!((edited.status, &edited.json()["description"]), (200, &json!("x")));
    let unchanged = patch(&bench, &path, json!({"status": "cancelled", "description": "x"})).await;
    assert_eq!(unchanged.json()["status"], "cancelled");
    patch(&bench, &path, json!({"status": "cancelled", "description": "y"}))
        .await
        .problem(409, "illegal-step");
}

#[tokio::test]
async fn every_status_can_be_asked_for_and_only_steps_of_the_table_are_taken() {
    // The origin, then the statuses of the answers from pending, processing, completed, failed and cancelled.
    for (verdict, answers) in [
        (None, [200, 409, 409, 409, 200]),
        (Some(paid()), [409, 409, 200, 409, 409]),
        (Some(declined()), [200, 409, 409, 200, 409]),
        (Some(review()), [409, 200, 200, 200, 409]),
    ] {
        let wanted = ["pending", "processing", "completed", "failed", "cancelled"];
        for (status, answer) in wanted.into_iter().zip(answers) {
            let bench = Bench::new();
            let (_, path) = bench.create().await;
            if let Some(verdict) = verdict.clone() {
                bench.settle(verdict).await;
            }
            let reply = patch(&bench, &path, json!({"status": status, "reason": "because"})).await;
            assert_eq!(reply.status, answer, "{verdict:?} to {status}: {reply:?}");
            if answer == 200 {
                assert_eq!(reply.json()["status"], status);
            } else {
                reply.problem(409, "illegal-step");
            }
        }
    }
}

#[tokio::test]
async fn a_person_resolves_a_review_and_the_trail_says_why() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    bench.settle(review()).await;
    assert_eq!(bench.get(&path).await.json()["needs_review"], true);
    let body = json!({"status": "failed", "reason": "The bank sent it back."});
    let headers = [("x-request-id", "ticket-9")];
    let resolved = bench.write(Method::PATCH, &path, &headers, &body).await;
    assert_eq!(resolved.header("x-request-id"), "ticket-9");
    assert_eq!(
        resolved.json()["failure"],
        json!({"code": "resolved", "message": "The bank sent it back.", "reason": null})
    );

    let events = bench.get(&format!("{path}events/")).await.json();
    let kinds: Vec<&str> = events["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["created", "claimed", "review_requested", "resolved"]);
    let last = &events["results"][3];
    assert_eq!(last["detail"], "The bank sent it back.");
    assert_eq!(
        (&last["actor"], &last["request_id"]),
        (&json!("api"), &json!("ticket-9"))
    );
    assert_eq!(events["count"], 4);
}

#[tokio::test]
async fn cancel_takes_an_optional_reason() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let cancel = format!("{path}cancel/");
    bench
        .write(Method::POST, &cancel, &[], &json!({"why": "x"}))
        .await
        .problem(400, "invalid-request");
    bench
        .write(Method::POST, &cancel, &[], &json!({"reason": "x".repeat(256)}))
        .await
        .problem(400, "invalid-request");
    bench
        .send(Method::POST, &cancel, &[], "{}")
        .await
        .problem(415, "unsupported-media-type");
    assert_eq!(
        bench.send(Method::POST, &cancel, &[], "").await.json()["status"],
        "cancelled"
    );
    assert_eq!(
        bench
            .write(Method::POST, &cancel, &[], &json!({"reason": ""}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_failed_payout_is_retried_once_per_key() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let retry = format!("{path}retry/");
    bench
        .send(Method::POST, &retry, &[], "")
        .await
        .problem(409, "illegal-step");
    bench.settle(declined()).await;
    let failed = bench.get(&path).await.json();
    assert_eq!(
        failed["failure"],
        json!({"code": "account_closed", "message": "The account is closed.", "reason": null})
    );

    let key = [("idempotency-key", "again")];
    let first = bench.send(Method::POST, &retry, &key, "").await;
    assert_eq!(
        (first.status, &first.json()["status"], &first.json()["failure"]),
        (202, &json!("pending"), &Value::Null)
    );
    let again = bench.send(Method::POST, &retry, &key, "").await;
    assert_eq!(
        (again.status, &again.text, again.header("idempotent-replayed")),
        (202, &first.text, "true")
    );
    assert_eq!(again.header("etag"), first.header("etag"));
    bench
        .write(Method::POST, &retry, &key, &json!({"reason": "other"}))
        .await
        .problem(422, "key-reused");
    bench
        .send(Method::POST, &retry, &[], "")
        .await
        .problem(409, "illegal-step");
}

#[tokio::test]
async fn a_retry_by_an_edit_keeps_no_key_and_says_where_one_is_kept() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    bench.settle(declined()).await;
    let before = bench.get(&path).await;
    let key = [("idempotency-key", "again")];
    let reply = bench
        .write(Method::PATCH, &path, &key, &json!({"status": "pending"}))
        .await;
    let problem = reply.problem(400, "invalid-request");
    let message = problem["errors"]["Idempotency-Key"][0].as_str().unwrap();
    assert!(message.contains("retry/"), "{message}");
    let after = bench.get(&path).await;
    assert_eq!(
        (after.header("etag"), &after.text),
        (before.header("etag"), &before.text)
    );
}

#[tokio::test]
async fn a_deleted_payout_is_gone() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let gone = bench.send(Method::DELETE, &path, &[], "").await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    bench.get(&path).await.problem(404, "not-found");
    let hidden = bench.get(&format!("{path}?deleted=with")).await;
    assert!(hidden.json()["deleted_at"].is_string(), "{hidden:?}");
    let trail = bench.get(&format!("{path}events/")).await.json();
    assert_eq!(trail["results"][1]["event"], "deleted");
    bench
        .send(Method::DELETE, &path, &[], "")
        .await
        .problem(404, "not-found");
    assert_eq!(bench.get("/api/payouts/").await.json()["count"], 0);
    for (query, count) in [("deleted=only", 1), ("deleted=with", 1)] {
        let page = bench.get(&format!("/api/payouts/?{query}")).await.json();
        assert_eq!(page["count"], count, "{query}");
    }

    let (_, path) = bench.create().await;
    bench.claim().await;
    bench
        .send(Method::DELETE, &path, &[], "")
        .await
        .problem(409, "illegal-step");
}

#[tokio::test]
async fn if_match_guards_every_write() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let (retry, cancel) = (format!("{path}retry/"), format!("{path}cancel/"));
    let stale = [("if-match", "\"7\"")];
    let body = json!({"description": "x"});
    bench
        .write(Method::PATCH, &path, &stale, &body)
        .await
        .problem(412, "precondition-failed");
    bench
        .write(Method::PATCH, &path, &stale, &json!({"status": "processing"}))
        .await
        .problem(412, "precondition-failed");
    bench
        .write(Method::PATCH, &path, &[("if-match", "W/\"1\"")], &body)
        .await
        .problem(412, "precondition-failed");
    bench
        .write(Method::PUT, &path, &stale, &new_payout())
        .await
        .problem(412, "precondition-failed");
    bench
        .send(Method::DELETE, &path, &stale, "")
        .await
        .problem(412, "precondition-failed");
    bench
        .send(Method::POST, &cancel, &stale, "")
        .await
        .problem(412, "precondition-failed");
    bench
        .send(Method::POST, &retry, &stale, "")
        .await
        .problem(412, "precondition-failed");
    bench
        .send(Method::DELETE, &path, &[("if-match", "1")], "")
        .await
        .problem(400, "invalid-request");
    assert_eq!(
        bench
            .write(Method::PATCH, &path, &[("if-match", "\"7\", \"1\"")], &body)
            .await
            .status,
        200
    );
    assert_eq!(
        bench
            .write(Method::PATCH, &path, &[("if-match", "*")], &json!({}))
            .await
            .status,
        200
    );
    assert_eq!(
        bench
            .repository
            .find(id_of(&path))
            .await
            .unwrap()
            .unwrap()
            .version(),
        2
    );
}

#[tokio::test]
async fn a_retry_after_a_takeover_waits_until_the_first_worker_is_surely_over() {
    use std::time::Duration;

    use payout_core::payout::Actor;
    use payout_core::ports::ClaimRequest;

    let bench = Bench::new();
    let (_, path) = bench.create().await;
    for _ in 0..2 {
        let request = ClaimRequest {
            only: Some(vec![id_of(&path)]),
            provider: None,
            unsent_only: false,
            limit: 1,
            lease: Duration::ZERO,
            calls_end_after: Duration::from_secs(20),
            worker: Actor::new("w"),
        };
        let claims = bench.repository.claim(&request).await.unwrap().won;
        let last: Vec<_> = claims.into_iter().filter(|claim| claim.is_takeover()).collect();
        let settlements: Vec<_> = last.into_iter().map(|claim| claim.settle(declined())).collect();
        bench.repository.settle(&settlements).await.unwrap();
    }
    let refused = bench.send(Method::POST, &format!("{path}retry/"), &[], "").await;
    refused.problem(409, "attempt-in-progress");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((18..=20).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_retry_of_what_was_paid_anew_awaits_approval() {
    let repository = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    let bench = Bench::limited(repository, &["--duplicate-days=3"]).opened();
    let (_, path) = bench.create().await;
    bench.settle(declined()).await;
    let (_, anew) = bench.create().await;
    let retried = bench
        .write(Method::POST, &format!("{path}retry/"), &[], &json!({}))
        .await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    let body = retried.json();
    assert_eq!(body["status"], "awaiting_approval");
    assert_eq!(body["approval"]["duplicate_of"], json!(id_of(&anew).to_string()));
}
