//! A route's policy, the document and the router agree.

use std::collections::BTreeSet;

use payout_core::access::Scope;
use salvo::http::Method;
use serde_json::Value;
use utoipa::openapi::path::HttpMethod;

use super::{Bench, DOCUMENT};
use crate::http::middleware::access::Access;
use crate::http::policy::{RateClass, RoutePolicy};
use crate::http::problem::Kind;
use crate::http::{OptionalRoutes, routes};

/// Returns every route: its path in the document, its method and its policy.
fn policies() -> Vec<(String, Method, RoutePolicy)> {
    let routes = routes(OptionalRoutes::ALL);
    let of = |method: &HttpMethod| match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options | HttpMethod::Head | HttpMethod::Trace => panic!("no route has this method"),
    };
    let routes = routes.policies().iter();
    routes
        .map(|(path, method, policy)| (path.clone(), of(method), *policy))
        .collect()
}

fn operation(path: &str, method: &Method) -> &'static Value {
    &DOCUMENT["paths"][path][method.as_str().to_lowercase()]
}

/// Returns a path to a payout and a key that do not exist.
fn concrete(path: &str) -> String {
    path.replace("{id}", "019ac4a5-0000-7000-8000-000000000001")
        .replace("{name}", "nobody")
        .replace("{number}", "1")
}

#[test]
fn the_document_has_what_the_policies_say() {
    let policies = policies();
    let operations: usize = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|item| item.as_object().unwrap().len())
        .sum();
    assert_eq!(policies.len(), operations);
    for (path, method, policy) in policies {
        let what = format!("{method} {path}");
        let operation = operation(&path, &method);
        let scopes: Vec<&str> = operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["api_key"][0].as_str().unwrap())
            .collect();
        let needed: Vec<&str> = policy
            .access
            .scopes()
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        assert_eq!(scopes, needed, "{what}");
        assert_eq!(
            operation["requestBody"].is_object(),
            policy.body.is_some(),
            "{what}"
        );
        let parameters = |place: &str| {
            let all = operation["parameters"].as_array().into_iter().flatten();
            all.filter(|parameter| parameter["in"] == place).count()
        };
        let headers: usize = policy.headers.iter().map(|headers| headers.len()).sum();
        assert_eq!(parameters("header"), headers, "{what}");
        let of_path = policy.path.map_or(0, |path| path.parameters().count());
        assert_eq!(parameters("path"), of_path, "{what}");
        let responses = operation["responses"].as_object().unwrap();
        let refused: BTreeSet<&str> = responses
            .iter()
            .filter(|(_, response)| response["$ref"].is_string())
            .map(|(status, _)| status.as_str())
            .collect();
        // An answer of the endpoint's own, such as the 503 of readiness, is not a problem.
        let statuses = policy.statuses();
        let named: BTreeSet<&str> = statuses.iter().map(|status| status.as_str()).collect();
        assert_eq!(refused, named, "{what}");
    }
}

#[test]
fn every_kind_of_problem_has_a_place_in_the_document() {
    let responses = DOCUMENT["components"]["responses"].as_object().unwrap();
    let documented: BTreeSet<u64> = responses
        .values()
        .map(|response| {
            response["content"]["application/problem+json"]["example"]["status"]
                .as_u64()
                .unwrap()
        })
        .collect();
    for kind in Kind::NAMED {
        // A method that a path does not have belongs to no operation.
        if *kind != Kind::MethodNotAllowed {
            let status = u64::from(kind.status().as_u16());
            assert!(documented.contains(&status), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn the_router_does_what_the_policies_say() {
    let bench = Bench::new();
    let admin = bench.key("admin", [Scope::Admin]).await;
    for (path, method, policy) in policies() {
        let (what, path) = (format!("{method} {path}"), concrete(&path));
        // Access: a request without a key.
        let reply = bench.send(method.clone(), &path, &[], "").await;
        let locked = matches!(policy.access, Access::OneOf(_) | Access::Metrics);
        assert_eq!(reply.status == 401, locked, "{what}: {reply:?}");
        // Query: an unknown parameter.
        let reply = bench
            .ask_with(&admin, method.clone(), &format!("{path}?odd=1"), "")
            .await;
        assert_eq!(
            reply.status == 400 && reply.text.contains("Unknown parameter"),
            policy.query.is_some(),
            "{what}: {reply:?}"
        );
        // Body and its size: one over the limit is refused where a body is read, and ignored where none is.
        let most_bytes = policy.body.and_then(|body| body.most_bytes).unwrap_or(65_536);
        let large = format!("\"{}\"", "x".repeat(most_bytes));
        let reply = bench.ask_with(&admin, method.clone(), &path, &large).await;
        assert_eq!(reply.status == 413, policy.body.is_some(), "{what}: {reply:?}");
        // Headers: one that cannot be read.
        for header in policy.headers.iter().copied().flatten() {
            let bearer = format!("Bearer {}", admin.expose());
            let parameter = header.parameter();
            let odd = [
                ("authorization", bearer.as_str()),
                (parameter.name.as_str(), "\""),
            ];
            let reply = bench.send(method.clone(), &path, &odd, "").await;
            reply.problem(400, "invalid-request");
        }
        assert!(policy.rate == RateClass::AddressAndKey || !matches!(policy.access, Access::OneOf(_)));
    }
}

#[tokio::test]
async fn no_change_of_a_client_ignores_a_condition() {
    let bench = Bench::new();
    let admin = bench.key("admin", [Scope::Admin]).await;
    let bearer = format!("Bearer {}", admin.expose());
    let mut refusing = 0;
    for (path, method, policy) in policies() {
        if method.is_safe() || !matches!(policy.access, Access::OneOf(_)) {
            continue;
        }
        let (what, path) = (format!("{method} {path}"), concrete(&path));
        let with = async |name: &'static str, value: &str| {
            let headers = [("authorization", bearer.as_str()), (name, value)];
            bench.send(method.clone(), &path, &headers, "").await
        };
        with("if-match", "1").await.problem(400, "invalid-request");
        if policy.changes_unversioned() {
            refusing += 1;
            for (name, value) in [
                ("if-match", "\"1\""),
                ("if-match", "W/\"1\""),
                ("if-none-match", "*"),
            ] {
                let reply = with(name, value).await;
                assert_eq!(reply.status, 412, "{what}: {reply:?}");
                reply.problem(412, "precondition-failed");
            }
        }
        for (name, value) in [("if-match", "*"), ("if-none-match", "\"1\"")] {
            let reply = with(name, value).await;
            assert_ne!(reply.status, 412, "{what}: {reply:?}");
        }
    }
    assert!(refusing > 10, "{refusing}");
}

#[tokio::test]
async fn no_change_of_a_client_ignores_an_idempotency_key() {
    let bench = Bench::new();
    let admin = bench.key("admin", [Scope::Admin]).await;
    let bearer = format!("Bearer {}", admin.expose());
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "order-7")];
    let mut keeping = Vec::new();
    for (path, method, policy) in policies() {
        if method.is_safe() || !matches!(policy.access, Access::OneOf(_)) {
            continue;
        }
        let what = format!("{method} {path}");
        if !policy.keeps_no_key() {
            keeping.push(what);
            continue;
        }
        let reply = bench.send(method, &concrete(&path), &headers, "").await;
        let problem = reply.problem(400, "invalid-request");
        assert!(
            problem["errors"]["Idempotency-Key"].is_array(),
            "{what}: {problem}"
        );
    }
    assert_eq!(keeping, ["POST /api/payouts/", "POST /api/payouts/{id}/retry/"]);
}
