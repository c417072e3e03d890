//! `GET /api/schema/`, and `payout openapi`

use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::{launch, serving};

fn parsed(yaml: &str) -> Value {
    yaml_serde::from_str(yaml).expect("YAML")
}

#[tokio::test]
async fn the_document_comes_as_yaml_and_as_json() {
    let app = serving(Backend::Sqlite).await;
    let yaml = app.get("/api/schema/").await.expect(200);
    assert!(
        yaml.header("content-type")
            .is_some_and(|name| name.starts_with("application/vnd.oai.openapi"))
    );
    let document = parsed(&yaml.text());
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    for accepted in ["*/*", "application/yaml", "text/html,application/xhtml+xml"] {
        assert_eq!(
            app.get("/api/schema/")
                .header("accept", accepted)
                .await
                .expect(200)
                .body,
            yaml.body,
            "{accepted}"
        );
    }
    assert_eq!(
        app.get("/api/schema?format=yaml").await.expect(200).body,
        yaml.body
    );
    for call in [
        app.get("/api/schema/?format=json"),
        app.get("/api/schema/").header("accept", "application/json"),
        app.get("/api/schema")
            .header("accept", "application/json, */*;q=0.5"),
        app.get("/api/schema/")
            .header("accept", "application/vnd.oai.openapi+json"),
    ] {
        let json = call.await.expect(200);
        assert!(
            json.header("content-type")
                .is_some_and(|name| name.contains("json")),
            "{:?}",
            json.headers
        );
        assert_eq!(json.json(), document);
    }
    assert_eq!(
        app.get("/api/schema/?format=xml").await.problem(400).fields(),
        ["format"]
    );
}

#[tokio::test]
async fn the_command_prints_the_same_document() {
    let app = serving(Backend::Sqlite).await;
    let mut process = app.launch().finish(&["openapi"]).await;
    assert!(
        process.ended().is_some_and(|status| status.success()),
        "{}",
        process.log()
    );
    let served = app.get("/api/schema/").await.expect(200);
    assert_eq!(process.printed().trim_end(), served.text().trim_end());
}

#[tokio::test]
async fn the_command_needs_nothing_to_be_there() {
    let launch = launch(Backend::Sqlite).await;
    let launch = launch
        .set("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing")
        .set("REDIS_URL", "redis://127.0.0.1:9");
    let mut process = launch.finish(&["openapi"]).await;
    assert!(
        process.ended().is_some_and(|status| status.success()),
        "{}",
        process.log()
    );
    assert!(process.printed().contains("/api/payouts/"));
}

#[tokio::test]
async fn every_row_of_the_contract_is_documented() {
    let app = serving(Backend::Sqlite).await;
    let mut documented = app.document().operations();
    documented.sort();
    let contract = [
        ("/", "get"),
        ("/api/", "get"),
        ("/api/batches/", "get"),
        ("/api/batches/", "post"),
        ("/api/batches/{id}/", "get"),
        ("/api/batches/{id}/approve/", "post"),
        ("/api/batches/{id}/cancel/", "post"),
        ("/api/batches/{id}/export/", "get"),
        ("/api/batches/{id}/payouts/", "get"),
        ("/api/batches/{id}/reject/", "post"),
        ("/api/batches/{id}/retry/", "post"),
        ("/api/events/", "get"),
        ("/api/events/stream/", "get"),
        ("/api/keys/", "get"),
        ("/api/keys/", "post"),
        ("/api/keys/{name}/revoke/", "post"),
        ("/api/keys/{name}/rotate/", "post"),
        ("/api/payouts/", "get"),
        ("/api/payouts/", "post"),
        ("/api/payouts/export/", "get"),
        ("/api/payouts/{id}/", "delete"),
        ("/api/payouts/{id}/", "get"),
        ("/api/payouts/{id}/", "patch"),
        ("/api/payouts/{id}/", "put"),
        ("/api/payouts/{id}/approve/", "post"),
        ("/api/payouts/{id}/cancel/", "post"),
        ("/api/payouts/{id}/events/", "get"),
        ("/api/payouts/{id}/reject/", "post"),
        ("/api/payouts/{id}/retry/", "post"),
        ("/api/providers/", "get"),
        ("/api/providers/{name}/notifications/", "post"),
        ("/api/providers/{name}/pause/", "post"),
        ("/api/providers/{name}/resume/", "post"),
        ("/api/recipients/", "get"),
        ("/api/recipients/", "post"),
        ("/api/recipients/{id}/", "get"),
        ("/api/recipients/{id}/", "patch"),
        ("/api/recipients/{id}/archive/", "post"),
        ("/api/schema/", "get"),
        ("/api/stats/", "get"),
        ("/api/webhooks/", "get"),
        ("/api/webhooks/", "post"),
        ("/api/webhooks/{id}/", "delete"),
        ("/api/webhooks/{id}/", "get"),
        ("/api/webhooks/{id}/", "patch"),
        ("/api/webhooks/{id}/deliveries/", "get"),
        ("/api/webhooks/{id}/deliveries/{number}/", "get"),
        ("/api/webhooks/{id}/deliveries/{number}/redeliver/", "post"),
        ("/api/webhooks/{id}/disable/", "post"),
        ("/api/webhooks/{id}/enable/", "post"),
        ("/api/webhooks/{id}/replay/", "post"),
        ("/api/webhooks/{id}/rotate/", "post"),
        ("/api/webhooks/{id}/test/", "post"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/metrics", "get"),
    ];
    assert_eq!(
        documented,
        contract.map(|(path, method)| (path.to_owned(), method.to_owned()))
    );
}

/// Checks that every reference resolves, and that every operation has what a reader needs.
#[tokio::test]
async fn the_document_is_whole() {
    let app = serving(Backend::Sqlite).await;
    let document = app.get("/api/schema/?format=json").await.expect(200).json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    for (path, method) in app.document().operations() {
        let operation = &document["paths"][&path][&method];
        for name in ["operationId", "summary"] {
            assert!(
                operation[name].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path} has no {name}"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["description"].is_string() || response["$ref"].is_string(),
                "{method} {path} {status}"
            );
            let problem = status.starts_with(['4', '5']) && !(path == "/health/ready" && status == "503");
            let resolved = response["$ref"]
                .as_str()
                .map_or(response, |name| &document[name.trim_start_matches("#/")]);
            if problem && resolved["content"].is_object() {
                assert!(
                    resolved["content"]["application/problem+json"].is_object(),
                    "{method} {path} {status}"
                );
            }
        }
    }
}
