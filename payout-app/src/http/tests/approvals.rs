//! Approvals: who may approve, what is held, and what an answer has.

use payout_core::access::{KeyOwner, Scope};
use serde_json::{Value, json};

use super::*;

const RULES: &str = "--approvals=EUR=100:1,EUR=5000:2";

/// Builds a service in which payouts need approval.
fn bench(settings: &[&str]) -> Bench {
    let repository = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    Bench::limited(repository, settings).opened()
}

impl Bench {
    /// Makes a key of an owner, who may be older than the rules for owners, with every scope.
    pub(super) async fn key_of(&self, name: &str, owner: &str) -> Token {
        let owner = Some(KeyOwner::stored(owner).unwrap());
        let scopes = Scope::ALL.iter().copied().collect();
        let name = KeyName::new(name).unwrap();
        let created = self.app_state.keys.create(name, scopes, None, None, owner);
        let (_, token) = created.await.unwrap();
        self.app_state.authenticator.keyring.refresh().await.unwrap();
        token
    }

    /// Creates a payout of this amount to an account of its own.
    async fn created_by(&self, key: &Token, amount: &str, account: &str) -> Value {
        let mut body = new_payout();
        body["amount"] = json!(amount);
        body["recipient_account"] = json!(account);
        let created = self
            .ask_with(key, Method::POST, "/api/payouts/", &body.to_string())
            .await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json()
    }

    async fn step(&self, key: &Token, payout: &Value, step: &str, body: &str) -> Reply {
        let path = format!("/api/payouts/{}/{step}/", payout["id"].as_str().unwrap());
        self.ask_with(key, Method::POST, &path, body).await
    }
}

#[tokio::test]
async fn a_large_payout_awaits_the_approval_of_another_person() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let small = bench.created_by(&ada, "99.99", "ACC-1").await;
    assert_eq!(
        (&small["status"], &small["approval"]),
        (&json!("pending"), &Value::Null)
    );
    let payout = bench.created_by(&ada, "100", "ACC-2").await;
    assert_eq!(payout["status"], "awaiting_approval");
    let expected = json!({"required": 1, "given": [], "reasons": ["amount"], "duplicate_of": null});
    assert_eq!(payout["approval"], expected);
    assert_eq!(bench.claim().await.len(), 1, "only the small one is due");

    let own = bench
        .step(&ada, &payout, "approve", "")
        .await
        .problem(403, "not-an-approver");
    assert!(
        own["detail"]
            .as_str()
            .unwrap()
            .starts_with("You created this payout"),
        "{own}"
    );
    let approved = bench.step(&bob, &payout, "approve", "").await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let approved = approved.json();
    assert_eq!(approved["status"], "pending");
    assert_eq!(approved["approval"]["given"][0]["by"], "bob");
    assert!(approved["approval"]["given"][0]["at"].is_string());
    bench
        .step(&bob, &payout, "approve", "")
        .await
        .problem(409, "illegal-step");
    assert_eq!(bench.claim().await.len(), 1);
}

#[tokio::test]
async fn keys_of_one_owner_and_keys_that_succeed_each_other_are_one_person() {
    let bench = bench(&[RULES]);
    let ada = bench.key_of("ada", "Ada").await;
    let other = bench.key_of("ada-laptop", "ADA").await;
    let plain = bench.key("shop", Scope::ALL.iter().copied()).await;
    let succeeding = {
        let (name, before) = (KeyName::new("shop-2").unwrap(), KeyName::new("shop").unwrap());
        let scopes = Scope::ALL.iter().copied().collect();
        let created = bench
            .app_state
            .keys
            .create(name, scopes, None, Some(before), None);
        created.await.unwrap().1
    };
    let (_, rotated) = {
        let name = KeyName::new("ada-laptop").unwrap();
        bench
            .app_state
            .keys
            .rotate(&name, Duration::from_secs(60))
            .await
            .unwrap()
    };
    bench.app_state.authenticator.keyring.refresh().await.unwrap();
    let of_ada = bench.created_by(&ada, "5000", "ACC-1").await;
    for key in [&ada, &other, &rotated] {
        bench
            .step(key, &of_ada, "approve", "")
            .await
            .problem(403, "not-an-approver");
    }
    let of_shop = bench.created_by(&plain, "5000", "ACC-2").await;
    for key in [&plain, &succeeding] {
        bench
            .step(key, &of_shop, "approve", "")
            .await
            .problem(403, "not-an-approver");
    }
    let first = bench.step(&other, &of_shop, "approve", "").await;
    assert_eq!(first.json()["status"], "awaiting_approval", "one of two");
    let twice = bench
        .step(&ada, &of_shop, "approve", "")
        .await
        .problem(403, "not-an-approver");
    assert!(
        twice["detail"].as_str().unwrap().starts_with("You have approved"),
        "{twice}"
    );
}

