//! Refusals from every layer: unknown paths, methods, and requests that are barely HTTP.

use payout_tests::app::{App, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::raw;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{on_each_backend, serving};

on_each_backend!(
    every_path_works_with_and_without_its_last_slash,
    every_path_that_is_read_has_a_head,
    an_unknown_path_is_a_problem,
    a_method_that_a_path_does_not_take_is_a_problem,
    every_problem_has_a_request_id_of_its_own,
    odd_paths_break_nothing,
    odd_requests_break_nothing,
    a_client_that_goes_away_breaks_nothing,
);

/// Returns readable paths, including those of a payout.
async fn read_paths(app: &App) -> Vec<String> {
    let path = path_of(&app.create(payout()).await);
    let events = format!("{path}events/");
    let fixed = [
        PAYOUTS,
        "/api/schema/",
        "/health/live",
        "/health/ready",
        "/metrics",
    ]
    .map(str::to_owned);
    fixed.into_iter().chain([path, events]).collect()
}

async fn every_path_works_with_and_without_its_last_slash(backend: Backend) {
    let app = serving(backend).await;
    for path in read_paths(&app).await {
        let without = path.trim_end_matches('/');
        let (one, other) = (
            app.get(without).await.expect(200),
            app.get(&format!("{without}/")).await.expect(200),
        );
        if !path.starts_with("/metrics") {
            assert_eq!(one.body, other.body, "{path}");
        }
    }
    for slash in ["", "/"] {
        let created = app
            .post(&format!("/api/payouts{slash}"))
            .json(payout())
            .await
            .expect(201)
            .json();
        let path = path_of(&created).trim_end_matches('/').to_owned();
        let _ = app
            .patch(&format!("{path}{slash}"))
            .json(json!({"description": "x"}))
            .await
            .expect(200);
        let _ = app
            .put(&format!("{path}{slash}"))
            .json(payout())
            .await
            .expect(200);
        let _ = app.get(&format!("{path}/events{slash}")).await.expect(200);
        let _ = app.post(&format!("{path}/cancel{slash}")).await.expect(200);
        app.post(&format!("{path}/retry{slash}")).await.problem(409);
        let _ = app.delete(&format!("{path}{slash}")).await.expect(204);
    }
    let _ = app.get("/api/payouts?page_size=1").await.expect(200);
}

async fn every_path_that_is_read_has_a_head(backend: Backend) {
    let app = serving(backend).await;
    let mut paths = read_paths(&app).await;
    paths.extend(["/api/docs/", "/api/redoc/"].map(str::to_owned));
    for path in paths {
        let (get, head) = (
            app.get(&path).await.expect(200),
            app.call("HEAD", &path).await.expect(200),
        );
        for name in ["content-type", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        if !path.starts_with("/metrics") {
            assert_eq!(
                head.header("content-length"),
                Some(get.body.len().to_string().as_str()),
                "{path}"
            );
        }
    }
    let _ = app
        .call("HEAD", &format!("{PAYOUTS}0192f0c1-2345-7890-abcd-ef0123456789/"))
        .await
        .expect(404);
    let _ = app.call("HEAD", "/nothing").await.expect(404);
}

async fn an_unknown_path_is_a_problem(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    for unknown in [
        "/index.html",
        "/apis/",
        "/api/payout/",
        "/api/Payouts/",
        "/api/payouts/x/y/",
        "/admin",
        "/health",
        "/health/",
        "/favicon.png",
        "/api/schema/x",
        "/api/docs/x.js",
        "/api/redoc/x.js",
        "/metrics/x",
        &format!("{path}unknown/"),
        &format!("{path}events/1/"),
        &format!("{path}retry/x"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let reply = app.call(method, unknown).await;
            assert!(matches!(reply.status, 404 | 405), "{reply}");
        }
        app.get(unknown).await.problem(404);
    }
}

async fn a_method_that_a_path_does_not_take_is_a_problem(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let below = |name: &str| format!("{path}{name}/");
    for (path, taken) in [
        (PAYOUTS.to_owned(), vec!["GET", "HEAD", "POST"]),
        (path.clone(), vec!["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
        (below("retry"), vec!["POST"]),
        (below("cancel"), vec!["POST"]),
        (below("events"), vec!["GET", "HEAD"]),
        ("/".to_owned(), vec!["GET", "HEAD"]),
        ("/api/".to_owned(), vec!["GET", "HEAD"]),
        ("/api/schema/".to_owned(), vec!["GET", "HEAD"]),
        ("/api/docs/".to_owned(), vec!["GET", "HEAD"]),
        ("/api/redoc/".to_owned(), vec!["GET", "HEAD"]),
        ("/health/live".to_owned(), vec!["GET", "HEAD"]),
        ("/health/ready".to_owned(), vec!["GET", "HEAD"]),
        ("/metrics".to_owned(), vec!["GET", "HEAD"]),
    ] {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW", "get",
        ] {
            if taken.contains(&method) {
                continue;
            }
            let with = format!("{}/", path.trim_end_matches('/'));
            // The root path has no form without the slash.
            let forms = [path.trim_end_matches('/'), &with];
            for path in forms.into_iter().filter(|path| !path.is_empty()) {
                let reply = app.call(method, path).await;
                reply.problem(405);
                let allow = reply
                    .header("allow")
                    .unwrap_or_else(|| panic!("no Allow: {reply}"));
                let mut allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
                allowed.sort_unstable();
                assert_eq!(allowed, taken, "{method} {path}");
            }
        }
    }
}

async fn every_problem_has_a_request_id_of_its_own(backend: Backend) {
    let app = serving(backend).await;
    let (one, other) = (app.get("/nothing").await, app.get("/nothing").await);
    let id = one.problem(404).request_id;
    assert_ne!(id, other.problem(404).request_id);
    assert_eq!(one.header("x-request-id"), Some(id.as_str()));
    let given = app.get("/nothing").header("x-request-id", "mine-1").await;
    assert_eq!(given.problem(404).request_id, "mine-1");
}

/// Checks that a request is refused, and by a problem if the answer has a body: the HTTP library itself refuses invalid
/// HTTP without a body.
async fn refused(app: &App, target: &str, bytes: &[u8]) {
    let reply = raw::send(app.port(), bytes).await;
    let shown = String::from_utf8_lossy(bytes);
    let shown = shown.chars().take(200).collect::<String>();
    assert!((400..500).contains(&reply.status), "{shown}: {reply:?}");
    if !reply.body.is_empty() {
        reply.problem(target);
    }
}

async fn odd_paths_break_nothing(backend: Backend) {
    let app = serving(backend).await;
    let long = format!("/api/payouts/{}", "x".repeat(30_000));
    let deep = "/a".repeat(5_000);
    for target in [
        "//",
        "/./",
        "/../../etc/passwd",
        "/api/../api/",
        "/api/%2e%2e/",
        "/api/payouts/%00/",
        "/api/payouts/%ff/",
        "/api/payouts/%",
        "/api/payouts/%zz/",
        "/api/payouts/..%2f..%2f",
        "/api/payouts/%2F/",
        "/api/payouts//events/",
        "/api//payouts/x",
        "/api/payouts/0192f0c1-2345-7890-abcd-ef0123456789%00/",
        "/api/payouts/{0192f0c1-2345-7890-abcd-ef0123456789}/",
        "/api/payouts/0192f0c1234578900abcdef0123456789/",
        "/api/payouts/urn:uuid:0192f0c1-2345-7890-abcd-ef0123456789/",
        "/api/docs/../../Cargo.toml",
        "/api/docs/%2e%2e/%2e%2e/Cargo.toml",
        "/api/redoc/..%2f..%2fCargo.toml",
        "/api/payouts/*",
        "/api/payouts/<**rest>",
        "/api/payouts/;/",
        "/api/payouts/x?y=%",
        &long,
        &deep,
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        refused(&app, target, head.as_bytes()).await;
    }
    for query in [
        "?%",
        "?%00",
        "?=&=&",
        "?page_size",
        "?status[]=x",
        "?cursor=%ff%fe",
        "?search=%ff",
    ] {
        let reply = app.get(&format!("{PAYOUTS}{query}")).await;
        assert!(matches!(reply.status, 200 | 400), "{reply}");
    }
}

async fn odd_requests_break_nothing(backend: Backend) {
    let app = serving(backend).await;
    for bytes in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /nothing HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
        let mut answer = Vec::new();
        // The service refuses some of these at once, and waits for the rest of others, which never comes: the test
        // waits only a moment.
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), reading).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{answer}");
    }
    let _ = app.get("/health/live").await.expect(200);
    app.get("/nothing")
        .header("x-request-id", "a b")
        .header("cookie", &"x".repeat(8_000))
        .await
        .problem(404);
}

async fn a_client_that_goes_away_breaks_nothing(backend: Backend) {
    let app = serving(backend).await;
    let body = payout().to_string();
    let request = format!(
        "POST {PAYOUTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The client leaves within the head, within the body, or without waiting for the answer.
    for sent in [0, 40, request.len() - 20].into_iter().chain([request.len(); 20]) {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port()))
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &request.as_bytes()[..sent])
            .await
            .unwrap();
    }
    let _ = app.post(PAYOUTS).text(body).await.expect(201);
    // Each of the other creates is stored completely or not at all.
    let (payouts, events) = (
        "SELECT count(*) FROM payouts",
        "SELECT count(*) FROM payout_trail",
    );
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let made = app.store().number(payouts).await;
    assert!((1..=21).contains(&made), "{made}");
    assert_eq!(app.store().number(events).await, made);
}
