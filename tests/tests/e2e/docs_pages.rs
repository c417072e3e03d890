//! `GET /api/docs/` and `GET /api/redoc/`, in a browser that can reach only this machine.

use payout_tests::app::App;
use payout_tests::chromium;
use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::serving;

/// Returns the text that a page shows for each operation.
async fn operations(app: &App) -> Vec<(String, String)> {
    let document = app.get("/api/schema/?format=json").await.expect(200).json();
    let operations = app.document().operations().into_iter().map(|(path, method)| {
        let text = |name: &str| {
            document["paths"][&path][&method][name]
                .as_str()
                .map(str::to_owned)
        };
        (
            text("operationId").expect("an id"),
            text("summary").expect("a summary"),
        )
    });
    operations.collect()
}

/// Checks that the page renders every operation, and requests nothing from another host.
async fn renders(path: &str) {
    let app = serving(Backend::Sqlite).await;
    let page = chromium::open(&format!("{}{path}", app.base())).await;
    for (id, summary) in operations(&app).await {
        assert!(
            page.dom.contains(&id),
            "{path} does not render {id}: {}",
            page.dom
        );
        assert!(page.dom.contains(&summary), "{path} does not show {summary:?}");
    }
    assert!(
        page.asked.iter().any(|url| url.contains("/api/schema/")),
        "{path} reads the document: {:?}",
        page.asked
    );
    for url in &page.asked {
        let inside = url.starts_with(app.base()) || url.starts_with("data:") || url.starts_with("blob:");
        assert!(inside, "{path} asks for {url}");
    }
}

#[tokio::test]
async fn swagger_ui_renders_every_operation_with_nothing_from_outside() {
    renders("/api/docs/").await;
}

#[tokio::test]
async fn redoc_renders_every_operation_with_nothing_from_outside() {
    renders("/api/redoc/").await;
}

/// Returns the addresses in a page's own tags.
fn named_by(html: &str) -> Vec<&str> {
    ["src=", "href="]
        .into_iter()
        .flat_map(|name| html.split(name).skip(1))
        .filter_map(|rest| {
            rest.trim_start_matches(['"', '\''])
                .split(['"', '\'', '>', ' '])
                .next()
        })
        .collect()
}

#[tokio::test]
async fn the_pages_name_no_other_host() {
    let app = serving(Backend::Sqlite).await;
    for path in ["/api/docs/", "/api/redoc/"] {
        let page = app.get(path).await.expect(200);
        assert!(
            page.header("content-type")
                .is_some_and(|name| name.starts_with("text/html")),
            "{page}"
        );
        let html = page.text();
        let files: Vec<&str> = named_by(&html)
            .into_iter()
            .filter(|name| !name.starts_with("data:"))
            .collect();
        assert!(!files.is_empty(), "{html}");
        for file in files {
            assert!(!file.contains("//"), "{path} names {file}");
            let _ = app
                .get(&format!("{path}{}", file.trim_start_matches("./")))
                .await
                .expect(200);
        }
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("http"),
            "{path}: {policy:?}"
        );
    }
}

#[tokio::test]
async fn the_pages_are_found_without_their_last_slash() {
    let app = serving(Backend::Sqlite).await;
    for path in ["/api/docs", "/api/redoc"] {
        // A page's files are relative to it, so the browser must be redirected to the path with the slash.
        let reply = app.get(path).await;
        if reply.status != 200 {
            assert_eq!(reply.status, 308, "{reply}");
            let location = reply.header("location").expect("a location");
            let there = app
                .get(&format!("/api/{}", location.trim_start_matches("/api/")))
                .await
                .expect(200);
            assert!(there.text().contains("<html"));
        }
    }
}

/// This does not test that the document is right, only that it is the one that the service serves.
#[tokio::test]
async fn the_pages_show_the_served_document() {
    let app = serving(Backend::Sqlite).await;
    let json: Value = app
        .get("/api/docs/../schema/?format=json")
        .await
        .expect(200)
        .json();
    assert!(json["paths"].is_object());
    let start = app.get("/api/redoc/start.js").await.expect(200).text();
    assert!(start.contains("../schema/?format=json"), "{start}");
}
