//! API keys, tested as an attacker would: requests without a key, with a wrong key, and with a key that lacks the
//! scope.

use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::{Clock, System};
use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::ports::free_port;
use payout_tests::raw;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend, serving};

on_each_backend!(
    without_a_key_every_route_but_the_open_ones_is_refused,
    a_key_opens_the_routes_of_its_scopes_and_no_other,
    the_first_key_may_be_of_admin_alone,
    while_unlocked_nothing_comes_through_a_proxy,
    a_list_says_until_when_an_old_secret_works,
    what_is_no_key_is_refused,
    a_key_in_the_address_is_neither_accepted_nor_logged,
    the_first_key_locks_an_open_service_within_seconds,
    a_key_revoked_by_one_process_is_refused_by_another_within_seconds,
    an_expired_key_is_refused,
    a_rotated_key_has_another_secret_and_the_same_idempotency_keys,
    one_idempotency_key_of_two_api_keys_is_two,
    the_trail_names_the_key_the_request_and_the_reason,
    a_use_is_noted,
    keys_are_listed_and_their_secrets_are_in_no_row,
    bound_elsewhere_without_a_key_it_does_not_start,
    another_secret_makes_keys_worthless,
);

const ALL: [&str; 6] = ["read", "write", "operate", "reveal", "approve", "admin"];
/// The time within which one process must learn of another's change.
const SECONDS: Duration = Duration::from_secs(10);

/// Starts a locked service.
async fn locked(backend: Backend) -> (App, String) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let token = launch.make_key("first", &ALL.join(",")).await;
    (launch.serve().await, token)
}

/// Returns every operation in the document: method, a path to nothing, and the scopes that open it.
fn operations(app: &App) -> Vec<(String, String, Vec<String>)> {
    let operations = app.document().operations();
    let operations = operations.into_iter().map(|(path, method)| {
        let scopes = app.document().scopes(&path, &method);
        let path = path
            .replace("{id}", "01a20cf8-b758-773a-beeb-06fc8801f3e5")
            .replace("{name}", "nobody")
            .replace("{number}", "1");
        (method.to_uppercase(), path, scopes)
    });
    operations.collect()
}

fn is_open(path: &str) -> bool {
    ["/", "/api/", "/health/live", "/health/ready", "/api/schema/"].contains(&path) || is_signed(path)
}

/// A provider's notification is open to its signature: without a provider of that name there is nothing at the path.
fn is_signed(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/notifications")
}

async fn without_a_key_every_route_but_the_open_ones_is_refused(backend: Backend) {
    let (app, _) = locked(backend).await;
    for (method, path, scopes) in operations(&app) {
        assert_eq!(
            scopes.is_empty(),
            is_open(&path),
            "{method} {path} asks for no scope"
        );
        let bare = path.trim_end_matches('/');
        let paged = format!("{path}?page_size=1");
        let forms = [path.as_str(), bare, paged.as_str()];
        // Operations without scopes do not accept this parameter, and the root path has no form without its slash.
        let asked = forms
            .into_iter()
            .filter(|form| !form.is_empty() && (!scopes.is_empty() || *form != paged));
        for path in asked {
            let reply = app.call(&method, path).json(payout()).await;
            if scopes.is_empty() {
                let expected = if is_signed(path) { 404 } else { 200 };
                assert_eq!(reply.status, expected, "{reply}");
            } else {
                assert_eq!(
                    reply.problem(401).kind,
                    "urn:payout:problem:unauthorized",
                    "{reply}"
                );
                assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"payout\""));
            }
        }
        if method == "GET" && !scopes.is_empty() {
            let _ = app.call("HEAD", &path).await.expect(401);
        }
    }
    for page in ["/api/docs/", "/api/redoc/"] {
        let _ = app.get(page).await.expect(200);
    }
}

