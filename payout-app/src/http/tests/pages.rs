//! The pages load nothing from elsewhere.

use salvo::http::Method;

use super::Bench;

#[tokio::test]
async fn a_page_without_its_slash_leads_to_the_one_with() {
    let bench = Bench::new();
    for (path, location) in [("/api/docs", "docs/"), ("/api/redoc", "redoc/")] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status, reply.header("location")), (308, location));
        let page = bench.get(&format!("{path}/")).await;
        assert_eq!(
            (page.status, page.header("content-type").starts_with("text/html")),
            (200, true)
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let sources: Vec<&str> = page
            .text
            .split(['"', '\''])
            .filter(|text| text.contains("://"))
            .collect();
        assert!(sources.is_empty(), "{sources:?}");
    }
}

#[tokio::test]
async fn the_files_of_the_pages_are_there() {
    let bench = Bench::new();
    for (path, content_type, part) in [
        (
            "/api/docs/swagger-initializer.js",
            "text/javascript",
            "../schema/?format=json",
        ),
        (
            "/api/docs/swagger-ui-bundle.js",
            "text/javascript",
            "SwaggerUIBundle",
        ),
        ("/api/docs/swagger-ui.css", "text/css", ".swagger-ui"),
        ("/api/redoc/start.js", "text/javascript", "../schema/?format=json"),
        ("/api/redoc/redoc.standalone.js", "text/javascript", "Redoc"),
        (
            "/api/redoc/redoc.standalone.js.LICENSE.txt",
            "text/plain",
            "Permission is hereby granted",
        ),
    ] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("content-type").starts_with(content_type), "{path}");
        assert!(reply.text.contains(part), "{path}");
        assert!(!reply.text.contains("cdn.redoc.ly"), "{path}");
        let again = bench
            .send(Method::GET, path, &[("if-none-match", reply.header("etag"))], "")
            .await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
}

#[tokio::test]
async fn redoc_is_sent_compressed_to_who_can_read_it() {
    let bench = Bench::new();
    let path = "/api/redoc/redoc.standalone.js";
    let reply = bench
        .send(Method::GET, path, &[("accept-encoding", "gzip, br")], "")
        .await;
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert!(!bench.get(path).await.headers.contains_key("content-encoding"));
}
