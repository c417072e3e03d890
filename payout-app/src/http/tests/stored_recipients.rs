//! Stored recipients: their lives, their masks, and the payouts that are made from them.

use super::*;

fn iban() -> Value {
    json!({"type": "iban", "iban": "DE89370400440532013000", "name": "Ada Lovelace"})
}

/// Stores a recipient, and returns the answer and its path.
async fn store(bench: &Bench, body: Value) -> (Reply, String) {
    let reply = bench.write(Method::POST, "/api/recipients/", &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let path = reply.header("location").to_owned();
    (reply, path)
}

fn payout_to(id: &Value) -> Value {
    json!({"amount": "12.50", "currency": "EUR", "recipient_id": id})
}

#[tokio::test]
async fn a_recipient_is_stored_read_changed_and_archived() {
    let bench = Bench::new();
    let (reply, path) = store(&bench, json!({"external_id": "supplier-17", "recipient": iban()})).await;
    let stored = reply.json();
    assert_eq!(stored["recipient"], iban());
    assert_eq!(
        (&stored["external_id"], &stored["archived_at"]),
        (&json!("supplier-17"), &Value::Null)
    );
    let read = bench.get(&path).await;
    assert_eq!((read.status, read.json()), (200, stored.clone()));
    assert_eq!(read.header("etag"), "\"1\"");
    let known = bench
        .send(Method::GET, &path, &[("if-none-match", "\"1\"")], "")
        .await;
    assert_eq!(known.status, 304);

    let other = json!({"type": "account", "account": "ACC-1", "name": "Grace Hopper"});
    let changed = bench
        .write(
            Method::PATCH,
            &path,
            &[("if-match", "\"1\"")],
            &json!({"recipient": other}),
        )
        .await;
    assert_eq!((changed.status, &changed.json()["recipient"]), (200, &other));
    let stale = bench
        .write(
            Method::PATCH,
            &path,
            &[("if-match", "\"1\"")],
            &json!({"recipient": iban()}),
        )
        .await;
    stale.problem(412, "precondition-failed");
    let unchanged = bench
        .write(Method::PATCH, &path, &[], &json!({"recipient": other}))
        .await;
    assert_eq!(unchanged.header("etag"), "\"2\"");

    let archived = bench
        .send(Method::POST, &format!("{path}archive/"), &[], "")
        .await;
    assert_eq!((archived.status, archived.header("etag")), (200, "\"3\""));
    assert!(archived.json()["archived_at"].is_string());
    let again = bench
        .send(Method::POST, &format!("{path}archive/"), &[], "")
        .await;
    assert_eq!((again.status, again.json()), (200, archived.json()));
    bench
        .send(Method::DELETE, &path, &[], "")
        .await
        .problem(405, "method-not-allowed");
}

#[tokio::test]
async fn an_external_id_belongs_to_one_recipient_and_stays() {
    let bench = Bench::new();
    let (first, path) = store(&bench, json!({"external_id": "supplier-17", "recipient": iban()})).await;
    let second = json!({"external_id": "supplier-17", "recipient": iban()});
    let taken = bench.write(Method::POST, "/api/recipients/", &[], &second).await;
    let problem = taken.problem(409, "recipient-external-id-taken");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains(first.json()["id"].as_str().unwrap())
    );
    let other = bench
        .write(Method::PATCH, &path, &[], &json!({"external_id": "supplier-18"}))
        .await;
    assert!(other.problem(400, "invalid-request")["errors"]["external_id"][0].is_string());
    let found = bench.get("/api/recipients/?external_id=supplier-17").await.json();
    assert_eq!(found["results"], json!([first.json()]));
}

