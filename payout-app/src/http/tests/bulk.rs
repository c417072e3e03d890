//! The console's pages of bulk actions.

use payout_core::access::Scope;
use payout_core::payout::Actor;
use payout_core::usecase::bulk::BulkRunner;
use salvo::http::Method;
use serde_json::json;
use url::form_urlencoded;

use super::{Bench, Reply, new_payout};

const FORM: [(&str, &str); 2] = [
    ("content-type", "application/x-www-form-urlencoded"),
    ("sec-fetch-site", "same-origin"),
];

/// Returns the hidden fields of the form with this action.
fn hidden(page: &Reply, action: &str) -> Vec<(String, String)> {
    let start = format!("action=\"{action}\"");
    let (_, form) = page
        .text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{}", page.text));
    let form = form.split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().replace("&#38;", "&")
    };
    let inputs = form.split("<input type=\"hidden\"").skip(1);
    inputs
        .map(|input| input.split('>').next().unwrap())
        .map(|tag| (attribute(tag, "name"), attribute(tag, "value")))
        .collect()
}

async fn post(bench: &Bench, path: &str, fields: &[(String, String)]) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    bench.send(Method::POST, path, &FORM, &body).await
}

/// Confirms a step with everything that this query matches, and returns the path of the action's page.
async fn confirmed(bench: &Bench, query: &str, step: &str) -> String {
    let page = bench
        .get(&format!("/console/bulk/new/?{query}&step={step}"))
        .await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut fields = hidden(&page, "/console/bulk/");
    fields.push(("reason".to_owned(), "Entered twice.".to_owned()));
    let reply = post(bench, "/console/bulk/", &fields).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let path = reply.header("location").split('?').next();
    path.unwrap().to_owned()
}

async fn work(bench: &Bench) {
    let runner = BulkRunner::new(
        bench.bulk_actions.clone(),
        bench.app_state.payouts.clone(),
        bench.app_state.keys.clone(),
        crate::http::read_bulk_filter,
    );
    while runner.work(&Actor::new("worker-1")).await.unwrap() {}
}

#[tokio::test]
async fn everything_that_a_filter_matches_is_cancelled() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.create().await;
    }
    let mut other = new_payout();
    other["currency"] = json!("USD");
    let created = bench.write(Method::POST, "/api/payouts/", &[], &other).await;
    let other = created.header("location").to_owned();
    let list = bench.get("/console/payouts/?currency=EUR").await;
    assert!(
        list.text.contains("With everything that matches (3)"),
        "{}",
        list.text
    );
    assert_eq!(
        hidden(&list, "/console/bulk/new/"),
        [("currency".to_owned(), "EUR".to_owned())]
    );
    let page = bench.get("/console/bulk/new/?currency=EUR&step=cancel").await;
    for part in ["3 payouts match", "376.50 EUR", "This cannot be undone."] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let path = confirmed(&bench, "currency=EUR", "cancel").await;
    let running = bench.get(&path).await;
    for part in ["It waits for a worker", "hx-trigger", "Stop it", "Entered twice."] {
        assert!(running.text.contains(part), "{part}: {}", running.text);
    }
    work(&bench).await;
    let finished = bench.get(&path).await;
    for part in [
        ">Finished<",
        "<dt>Cancelled</dt><dd>3</dd>",
        "<td data-label=\"Outcome\">Cancelled</td>",
    ] {
        assert!(finished.text.contains(part), "{part}: {}", finished.text);
    }
    assert!(!finished.text.contains("hx-trigger") && !finished.text.contains("Stop it"));
    assert_eq!(bench.get(&other).await.json()["status"], "pending");
    // Once more: nothing is changed, and the page says why.
    let path = confirmed(&bench, "currency=EUR", "cancel").await;
    work(&bench).await;
    let refused = bench.get(&format!("{path}?refused=1")).await;
    assert!(
        refused
            .text
            .contains("Nothing was done: It has this status already."),
        "{}",
        refused.text
    );
    let list = bench.get("/console/bulk/").await;
    assert!(list.text.contains(&path), "{}", list.text);
}

