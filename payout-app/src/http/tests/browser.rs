//! Headers for browsers, and requests of other sites' scripts.

use salvo::http::Method;

use super::{Bench, Reply, new_payout};
use crate::http::OptionalRoutes;

#[track_caller]
fn is_protected(what: &str, reply: &Reply) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), value, "{what}: {reply:?}");
    }
    let policy = reply.header("content-security-policy");
    assert!(policy.contains("default-src 'none';"), "{what}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
}

#[tokio::test]
async fn every_answer_is_protected_and_none_but_the_pages_may_be_kept() {
    let bench = Bench::new();
    let (created, path) = bench.create().await;
    is_protected("a payout", &created);
    assert_eq!(created.header("cache-control"), "no-store");
    let events = format!("{path}events/");
    for (method, path) in [
        (Method::GET, path.as_str()),
        (Method::HEAD, &path),
        (Method::GET, &events),
        (Method::GET, "/api/payouts/"),
        (Method::GET, "/api/payouts/?page_size=0"),
        (Method::GET, "/api/nothing/"),
        (Method::GET, "/panic"),
        (Method::PUT, "/api/schema/"),
        (Method::GET, "/api/schema/"),
        (Method::GET, "/health/ready"),
        (Method::GET, "/metrics"),
        (Method::GET, "/api/docs/nothing.js"),
        (Method::DELETE, &path),
    ] {
        let reply = bench.send(method.clone(), path, &[], "").await;
        is_protected(&format!("{method} {path}"), &reply);
        assert_eq!(reply.header("cache-control"), "no-store", "{method} {path}");
    }
    for path in [
        "/api/docs/",
        "/api/redoc/",
        "/api/docs/swagger-ui.css",
        "/api/redoc/start.js",
    ] {
        let reply = bench.get(path).await;
        is_protected(path, &reply);
        assert_eq!(reply.header("cache-control"), "no-cache", "{path}");
        assert_eq!(
            reply.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_preflight_of_another_site_is_granted_nothing() {
    let bench = Bench::new();
    let (_, path) = bench.create().await;
    let origin = ("origin", "https://evil.example");
    for path in [&path, "/api/payouts/", "/api/docs/", "/api/schema/"] {
        let asks = [
            origin,
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, authorization"),
        ];
        let preflight = bench.send(Method::OPTIONS, path, &asks, "").await;
        assert_eq!(preflight.status, 405, "{path}");
        let plain = bench.send(Method::GET, path, &[origin], "").await;
        for reply in [&preflight, &plain] {
            let granted = reply
                .headers
                .keys()
                .find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(granted, None, "{path}");
        }
    }
    // A request without a preflight is not JSON, and is therefore refused.
    let form = [origin, ("content-type", "text/plain")];
    let reply = bench
        .send(Method::POST, "/api/payouts/", &form, &new_payout().to_string())
        .await;
    reply.problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn the_documentation_can_be_switched_off() {
    let mut bench = Bench::new();
    bench.service = crate::http::service(
        bench.app_state.clone(),
        OptionalRoutes {
            docs: false,
            ..OptionalRoutes::ALL
        },
    );
    for path in [
        "/api/docs",
        "/api/docs/",
        "/api/docs/swagger-ui.css",
        "/api/redoc/",
        "/api/redoc/redoc.standalone.js",
        "/api/schema/",
        "/api/schema/?format=json",
    ] {
        bench.get(path).await.problem(404, "unknown-path");
    }
    bench.create().await;
}
