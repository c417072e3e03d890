//! The event feed over HTTP.

use futures::StreamExt;
use payout_core::access::Scope;
use payout_core::contract::{build, drive};
use payout_core::feed::FeedPosition;
use salvo::http::Method;
use salvo::test::RequestBuilder;
use serde_json::Value;
use tokio::time::{Duration, Instant, timeout};

use super::{Bench, Reply};

async fn get(bench: &Bench, path: &str) -> Reply {
    bench.send(Method::GET, path, &[], "").await
}

async fn page(bench: &Bench, query: &str) -> (Vec<Value>, String) {
    let reply = get(bench, &format!("/api/events/{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    let results = body["results"].as_array().unwrap().clone();
    (results, body["next"].as_str().unwrap().to_owned())
}

fn types(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_feed_is_read_page_by_page_and_goes_on_at_its_end() {
    let bench = Bench::new();
    let start = FeedPosition::START.to_string();
    assert_eq!(page(&bench, "").await, (vec![], start));
    let payout = drive::declined(&*bench.repository).await;
    let (first, next) = page(&bench, "?limit=2").await;
    assert_eq!(types(&first), ["payout.created", "payout.processing"]);
    let (second, end) = page(&bench, &format!("?limit=2&after={next}")).await;
    assert_eq!(types(&second), ["payout.failed"]);
    assert_eq!(
        page(&bench, &format!("?after={end}")).await,
        (vec![], end.clone())
    );
    drive::stored(&*bench.repository).await;
    let (third, _) = page(&bench, &format!("?after={end}")).await;
    assert_eq!(types(&third), ["payout.created"]);

    let failed = &second[0];
    let id = payout.id();
    assert_eq!(failed["payout_id"], id.to_string());
    assert_eq!(failed["id"], format!("evt_{}_3", id.as_uuid().as_simple()));
    assert_eq!(failed["version"], 3);
    assert_eq!(failed["sequence"], end);
    assert_eq!(failed["data"]["status"], "failed");
    assert_eq!(failed["data"]["amount"], payout.money().amount().to_string());
    assert_eq!(failed["data"]["currency"], payout.money().currency().code());
    assert_eq!(failed["data"]["reference"], Value::Null);
    assert!(failed["data"]["reason"].is_string());
    let text = failed.to_string();
    let recipient = &payout.details().recipient;
    assert!(!text.contains(recipient.account().as_str()) && !text.contains(recipient.name().as_str()));
}

#[tokio::test]
async fn a_filter_leaves_out_other_types() {
    let bench = Bench::new();
    drive::declined(&*bench.repository).await;
    drive::under_review(&*bench.repository).await;
    let (events, _) = page(&bench, "?types=payout.failed,payout.needs_review").await;
    assert_eq!(types(&events), ["payout.failed", "payout.needs_review"]);
    let (events, _) = page(&bench, "?types=payout.failed&types=payout.deleted").await;
    assert_eq!(types(&events), ["payout.failed"]);
}

#[tokio::test]
async fn a_wrong_query_is_refused_by_name() {
    let bench = Bench::new();
    for (query, name) in [
        ("after=x", "after"),
        ("types=created", "types"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("wait=31", "wait"),
        ("wait=-1", "wait"),
        ("cursor=1", "cursor"),
    ] {
        let reply = get(&bench, &format!("/api/events/?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.json()["errors"][name].is_array(), "{query}: {reply:?}");
    }
    let last = [("last-event-id", "x")];
    let reply = bench.send(Method::GET, "/api/events/stream/", &last, "").await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["errors"]["Last-Event-ID"].is_array());
}

#[tokio::test]
async fn a_cursor_beyond_the_end_of_the_feed_is_refused() {
    let bench = Bench::new();
    let beyond = "00000000ffffffff0000000000000001";
    let refused = async |bench: &Bench, cursor: &str| {
        for path in [
            format!("/api/events/?after={cursor}"),
            format!("/api/events/?after={cursor}&wait=1&types=payout.failed"),
            format!("/api/events/stream/?after={cursor}"),
        ] {
            let problem = get(bench, &path).await.problem(400, "invalid-request");
            assert!(problem["errors"]["after"].is_array(), "{path}: {problem}");
        }
        let last = [("last-event-id", cursor)];
        let reply = bench.send(Method::GET, "/api/events/stream/", &last, "").await;
        let problem = reply.problem(400, "invalid-request");
        assert!(problem["errors"]["Last-Event-ID"].is_array(), "{problem}");
    };
    refused(&bench, beyond).await;
    drive::declined(&*bench.repository).await;
    refused(&bench, beyond).await;

    // Every cursor that was given is known, the last one too, whatever the filter.
    let (events, end) = page(&bench, "").await;
    let given = events.iter().map(|event| event["sequence"].as_str().unwrap());
    let start = FeedPosition::START.to_string();
    for cursor in given.chain([end.as_str(), start.as_str()]) {
        page(&bench, &format!("?after={cursor}&types=payout.deleted")).await;
        drop(open(&bench, "/api/events/stream/", Some(cursor)).await);
    }
    // It is that of another database, which has more events.
    refused(&Bench::new(), &end).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test measures how long a client waits"
)]
#[tokio::test]
async fn a_reader_at_the_end_waits_for_the_next_event_of_its_types() {
    let bench = Bench::new();
    drive::stored(&*bench.repository).await;
    let (_, end) = page(&bench, "").await;
    let path = format!("?after={end}&wait=30&types=payout.failed");
    let began = Instant::now();
    let (waited, payout) = tokio::join!(page(&bench, &path), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drive::stored(&*bench.repository).await;
        drive::declined(&*bench.repository).await
    });
    let (events, next) = waited;
    assert_eq!(types(&events), ["payout.failed"]);
    assert_eq!(events[0]["payout_id"], payout.id().to_string());
    assert_eq!(events[0]["sequence"], next);
    let took = began.elapsed();
    assert!(
        (Duration::from_millis(300)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );

    let began = Instant::now();
    let (nothing, after) = page(&bench, &format!("?after={next}&wait=1")).await;
    assert_eq!((nothing, after), (vec![], next));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_service_without_a_feed_says_so() {
    let bench = Bench::over(std::sync::Arc::new(
        payout_core::ports::MockPayoutRepository::new(),
    ));
    for path in ["/api/events/", "/api/events/stream/"] {
        assert_eq!(get(&bench, path).await.status, 404);
    }
}

/// Opens a stream and returns what it sends, part by part.
async fn open(bench: &Bench, path: &str, last: Option<&str>) -> impl futures::Stream<Item = String> + use<> {
    let last = last.map(|last| ("last-event-id", last.to_owned()));
    open_with(bench, path, last.into_iter().collect()).await
}

/// Opens a stream with these headers.
async fn open_with(
    bench: &Bench,
    path: &str,
    headers: Vec<(&'static str, String)>,
) -> impl futures::Stream<Item = String> + use<> {
    let mut request = RequestBuilder::new(format!("http://payouts.test{path}"), Method::GET);
    for (name, value) in headers {
        request = request.add_header(name, value, true);
    }
    let mut response = request.send(&bench.service).await;
    assert_eq!(response.status_code.unwrap().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Box::pin(response.take_body().map(|part| {
        let bytes = part.unwrap().into_data().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }))
}

/// Reads messages until one has this type; returns the ids and types of those that have one.
async fn until(
    stream: &mut (impl futures::Stream<Item = String> + Unpin),
    event_type: &str,
) -> Vec<(String, String)> {
    let mut messages: Vec<(String, String)> = Vec::new();
    let read = async {
        while messages.last().is_none_or(|(_, last)| last != event_type) {
            let text = stream.next().await.expect("the stream goes on");
            for message in text.split("\n\n").filter(|message| message.contains("event: ")) {
                let field = |name: &str| {
                    let line = message.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap().to_owned()
                };
                let data: Value = serde_json::from_str(&field("data: ")).unwrap();
                assert_eq!(data["sequence"], field("id: "));
                assert_eq!(data["type"], field("event: "));
                messages.push((field("id: "), field("event: ")));
            }
        }
    };
    timeout(Duration::from_secs(20), read)
        .await
        .expect("the event comes");
    messages
}

#[tokio::test]
async fn a_stream_sends_what_comes_later_and_resumes_where_it_was() {
    let bench = Bench::new();
    drive::stored(&*bench.repository).await;
    let mut stream = open(&bench, "/api/events/stream/", None).await;
    let first = stream.next().await.unwrap();
    assert!(first.starts_with("retry: 1000\nid: "), "{first}");
    drive::declined(&*bench.repository).await;
    let sent = until(&mut stream, "payout.failed").await;
    let names: Vec<&str> = sent.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["payout.created", "payout.processing", "payout.failed"]);
    drop(stream);

    drive::under_review(&*bench.repository).await;
    let last = &sent[0].0;
    let path = "/api/events/stream/?types=payout.failed,payout.needs_review";
    let mut stream = open(&bench, path, Some(last)).await;
    let resumed = until(&mut stream, "payout.needs_review").await;
    let names: Vec<&str> = resumed.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["payout.failed", "payout.needs_review"]);

    let mut whole = open(
        &bench,
        &format!("/api/events/stream/?after={}", FeedPosition::START),
        None,
    )
    .await;
    let sent = until(&mut whole, "payout.needs_review").await;
    let (events, _) = page(&bench, "").await;
    let sequences: Vec<&str> = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap())
        .collect();
    assert_eq!(
        sent.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
        sequences
    );
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_revoked_and_one_without_a_key_at_the_first_key() {
    const PATH: &str = "/api/events/stream/";
    let bench = Bench::new();
    let mut keyless = open(&bench, PATH, None).await;
    keyless.next().await.unwrap();
    let token = bench.key("reader", [Scope::Read]).await;
    let shown = format!("Bearer {}", token.expose());
    let mut keyed = open_with(&bench, PATH, vec![("authorization", shown)]).await;
    keyed.next().await.unwrap();
    drive::stored(&*bench.repository).await;
    until(&mut keyed, "payout.created").await;
    assert_eq!(keyless.next().await, None, "the service has a key now");
    bench
        .app_state
        .keys
        .revoke(&"reader".parse().unwrap())
        .await
        .unwrap();
    bench.app_state.authenticator.keyring.refresh().await.unwrap();
    drive::stored(&*bench.repository).await;
    assert_eq!(keyed.next().await, None, "nothing is sent to a revoked key");
}

#[tokio::test]
async fn many_readers_of_one_process_get_every_event_once_and_in_order() {
    let bench = Bench::new();
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(
            open(
                &bench,
                "/api/events/stream/",
                Some(&FeedPosition::START.to_string()),
            )
            .await,
        );
    }
    let readers = streams
        .into_iter()
        .map(|mut stream| async move { until(&mut stream, "payout.needs_review").await });
    let writes = async {
        for _ in 0..150 {
            drive::store(&*bench.repository, build::new_payout()).await;
            tokio::task::yield_now().await;
        }
        drive::under_review(&*bench.repository).await;
    };
    let (all, ()) = tokio::join!(futures::future::join_all(readers), writes);
    let (events, _) = page(&bench, "?limit=1000").await;
    let expected: Vec<&str> = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap())
        .collect();
    for sent in all {
        assert_eq!(
            sent.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
            expected
        );
    }
}
