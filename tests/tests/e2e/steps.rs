//! Every step of the state machine that a client can ask for, from every state.

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, with};
use payout_tests::client::Reply;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{State, declining, despairing, on_each_backend, serving};

on_each_backend!(
    pending_takes_its_steps_and_no_other,
    processing_takes_its_steps_and_no_other,
    a_review_takes_its_steps_and_no_other,
    completed_takes_its_steps_and_no_other,
    failed_takes_its_steps_and_no_other,
    cancelled_takes_its_steps_and_no_other,
    a_cancelled_payout_is_never_paid,
    a_declined_payout_says_why_it_failed,
    a_declined_payout_is_paid_after_a_retry,
    a_review_is_resolved_as_completed,
    a_review_is_resolved_as_failed_and_can_be_retried,
    a_reason_is_kept_in_the_audit_trail,
    a_reason_that_is_none_is_refused,
    of_many_racing_cancels_each_finds_it_cancelled,
);

/// A request for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Status(&'static str),
    Edit,
    Replace,
    Cancel,
    Retry,
    Delete,
}

const ASKS: [Ask; 10] = [
    Ask::Status("pending"),
    Ask::Status("processing"),
    Ask::Status("completed"),
    Ask::Status("failed"),
    Ask::Status("cancelled"),
    Ask::Edit,
    Ask::Replace,
    Ask::Cancel,
    Ask::Retry,
    Ask::Delete,
];

impl Ask {
    async fn send(self, app: &App, path: &str) -> Reply {
        match self {
            Self::Status(status) => app.patch(path).json(json!({"status": status})).await,
            Self::Edit => app.patch(path).json(json!({"description": "Another"})).await,
            Self::Replace => app.put(path).json(payout()).await,
            Self::Cancel => app.post(&format!("{path}cancel/")).await,
            Self::Retry => app.post(&format!("{path}retry/")).await,
            Self::Delete => app.delete(path).await,
        }
    }

    /// Returns the answer's status and the payout's resulting status; absent when the state does not allow the step.
    fn expected(self, from: State) -> Option<(u16, &'static str)> {
        use State::{Cancelled, Completed, Failed, Pending, Processing, UnderReview};
        match (self, from) {
            (Self::Status(status), _) if status == from.status() => Some((200, status)),
            (Self::Status("cancelled"), Pending) => Some((200, "cancelled")),
            (Self::Status("pending"), Failed) => Some((200, "pending")),
            (Self::Status(status @ ("completed" | "failed")), UnderReview) => Some((200, status)),
            (Self::Edit | Self::Replace, Pending) => Some((200, "pending")),
            (Self::Cancel, Pending | Cancelled) => Some((200, "cancelled")),
            (Self::Retry, Failed) => Some((202, "pending")),
            (Self::Delete, Pending | Cancelled) => Some((204, "")),
            (_, Pending | Processing | UnderReview | Completed | Failed | Cancelled) => None,
        }
    }
}

async fn takes_its_steps_and_no_other(state: State, backend: Backend) {
    let app = state.service(backend).await;
    let path = state.payout(&app).await;
    let before = app.get(&path).await;
    for ask in ASKS {
        match ask.expected(state) {
            None => {
                let problem = ask.send(&app, &path).await.problem(409);
                assert!(
                    problem.detail.contains(state.status()),
                    "{ask:?} should name the state: {problem:?}"
                );
            }
            // The payout is already in this state: nothing changes.
            Some((200, status)) if status == state.status() && !matches!(ask, Ask::Edit | Ask::Replace) => {
                let reply = ask.send(&app, &path).await.expect(200);
                assert_eq!(reply.json(), before.json(), "{ask:?}");
            }
            Some((answer, status)) => {
                let path = state.payout(&app).await;
                let reply = ask.send(&app, &path).await.expect(answer);
                if answer != 204 {
                    assert_eq!(reply.json()["status"], status, "{ask:?}");
                    assert_eq!(reply.json()["needs_review"], false, "{ask:?}");
                }
            }
        }
    }
    let after = app.get(&path).await;
    assert_eq!(
        (after.json(), after.etag()),
        (before.json(), before.etag()),
        "refusals and no-ops change nothing"
    );
}

async fn pending_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::Pending, backend).await;
}

async fn processing_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::Processing, backend).await;
}

async fn a_review_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::UnderReview, backend).await;
}

async fn completed_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::Completed, backend).await;
}

async fn failed_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::Failed, backend).await;
}

async fn cancelled_takes_its_steps_and_no_other(backend: Backend) {
    takes_its_steps_and_no_other(State::Cancelled, backend).await;
}

async fn a_cancelled_payout_is_never_paid(backend: Backend) {
    let app = serving(backend).await;
    let path = State::Cancelled.payout(&app).await;
    let other = path_of(&app.create(payout()).await);
    let _worker = app.launch().worker();
    app.until(&other, "completed").await;
    assert_eq!(app.payout(&path).await["status"], "cancelled");
    assert_eq!(app.events(&path).await, ["created", "cancelled"]);
}

