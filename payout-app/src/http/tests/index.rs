//! `/` and `/api/`: links for programs, a page for browsers, without a key.

use super::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn programs_find_links_that_all_lead_somewhere() {
    let bench = Bench::new();
    for path in ["/", "/api/", "/api"] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("vary"), "accept");
        let index = reply.json();
        assert_eq!(index["service"], "payout");
        let links = index["links"].as_object().unwrap();
        assert_eq!(links.len(), 10, "{links:?}");
        for link in links.values() {
            let link = link.as_str().unwrap();
            let answer = bench.send(Method::GET, link, &[], "").await;
            assert_eq!(answer.status, 200, "{link}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn browsers_find_a_page_that_runs_and_loads_nothing() {
    let bench = Bench::new();
    for path in ["/api/", "/api"] {
        let reply = bench.send(Method::GET, path, &[("accept", BROWSER)], "").await;
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        assert!(reply.text.contains("href=\"/api/docs/\""), "{}", reply.text);
        assert!(!reply.text.contains("<script"), "{}", reply.text);
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains("script-src"),
            "{policy}"
        );
        let head = bench.send(Method::HEAD, path, &[("accept", BROWSER)], "").await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), reply.text.len().to_string());
    }
}

#[tokio::test]
async fn a_browser_is_led_to_the_console_if_it_is_served() {
    let mut bench = Bench::new();
    let reply = bench.send(Method::GET, "/", &[("accept", BROWSER)], "").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/console/"));
    let without = super::super::OptionalRoutes {
        console: false,
        ..super::super::OptionalRoutes::ALL
    };
    bench.service = crate::http::service(bench.app_state.clone(), without);
    assert_eq!(bench.get("/console/").await.status, 404);
    bench.get("/favicon.ico").await.problem(404, "unknown-path");
}

#[tokio::test]
async fn they_take_nothing_else_and_answer_for_no_other_path() {
    let bench = Bench::new();
    for path in ["/", "/api/"] {
        let reply = bench.send(Method::POST, path, &[], "").await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "GET, HEAD");
    }
    for path in ["/index.html", "/apis/", "/api/payout/", "//", "/api//"] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn they_are_open_without_a_key_and_without_a_database() {
    let repository = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    let bench = Bench::closed(repository);
    assert_eq!(bench.get("/").await.status, 200);
    let bench = Bench::new();
    bench.key("somebody", [Scope::Read]).await;
    assert_eq!(bench.get("/api/").await.status, 200);
}