#[tokio::test]
async fn owners_that_look_the_same_are_one_person_and_no_new_key_has_one() {
    let bench = bench(&[RULES]);
    let grace = bench.key_of("grace", "Grace Hopper").await;
    let alike = bench.key_of("grace-laptop", "grace  hopper").await;
    let ada = bench.key_of("ada", "Ada").await;
    let own = bench.created_by(&grace, "100", "ACC-1").await;
    let of_alike = bench.created_by(&alike, "100", "ACC-2").await;
    for (key, payout) in [(&alike, &own), (&grace, &of_alike)] {
        bench
            .step(key, payout, "approve", "")
            .await
            .problem(403, "not-an-approver");
    }
    let of_ada = bench.created_by(&ada, "5000", "ACC-3").await;
    assert_eq!(bench.step(&alike, &of_ada, "approve", "").await.status, 200);
    bench
        .step(&grace, &of_ada, "approve", "")
        .await
        .problem(403, "not-an-approver");

    for (number, owner) in ["Grace  Hopper", "Grace\u{a0}Hopper", "Grace\u{3000}Hopper"]
        .into_iter()
        .enumerate()
    {
        let body = json!({"name": format!("new-{number}"), "scopes": ["approve"], "owner": owner});
        let refused = bench
            .ask_with(&ada, Method::POST, "/api/keys/", &body.to_string())
            .await;
        let problem = refused.problem(400, "invalid-request");
        assert!(problem["errors"]["owner"][0].is_string(), "{owner:?}: {problem}");
    }
}

#[tokio::test]
async fn a_rejection_needs_a_reason_and_cancels() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let payout = bench.created_by(&ada, "100", "ACC-1").await;
    for body in ["", "{}", r#"{"reason": ""}"#, r#"{"reason": null}"#] {
        assert_eq!(
            bench.step(&bob, &payout, "reject", body).await.status,
            400,
            "{body}"
        );
    }
    let rejected = bench
        .step(&bob, &payout, "reject", r#"{"reason": "Paid in cash."}"#)
        .await;
    assert_eq!(rejected.json()["status"], "cancelled");
    let path = format!("/api/payouts/{}/events/", payout["id"].as_str().unwrap());
    let events = bench.ask_with(&bob, Method::GET, &path, "").await.json();
    let last = events["results"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["event"], &last["detail"]),
        (&json!("rejected"), &json!("Paid in cash."))
    );
    let reason = r#"{"reason": "Again."}"#;
    bench
        .step(&bob, &payout, "reject", reason)
        .await
        .problem(409, "illegal-step");
}