#[tokio::test]
async fn a_stopped_action_says_who_stopped_it() {
    let bench = Bench::new();
    bench.create().await;
    let path = confirmed(&bench, "", "cancel").await;
    let needs = bench.get("/console/").await;
    assert!(
        needs.text.contains("A bulk action is running: Cancel 1 payout"),
        "{}",
        needs.text
    );
    let mut fields = hidden(&bench.get(&path).await, &format!("{path}stop/"));
    fields.push(("reason".to_owned(), "Too early.".to_owned()));
    let reply = post(&bench, &format!("{path}stop/"), &fields).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    work(&bench).await;
    let stopped = bench.get(&path).await;
    assert!(
        stopped.text.contains("api stopped it: Too early."),
        "{}",
        stopped.text
    );
    assert!(
        stopped.text.contains("<dt>Cancelled</dt><dd>0</dd>"),
        "{}",
        stopped.text
    );
}

#[tokio::test]
async fn what_cannot_be_done_with_everything_is_refused() {
    let bench = Bench::new();
    bench.create().await;
    for (query, words) in [
        ("step=delete", "Choose what to do."),
        ("step=cancel&currency=XXX", "currency"),
        (
            "step=cancel&search=Ada",
            "An account or a name cannot be part of the filter",
        ),
        ("step=cancel&deleted=with", "Deleted payouts cannot be changed."),
    ] {
        let page = bench.get(&format!("/console/bulk/new/?{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.text.contains(words), "{query}: {}", page.text);
    }
    let list = bench.get("/console/payouts/?search=Ada").await;
    assert!(
        !list.text.contains("With everything that matches"),
        "{}",
        list.text
    );
    let page = bench.get("/console/bulk/new/?step=cancel").await;
    let fields = hidden(&page, "/console/bulk/");
    // Without a reason, with a count from elsewhere, and without the token.
    let reply = post(&bench, "/console/bulk/", &fields).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let mut all = fields.clone();
    all.push(("reason".to_owned(), "x".to_owned()));
    for (name, value, status) in [
        ("counted_at", "1", 400),
        ("id", "x", 400),
        ("matched", "-1", 400),
        ("token", "x", 403),
    ] {
        let mut wrong = all.clone();
        wrong.retain(|(given, _)| given != name);
        wrong.push((name.to_owned(), value.to_owned()));
        let reply = post(&bench, "/console/bulk/", &wrong).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
    }
    assert_eq!(
        bench
            .get("/console/bulk/00000000-0000-7000-8000-000000000000/")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn nobody_without_a_session_sees_a_bulk_action() {
    let bench = Bench::new();
    bench.create().await;
    let path = confirmed(&bench, "", "cancel").await;
    bench.key("ada", Scope::ALL.iter().copied()).await;
    for path in [path.as_str(), "/console/bulk/", "/console/bulk/new/?step=cancel"] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        assert!(
            reply.header("location").starts_with("/console/sign-in/"),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn a_misspelt_or_doubled_filter_shows_exports_and_changes_nothing() {
    let bench = Bench::new();
    bench.create().await;
    for query in [
        "staus=failed",
        "Status=failed",
        "status%5B%5D=failed",
        "only_tests=true",
        "metadata=x",
        "currency=USD&currency=EUR",
    ] {
        for page in [
            format!("/console/payouts/?{query}"),
            format!("/console/payouts/export/?{query}&format=csv"),
            format!("/console/bulk/new/?step=cancel&{query}"),
        ] {
            let reply = bench.get(&page).await;
            assert_eq!(reply.status, 400, "{page}");
            assert!(!reply.text.contains("125.50"), "{page}");
        }
        let page = bench.get("/console/bulk/new/?step=cancel").await;
        let mut fields = hidden(&page, "/console/bulk/");
        fields.retain(|(name, _)| name != "filter");
        fields.extend([
            ("filter".to_owned(), query.replace("%5B%5D", "[]")),
            ("reason".to_owned(), "Because.".to_owned()),
        ]);
        assert_eq!(
            post(&bench, "/console/bulk/", &fields).await.status,
            400,
            "{query}"
        );
    }
    let known =
        "/console/payouts/?status=pending&status=failed&needs_review=&q=&column=created_by&column=updated";
    assert_eq!(bench.get(known).await.status, 200);
}
