//! `GET /api/payouts/`: pages, by cursor and by number.

use std::collections::HashSet;

use payout_tests::app::{App, path_of};
use payout_tests::body::{payout, payout_with};
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend, serving};

on_each_backend!(
    links_lead_back_by_the_way_the_client_came,
    a_page_has_twenty_payouts_unless_asked_otherwise,
    pages_by_cursor_lead_through_the_whole_list_and_back,
    pages_by_cursor_neither_repeat_nor_miss_while_others_are_created,
    pages_by_cursor_keep_their_filters_and_order,
    pages_by_number_lead_through_the_whole_list,
    a_page_beyond_the_last_does_not_exist,
    a_cursor_that_was_edited_is_refused,
    a_cursor_of_another_list_is_refused,
    a_cursor_survives_what_it_points_at,
    links_lead_to_where_the_client_came,
);

/// Creates this many payouts, several at a time.
async fn create(app: &App, many: usize) {
    for _ in 0..many / 25 {
        futures::future::join_all((0..25).map(|_| app.create(payout()))).await;
    }
}

fn ids(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().unwrap().iter();
    results
        .map(|payout| payout["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Reads every page from this one on, by `next` or `previous`.
async fn walk(app: &App, from: &str, link: &str) -> Vec<Value> {
    let mut pages = vec![app.payout(from).await];
    while let Some(next) = pages.last().and_then(|page| page[link].as_str()) {
        let page = app.payout(next).await;
        pages.push(page);
    }
    pages
}

async fn a_page_has_twenty_payouts_unless_asked_otherwise(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 225).await;
    for (query, size) in [
        ("", 20),
        ("?page_size=", 20),
        ("?page_size=1", 1),
        ("?page_size=200", 200),
    ] {
        let page = app.payout(&format!("{PAYOUTS}{query}")).await;
        assert_eq!(ids(&page).len(), size, "{query}");
        assert_eq!((&page["count"], &page["previous"]), (&json!(225), &json!(null)));
        assert!(page["next"].is_string());
    }
}

async fn pages_by_cursor_lead_through_the_whole_list_and_back(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 250).await;
    let forwards = walk(&app, &format!("{PAYOUTS}?page_size=40"), "next").await;
    assert_eq!(
        forwards.iter().map(|page| ids(page).len()).collect::<Vec<_>>(),
        [40, 40, 40, 40, 40, 40, 10]
    );
    let all: Vec<String> = forwards.iter().flat_map(ids).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 250, "each once");
    let times: Vec<&Value> = forwards
        .iter()
        .flat_map(|page| page["results"].as_array().unwrap())
        .collect();
    assert!(times.is_sorted_by(|one, other| one["created_at"].as_str() >= other["created_at"].as_str()));

    let last = forwards[5]["next"].as_str().unwrap();
    let mut backwards = walk(&app, last, "previous").await;
    backwards.reverse();
    assert_eq!(
        backwards.iter().map(ids).collect::<Vec<_>>(),
        forwards.iter().map(ids).collect::<Vec<_>>()
    );
    assert_eq!(backwards[0]["previous"], json!(null));
    assert_eq!(
        backwards[0]["next"], forwards[0]["next"],
        "the way on is the same"
    );
}

async fn pages_by_cursor_neither_repeat_nor_miss_while_others_are_created(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 250).await;
    let before: HashSet<String> = walk(&app, &format!("{PAYOUTS}?page_size=200"), "next")
        .await
        .iter()
        .flat_map(ids)
        .collect();
    for order in ["-created_at", "created_at"] {
        let mut link = format!("{PAYOUTS}?page_size=30&ordering={order}");
        let mut seen = Vec::new();
        loop {
            let (page, _) = tokio::join!(app.payout(&link), create(&app, 25));
            seen.extend(ids(&page));
            // In ascending order of time, the list does not end while it grows.
            let enough = order == "created_at" && seen.len() >= before.len();
            match page["next"].as_str().filter(|_| !enough) {
                Some(next) => next.clone_into(&mut link),
                None => break,
            }
        }
        let unique: HashSet<String> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "{order}: none twice");
        assert!(before.is_subset(&unique), "{order}: none missed");
    }
}

async fn pages_by_cursor_keep_their_filters_and_order(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 25).await;
    let mut euros = Vec::new();
    for _ in 0..7 {
        euros.push(
            app.create(payout_with("currency", "EUR")).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let query = "currency=eur&status=pending&status=failed&ordering=created_at&page_size=3&search=ada";
    let pages = walk(&app, &format!("{PAYOUTS}?{query}"), "next").await;
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), euros);
    assert!(pages.iter().all(|page| page["count"] == 7));
    assert_eq!(
        ids(&app.payout(pages[2]["previous"].as_str().unwrap()).await),
        ids(&pages[1])
    );
}

async fn pages_by_number_lead_through_the_whole_list(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 50).await;
    let by_cursor = walk(&app, &format!("{PAYOUTS}?page_size=15"), "next").await;
    let by_number = walk(&app, &format!("{PAYOUTS}?page_size=15&page=1"), "next").await;
    assert_eq!(
        by_number.iter().map(ids).collect::<Vec<_>>(),
        by_cursor.iter().map(ids).collect::<Vec<_>>()
    );
    assert!(by_number[0]["next"].as_str().unwrap().contains("page=2"));
    let back = walk(&app, &format!("{PAYOUTS}?page_size=15&page=4"), "previous").await;
    assert_eq!(
        back.iter().rev().map(ids).collect::<Vec<_>>(),
        by_number.iter().map(ids).collect::<Vec<_>>()
    );
}

