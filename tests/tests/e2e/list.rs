//! `GET /api/payouts/`: filters and order.

use payout_tests::app::{App, path_of};
use payout_tests::body::{ACCOUNT, payout, payout_with, unique, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{State, declining, despairing, on_each_backend, serving};

on_each_backend!(
    an_empty_list_is_answered_whole,
    the_newest_come_first_unless_asked_otherwise,
    statuses_are_filtered_and_may_be_repeated,
    currencies_are_filtered_in_any_case,
    times_of_creation_are_filtered,
    reviews_are_filtered,
    a_search_finds_the_exact_account,
    a_search_finds_the_beginning_of_a_name,
    equal_names_are_found_and_replayed_however_they_are_written,
    what_was_stored_before_names_were_folded_whole_is_found,
    filters_add_up,
    every_wrong_parameter_is_named,
    an_unknown_parameter_is_refused_and_named,
);

/// Returns the ids of a list, in its order.
async fn ids(app: &App, query: &str) -> Vec<Value> {
    let list = app.payout(&format!("{PAYOUTS}?page_size=200&{query}")).await;
    let results = list["results"].as_array().unwrap();
    assert_eq!(
        (&list["count"], &list["count_exact"]),
        (&json!(results.len()), &json!(true)),
        "{query}"
    );
    results.iter().map(|payout| payout["id"].clone()).collect()
}

fn only(id: &Value) -> Vec<Value> {
    vec![id.clone()]
}

async fn created(app: &App, body: Value) -> Value {
    app.create(body).await["id"].clone()
}

async fn an_empty_list_is_answered_whole(backend: Backend) {
    let app = serving(backend).await;
    let empty = json!({"count": 0, "count_exact": true, "next": null, "previous": null, "results": []});
    assert_eq!(app.payout(PAYOUTS).await, empty);
}

async fn the_newest_come_first_unless_asked_otherwise(backend: Backend) {
    let app = serving(backend).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(created(&app, payout()).await);
    }
    assert_eq!(ids(&app, "ordering=created_at").await, expected);
    expected.reverse();
    assert_eq!(ids(&app, "").await, expected);
    assert_eq!(ids(&app, "ordering=-created_at").await, expected);
    let list = app.payout(PAYOUTS).await;
    assert_eq!(
        list["results"][0],
        app.payout(&path_of(&list["results"][0])).await,
        "each is a whole payout"
    );
}

