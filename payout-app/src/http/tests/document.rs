//! The document describes the service exactly.

use std::collections::BTreeSet;

use salvo::Router;
use salvo::http::Method;
use salvo::routing::FilterInfo;
use serde_json::Value;

use super::{Bench, DOCUMENT, Reply};
use crate::http::{OptionalRoutes, routes, tests};

/// Fails when the answer's status is not documented for its operation. A page and an unknown path have none, and the
/// router's own 404 and 405 belong to no operation.
#[track_caller]
pub(super) fn is_documented(method: &Method, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let Some((_, item)) = paths
        .iter()
        .find(|(template, _)| fits(template.trim_end_matches('/'), path))
    else {
        return;
    };
    let method = if method == Method::HEAD {
        "get".to_owned()
    } else {
        method.as_str().to_lowercase()
    };
    let Some(operation) = item.get(&method) else {
        assert_eq!(reply.status, 405, "{method} {path} is not documented");
        return;
    };
    let documented = &operation["responses"][reply.status.to_string()];
    assert!(
        !documented.is_null(),
        "{method} {path} answered {} without saying so",
        reply.status
    );
    let documented = match documented["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => documented,
    };
    if let Some(content) = documented["content"].as_object()
        && !reply.text.is_empty()
    {
        let content_type = reply.header("content-type").split(';').next().unwrap();
        assert!(
            content.contains_key(content_type),
            "{method} {path} answered in {content_type}"
        );
    }
    for name in [
        "etag",
        "location",
        "idempotent-replayed",
        "retry-after",
        "www-authenticate",
        "x-request-id",
    ] {
        if reply.headers.contains_key(name) {
            let known = documented["headers"]
                .as_object()
                .is_some_and(|known| known.keys().any(|known| known.eq_ignore_ascii_case(name)));
            assert!(
                known,
                "{method} {path} answered {} with an undocumented {name}",
                reply.status
            );
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(path)
            .all(|(one, other)| one.starts_with('{') || *one == other)
}

/// Every method and path of a router.
fn routed(router: &Router, prefix: &str, found: &mut BTreeSet<(String, String)>) {
    let (mut path, mut method) = (prefix.to_owned(), None);
    for filter in &router.filters {
        match filter.info() {
            FilterInfo::Path(part) => path = format!("{path}/{part}"),
            FilterInfo::Method(of) => method = Some(of.as_str().to_lowercase()),
            FilterInfo::Scheme(_) | FilterInfo::Host(_) | FilterInfo::Port(_) | FilterInfo::Other(_) => {
                panic!("a filter that the document cannot tell: {:?}", filter.info())
            }
        }
    }
    if router.goal.is_some() {
        found.insert((
            path.clone(),
            method.unwrap_or_else(|| panic!("{path} takes every method")),
        ));
    }
    for child in &router.routers {
        routed(child, &path, found);
    }
}

#[test]
fn what_is_routed_is_what_is_documented() {
    let (router, _) = crate::http::routes(OptionalRoutes::ALL).finish();
    let mut found = BTreeSet::new();
    routed(&router, "", &mut found);

    let mut documented = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.trim_end_matches('/').to_owned();
            if method == "get" {
                documented.insert((path.clone(), "head".to_owned()));
            }
            documented.insert((path, method.clone()));
        }
    }
    assert_eq!(found, documented);
    assert_eq!(
        found.len(),
        56 + 25,
        "a route came or went: 56 operations, 25 of them with HEAD"
    );
}

#[test]
fn a_worker_serves_only_what_operators_look_at() {
    let paths = paths(crate::http::operators_routes());
    assert_eq!(paths, ["/health/live", "/health/ready", "/metrics"]);
}

#[test]
fn metrics_that_have_an_address_of_their_own_are_served_nowhere_else() {
    let all = paths(crate::http::routes(OptionalRoutes::ALL));
    let mut without = paths(crate::http::routes(OptionalRoutes {
        metrics: false,
        ..OptionalRoutes::ALL
    }));
    assert!(!without.contains(&"/metrics".to_owned()));
    without.push("/metrics".to_owned());
    without.sort();
    assert_eq!(without, all);
}

fn paths(routes: routes::Routes) -> Vec<String> {
    let (router, _) = routes.finish();
    let mut found = BTreeSet::new();
    routed(&router, "", &mut found);
    let paths: BTreeSet<_> = found.into_iter().map(|(path, _)| path).collect();
    paths.into_iter().collect()
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    assert!(
                        DOCUMENT.pointer(reference.trim_start_matches('#')).is_some(),
                        "{reference}"
                    );
                }
                map.values().for_each(walk);
            }
            Value::Array(list) => list.iter().for_each(walk),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }
    walk(&DOCUMENT);
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
}

#[test]
fn every_operation_is_described_for_a_stranger() {
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for name in ["summary", "description", "operationId"] {
                let text = operation[name].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{method} {path} has no {name}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let text = parameter["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{method} {path}: {parameter}");
            }
        }
    }
}

/// Fails if the committed document differs from the program's. `UPDATE=1` rewrites it.
#[test]
fn the_committed_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
    let current = crate::http::yaml(&crate::http::document()).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, current).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "payout-app/openapi.yaml is out of date: run this test with UPDATE=1"
    );
}

#[tokio::test]
async fn the_document_is_served_in_both_forms() {
    let bench = Bench::new();
    for (path, accept, content_type) in [
        ("/api/schema/", "*/*", "application/vnd.oai.openapi"),
        (
            "/api/schema",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/vnd.oai.openapi",
        ),
        (
            "/api/schema/?format=yaml",
            "application/json",
            "application/vnd.oai.openapi",
        ),
        (
            "/api/schema/",
            "application/json",
            "application/vnd.oai.openapi+json",
        ),
        (
            "/api/schema/",
            "text/html, application/json;q=0.5",
            "application/vnd.oai.openapi+json",
        ),
        (
            "/api/schema/",
            "application/json;q=0.5, application/yaml",
            "application/vnd.oai.openapi",
        ),
        (
            "/api/schema/?format=json",
            "*/*",
            "application/vnd.oai.openapi+json",
        ),
    ] {
        let reply = bench.send(Method::GET, path, &[("accept", accept)], "").await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, content_type),
            "{path} {accept}"
        );
        if content_type.ends_with("json") {
            assert_eq!(reply.json(), *tests::DOCUMENT);
        } else {
            assert!(
                reply.text.starts_with("openapi: 3.1.0\n"),
                "{}",
                &reply.text[..80]
            );
        }
    }
    let refused = bench
        .get("/api/schema/?format=xml")
        .await
        .problem(400, "invalid-request");
    assert_eq!(refused["errors"]["format"][0], "Use yaml or json.");
}