async fn a_declined_payout_says_why_it_failed(backend: Backend) {
    let app = declining(backend).await;
    let failed = app.until(&path_of(&app.create(payout()).await), "failed").await;
    let said = |name: &str| {
        failed["failure"][name]
            .as_str()
            .is_some_and(|words| !words.is_empty())
    };
    assert!(said("code") && said("message"), "{failed}");
    assert_eq!(
        (&failed["needs_review"], &failed["provider_reference"]),
        (&json!(false), &json!(null))
    );
}

async fn a_declined_payout_is_paid_after_a_retry(backend: Backend) {
    let mut app = declining(backend).await;
    let path = State::Failed.payout(&app).await;
    assert!(app.process().terminate().await.success());
    let app = app
        .launch()
        .clone()
        .set("PAYOUT_SIMULATED_FAILURE_RATE", 0)
        .run()
        .await;
    let retried = app.post(&format!("{path}retry/")).await.expect(202);
    let body = retried.json();
    assert_eq!(
        (&body["status"], &body["failure"], &body["attempts"]),
        (&json!("pending"), &json!(null), &json!(0))
    );
    assert!(retried.header("etag").is_some());
    let paid = app.until(&path, "completed").await;
    assert_eq!((&paid["failure"], &paid["attempts"]), (&json!(null), &json!(1)));
    let trail = ["created", "claimed", "failed", "retried", "claimed", "completed"];
    assert_eq!(app.events(&path).await, trail);
}

async fn a_review_is_resolved_as_completed(backend: Backend) {
    let app = despairing(backend).await;
    let path = State::UnderReview.payout(&app).await;
    let body = json!({"status": "completed", "reason": "seen on the statement"});
    let resolved = app.patch(&path).json(body).await.expect(200).json();
    assert_eq!(
        (&resolved["status"], &resolved["needs_review"]),
        (&json!("completed"), &json!(false))
    );
    assert_eq!(
        app.events(&path).await,
        ["created", "claimed", "review_requested", "resolved"]
    );
}

async fn a_review_is_resolved_as_failed_and_can_be_retried(backend: Backend) {
    let app = despairing(backend).await;
    let path = State::UnderReview.payout(&app).await;
    let body = json!({"status": "failed", "reason": "the bank says no"});
    let resolved = app.patch(&path).json(body).await.expect(200).json();
    assert_eq!(
        (&resolved["status"], &resolved["needs_review"]),
        (&json!("failed"), &json!(false))
    );
    assert!(
        resolved["failure"].to_string().contains("the bank says no"),
        "{resolved}"
    );
    let _ = app.post(&format!("{path}retry/")).await.expect(202);
    app.until_review(&path).await;
}

async fn a_reason_is_kept_in_the_audit_trail(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let _ = app
        .post(&format!("{path}cancel/"))
        .json(json!({"reason": "ordered twice"}))
        .await
        .expect(200);
    let events = app.payout(&format!("{path}events/")).await;
    assert_eq!(events["results"][1]["detail"], "ordered twice");
    let path = path_of(&app.create(payout()).await);
    let _ = app
        .patch(&path)
        .json(json!({"status": "cancelled", "reason": "by patch"}))
        .await
        .expect(200);
    assert_eq!(
        app.payout(&format!("{path}events/")).await["results"][1]["detail"],
        "by patch"
    );
}

async fn a_reason_that_is_none_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    for reason in [json!(1), json!(null), json!({}), json!("x".repeat(256))] {
        for below in ["cancel/", "retry/"] {
            let call = app
                .post(&format!("{path}{below}"))
                .json(with(json!({}), "reason", reason.clone()));
            assert_eq!(call.await.problem(400).fields(), ["reason"], "{below} {reason}");
        }
    }
    for below in ["cancel/", "retry/"] {
        let below = format!("{path}{below}");
        assert_eq!(
            app.post(&below)
                .json(json!({"colour": "red"}))
                .await
                .problem(400)
                .fields(),
            ["colour"]
        );
        app.post(&below).text("[]").await.problem(400);
        app.post(&below).text("{").await.problem(400);
        app.post(&below).bytes("{}").await.problem(415);
    }
    assert_eq!(app.payout(&path).await["status"], "pending");
}

async fn of_many_racing_cancels_each_finds_it_cancelled(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let cancel = format!("{path}cancel/");
    let replies = futures::future::join_all((0..32).map(|_| app.post(&cancel).into_future())).await;
    for reply in replies {
        if reply.status == 409 {
            reply.problem(409);
        } else {
            assert_eq!(reply.expect(200).json()["status"], "cancelled");
        }
    }
    assert_eq!(app.events(&path).await, ["created", "cancelled"]);
}