async fn a_key_opens_the_routes_of_its_scopes_and_no_other(backend: Backend) {
    let (app, admin) = locked(backend).await;
    for scope in ALL {
        // Except `admin`, which includes all scopes.
        let others: Vec<_> = ALL
            .into_iter()
            .filter(|other| *other != scope && *other != "admin")
            .collect();
        let only = make(&app, &admin, &format!("only-{scope}"), &[scope]).await;
        let others = make(&app, &admin, &format!("all-but-{scope}"), &others).await;
        // An open stream has no end.
        let ended = operations(&app)
            .into_iter()
            .filter(|(_, path, _)| !path.ends_with("/stream/"));
        for (method, path, scopes) in ended {
            let named = scopes.iter().any(|name| name == scope);
            let opens = scopes.is_empty() || named || scope == "admin";
            let reply = app.call(&method, &path).key(&only).await;
            assert_eq!(reply.status != 403, opens, "{scope} alone: {reply}");
            assert_ne!(reply.status, 401, "{reply}");
            if !opens {
                assert_eq!(reply.problem(403).kind, "urn:payout:problem:forbidden");
            }
            let reply = app.call(&method, &path).key(&others).await;
            let needs_it = scopes == [scope] || scopes == ["admin"];
            assert_eq!(reply.status == 403, needs_it, "all but {scope}: {reply}");
        }
    }
    // A step can be hidden in a field of an edit.
    let write = make(&app, &admin, "writes", &["write"]).await;
    let created = app
        .post(PAYOUTS)
        .key(&write)
        .json(payout())
        .await
        .expect(201)
        .json();
    let path = path_of(&created);
    app.patch(&path)
        .key(&write)
        .json(json!({"status": "cancelled"}))
        .await
        .problem(403);
    let _ = app
        .patch(&path)
        .key(&write)
        .json(json!({"description": "x"}))
        .await
        .expect(200);
}

/// As `.env.example` says, no client is locked out, and the list shows the scopes with which the key was made.
async fn the_first_key_may_be_of_admin_alone(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let token = launch.make_key("admin", "admin").await;
    let app = launch.serve().await;
    let body = payout();
    let created = app.post(PAYOUTS).key(&token).json(&body).await.expect(201).json();
    assert_eq!(created["recipient_account"], body["recipient_account"]);
    let path = path_of(&created);
    let _ = app.get(&path).key(&token).await.expect(200);
    let _ = app.get(&format!("{path}events/")).key(&token).await.expect(200);
    let _ = app.get("/metrics").key(&token).await.expect(200);
    let _ = app.post(&format!("{path}cancel/")).key(&token).await.expect(200);
    let listed = app.get("/api/keys/").key(&token).await.expect(200).json();
    assert_eq!(listed["results"][0]["scopes"], json!(["admin"]));
}

