//! Queries may contain the parameters that the operation documents, and no others.

use payout_core::access::Scope;
use salvo::http::Method;
use serde_json::Value;

use super::{Bench, DOCUMENT};

/// Returns each operation of the document: its method, its path, and the parameters of its query.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let mut operations = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            // Lists and entries by name may be repeated.
            let single = in_query.filter(|parameter| {
                let of = &parameter["schema"]["type"];
                of != "array" && of != "object"
            });
            let names = single.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
            let path = path
                .replace("{id}", "0193a1b2-0000-7000-8000-000000000001")
                .replace("{name}", "nobody")
                .replace("{number}", "1");
            operations.push((method.to_uppercase().parse().unwrap(), path, names.collect()));
        }
    }
    operations
}

#[track_caller]
fn message(problem: &Value, parameter: &str) -> String {
    problem["errors"][parameter][0]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn no_operation_takes_what_it_does_not_know() {
    let bench = Bench::new();
    let operations = operations();
    assert!(operations.len() > 10, "{operations:?}");
    for (method, path, known) in operations {
        // A provider may add a query of its own to its notifications.
        if path.ends_with("/notifications/") {
            continue;
        }
        let query = format!("{path}?colour=red&{}", "colour=blue");
        let reply = bench
            .write(method.clone(), &query, &[], &super::new_payout())
            .await;
        let problem = reply.problem(400, "invalid-request");
        assert_eq!(
            message(&problem, "colour"),
            "Unknown parameter.",
            "{method} {path}"
        );
        for name in known {
            let doubled = format!("{path}?{name}=1&{name}=1");
            let reply = bench
                .write(method.clone(), &doubled, &[], &super::new_payout())
                .await;
            let problem = reply.problem(400, "invalid-request");
            assert_eq!(
                message(&problem, &name),
                "This parameter is given more than once.",
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        bench.get("/api/payouts/").await.json()["count"],
        0,
        "nothing was created"
    );
}

#[tokio::test]
async fn what_is_meant_is_said() {
    let bench = Bench::new();
    let reply = bench.get("/api/payouts/?state=failed&curency=EUR").await;
    let problem = reply.problem(400, "invalid-request");
    assert_eq!(message(&problem, "state"), "Unknown parameter; is status meant?");
    assert_eq!(
        message(&problem, "curency"),
        "Unknown parameter; is currency meant?"
    );
}

#[tokio::test]
async fn probes_and_pages_take_any_query() {
    let bench = Bench::new();
    for path in [
        "/health/live?probe=1",
        "/health/ready?probe=1",
        "/metrics?x",
        "/api/docs/?x=1",
    ] {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_decoded_is_refused() {
    let bench = Bench::new();
    for (method, path, name) in [
        (Method::GET, "/api/payouts/?external_id=Gr%fcn", "external_id"),
        (Method::GET, "/api/payouts/?search=a%zz", "search"),
        (Method::GET, "/api/payouts/?metadata[a]=100%", "metadata[a]"),
        (Method::GET, "/api/payouts/?%ff=1", "\u{fffd}"),
        (Method::GET, "/api/recipients/?external_id=%c3", "external_id"),
        (Method::POST, "/api/batches/?description=Gr%fcn", "description"),
    ] {
        let reply = bench.write(method, path, &[], &super::new_payout()).await;
        let problem = reply.problem(400, "invalid-request");
        assert!(!message(&problem, name).is_empty(), "{path}: {problem}");
    }
    for page in [
        "/console/payouts/?external_id=Gr%fcn",
        "/console/payouts/rows/?q=%zz",
        "/console/payouts/export/?format=csv&external_id=Gr%f6n",
        "/console/bulk/new/?step=cancel&external_id=%ff",
        "/console/batches/?before=%",
    ] {
        let reply = bench.get(page).await;
        assert_eq!(reply.status, 400, "{page}");
        assert!(reply.text.contains("percent"), "{page}: {}", reply.text);
    }
    // Whatever they are asked with, they answer.
    for path in ["/health/live?probe=%ff", "/api/docs/?x=%zz"] {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
    }
    let encoded = "/api/payouts/?external_id=Gr%C3%BCn%20100%25";
    assert_eq!(bench.get(encoded).await.status, 200);
}

#[tokio::test]
async fn whoever_may_not_ask_learns_nothing_of_parameters() {
    let bench = Bench::new();
    let _ = bench.key("reader", [Scope::Read]).await;
    bench
        .get("/api/payouts/?state=failed")
        .await
        .problem(401, "unauthorized");
}