async fn a_page_beyond_the_last_does_not_exist(backend: Backend) {
    let app = serving(backend).await;
    assert_eq!(
        ids(&app.payout(&format!("{PAYOUTS}?page=1")).await).len(),
        0,
        "the first always does"
    );
    create(&app, 25).await;
    for page in ["3", "1000000", "18446744073709551615"] {
        app.get(&format!("{PAYOUTS}?page={page}")).await.problem(404);
    }
    let last = app.payout(&format!("{PAYOUTS}?page=2")).await;
    assert_eq!((ids(&last).len(), &last["next"]), (5, &json!(null)));
    app.get(&format!("{PAYOUTS}?page=1&cursor=x")).await.problem(400);
}

fn cursor_of(link: &str) -> &str {
    let (_, cursor) = link.rsplit_once("cursor=").expect("a cursor");
    cursor.split('&').next().unwrap()
}

async fn a_cursor_that_was_edited_is_refused(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 25).await;
    let page = app.payout(PAYOUTS).await;
    let cursor = cursor_of(page["next"].as_str().unwrap()).to_owned();
    let mut odd = vec![
        format!("{cursor}A"),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
    ];
    for position in (0..cursor.len()).step_by(5) {
        let letter = if cursor.as_bytes()[position] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut edited = cursor.clone();
        edited.replace_range(position..=position, letter);
        odd.push(edited);
    }
    for cursor in odd {
        let problem = app.get(&format!("{PAYOUTS}?cursor={cursor}")).await.problem(400);
        assert_eq!(problem.fields(), ["cursor"], "{cursor}");
    }
}

async fn a_cursor_of_another_list_is_refused(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 25).await;
    let page = app.payout(PAYOUTS).await;
    let next = page["next"].as_str().unwrap();
    for other in [
        "currency=USD",
        "status=pending",
        "ordering=created_at",
        "needs_review=false",
        "search=ada",
        "created_after=2020-01-01",
    ] {
        assert_eq!(
            app.get(&format!("{next}&{other}")).await.problem(400).fields(),
            ["cursor"],
            "{other}"
        );
    }
    assert_eq!(
        ids(&app.payout(&format!("{next}&page_size=3")).await).len(),
        3,
        "the size may change on the way"
    );
}

async fn a_cursor_survives_what_it_points_at(backend: Backend) {
    let app = serving(backend).await;
    create(&app, 25).await;
    let page = app.payout(PAYOUTS).await;
    for payout in page["results"].as_array().unwrap() {
        let _ = app.delete(&path_of(payout)).await.expect(204);
    }
    let rest = app.payout(page["next"].as_str().unwrap()).await;
    assert_eq!((ids(&rest).len(), &rest["count"]), (5, &json!(5)));
}

async fn links_lead_to_where_the_client_came(backend: Backend) {
    let app = launch(backend).await.set("PAYOUT_AUTH", "off").serve().await;
    create(&app, 25).await;
    let link = async |host: &str| {
        let head =
            format!("GET {PAYOUTS}?search=Ada+Q HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let reply = payout_tests::raw::send(app.port(), head.as_bytes()).await;
        let page: Value = serde_json::from_slice(&reply.body).unwrap();
        page["next"].as_str().unwrap().to_owned()
    };
    let (address, base) = (
        format!("127.0.0.1:{}", app.port()),
        format!("{}{PAYOUTS}?", app.base()),
    );
    assert!(link(&address).await.starts_with(&base));
    assert!(
        link("payouts.example:8443")
            .await
            .starts_with(&format!("http://payouts.example:8443{PAYOUTS}?search=Ada"))
    );
}

async fn links_lead_back_by_the_way_the_client_came(backend: Backend) {
    let launch = launch(backend)
        .await
        .set("PAYOUT_TRUSTED_PROXIES", "127.0.0.2/32");
    launch.migrate().await;
    let key = launch.make_key("client", "read,write,reveal").await;
    let app = launch.serve().await;
    app.always_with_key(&key);
    for _ in 0..2 {
        app.create(payout()).await;
    }
    let one = format!("{PAYOUTS}?page_size=1");
    let next = async |api: &Api, headers: &[(&str, &str)]| -> String {
        let call = headers
            .iter()
            .fold(api.get(&one), |call, (name, value)| call.header(name, value));
        call.await.expect(200).json()["next"].as_str().unwrap().to_owned()
    };
    let direct = next(&app, &[]).await;
    assert!(
        direct.starts_with(&format!("http://127.0.0.1:{}/api/payouts/?", app.port())),
        "{direct}"
    );

    let from = |address| {
        let api = Api::from_address(address, app.port());
        api.always_with_key(&key);
        api
    };
    let proxy = from([127, 0, 0, 2]);
    for headers in [
        &[("host", "pay.example"), ("x-forwarded-proto", "https")][..],
        &[
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "pay.example"),
        ],
        &[("forwarded", "for=198.51.100.1;proto=https;host=pay.example")],
    ] {
        let link = next(&proxy, headers).await;
        assert!(
            link.starts_with("https://pay.example/api/payouts/?"),
            "{headers:?}: {link}"
        );
    }
    // Headers from an untrusted address are ignored, and missing information is not guessed.
    let stranger = from([127, 0, 0, 3]);
    for (api, headers) in [
        (
            &stranger,
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil.example"),
            ][..],
        ),
        (&stranger, &[("forwarded", "proto=https;host=evil.example")]),
        (&proxy, &[("host", "pay.example")]),
        (
            &proxy,
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil.example/x?"),
            ],
        ),
    ] {
        let link = next(api, headers).await;
        assert!(link.starts_with("/api/payouts/?"), "{headers:?}: {link}");
        let _ = app.get(&link).await.expect(200);
    }
}