async fn while_unlocked_nothing_comes_through_a_proxy(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    for (name, value) in [
        ("X-Forwarded-For", "8.8.8.8"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("CF-Connecting-IP", "8.8.8.8"),
    ] {
        for target in [
            PAYOUTS,
            &path,
            "/api/keys/",
            "/metrics",
            "/api/docs/",
            "/api/schema/",
        ] {
            let refused = app.get(target).header(name, value).await.problem(403);
            assert_eq!(refused.kind, "urn:payout:problem:forbidden");
            assert!(
                refused.detail.contains(&name.to_lowercase()) && refused.detail.contains("keys create"),
                "{refused:?}"
            );
        }
        app.post(PAYOUTS)
            .header(name, value)
            .json(payout())
            .await
            .problem(403);
        let _ = app.get("/health/ready").header(name, value).await.expect(200);
    }
    // nginx with a bare `proxy_pass`: it adds no header, and sends HTTP/1.0 with the host that it is configured to
    // reach.
    let port = app.port();
    let bare = format!("GET {PAYOUTS} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let old = raw::send(port, bare.as_bytes()).await;
    assert_eq!(old.status, 403, "{old:?}");
    let refused = old.problem(PAYOUTS);
    assert!(refused.detail.contains("HTTP/1.0"), "{refused:?}");
    let _ = app.get(PAYOUTS).await.expect(200);

    let token = app.launch().make_key("first", "read").await;
    eventually("it is locked", SECONDS, async || {
        let reply = app.get(PAYOUTS).key(&token).header("x-forwarded-for", "8.8.8.8");
        (reply.await.status == 200).then_some(())
    })
    .await;
    let _ = app.get("/api/docs/").header("via", "1.1 proxy").await.expect(200);

    // PAYOUT_AUTH=off is for private networks: a proxy there must be named.
    let open = launch(backend).await.set("PAYOUT_AUTH", "off");
    let trusting = open.clone().set("PAYOUT_TRUSTED_PROXIES", "127.0.0.1");
    let of_proxy = async |app: &App| app.get(PAYOUTS).header("x-forwarded-for", "8.8.8.8").await;
    of_proxy(&open.serve().await).await.problem(403);
    let _ = of_proxy(&trusting.serve().await).await.expect(200);
    let home = launch(backend).await.set("PAYOUT_TRUSTED_PROXIES", "127.0.0.1");
    of_proxy(&home.serve().await).await.problem(403);
}

async fn a_list_says_until_when_an_old_secret_works(backend: Backend) {
    let (app, admin) = locked(backend).await;
    make(&app, &admin, "shop", &["write"]).await;
    let rotate = async |body: Value| {
        let rotated = app.post("/api/keys/shop/rotate/").key(&admin).json(body).await;
        rotated.expect(200).json()["key"]["previous_secret_until"].clone()
    };
    let listed = async || {
        let listed = app.get("/api/keys/").key(&admin).await.expect(200).json();
        listed["results"][1]["previous_secret_until"].clone()
    };
    assert_eq!(listed().await, Value::Null);
    let until = rotate(json!({"overlap_seconds": 3600})).await;
    assert_eq!(listed().await, until);
    let printed = app.launch().finish(&["keys", "list"]).await.printed();
    assert!(printed.contains("OLD SECRET WORKS UNTIL"), "{printed}");
    let seconds = &until.as_str().unwrap()[..19];
    assert!(printed.contains(&format!("{seconds}Z")), "{printed}");
    assert_eq!(rotate(json!({})).await, Value::Null);
    assert_eq!(listed().await, Value::Null);
    for name in ["restore", "worker"] {
        let refused = app
            .launch()
            .finish(&["keys", "create", name, "--scopes", "read"])
            .await;
        assert!(
            refused.log().contains("This name is the service's own"),
            "{}",
            refused.log()
        );
    }
}

/// Creates a key through the API.
async fn make(app: &App, admin: &str, name: &str, scopes: &[&str]) -> String {
    let body = json!({"name": name, "scopes": scopes});
    let made = app
        .post("/api/keys/")
        .key(admin)
        .json(body)
        .await
        .expect(201)
        .json();
    made["token"].as_str().unwrap().to_owned()
}

async fn what_is_no_key_is_refused(backend: Backend) {
    let (app, token) = locked(backend).await;
    let digits = token.strip_prefix("payout_").unwrap();
    let almost = match digits.as_bytes()[63] {
        b'0' => format!("{}1", &token[..70]),
        _ => format!("{}0", &token[..70]),
    };
    for value in [
        "",
        "Bearer",
        "Bearer ",
        &token,
        &format!("Basic {token}"),
        &format!("Bearer {digits}"),
        &format!("Bearer {token}0"),
        &format!("Bearer {almost}"),
        &format!("Bearer payout_{}", digits.to_uppercase()).replace("payout_", "payout_F"),
        &format!("Bearer {token} {token}"),
        &format!("Bearer {token}, Bearer {token}"),
        &format!("Bearer payout_{}", "0".repeat(64)),
        "Bearer ' OR '1'='1",
        "Bearer %00",
    ] {
        let reply = app.get(PAYOUTS).header("authorization", value).await;
        assert_eq!(
            reply.problem(401).kind,
            "urn:payout:problem:unauthorized",
            "{value:?}: {reply}"
        );
    }
    let twice = format!(
        "GET {PAYOUTS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    );
    assert_eq!(raw::send(app.port(), twice.as_bytes()).await.status, 401);
    for name in ["x-api-key", "proxy-authorization", "cookie"] {
        let reply = app.get(PAYOUTS).header(name, &format!("Bearer {token}")).await;
        reply.problem(401);
    }
    let _ = app.get(PAYOUTS).key(&token).await.expect(200);
    assert!(!app.log().contains(digits), "a key is logged");
}

async fn a_key_in_the_address_is_neither_accepted_nor_logged(backend: Backend) {
    let (app, token) = locked(backend).await;
    for name in ["api_key", "access_token", "token", "key", "Authorization"] {
        let reply = app.get(&format!("{PAYOUTS}?{name}={token}")).await;
        assert_eq!(reply.problem(401).kind, "urn:payout:problem:unauthorized");
        assert!(!reply.text().contains(&token), "{reply}");
    }
    let reply = app.get(&format!("{PAYOUTS}?page_size={token}")).key(&token).await;
    reply.problem(400);
    assert!(!app.log().contains(&token), "a key is logged");
}

async fn the_first_key_locks_an_open_service_within_seconds(backend: Backend) {
    let app = serving(backend).await;
    assert!(
        app.log().contains("open to every client on this host"),
        "{}",
        app.log()
    );
    let path = path_of(&app.create(payout()).await);
    let token = app.launch().make_key("first", "read,admin").await;
    eventually("it is locked", SECONDS, async || {
        (app.get(&path).await.status == 401).then_some(())
    })
    .await;
    let _ = app.get(&path).key(&token).await.expect(200);
    // Revoking the key does not open the service again.
    let _ = app.post("/api/keys/first/revoke/").key(&token).await.expect(200);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    app.get(&path).await.problem(401);
    app.get(&path).key(&token).await.problem(401);
    let again = app.launch().start(&["serve"]).ready().await;
    again.get(&path).await.problem(401);
}

async fn a_key_revoked_by_one_process_is_refused_by_another_within_seconds(backend: Backend) {
    let (one, admin) = locked(backend).await;
    let other = one.launch().start(&["serve"]).ready().await;
    let token = make(&one, &admin, "till", &["read"]).await;
    eventually("the other one knows the key", SECONDS, async || {
        (other.get(PAYOUTS).key(&token).await.status == 200).then_some(())
    })
    .await;
    let _ = one.post("/api/keys/till/revoke/").key(&admin).await.expect(200);
    one.get(PAYOUTS).key(&token).await.problem(401);
    eventually("the other one refuses it", SECONDS, async || {
        (other.get(PAYOUTS).key(&token).await.status == 401).then_some(())
    })
    .await;

    let cli = one.launch().make_key("shell", "read").await;
    for app in [&one, &other] {
        eventually("it knows a key of the command line", SECONDS, async || {
            (app.get(PAYOUTS).key(&cli).await.status == 200).then_some(())
        })
        .await;
    }
    one.launch().finish(&["keys", "revoke", "shell"]).await;
    for app in [&one, &other] {
        eventually("it hears of the revocation", SECONDS, async || {
            (app.get(PAYOUTS).key(&cli).await.status == 401).then_some(())
        })
        .await;
    }
}

async fn an_expired_key_is_refused(backend: Backend) {
    let (app, admin) = locked(backend).await;
    let soon = System::default().now() + Duration::from_millis(1_500);
    let body = json!({"name": "brief", "scopes": ["read"], "expires_at": soon.to_rfc3339()});
    let made = app
        .post("/api/keys/")
        .key(&admin)
        .json(body)
        .await
        .expect(201)
        .json();
    let token = made["token"].as_str().unwrap();
    let _ = app.get(PAYOUTS).key(token).await.expect(200);
    eventually("it expires", SECONDS, async || {
        (app.get(PAYOUTS).key(token).await.status == 401).then_some(())
    })
    .await;
}

async fn a_rotated_key_has_another_secret_and_the_same_idempotency_keys(backend: Backend) {
    let (app, admin) = locked(backend).await;
    let before = make(&app, &admin, "shop", &["write"]).await;
    let body = payout();
    let create = async |token: &str| {
        let call = app.post(PAYOUTS).key(token).header("idempotency-key", "order-7");
        call.json(&body).await
    };
    let first = create(&before).await.expect(201).json();
    let rotate = async |body: Value| {
        let rotated = app.post("/api/keys/shop/rotate/").key(&admin).json(body).await;
        rotated.expect(200).json()["token"].as_str().unwrap().to_owned()
    };
    let after = rotate(json!({"overlap_seconds": 60})).await;
    for token in [&before, &after] {
        let again = create(token).await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.json()["id"], first["id"]);
    }
    let last = rotate(json!({})).await;
    for (token, status) in [(&before, 401), (&after, 401), (&last, 201)] {
        assert_eq!(create(token).await.status, status);
    }
}

async fn one_idempotency_key_of_two_api_keys_is_two(backend: Backend) {
    let app = serving(backend).await;
    let (key, body) = ("k".repeat(255), payout());
    let tokens = [
        app.launch().make_key("one", "write,read").await,
        app.launch().make_key("other", "write,read").await,
    ];
    eventually("both are known", SECONDS, async || {
        let second = app.get(PAYOUTS).key(&tokens[1]).await;
        (app.get(PAYOUTS).await.status == 401 && second.status == 200).then_some(())
    })
    .await;
    let mut ids = Vec::new();
    for token in &tokens {
        let create = async || {
            let call = app.post(PAYOUTS).key(token).header("idempotency-key", &key);
            call.json(&body).await.expect(201)
        };
        let first = create().await;
        assert_eq!(
            first.header("idempotent-replayed"),
            None,
            "another's answer: {first}"
        );
        assert_eq!(create().await.header("idempotent-replayed"), Some("true"));
        ids.push(first.json()["id"].clone());
    }
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 2, "each has a payout of its own");
}

async fn the_trail_names_the_key_the_request_and_the_reason(backend: Backend) {
    let (app, admin) = locked(backend).await;
    let shop = make(&app, &admin, "shop", &["write"]).await;
    let desk = make(&app, &admin, "desk", &["operate", "read"]).await;
    let created = app
        .post(PAYOUTS)
        .key(&shop)
        .header("x-request-id", "req-1")
        .json(payout())
        .await;
    let path = path_of(&created.expect(201).json());
    let cancel = app
        .post(&format!("{path}cancel/"))
        .key(&desk)
        .header("x-request-id", "req-2");
    let _ = cancel.json(json!({"reason": "ordered twice"})).await.expect(200);
    let trail = app
        .get(&format!("{path}events/"))
        .key(&desk)
        .await
        .expect(200)
        .json();
    let said = |number: usize, name: &str| trail["results"][number][name].clone();
    assert_eq!(
        [said(0, "actor"), said(0, "request_id"), said(0, "detail")],
        [json!("shop"), json!("req-1"), Value::Null]
    );
    assert_eq!(
        [said(1, "actor"), said(1, "request_id"), said(1, "detail")],
        [json!("desk"), json!("req-2"), json!("ordered twice")]
    );
}

async fn a_use_is_noted(backend: Backend) {
    let (app, admin) = locked(backend).await;
    let token = make(&app, &admin, "till", &["read"]).await;
    let _ = app.get(PAYOUTS).key(&token).await.expect(200);
    eventually("the use is noted", SECONDS, async || {
        let listed = app.get("/api/keys/").key(&admin).await.expect(200).json();
        let till = listed["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["name"] == "till")?
            .clone();
        till["last_used_at"].is_string().then_some(())
    })
    .await;
}

async fn keys_are_listed_and_their_secrets_are_in_no_row(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let token = launch.make_key("billing", "read,write").await;
    let listed = launch.finish(&["keys", "list"]).await.printed();
    assert!(
        listed.contains("billing") && listed.contains("read write") && listed.contains("live"),
        "{listed}"
    );
    assert!(!listed.contains(&token));
    let hex = token.trim_start_matches("payout_").to_owned();
    let count = match backend {
        Backend::Sqlite => format!(
            "SELECT count(*) FROM api_keys WHERE lower(hex(digest)) = '{hex}' OR CAST(digest AS TEXT) LIKE '%{hex}%'"
        ),
        Backend::Postgres => format!("SELECT count(*) FROM api_keys WHERE encode(digest, 'hex') = '{hex}'"),
    };
    assert_eq!(
        launch.store().number(count).await,
        0,
        "the secret itself is stored"
    );

    let refused = launch
        .finish(&["keys", "create", "billing", "--scopes", "read"])
        .await;
    assert!(
        refused.log().contains("there is, or was, a key of this name"),
        "{}",
        refused.log()
    );
    assert_eq!(refused.printed(), "");
    let refused = launch.finish(&["keys", "revoke", "nobody"]).await;
    assert!(
        refused.log().contains("there is no key of this name"),
        "{}",
        refused.log()
    );
}

/// Binds the service where another host could reach it; the test reaches it on loopback.
fn everywhere(launch: &Launch) -> (Launch, u16) {
    let port = free_port();
    let launch = launch.clone().set("PAYOUT_BIND", format!("0.0.0.0:{port}"));
    // PostgreSQL requires encryption as soon as other hosts can reach the service.
    (launch.set("PAYOUT_ENCRYPTION_KEYS", crate::encryption::OLD), port)
}

async fn bound_elsewhere_without_a_key_it_does_not_start(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    for command in ["serve", "run"] {
        let (launch, _) = everywhere(&launch);
        let mut process = launch.spawn(&[command]);
        let status = process.end_within(SOON).await;
        assert_eq!(status.code(), Some(1), "{}", process.log());
        let said = process.log();
        assert!(
            said.contains("payout: PAYOUT_BIND: 0.0.0.0:") && said.contains("payout keys create"),
            "{said}"
        );
    }
    let status = async |port: u16, host: &str, token: Option<&str>| {
        let bearer = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!("GET {PAYOUTS} HTTP/1.1\r\nHost: {host}\r\n{bearer}Connection: close\r\n\r\n");
        raw::send(port, head.as_bytes()).await.status
    };
    let (open, port) = everywhere(&launch);
    let _process = open.set("PAYOUT_AUTH", "off").spawn(&["serve"]);
    until_it_listens(port).await;
    eventually("it is open", SOON, async || {
        (status(port, "payouts.example", None).await == 200).then_some(())
    })
    .await;
    let token = launch.make_key("first", "read").await;
    let (locked, second) = everywhere(&launch);
    let _other = locked.spawn(&["serve"]);
    until_it_listens(second).await;
    for port in [port, second] {
        eventually("it is locked, whatever PAYOUT_AUTH says", SECONDS, async || {
            (status(port, "payouts.example", None).await == 401).then_some(())
        })
        .await;
        assert_eq!(status(port, "payouts.example", Some(&token)).await, 200);
    }
}

async fn until_it_listens(port: u16) {
    eventually("it listens", SOON, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

async fn another_secret_makes_keys_worthless(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let secret = launch.store().folder().join("key-secret");
    std::fs::write(&secret, "a secret of thirty-two characters, or more\n").unwrap();
    let secret = secret.display().to_string();
    let with_secret = launch.clone().set("PAYOUT_KEY_SECRET_FILE", secret);
    let token = with_secret.make_key("first", "read").await;
    let app = with_secret.start(&["serve"]).ready().await;
    let _ = app.get(PAYOUTS).key(&token).await.expect(200);
    let other = launch.start(&["serve"]).ready().await;
    other.get(PAYOUTS).key(&token).await.problem(401);
    assert!(
        other.log().contains("made under another key secret"),
        "{}",
        other.log()
    );
}

/// Requests that a web page can make a browser send to this host.
#[tokio::test]
async fn without_a_key_no_page_of_elsewhere_reaches_the_service() {
    let launch = Launch::new(
        crate::support::BINARY,
        Arc::new(Store::new(Backend::Sqlite).await),
    );
    let app = launch.serve().await;
    let path = path_of(&app.create(payout()).await);
    // DNS rebinding: the page's own host name resolves to 127.0.0.1.
    let rebound = app.get(PAYOUTS).header("host", "evil.example:8000").await;
    assert_eq!(rebound.problem(403).kind, "urn:payout:problem:forbidden");
    // A form or a cross-origin fetch of the simple kind, which browsers send without a preflight.
    let cancel = format!("{path}cancel/");
    for origin in ["https://evil.example", "null"] {
        app.post(&cancel).header("origin", origin).await.problem(403);
    }
    assert_eq!(app.payout(&path).await["status"], "pending");
    let own = format!("http://127.0.0.1:{}", app.port());
    let _ = app.post(&cancel).header("origin", &own).await.expect(200);
}
