//! Access control, on every route.

use payout_core::access::Scope;
use serde_json::Value;

use super::*;

/// Returns every operation of the document: its method, a path to nothing, and the scopes, one of which is required.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let mut found = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let path = path
            .replace("{id}", "01a20cf8-b758-773a-beeb-06fc8801f3e5")
            .replace("{name}", "nobody");
        for (method, operation) in item.as_object().unwrap() {
            let scopes = operation["security"].as_array().into_iter().flatten();
            let scopes = scopes.map(|one| one["api_key"][0].as_str().unwrap().to_owned());
            found.push((
                method.to_uppercase().parse().unwrap(),
                path.clone(),
                scopes.collect(),
            ));
        }
    }
    found
}

fn is_open(path: &str) -> bool {
    ["/", "/api/", "/health/live", "/health/ready", "/api/schema/"].contains(&path)
}

/// Returns whether a path takes a signature in place of an API key.
fn is_signed(path: &str) -> bool {
    path.ends_with("/notifications/")
}

#[tokio::test]
async fn without_a_key_nothing_but_health_and_the_document_is_open() {
    let bench = Bench::new();
    bench.key("somebody", [Scope::Read]).await;
    for (method, path, scopes) in operations() {
        let reply = bench.send(method.clone(), &path, &[], "").await;
        assert_eq!(
            scopes.is_empty(),
            is_open(&path) || is_signed(&path),
            "{method} {path}"
        );
        if is_signed(&path) {
            // No provider has this name, and a service says so to everybody.
            reply.problem(404, "not-found");
            continue;
        }
        if is_open(&path) {
            assert_eq!(reply.status, 200, "{method} {path}");
            continue;
        }
        reply.problem(401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"payout\"");
    }
}