#[tokio::test]
async fn pages_follow_each_other() {
    let bench = Bench::new();
    for _ in 0..5 {
        store(&bench, json!({"recipient": iban()})).await;
    }
    let (mut path, mut seen) = ("/api/recipients/?page_size=2".to_owned(), Vec::new());
    loop {
        let page = bench.get(&path).await.json();
        seen.extend(
            page["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => path = next[next.find("/api/").unwrap()..].to_owned(),
            None => break,
        }
    }
    let distinct: std::collections::HashSet<_> = seen.iter().map(Value::to_string).collect();
    assert_eq!((seen.len(), distinct.len()), (5, 5));
    bench
        .get("/api/recipients/?cursor=x")
        .await
        .problem(400, "invalid-request");
}

#[tokio::test]
async fn without_reveal_a_recipient_is_masked_and_every_write_of_it_is_a_change() {
    let bench = Bench::new();
    let clerk = bench.key("clerk", [Scope::Read, Scope::Write]).await;
    let body = json!({"recipient": iban()}).to_string();
    let stored = bench
        .ask_with(&clerk, Method::POST, "/api/recipients/", &body)
        .await;
    let path = stored.header("location").to_owned();
    let shown = bench.ask_with(&clerk, Method::GET, &path, "").await;
    assert!(
        !shown.text.contains("DE89370400440532013000") && !shown.text.contains("Lovelace"),
        "{shown:?}"
    );
    let masked = json!({"recipient": shown.json()["recipient"]}).to_string();
    let same = bench.ask_with(&clerk, Method::PATCH, &path, &masked).await;
    assert_eq!(
        (same.status, same.header("etag")),
        (200, "\"1\""),
        "masks keep what is stored"
    );
    let guessed = bench.ask_with(&clerk, Method::PATCH, &path, &body).await;
    assert_eq!(
        (guessed.status, guessed.header("etag")),
        (200, "\"2\""),
        "no guess is confirmed"
    );

    let writer = bench.key("writer", [Scope::Write]).await;
    let receipt = bench.ask_with(&writer, Method::PATCH, &path, &body).await;
    assert_eq!(
        receipt.json().as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id"]
    );
}

#[tokio::test]
async fn every_mistake_is_named() {
    let bench = Bench::new();
    for (body, name) in [
        (json!({}), "recipient"),
        (
            json!({"recipient": {"type": "iban", "iban": "DE00", "name": "A"}}),
            "recipient.iban",
        ),
        (
            json!({"recipient": {"type": "account", "account": "••••3000", "name": "A"}}),
            "recipient.account",
        ),
        (json!({"recipient": iban(), "external_id": ""}), "external_id"),
        (json!({"recipient": iban(), "version": 1}), "version"),
    ] {
        let problem = bench.write(Method::POST, "/api/recipients/", &[], &body).await;
        let problem = problem.problem(400, "invalid-request");
        assert!(problem["errors"][name][0].is_string(), "{body}: {problem}");
    }
    let missing = "/api/recipients/01935d2c-7f3a-7bcd-8123-456789abcdef/";
    bench.get(missing).await.problem(404, "not-found");
    bench
        .write(Method::PATCH, missing, &[], &json!({}))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_payout_copies_a_stored_recipient_as_it_is_then() {
    let bench = Bench::new();
    let (stored, path) = store(&bench, json!({"recipient": iban()})).await;
    let id = stored.json()["id"].clone();
    let made = bench
        .write(Method::POST, "/api/payouts/", &[], &payout_to(&id))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let payout = made.json();
    assert_eq!((&payout["recipient"], &payout["recipient_id"]), (&iban(), &id));

    let other = json!({"type": "account", "account": "ACC-1", "name": "Grace Hopper"});
    bench
        .write(Method::PATCH, &path, &[], &json!({"recipient": other}))
        .await;
    let kept = bench.get(made.header("location")).await.json();
    assert_eq!(kept["recipient"], iban());
    let next = bench
        .write(Method::POST, "/api/payouts/", &[], &payout_to(&id))
        .await
        .json();
    assert_eq!(next["recipient"], other);
    bench.create().await;
    let list = bench
        .get(&format!("/api/payouts/?recipient_id={}", id.as_str().unwrap()))
        .await
        .json();
    assert_eq!(list["count"], 2);
    assert_eq!(list["results"], json!([next, kept]));

    let edited = json!({"recipient": iban()});
    let edited = bench
        .write(Method::PATCH, made.header("location"), &[], &edited)
        .await
        .json();
    assert_eq!(edited["recipient_id"], id, "the same recipient is still a copy");
    let edited = bench
        .write(
            Method::PATCH,
            made.header("location"),
            &[],
            &json!({"recipient": other}),
        )
        .await
        .json();
    assert_eq!(edited["recipient_id"], Value::Null);
}

#[tokio::test]
async fn a_repeated_request_gets_its_answer_whatever_became_of_the_recipient() {
    let bench = Bench::new();
    let (stored, path) = store(&bench, json!({"recipient": iban()})).await;
    let id = stored.json()["id"].clone();
    let key = [("idempotency-key", "order-7")];
    let first = bench
        .write(Method::POST, "/api/payouts/", &key, &payout_to(&id))
        .await;
    assert_eq!(first.status, 201, "{first:?}");
    let other = json!({"type": "account", "account": "ACC-1", "name": "Grace Hopper"});
    bench
        .write(Method::PATCH, &path, &[], &json!({"recipient": other}))
        .await;
    let repeated = bench
        .write(Method::POST, "/api/payouts/", &key, &payout_to(&id))
        .await;
    assert_eq!(
        (repeated.json(), repeated.header("idempotent-replayed")),
        (first.json(), "true")
    );

    bench
        .send(Method::POST, &format!("{path}archive/"), &[], "")
        .await;
    let repeated = bench
        .write(Method::POST, "/api/payouts/", &key, &payout_to(&id))
        .await;
    assert_eq!(
        (repeated.json(), repeated.header("idempotent-replayed")),
        (first.json(), "true")
    );
    for headers in [&[][..], &[("idempotency-key", "order-8")]] {
        let refused = bench
            .write(Method::POST, "/api/payouts/", headers, &payout_to(&id))
            .await;
        let problem = refused.problem(400, "invalid-request");
        assert!(problem["errors"]["recipient_id"][0].is_string(), "{problem}");
    }
    assert_eq!(bench.get("/api/payouts/").await.json()["count"], 1);
}

#[tokio::test]
async fn without_read_a_payout_made_from_a_stored_recipient_tells_nothing_of_it() {
    let bench = Bench::new();
    let (stored, path) = store(&bench, json!({"recipient": iban()})).await;
    let id = stored.json()["id"].clone();
    let full = bench.key("full", Scope::ALL.iter().copied()).await;
    let blind = [
        bench.key("writer", [Scope::Write]).await,
        bench.key("revealing", [Scope::Write, Scope::Reveal]).await,
    ];
    let mut body = payout_to(&id);
    body["description"] = json!("Invoice 7");
    body["metadata"] = json!({"team": "blue"});
    let create = async |token: &Token| {
        let bearer = format!("Bearer {}", token.expose());
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "order-7"),
        ];
        let reply = bench
            .send(Method::POST, "/api/payouts/", &headers, &body.to_string())
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply
    };
    let tells_nothing = |reply: &Reply| {
        for hidden in ["DE89", "••", "Ada", "iban", "\"recipient\"", "recipient_name"] {
            assert!(!reply.text.contains(hidden), "{hidden} in {reply:?}");
        }
        let answer = reply.json();
        assert_eq!(answer["recipient_id"], id);
        for sent in ["description", "metadata", "currency"] {
            assert_eq!(answer[sent], body[sent]);
        }
    };
    for token in &blind {
        for replayed in [false, true] {
            let reply = create(token).await;
            assert_eq!(reply.headers.contains_key("idempotent-replayed"), replayed);
            tells_nothing(&reply);
        }
    }
    let seen = create(&full).await.json();
    assert_eq!(seen["recipient"], iban());

    let archived = bench
        .ask_with(&full, Method::POST, &format!("{path}archive/"), "")
        .await;
    assert_eq!(archived.status, 200);
    for token in &blind {
        tells_nothing(&create(token).await);
        let made = create(token).await.header("location").to_owned();
        let edit = json!({"description": "Invoice 8"}).to_string();
        let edited = bench.ask_with(token, Method::PATCH, &made, &edit).await.json();
        assert_eq!(
            edited.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["id", "status"]
        );
    }
    // What the key has sent itself it gets back.
    let own = bench
        .ask_with(
            &blind[1],
            Method::POST,
            "/api/payouts/",
            &new_payout().to_string(),
        )
        .await;
    assert_eq!(own.json()["recipient_account"], "DE89370400440532013000");
}

#[tokio::test]
async fn a_payout_names_a_stored_recipient_or_has_one_of_its_own() {
    let bench = Bench::new();
    let (stored, _) = store(&bench, json!({"recipient": iban()})).await;
    let mut both = payout_to(&stored.json()["id"]);
    both["recipient"] = iban();
    let unknown = payout_to(&json!("01935d2c-7f3a-7bcd-8123-456789abcdef"));
    for (body, name) in [
        (both, "recipient"),
        (unknown, "recipient_id"),
        (payout_to(&json!("x")), "recipient_id"),
        (payout_to(&Value::Null), "recipient_id"),
    ] {
        let problem = bench.write(Method::POST, "/api/payouts/", &[], &body).await;
        let problem = problem.problem(400, "invalid-request");
        assert!(problem["errors"][name][0].is_string(), "{body}: {problem}");
    }
}