#[tokio::test]
async fn a_step_names_the_version_that_was_read() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let payout = bench.created_by(&ada, "100", "ACC-1").await;
    let path = format!("/api/payouts/{}/", payout["id"].as_str().unwrap());
    let edited = bench
        .ask_with(&ada, Method::PATCH, &path, r#"{"amount": "200"}"#)
        .await;
    assert_eq!(edited.json()["status"], "awaiting_approval");
    let bearer = format!("Bearer {}", bob.expose());
    let approve = format!("{path}approve/");
    let current = edited.header("etag").to_owned();
    for (etag, status) in [("\"1\"", 412), (current.as_str(), 200)] {
        let headers = [("authorization", bearer.as_str()), ("if-match", etag)];
        let reply = bench.send(Method::POST, &approve, &headers, "").await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

#[tokio::test]
async fn an_edit_voids_the_approvals_unless_nothing_changes_that_is_sent() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let payout = bench.created_by(&ada, "100", "ACC-1").await;
    bench.step(&bob, &payout, "approve", "").await;
    let path = format!("/api/payouts/{}/", payout["id"].as_str().unwrap());
    let noted = bench
        .ask_with(&ada, Method::PATCH, &path, r#"{"metadata": {"team": "sales"}}"#)
        .await;
    assert_eq!(noted.json()["status"], "pending");
    let edited = bench
        .ask_with(&ada, Method::PATCH, &path, r#"{"description": "Another"}"#)
        .await;
    assert_eq!(edited.json()["status"], "awaiting_approval");
    assert_eq!(edited.json()["approval"]["given"], json!([]));
    let lowered = bench
        .ask_with(&ada, Method::PATCH, &path, r#"{"amount": "50"}"#)
        .await;
    assert_eq!(lowered.json()["status"], "pending");
}

#[tokio::test]
async fn a_likely_duplicate_is_held_unless_the_request_allows_it() {
    let bench = bench(&["--duplicate-days=3"]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let first = bench.created_by(&ada, "10", "ACC-1").await;
    assert_eq!(first["status"], "pending");
    let second = bench.created_by(&bob, "10", "ACC-1").await;
    assert_eq!(second["status"], "awaiting_approval");
    assert_eq!(second["approval"]["reasons"], json!(["duplicate"]));
    assert_eq!(second["approval"]["duplicate_of"], first["id"]);
    let mut allowed = new_payout();
    allowed["amount"] = json!("10");
    allowed["recipient_account"] = json!("ACC-1");
    allowed["allow_duplicate"] = json!(true);
    let allowed = bench
        .ask_with(&ada, Method::POST, "/api/payouts/", &allowed.to_string())
        .await;
    assert_eq!(allowed.json()["status"], "pending");
    let path = format!("/api/payouts/{}/events/", allowed.json()["id"].as_str().unwrap());
    let events = bench.ask_with(&ada, Method::GET, &path, "").await.json();
    assert_eq!(events["results"][0]["detail"], "The request allows a duplicate.");
}

#[tokio::test]
async fn a_person_lists_what_is_left_to_approve() {
    let bench = bench(&[RULES]);
    let (ada, bob) = (bench.key_of("ada", "Ada").await, bench.key_of("bob", "Bob").await);
    let reader = bench.key("reader", [Scope::Read]).await;
    let payout = bench.created_by(&ada, "100", "ACC-1").await;
    bench.created_by(&ada, "5", "ACC-2").await;
    let listed = async |key: &Token, query: &str| {
        let path = format!("/api/payouts/?{query}");
        let page = bench.ask_with(key, Method::GET, &path, "").await.json();
        let ids = page["results"].as_array().unwrap().iter();
        ids.map(|payout| payout["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        listed(&ada, "status=awaiting_approval").await,
        [payout["id"].clone()]
    );
    assert_eq!(listed(&bob, "approvable=true").await, [payout["id"].clone()]);
    assert!(listed(&ada, "approvable=true").await.is_empty());
    let refused = bench
        .ask_with(&reader, Method::GET, "/api/payouts/?approvable=true", "")
        .await;
    refused.problem(403, "forbidden");
    bench.step(&bob, &payout, "approve", "").await;
    assert!(listed(&bob, "approvable=true").await.is_empty());
}

#[tokio::test]
async fn in_a_service_without_keys_nobody_can_approve() {
    let bench = bench(&[RULES]);
    let mut body = new_payout();
    body["amount"] = json!("100");
    let created = bench.write(Method::POST, "/api/payouts/", &[], &body).await;
    assert_eq!(created.json()["status"], "awaiting_approval");
    let approve = format!("{}approve/", created.header("location"));
    let refused = bench
        .send(Method::POST, &approve, &[], "")
        .await
        .problem(403, "not-an-approver");
    assert!(
        refused["detail"].as_str().unwrap().contains("no API keys"),
        "{refused}"
    );
}

#[tokio::test]
async fn without_rules_no_answer_tells_of_approvals() {
    let bench = bench(&[]);
    let (created, _) = bench.create().await;
    assert!(created.json().get("approval").is_none());
    assert_eq!(created.json()["status"], "pending");
}