async fn statuses_are_filtered_and_may_be_repeated(backend: Backend) {
    let app = declining(backend).await;
    let failed = app.payout(&State::Failed.payout(&app).await).await["id"].clone();
    let worker_less = app.launch().serve().await;
    drop(app);
    let app = worker_less;
    let pending = created(&app, payout()).await;
    let cancelled = app.payout(&State::Cancelled.payout(&app).await).await["id"].clone();
    for (query, expected) in [
        ("status=failed", vec![&failed]),
        ("status=pending", vec![&pending]),
        ("status=cancelled", vec![&cancelled]),
        ("status=completed", vec![]),
        ("status=processing", vec![]),
        ("status=pending&status=failed", vec![&pending, &failed]),
        ("status=failed&status=failed&status=completed", vec![&failed]),
        (
            "status=pending&status=processing&status=completed&status=failed&status=cancelled",
            vec![&cancelled, &pending, &failed],
        ),
        ("status=", vec![&cancelled, &pending, &failed]),
    ] {
        assert_eq!(
            ids(&app, query).await.iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
    }
}

async fn currencies_are_filtered_in_any_case(backend: Backend) {
    let app = serving(backend).await;
    let (_, euro) = (
        created(&app, payout()).await,
        created(&app, payout_with("currency", "EUR")).await,
    );
    for query in ["currency=EUR", "currency=eur"] {
        assert_eq!(ids(&app, query).await, only(&euro));
    }
    assert!(ids(&app, "currency=GBP").await.is_empty());
}

async fn times_of_creation_are_filtered(backend: Backend) {
    let app = serving(backend).await;
    let mut payouts = Vec::new();
    for _ in 0..3 {
        payouts.push(app.create(payout()).await);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let [first, middle, last] = [0, 1, 2].map(|number| payouts[number]["id"].clone());
    let moment = payouts[1]["created_at"].as_str().unwrap();
    assert_eq!(
        ids(&app, &format!("created_after={moment}")).await,
        [last.clone(), middle.clone()]
    );
    assert_eq!(ids(&app, &format!("created_before={moment}")).await, only(&first));
    let elsewhere = moment.replace('Z', "%2B00:00");
    assert_eq!(
        ids(&app, &format!("created_before={elsewhere}")).await,
        only(&first)
    );
    assert_eq!(
        ids(&app, &format!("created_after={moment}&created_before={moment}")).await,
        [] as [Value; 0]
    );
    assert_eq!(
        ids(&app, "created_after=2020-01-01&created_before=2999-12-31").await,
        [last, middle, first]
    );
    assert!(ids(&app, "created_before=2020-01-01T00:00:00Z").await.is_empty());
    assert!(ids(&app, "created_after=9999-12-31T23:59:59Z").await.is_empty());
    assert!(ids(&app, "created_before=0001-01-01T00:00:00Z").await.is_empty());
}

async fn reviews_are_filtered(backend: Backend) {
    let app = despairing(backend).await;
    let review = app.payout(&State::UnderReview.payout(&app).await).await["id"].clone();
    assert_eq!(ids(&app, "needs_review=true").await, only(&review));
    assert!(ids(&app, "needs_review=false").await.is_empty());
    assert_eq!(ids(&app, "status=processing&needs_review=true").await, [review]);
}

async fn a_search_finds_the_exact_account(backend: Backend) {
    let app = serving(backend).await;
    let account = unique(ACCOUNT);
    let found = created(&app, payout_with("recipient_account", account.clone())).await;
    created(&app, payout_with("recipient_account", format!("{account}0"))).await;
    assert_eq!(ids(&app, &format!("search={account}")).await, [found]);
    assert!(
        ids(&app, &format!("search={}", &account[1..])).await.is_empty(),
        "not a part of it"
    );
}

async fn a_search_finds_the_beginning_of_a_name(backend: Backend) {
    let app = serving(backend).await;
    let mut made = Vec::new();
    for name in [
        "Zoë Washburne",
        "ZOË W",
        "zoe",
        "100% Ltd",
        "1000 Ltd",
        "a_b",
        "aXb",
        "Ёлкин",
        "O'Neil",
    ] {
        made.push((name, created(&app, payout_with("recipient_name", name)).await));
    }
    for (search, expected) in [
        ("zo%C3%AB", vec!["Zoë Washburne", "ZOË W"]),
        ("ZO", vec!["Zoë Washburne", "ZOË W", "zoe"]),
        ("+zoe+", vec!["zoe"]),
        ("Washburne", vec![]),
        // Characters that are special in SQL are not special here.
        ("100%25", vec!["100% Ltd"]),
        ("%25", vec![]),
        ("a_", vec!["a_b"]),
        ("_", vec![]),
        ("*", vec![]),
        ("o'n", vec!["O'Neil"]),
        ("%D1%91%D0%BB", vec!["Ёлкин"]),
        ("\"", vec![]),
    ] {
        let mut found = ids(&app, &format!("search={search}&ordering=created_at")).await;
        let expected = made
            .iter()
            .filter(|(name, _)| expected.contains(name))
            .map(|(_, id)| id.clone());
        let expected: Vec<Value> = expected.collect();
        found.sort_by_key(|id| expected.iter().position(|other| other == id));
        assert_eq!(found, expected, "{search}");
    }
}

async fn equal_names_are_found_and_replayed_however_they_are_written(backend: Backend) {
    let app = serving(backend).await;
    let body = with(
        payout_with("recipient_name", "Rene\u{301}e STRASSE ΟΔΥΣΣΕΥΣ"),
        "description",
        "Cafe\u{301}",
    );
    let composed = with(
        with(body.clone(), "recipient_name", "Ren\u{e9}e STRASSE ΟΔΥΣΣΕΥΣ"),
        "description",
        "Caf\u{e9}",
    );
    let keyed = |body: &Value| {
        app.post(PAYOUTS)
            .header("idempotency-key", "one")
            .json(body.clone())
    };
    let first = keyed(&body).await.expect(201);
    assert_eq!(first.json()["recipient_name"], composed["recipient_name"]);
    let again = keyed(&composed).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let id = first.json()["id"].clone();
    for search in [
        "REN%C3%89E",
        "rene%CC%81e%20stra%C3%9Fe",
        "ren%C3%A9e%20strasse%20%CE%BF%CE%B4%CF%85%CF%83",
    ] {
        assert_eq!(
            ids(&app, &format!("search={search}")).await,
            only(&id),
            "{search}"
        );
    }
}

async fn what_was_stored_before_names_were_folded_whole_is_found(backend: Backend) {
    let app = serving(backend).await;
    for (name, folded, searches) in [
        ("Straße", "straße", vec!["straße", "STRAßE"]),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς", vec!["ΟΔΥΣΣΕΥΣ", "οδυσσευς"]),
        ("Rene\u{301}e", "rene\u{301}e", vec!["rene\u{301}e", "REN\u{c9}E"]),
    ] {
        let id = created(&app, payout()).await;
        let number = format!("(SELECT count(*) FROM payouts WHERE recipient_name_folded = '{folded}')");
        app.store()
            .execute(format!(
                "UPDATE payout_details SET recipient_name = '{name}', recipient_name_folded = '{folded}' \
                 WHERE recipient_name = '{}'",
                payout_tests::body::NAME
            ))
            .await;
        assert_eq!(app.store().number(format!("SELECT {number}")).await, 1);
        for search in searches {
            let encoded: String = url_encoded(search);
            assert_eq!(
                ids(&app, &format!("search={encoded}")).await,
                only(&id),
                "{name} {search}"
            );
        }
        assert_eq!(
            app.payout(&format!("{PAYOUTS}{}/", id.as_str().unwrap())).await["recipient_name"],
            name
        );
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn filters_add_up(backend: Backend) {
    let app = serving(backend).await;
    let named = |name: &str, currency: &str| with(payout_with("recipient_name", name), "currency", currency);
    created(&app, named("Grace", "USD")).await;
    let wanted = created(&app, named("Grace", "EUR")).await;
    created(&app, named("Edsger", "EUR")).await;
    assert_eq!(
        ids(&app, "search=gra&currency=EUR&status=pending&needs_review=false").await,
        [wanted]
    );
    assert!(
        ids(&app, "search=gra&currency=EUR&status=failed")
            .await
            .is_empty()
    );
}

async fn every_wrong_parameter_is_named(backend: Backend) {
    let app = serving(backend).await;
    let long = "x".repeat(129);
    for (name, values) in [
        ("status", vec!["gone", "PENDING", "pending%00", "0"]),
        ("currency", vec!["XXX", "EU", "%D0%A0%D0%A3%D0%91", "EURO"]),
        (
            "created_after",
            vec![
                "yesterday",
                "2026-13-01",
                "2026-02-30",
                "1764000000",
                "2026-01-01T25:00:00Z",
                "2026-01-01%20%2000:00:00Z",
                "%00",
            ],
        ),
        (
            "created_before",
            vec!["never", "2026-01-01T00:00:00", "24/11/2026"],
        ),
        ("needs_review", vec!["yes", "1", "True", "null"]),
        ("search", vec!["a%00b", "a%0Ab", long.as_str()]),
        (
            "ordering",
            vec!["amount", "-id", "created_at,-created_at", "--created_at"],
        ),
        ("count", vec!["about", "true", "10"]),
        (
            "page_size",
            vec!["0", "201", "-1", "1.5", "x", "99999999999999999999", "%2B5"],
        ),
        ("page", vec!["0", "-1", "x", "1e3", "99999999999999999999999"]),
        ("cursor", vec!["x", "AAAA", "%00", "' OR 1=1 --"]),
    ] {
        for value in values {
            let problem = app.get(&format!("{PAYOUTS}?{name}={value}")).await.problem(400);
            assert_eq!(problem.fields(), [name], "{name}={value}");
        }
    }
    let problem = app
        .get(&format!("{PAYOUTS}?status=x&currency=x&page_size=x&ordering=x"))
        .await
        .problem(400);
    assert_eq!(
        problem.fields(),
        ["currency", "ordering", "page_size", "status"],
        "all at once"
    );
}

async fn an_unknown_parameter_is_refused_and_named(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let problem = app
        .get(&format!("{PAYOUTS}?state=failed&curency=EUR&utm_source=mail"))
        .await
        .problem(400);
    assert_eq!(problem.fields(), ["curency", "state", "utm_source"]);
    assert_eq!(problem.of("state"), ["Unknown parameter; is status meant?"]);
    assert_eq!(problem.of("utm_source"), ["Unknown parameter."]);
    let problem = app
        .get(&format!("{PAYOUTS}?page_size=1&page_size=2"))
        .await
        .problem(400);
    assert_eq!(problem.fields(), ["page_size"]);
    // Unknown parameters are refused everywhere in the API, even on a request that would write.
    let delete = app.delete(&format!("{path}?dry_run=1")).await.problem(400);
    assert_eq!(delete.fields(), ["dry_run"]);
    assert_eq!(
        app.get(&format!("{path}events/?limit=1"))
            .await
            .problem(400)
            .fields(),
        ["limit"]
    );
    assert_eq!(app.payout(&path).await["status"], "pending");
}