#[tokio::test]
async fn every_route_is_opened_by_its_scopes_and_closed_to_all_others_together() {
    let bench = Bench::new();
    for scope in Scope::ALL.iter().copied() {
        let only = bench.key(&format!("only-{scope}"), [scope]).await;
        let others = bench
            .key(
                &format!("all-but-{scope}"),
                // `admin`, which includes every other scope.
                Scope::ALL
                    .iter()
                    .copied()
                    .filter(|other| *other != scope && *other != Scope::Admin),
            )
            .await;
        for (method, path, scopes) in operations() {
            let what = format!("{scope}: {method} {path}");
            let named = scopes.iter().any(|name| name == scope.as_str());
            let opens = scopes.is_empty() || named || scope == Scope::Admin;
            let reply = bench.ask_with(&only, method.clone(), &path, "").await;
            assert_eq!(![401, 403].contains(&reply.status), opens, "{what}: {reply:?}");
            if !opens {
                reply.problem(403, "forbidden");
                let challenge = reply.header("www-authenticate");
                assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
                assert!(
                    challenge.contains(&format!("scope=\"{}\"", scopes.join(" "))),
                    "{challenge}"
                );
            }
            let needs_it = scopes == [scope.as_str()] || scopes == [Scope::Admin.as_str()];
            let reply = bench.ask_with(&others, method.clone(), &path, "").await;
            assert_eq!(reply.status == 403, needs_it, "all but {what}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_status_needs_operate_and_every_other_field_write() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let read = bench.key("reads", [Scope::Read, Scope::Reveal]).await;
    let admin = bench.key("admin", [Scope::Admin]).await;
    let write = bench.key("writes", [Scope::Write]).await;
    let operate = bench.key("operates", [Scope::Operate]).await;
    let both = bench.key("does-both", [Scope::Write, Scope::Operate]).await;
    let field = r#"{"description": "x"}"#;
    let status = r#"{"status": "cancelled"}"#;
    let same_status = r#"{"status": "pending"}"#;
    let two = r#"{"description": "x", "status": "pending"}"#;
    for (token, body, passes) in [
        (&read, field, false),
        (&read, status, false),
        (&write, field, true),
        (&write, status, false),
        (&write, same_status, false),
        (&write, two, false),
        (&operate, field, false),
        (&operate, "{}", false),
        (&operate, two, false),
        (&operate, same_status, true),
        (&both, two, true),
        (&admin, two, true),
        (&operate, status, true),
    ] {
        let reply = bench.ask_with(token, Method::PATCH, &path, body).await;
        assert_eq!(reply.status == 200, passes, "{body}: {reply:?}");
        assert_eq!(reply.status == 403, !passes, "{body}: {reply:?}");
    }
    let whole = json!({
        "amount": "125.50", "currency": "EUR", "recipient_account": "a", "recipient_name": "n", "status": "cancelled",
    });
    for token in [&write, &operate] {
        let reply = bench
            .ask_with(token, Method::PUT, &path, &whole.to_string())
            .await;
        reply.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn admin_alone_pays_and_sees_all_and_is_listed_as_it_was_made() {
    let bench = Bench::new();
    let admin = bench.key("admin", [Scope::Admin]).await;
    let body = new_payout().to_string();
    let made = bench.ask_with(&admin, Method::POST, "/api/payouts/", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        made.json()["recipient_account"],
        new_payout()["recipient_account"]
    );
    let searched = bench
        .ask_with(&admin, Method::GET, "/api/payouts/?search=Ada", "")
        .await;
    assert_eq!(searched.json()["count"], 1, "{searched:?}");
    let cancel = format!("{}cancel/", made.header("location"));
    assert_eq!(
        bench.ask_with(&admin, Method::POST, &cancel, "").await.status,
        200
    );
    assert_eq!(
        bench.ask_with(&admin, Method::GET, "/metrics", "").await.status,
        200
    );
    let listed = bench.ask_with(&admin, Method::GET, "/api/keys/", "").await.json();
    assert_eq!(listed["results"][0]["scopes"], json!(["admin"]));
}

#[tokio::test]
async fn without_keys_nothing_but_health_is_answered_through_a_proxy() {
    let bench = Bench::new();
    let proxied = |name: &'static str| [(name, "8.8.8.8"), ("content-type", "application/json")];
    for (method, path, _) in operations() {
        for header in [
            "x-forwarded-for",
            "forwarded",
            "via",
            "x-real-ip",
            "x-forwarded-proto",
        ] {
            let reply = bench.send(method.clone(), &path, &proxied(header), "").await;
            if path.starts_with("/health/") {
                assert_eq!(reply.status, 200, "{method} {path}");
                continue;
            }
            // A provider's notifications come through a proxy more often than not.
            if is_signed(&path) {
                reply.problem(404, "not-found");
                continue;
            }
            let problem = reply.problem(403, "forbidden");
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.contains(header) && detail.contains("payout keys create"),
                "{detail}"
            );
        }
    }
    for page in ["/api/docs/", "/api/redoc/"] {
        bench
            .send(Method::GET, page, &proxied("via"), "")
            .await
            .problem(403, "forbidden");
        assert_eq!(bench.get(page).await.status, 200);
    }
    let key = bench.key("first", [Scope::Admin]).await;
    let bearer = format!("Bearer {}", key.expose());
    let headers = [("x-forwarded-for", "8.8.8.8"), ("authorization", bearer.as_str())];
    let reply = bench.send(Method::GET, "/api/payouts/", &headers, "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    bench
        .send(Method::GET, "/api/payouts/", &proxied("x-forwarded-for"), "")
        .await
        .problem(401, "unauthorized");
    for open in ["/api/docs/", "/api/schema/"] {
        let reply = bench
            .send(Method::GET, open, &proxied("x-forwarded-for"), "")
            .await;
        assert_eq!(reply.status, 200, "{open}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_in_the_same_words_whatever_it_is() {
    let bench = Bench::new();
    let token = bench.key("somebody", Scope::ALL.iter().copied()).await;
    let revoked = bench.key("gone", Scope::ALL.iter().copied()).await;
    bench
        .app_state
        .keys
        .revoke(&KeyName::new("gone").unwrap())
        .await
        .unwrap();
    bench.app_state.authenticator.keyring.refresh().await.unwrap();
    let mut bodies = Vec::new();
    for value in [
        format!("Bearer payout_{}", "0".repeat(64)),
        format!("Bearer {}", revoked.expose()),
        format!("Basic {}", token.expose()),
        format!("Bearer {}x", token.expose()),
        format!("Bearer {}", token.expose().to_uppercase()),
        token.expose().to_owned(),
        "Bearer".to_owned(),
        "Bearer ' OR 1=1 --".to_owned(),
    ] {
        let reply = bench
            .send(Method::GET, "/api/payouts/", &[("authorization", &value)], "")
            .await;
        let mut body: Value = reply.problem(401, "unauthorized");
        assert!(
            reply
                .header("www-authenticate")
                .contains("error=\"invalid_token\"")
        );
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test]
async fn the_audit_trail_names_the_key() {
    let bench = Bench::new();
    let token = bench.key("billing", [Scope::Write, Scope::Read]).await;
    let reply = bench
        .ask_with(&token, Method::POST, "/api/payouts/", &new_payout().to_string())
        .await;
    let path = format!("{}events/", reply.header("location"));
    let events = bench.ask_with(&token, Method::GET, &path, "").await.json();
    assert_eq!(events["results"][0]["actor"], "billing");
    assert_eq!(events["results"][0]["request_id"], reply.header("x-request-id"));
}

#[tokio::test]
async fn before_the_keys_are_known_nobody_is_let_in() {
    let bench = Bench::closed(Arc::new(MemoryRepository::new(Arc::new(System::default()))));
    for (method, path, scopes) in operations() {
        let reply = bench.send(method.clone(), &path, &[], "").await;
        if !scopes.is_empty() {
            reply.problem(503, "unavailable");
        }
    }
}

#[tokio::test]
async fn keys_are_made_listed_rotated_and_revoked_over_http() {
    let bench = Bench::new();
    let admin = bench.key("admin", [Scope::Admin]).await;
    let body = json!({"name": "till", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"}).to_string();
    let made = bench.ask_with(&admin, Method::POST, "/api/keys/", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let first = made.json()["token"].as_str().unwrap().to_owned();
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        bench
            .send(Method::GET, "/api/payouts/", &headers, "")
            .await
            .status
    };
    assert_eq!(ask(&first).await, 200, "this process knows it at once");
    bench
        .ask_with(&admin, Method::POST, "/api/keys/", &body)
        .await
        .problem(409, "name-taken");

    let rotated = bench
        .ask_with(&admin, Method::POST, "/api/keys/till/rotate/", "")
        .await;
    let second = rotated.json()["token"].as_str().unwrap().to_owned();
    assert_eq!((ask(&first).await, ask(&second).await), (401, 200));
    let overlap = r#"{"overlap_seconds": 60}"#;
    let rotated = bench
        .ask_with(&admin, Method::POST, "/api/keys/till/rotate/", overlap)
        .await;
    let third = rotated.json()["token"].as_str().unwrap().to_owned();
    assert_eq!((ask(&second).await, ask(&third).await), (200, 200));
    let until = rotated.json()["key"]["previous_secret_until"].clone();
    assert!(until.is_string(), "{rotated:?}");

    let listed = bench.ask_with(&admin, Method::GET, "/api/keys/", "").await;
    let names: Vec<_> = listed.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["name"].clone())
        .collect();
    assert_eq!(names, ["admin", "till"]);
    let keys = &listed.json()["results"];
    assert_eq!(keys[1]["previous_secret_until"], until);
    assert_eq!(keys[0]["previous_secret_until"], Value::Null);
    for token in [&first, &second, &third] {
        assert!(!listed.text.contains(token.as_str()), "a list has no secrets");
    }

    let revoked = bench
        .ask_with(&admin, Method::POST, "/api/keys/till/revoke/", "")
        .await;
    assert!(revoked.json()["revoked_at"].is_string(), "{revoked:?}");
    assert_eq!(revoked.json()["previous_secret_until"], Value::Null);
    assert_eq!((ask(&second).await, ask(&third).await), (401, 401));
    bench
        .ask_with(&admin, Method::POST, "/api/keys/till/rotate/", "")
        .await
        .problem(409, "key-dead");
    for path in [
        "/api/keys/nobody/revoke/",
        "/api/keys/nobody/rotate/",
        "/api/keys/a%20b/revoke/",
    ] {
        bench
            .ask_with(&admin, Method::POST, path, "")
            .await
            .problem(404, "not-found");
    }
    for name in ["restore", "Worker", "web-1-4711-0a1b2c"] {
        let own = json!({"name": name, "scopes": ["read"]}).to_string();
        let problem = bench
            .ask_with(&admin, Method::POST, "/api/keys/", &own)
            .await
            .problem(400, "invalid-request");
        assert_eq!(
            problem["errors"]["name"],
            json!(["This name is the service's own."])
        );
    }
    let past = json!({"name": "late", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}).to_string();
    let problem = bench
        .ask_with(&admin, Method::POST, "/api/keys/", &past)
        .await
        .problem(400, "invalid-request");
    assert!(problem["errors"]["expires_at"].is_array(), "{problem}");
}

#[tokio::test]
async fn two_keys_under_one_idempotency_key_never_see_each_others_answers() {
    let bench = Bench::new();
    let open = bench
        .write(
            Method::POST,
            "/api/payouts/",
            &[("idempotency-key", "order-6")],
            &new_payout(),
        )
        .await;
    let one = bench.key("one", [Scope::Write]).await;
    let other = bench.key("other", [Scope::Write]).await;
    let create_under = async |order: &str, token: &Token, payout: &Value| {
        let bearer = format!("Bearer {}", token.expose());
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", order)];
        bench.write(Method::POST, "/api/payouts/", &headers, payout).await
    };
    let create = async |token: &Token, payout: &Value| create_under("order-7", token, payout).await;
    let mut ids = vec![open.json()["id"].clone()];
    for token in [&one, &other] {
        let first = create(token, &new_payout()).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert!(!first.headers.contains_key("idempotent-replayed"));
        let again = create(token, &new_payout()).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.json()["id"], first.json()["id"]);
        ids.push(first.json()["id"].clone());
    }
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "{ids:?}"
    );
    let mut another = new_payout();
    another["amount"] = json!("1.00");
    create(&one, &another).await.problem(422, "key-reused");
    // An answer from before there were API keys is replayed to each of them.
    for token in [&one, &other] {
        let again = create_under("order-6", token, &new_payout()).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.json()["id"], ids[0]);
    }
}

#[tokio::test]
async fn a_key_in_the_address_is_not_looked_at() {
    let bench = Bench::new();
    let token = bench.key("somebody", Scope::ALL.iter().copied()).await;
    for name in ["api_key", "access_token", "key", "token", "authorization"] {
        let path = format!("/api/payouts/?{name}={}", token.expose());
        let reply = bench.get(&path).await;
        let problem = reply.problem(401, "unauthorized");
        assert!(!problem.to_string().contains(token.expose()));
    }
}
