//! The fields of a payout beside its payment: reference, metadata, statement text, schedule and creator.

use payout_core::access::Scope;
use salvo::http::Method;
use serde_json::{Value, json};

use super::{Bench, Reply, new_payout};

/// Returns the body of a new payout with further fields.
fn with(fields: &Value) -> Value {
    let mut body = new_payout();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

impl Bench {
    async fn create_with(&self, fields: Value) -> Reply {
        self.write(Method::POST, "/api/payouts/", &[], &with(&fields))
            .await
    }

    /// Creates a payout with further fields, and returns its path.
    async fn created_with(&self, fields: Value) -> String {
        let reply = self.create_with(fields).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.header("location").to_owned()
    }

    async fn patch(&self, path: &str, body: Value) -> Reply {
        self.write(Method::PATCH, path, &[], &body).await
    }

    /// Returns the external ids of a list, in its order, from pages that follow each other's links.
    async fn listed(&self, query: &str) -> Vec<String> {
        let (mut listed, mut next) = (Vec::new(), format!("/api/payouts/?page_size=2&{query}"));
        loop {
            let reply = self.get(&next).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let page = reply.json();
            let ids = page["results"].as_array().unwrap().iter();
            listed.extend(ids.map(|payout| payout["external_id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(link) => link
                    .trim_start_matches("http://payouts.test")
                    .clone_into(&mut next),
                None => {
                    assert_eq!(page["count"], listed.len(), "{query}");
                    return listed;
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the service's clock is the system's")]
fn in_hours(hours: i64) -> String {
    let at = chrono::Utc::now() + chrono::TimeDelta::hours(hours);
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[tokio::test]
async fn every_field_is_stored_and_answered() {
    let bench = Bench::new();
    let at = in_hours(5);
    let fields = json!({
        "external_id": "salary-7",
        "metadata": {"team": "blue", "note": ""},
        "statement_text": "Salary 11/2026",
        "scheduled_at": at,
    });
    let created = bench.create_with(fields.clone()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let body = created.json();
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    assert_eq!(
        (&body["batch_id"], &body["status"]),
        (&Value::Null, &json!("pending"))
    );
    assert_eq!(bench.get(created.header("location")).await.json(), body);
    assert!(bench.claim().await.is_empty(), "not before its time");

    let plain = bench
        .create_with(
            json!({"external_id": null, "metadata": null, "statement_text": null, "scheduled_at": null}),
        )
        .await
        .json();
    assert_eq!(plain["metadata"], json!({}));
    for name in ["external_id", "statement_text", "scheduled_at", "batch_id"] {
        assert_eq!(plain[name], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn wrong_values_are_named_all_at_once() {
    let bench = Bench::new();
    let wrong = json!({
        "external_id": "a\nb",
        "metadata": {"a[b]": "1"},
        "statement_text": "Gehalt für März",
        "scheduled_at": "tomorrow",
        "created_by": "me",
        "batch_id": "x",
    });
    let problem = bench.create_with(wrong).await.problem(400, "invalid-request");
    for (name, message) in [
        ("external_id", "Control characters are not allowed."),
        ("metadata", "The name of an entry may not have square brackets."),
        (
            "statement_text",
            "Only letters without accents, digits, spaces and / - ? : ( ) . , ' + are allowed: U+00FC.",
        ),
        ("scheduled_at", "Use RFC 3339, such as 2026-11-24T09:30:00Z."),
        ("created_by", "This field is read-only."),
        ("batch_id", "This field is read-only."),
    ] {
        assert_eq!(problem["errors"][name], json!([message]), "{name}");
    }
    let far = json!({"scheduled_at": in_hours(367 * 24)});
    let problem = bench
        .create_with(far.clone())
        .await
        .problem(400, "invalid-request");
    let message = json!(["Ensure this time is at most 366 days ahead."]);
    assert_eq!(problem["errors"]["scheduled_at"], message);
    let path = bench.created_with(json!({})).await;
    let problem = bench.patch(&path, far).await.problem(400, "invalid-request");
    assert_eq!(problem["errors"]["scheduled_at"], message);
}

#[tokio::test]
async fn a_second_payout_under_an_external_id_is_refused_and_told_of_the_first() {
    let bench = Bench::new();
    let id = json!({"external_id": "salary-7"});
    let first = bench.created_with(id.clone()).await;
    for headers in [&[][..], &[("idempotency-key", "other")]] {
        let reply = bench
            .write(Method::POST, "/api/payouts/", headers, &with(&id))
            .await;
        let problem = reply.problem(409, "external-id-taken");
        assert!(
            first.contains(problem["payout_id"].as_str().unwrap()),
            "{problem}"
        );
        assert_eq!(problem["errors"]["external_id"].as_array().unwrap().len(), 1);
    }
    let other = bench.created_with(json!({})).await;
    let problem = bench
        .patch(&other, id.clone())
        .await
        .problem(409, "external-id-taken");
    assert!(
        first.contains(problem["payout_id"].as_str().unwrap()),
        "{problem}"
    );
    // The refused request has used up no key.
    let key = [("idempotency-key", "other")];
    let reply = bench
        .write(Method::POST, "/api/payouts/", &key, &new_payout())
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");

    assert_eq!(bench.send(Method::DELETE, &first, &[], "").await.status, 204);
    bench.created_with(id).await;
}

#[tokio::test]
async fn a_repeated_request_is_replayed_with_every_field() {
    let bench = Bench::new();
    let key = [("idempotency-key", "salary-7")];
    let body =
        with(&json!({"external_id": "salary-7", "metadata": {"team": "blue"}, "statement_text": "Salary"}));
    let first = bench.write(Method::POST, "/api/payouts/", &key, &body).await;
    let again = bench.write(Method::POST, "/api/payouts/", &key, &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.json(), first.json());
    let other =
        with(&json!({"external_id": "salary-7", "metadata": {"team": "red"}, "statement_text": "Salary"}));
    let reply = bench.write(Method::POST, "/api/payouts/", &key, &other).await;
    reply.problem(422, "key-reused");
}

#[tokio::test]
async fn metadata_are_edited_by_entry_at_any_time() {
    let bench = Bench::new();
    let path = bench
        .created_with(json!({"metadata": {"a": "1", "b": "2"}, "statement_text": "Salary"}))
        .await;
    let claims = bench.claim().await;
    assert_eq!(claims.len(), 1);
    let after = bench
        .patch(&path, json!({"metadata": {"a": "x", "b": null, "c": "3"}}))
        .await;
    assert_eq!(after.status, 200, "{after:?}");
    let body = after.json();
    assert_eq!(body["metadata"], json!({"a": "x", "c": "3"}));
    assert_eq!(
        (&body["status"], after.header("etag")),
        (&json!("processing"), "\"3\"")
    );
    let refused = bench
        .patch(&path, json!({"metadata": {"a": "y"}, "statement_text": "x"}))
        .await;
    refused.problem(409, "illegal-step");
    let stale = [("if-match", "\"2\"")];
    let reply = bench
        .write(Method::PATCH, &path, &stale, &json!({"metadata": {"a": "y"}}))
        .await;
    reply.problem(412, "precondition-failed");
    let events = bench.get(&format!("{path}events/")).await.json();
    let kinds: Vec<&Value> = events["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"])
        .collect();
    assert_eq!(kinds, ["created", "claimed", "edited"]);

    let settled = claims.into_iter().map(|claim| {
        claim.settle(payout_core::attempt::Verdict::Completed {
            reference: payout_core::payout::ProviderReference::new("ref-1").unwrap(),
            recheck_in: None,
        })
    });
    bench
        .repository
        .settle(&settled.collect::<Vec<_>>())
        .await
        .unwrap();
    let after = bench.patch(&path, json!({"metadata": null})).await.json();
    assert_eq!(
        (&after["metadata"], &after["status"]),
        (&json!({}), &json!("completed"))
    );
    let too_many: serde_json::Map<String, Value> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    let problem = bench.patch(&path, json!({"metadata": too_many})).await;
    let problem = problem.problem(400, "invalid-request");
    assert_eq!(
        problem["errors"]["metadata"],
        json!(["Ensure this field has no more than 50 entries."])
    );
}

#[tokio::test]
async fn a_put_of_an_older_client_keeps_the_fields_that_it_does_not_know() {
    let bench = Bench::new();
    let at = in_hours(5);
    let fields = json!({
        "external_id": "salary-7", "metadata": {"team": "blue"}, "statement_text": "Salary", "scheduled_at": at,
    });
    let path = bench.created_with(fields.clone()).await;
    let mut body = new_payout();
    body["amount"] = json!("99.00");
    let after = bench.write(Method::PUT, &path, &[], &body).await.json();
    assert_eq!(after["amount"], "99.00");
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(after[name], *value, "{name}");
    }
    assert!(bench.claim().await.is_empty(), "still scheduled");
    body["metadata"] = json!({"level": "1"});
    body["scheduled_at"] = json!(null);
    body["statement_text"] = json!(null);
    let after = bench.write(Method::PUT, &path, &[], &body).await.json();
    assert_eq!(after["metadata"], json!({"level": "1"}), "replaced whole");
    assert_eq!(
        (&after["scheduled_at"], &after["statement_text"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(bench.claim().await.len(), 1, "due at once");
}

#[tokio::test]
async fn an_external_id_is_set_once() {
    let bench = Bench::new();
    let path = bench.created_with(json!({})).await;
    let set = bench.patch(&path, json!({"external_id": "salary-7"})).await;
    assert_eq!(
        (set.status, &set.json()["external_id"]),
        (200, &json!("salary-7"))
    );
    assert_eq!(
        bench
            .patch(&path, json!({"external_id": "salary-7"}))
            .await
            .status,
        200
    );
    for other in [json!("salary-8"), Value::Null] {
        let refused = bench.patch(&path, json!({"external_id": other})).await;
        refused.problem(409, "external-id-set");
    }
    // A key that may not read a payout learns nothing by guessing.
    let key = bench.key("writer", [Scope::Write]).await;
    for guess in ["salary-7", "salary-8"] {
        let body = json!({"external_id": guess}).to_string();
        let refused = bench.ask_with(&key, Method::PATCH, &path, &body).await;
        refused.problem(409, "external-id-set");
    }
}

#[tokio::test]
async fn lists_are_filtered_and_ordered_by_these_fields() {
    let bench = Bench::new();
    let at: Vec<String> = (0..6).map(|hour| in_hours(hour + 1)).collect();
    for (number, hour) in [3, 0, 4, 1, 2].into_iter().enumerate() {
        let team = if number % 2 == 0 { "blue & red" } else { "green" };
        let fields = json!({
            "external_id": format!("salary-{number}"),
            "metadata": {"team": team, "level": (number / 2).to_string()},
            "scheduled_at": at[hour],
        });
        bench.created_with(fields).await;
    }
    let mut plain = new_payout();
    plain["external_id"] = json!("plain");
    bench.write(Method::POST, "/api/payouts/", &[], &plain).await;

    let team = "metadata[team]=blue+%26+red&ordering=created_at";
    assert_eq!(bench.listed(team).await, ["salary-0", "salary-2", "salary-4"]);
    let both = "metadata%5Bteam%5D=blue%20%26%20red&metadata[level]=1";
    assert_eq!(bench.listed(both).await, ["salary-2"]);
    assert_eq!(bench.listed("metadata[team]=blue").await, Vec::<String>::new());
    assert_eq!(bench.listed("external_id=plain").await, ["plain"]);
    assert_eq!(
        bench.listed("ordering=scheduled_at").await,
        ["salary-1", "salary-3", "salary-4", "salary-0", "salary-2"],
        "only those with a schedule"
    );
    let latest = format!(
        "ordering=-scheduled_at&scheduled_after={}&scheduled_before={}",
        at[1].replace('+', "%2B"),
        at[4]
    );
    assert_eq!(bench.listed(&latest).await, ["salary-0", "salary-4", "salary-3"]);
    let nobody = "batch_id=0193a1b2-0000-7000-8000-000000000001";
    assert_eq!(bench.listed(nobody).await, Vec::<String>::new());

    for query in [
        "metadata[a%5Bb%5D]=1",
        "external_id=a%0Ab",
        "batch_id=x",
        "scheduled_after=soon",
        "created_by=a%0Ab",
        "metadata[]=1",
        "metadata[a]=1&metadata[a]=2",
    ] {
        let reply = bench.get(&format!("/api/payouts/?{query}")).await;
        reply.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_the_filters_of_its_list() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.created_with(json!({"metadata": {"team": "blue"}})).await;
    }
    let page = bench
        .get("/api/payouts/?page_size=1&metadata[team]=blue")
        .await
        .json();
    let next = page["next"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://payouts.test");
    assert_eq!(bench.get(next).await.status, 200, "{next}");
    let other = next.replace("=blue", "=green");
    assert_ne!(other, next);
    bench.get(&other).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_payout_names_the_key_that_created_it() {
    let bench = Bench::new();
    let (payroll, shop) = (
        bench.key("payroll", [Scope::Read, Scope::Write]).await,
        bench.key("shop", [Scope::Read, Scope::Write]).await,
    );
    let body = with(&json!({"external_id": "salary-7"})).to_string();
    let created = bench
        .ask_with(&payroll, Method::POST, "/api/payouts/", &body)
        .await;
    assert_eq!(created.json()["created_by"], "payroll");
    let path = created.header("location").to_owned();
    let edited = bench
        .ask_with(&shop, Method::PATCH, &path, r#"{"metadata": {"a": "1"}}"#)
        .await;
    assert_eq!(
        edited.json()["created_by"],
        "payroll",
        "and not the last to change it"
    );
    for (name, count) in [("payroll", 1), ("shop", 0)] {
        let query = format!("/api/payouts/?created_by={name}");
        let list = bench.ask_with(&shop, Method::GET, &query, "").await.json();
        assert_eq!(list["count"], count, "{name}");
    }
}
