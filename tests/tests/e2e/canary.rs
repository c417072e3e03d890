//! Canaries, unmistakable values sent along every path, faults included: none may appear where it does not belong.
//!
//! The search covers the logs and the output of every process and command, crashed ones too, in both formats and at the
//! finest level; the metrics; everything that collectors of traces and errors receive; everything in Redis; every error
//! answer; and, where payouts are encrypted, every byte of the database's files. The search itself is tested too: the
//! provider receives the values that nothing else may contain.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use payout_core::crash::Point;
use payout_tests::app::{App, Launch, path_of};
use payout_tests::client::{Call, PAYOUTS, Reply};
use payout_tests::provider::{Deed, Provider};
use payout_tests::sink::Sink;
use payout_tests::store::{Backend, Store};
use payout_tests::throwaway;
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::support::BINARY;

const ACCOUNT: &str = "CANARY77ACCOUNT001234";
const NAME: &str = "Canaria Qwertzopolis";
const IDEMPOTENCY_KEY: &str = "canary-idempotency-key-551";
const API_KEY: &str = "payout_canaryapikey552canaryapikey552canaryapi";
const TOKEN: &str = "canary-processor-token-553";
const DSN_KEY: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "canarypassword554";
/// 32 bytes.
const KEY: &str = "Y2FuYXJ5LWVuY3J5cHRpb24ta2V5LTU1NS0hISEhISE=";

/// Canaries that no log, metric, hint or error may contain.
const NOWHERE: [&str; 7] = [ACCOUNT, NAME, IDEMPOTENCY_KEY, API_KEY, TOKEN, PASSWORD, KEY];
/// Canaries that the files of an encrypted database may not contain; idempotency keys are stored in plain text, to be
/// looked up.
const NOT_AT_REST: [&str; 6] = [ACCOUNT, NAME, API_KEY, TOKEN, PASSWORD, KEY];

/// Finds the canaries in these bytes, in upper or lower case. It examines each byte once, since a database has many.
fn found<'a>(canaries: &[&'a str], bytes: &[u8]) -> Vec<&'a str> {
    let mut begins = [false; 256];
    for first in canaries.iter().map(|canary| canary.as_bytes()[0]) {
        begins[usize::from(first.to_ascii_lowercase())] = true;
        begins[usize::from(first.to_ascii_uppercase())] = true;
    }
    let mut found = vec![false; canaries.len()];
    for (at, byte) in bytes.iter().enumerate() {
        if !begins[usize::from(*byte)] {
            continue;
        }
        for (canary, found) in canaries.iter().zip(&mut found) {
            let there = bytes.get(at..at + canary.len());
            *found |= there.is_some_and(|there| there.eq_ignore_ascii_case(canary.as_bytes()));
        }
    }
    let those = canaries.iter().zip(found).filter(|(_, found)| *found);
    those.map(|(canary, _)| *canary).collect()
}

#[track_caller]
fn assert_none(canaries: &[&str], bytes: &[u8], place: &str) {
    let found = found(canaries, bytes);
    assert!(
        found.is_empty(),
        "{found:?} in {place}: {}",
        String::from_utf8_lossy(bytes)
    );
}

/// Finds every file below a folder that contains a canary.
fn files_with(canaries: &[&str], folder: &Path) -> Vec<String> {
    let mut with = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            with.extend(files_with(canaries, &path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = found(canaries, &bytes);
            if !found.is_empty() {
                with.push(format!("{found:?} in {}", path.display()));
            }
        }
    }
    with
}

#[test]
fn a_canary_that_is_there_is_found() {
    for canary in NOWHERE {
        let planted = format!("{{\"message\":\"x{}x\"}}", canary.to_uppercase());
        assert_eq!(found(&NOWHERE, planted.as_bytes()), [canary]);
    }
    assert!(found(&NOWHERE, b"{\"message\":\"nothing\"}").is_empty());
}

#[tokio::test]
async fn without_encryption_the_search_finds_them_in_the_files_of_sqlite() {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let folder = store.folder().to_owned();
    {
        let app = Launch::new(BINARY, store.clone()).serve().await;
        app.post(PAYOUTS).json(body()).await.expect(201).json();
    }
    assert!(!files_with(&[ACCOUNT], &folder).is_empty() && !files_with(&[NAME], &folder).is_empty());
}

#[tokio::test]
async fn on_sqlite_nothing_is_seen_where_it_does_not_belong() {
    let provider = provider().await;
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let folder = store.folder().to_owned();
    let (collector, sentry) = (Sink::start().await, Sink::start().await);
    let launch = telling(Launch::new(BINARY, store.clone()), &provider, &collector, &sentry);
    let token = key_to_everything(&launch).await;
    let (nowhere, not_at_rest) = (&with(&NOWHERE, &token)[..], &with(&NOT_AT_REST, &token)[..]);
    for format in ["pretty", "json"] {
        let launch = launch.clone().set("PAYOUT_LOG_FORMAT", format);
        let app = launch.serve().await;
        app.always_with_key(&token);
        let paths = requests(&app, nowhere).await;
        let with_worker = launch.worker();
        ends(&app, &paths, nowhere).await;
        assert_eq!(
            files_with(not_at_rest, &folder),
            Vec::<String>::new(),
            "while it runs"
        );
        let log = format!("{}{}", with_worker.log(), with_worker.printed());
        assert_none(nowhere, log.as_bytes(), "the worker's log");
        look(&app, nowhere).await;
    }
    assert_eq!(
        files_with(not_at_rest, &folder),
        Vec::<String>::new(),
        "once it was stopped"
    );
    commands(&launch, nowhere).await;
    crashes(&launch, &token, nowhere).await;
    elsewhere(&collector, &sentry, nowhere).await;
    assert_the_provider_was_told(&provider);
}

#[tokio::test]
async fn on_postgresql_nothing_is_seen_where_it_does_not_belong() {
    let provider = provider().await;
    let mut postgres = throwaway::Postgres::reserved();
    postgres.start().await;
    let mut redis = throwaway::Redis::reserved();
    redis.start().await;
    let url = postgres
        .url()
        .replace("postgres@", &format!("postgres:{PASSWORD}@"));
    let redis_url = redis.url();
    let store = Arc::new(Store::on(url, Some(redis_url.clone())));
    let plain = Launch::new(BINARY, store.clone());
    let (collector, sentry) = (Sink::start().await, Sink::start().await);
    let launch = telling(plain.clone(), &provider, &collector, &sentry);
    let token = key_to_everything(&launch).await;
    let (nowhere, not_at_rest) = (&with(&NOWHERE, &token)[..], &with(&NOT_AT_REST, &token)[..]);
    for format in ["pretty", "json"] {
        let launch = launch.clone().set("PAYOUT_LOG_FORMAT", format);
        let app = launch.serve().await;
        app.always_with_key(&token);
        let mut paths = requests(&app, nowhere).await;
        assert_none(nowhere, &everything_in_redis(&redis_url), "Redis");
        // The database goes away in the middle of the requests.
        postgres.stop();
        let away = app.post(PAYOUTS).json(body()).await;
        assert_none(nowhere, &away.body, "an answer without a database");
        postgres.start().await;
        let back = eventually("a create after the outage", SOON, async || {
            let reply = app.post(PAYOUTS).json(body()).send().await.ok()?;
            (reply.status == 201).then(|| path_of(&reply.json()))
        });
        paths.push(back.await);
        let worker = launch.worker();
        ends(&app, &paths, nowhere).await;
        assert_none(nowhere, &everything_in_redis(&redis_url), "Redis");
        let log = format!("{}{}", worker.log(), worker.printed());
        assert_none(nowhere, log.as_bytes(), "the worker's log");
        look(&app, nowhere).await;
    }
    store.execute("CHECKPOINT").await;
    assert_eq!(files_with(not_at_rest, postgres.data()), Vec::<String>::new());
    commands(&launch, nowhere).await;
    elsewhere(&collector, &sentry, nowhere).await;
    assert_the_provider_was_told(&provider);

    // The search does find them: without encryption, the files contain the account.
    store.execute("DELETE FROM sealing_keys").await;
    let app = plain.serve().await;
    app.always_with_key(&token);
    app.post(PAYOUTS).json(body()).await.expect(201).json();
    store.execute("CHECKPOINT").await;
    assert!(!files_with(&[ACCOUNT], postgres.data()).is_empty());
    drop(app);
}

/// Starts a provider that fails, garbles and then declines, and quotes the recipient each time.
async fn provider() -> Provider {
    Provider::deciding(|_, submission| match submission {
        1 => Deed::QuoteIn(500),
        2 => Deed::QuoteAndGarble,
        _ => Deed::DeclineQuoting,
    })
    .await
}

/// Sets encryption, the most detailed log, both exporters and every secret.
fn telling(launch: Launch, provider: &Provider, collector: &Sink, sentry: &Sink) -> Launch {
    launch
        .set(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://127.0.0.1:{}/", collector.port()),
        )
        .set("OTEL_BSP_SCHEDULE_DELAY", 100)
        .set(
            "SENTRY_DSN",
            format!("http://{DSN_KEY}@127.0.0.1:{}/7", sentry.port()),
        )
        .set("PAYOUT_ENCRYPTION_KEYS", format!("canary:{KEY}"))
        .set("PAYOUT_LOG", "trace")
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
        .set("PAYOUT_PROCESSOR_TOKEN", TOKEN)
        .set("PAYOUT_BACKOFF_BASE_MS", 20)
        .set("PAYOUT_BACKOFF_CAP_MS", 40)
}

/// Makes a key with every scope, and returns its token; only the token's digest is stored.
async fn key_to_everything(launch: &Launch) -> String {
    launch.migrate().await;
    launch.make_key("canary", "read,write,operate,reveal,admin").await
}

fn with<'a>(canaries: &[&'a str], token: &'a str) -> Vec<&'a str> {
    [canaries, &[token]].concat()
}

/// Checks the output and the logs of the commands.
async fn commands(launch: &Launch, nowhere: &[&str]) {
    for args in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["reconcile", "--since", "1d", "--format", "json"],
        &["reconcile", "--since", "1d", "--format", "csv"],
        &["keys", "list"],
        &["encryption", "rotate"],
    ] {
        let process = launch.finish(args).await;
        let said = format!("{}{}", process.printed(), process.log());
        assert!(!said.is_empty(), "{args:?} says something");
        assert_none(nowhere, said.as_bytes(), &args.join(" "));
    }
}

/// Checks the output and the files of processes that die while they handle a recipient, and of one whose thread panics.
async fn crashes(launch: &Launch, token: &str, nowhere: &[&str]) {
    for point in [Point::BeforeInsert, Point::BeforeSubmit, Point::BeforeSettle] {
        let mut app = launch.clone().set("PAYOUT_CRASH_AT", point).run().await;
        app.always_with_key(token);
        let _ = app.post(PAYOUTS).json(body()).send().await;
        let status = app.process().end_within(SOON).await;
        assert!(!status.success(), "{point}: {status}");
        let left = format!("{}{}", app.log(), app.process().printed());
        assert_none(nowhere, left.as_bytes(), "what is left of a crash");
    }
    let worker = launch.clone().set("PANIC_AFTER_MS", 500).worker();
    eventually("the panic is told", SOON, async || {
        worker.log().contains("panicked").then_some(())
    })
    .await;
    assert_none(nowhere, worker.log().as_bytes(), "the log of a panic");
    assert_eq!(
        files_with(&[ACCOUNT, NAME, token], launch.store().folder()),
        Vec::<String>::new()
    );
}

/// Checks everything that was sent to the collectors of traces and of errors.
async fn elsewhere(collector: &Sink, sentry: &Sink, nowhere: &[&str]) {
    let sent = |sink: &Sink| {
        let requests = sink.kept().into_iter();
        let all = requests.flat_map(|request| {
            let head = format!("{} {} {:?}\n", request.method, request.path, request.headers);
            [head.into_bytes(), request.body].concat()
        });
        all.collect::<Vec<u8>>()
    };
    eventually("the spans of calls are sent", SOON, async || {
        let sent = sent(collector);
        (!found(&["submit payment"], &sent).is_empty() && !found(&["insert payout"], &sent).is_empty())
            .then_some(())
    })
    .await;
    assert_none(nowhere, &sent(collector), "the traces");
    assert_none(nowhere, &sent(sentry), "the reports of errors");
}

/// Checks that the canaries took all these paths: the provider, and it alone, received them.
fn assert_the_provider_was_told(provider: &Provider) {
    let ledger = provider.ledger();
    let bodies: Vec<&Value> = ledger.values().flat_map(|entry| &entry.bodies).collect();
    let told = serde_json::to_vec(&bodies).unwrap();
    assert_eq!(found(&NOWHERE, &told), [ACCOUNT, NAME]);
    assert!(provider.tokens().contains(&Some(TOKEN.to_owned())));
}

fn body() -> Value {
    json!({"amount": "10.50", "currency": "USD", "recipient_account": ACCOUNT, "recipient_name": NAME})
}

fn keyed(call: Call<'_>) -> Call<'_> {
    call.header("idempotency-key", IDEMPOTENCY_KEY).json(body())
}

/// Sends valid and invalid requests to every path of the API, and returns the payouts that were created.
async fn requests(app: &App, nowhere: &[&str]) -> Vec<String> {
    let created = keyed(app.post(PAYOUTS)).await;
    assert!(created.status == 201, "{created}");
    keyed(app.post(PAYOUTS)).await.expect(201).json();
    let path = path_of(&created.json());
    let shown = app.get(&path).await.expect(200);
    assert_eq!(found(nowhere, &shown.body), [ACCOUNT, NAME], "to whom may see it");
    let events = app.get(&format!("{path}events/")).await.expect(200);
    assert_none(nowhere, &events.body, "the audit trail");
    for search in [ACCOUNT, "Canaria%20Qwertzopolis"] {
        app.get(&format!("{PAYOUTS}?search={search}"))
            .await
            .expect(200)
            .json();
    }
    let reason = json!({"reason": format!("{ACCOUNT} of {NAME} was a mistake")});
    let mut paths = vec![path];
    for step in ["edit", "cancel", "delete"] {
        let path = path_of(&app.post(PAYOUTS).json(body()).await.expect(201).json());
        match step {
            "edit" => {
                app.put(&path).json(body()).await.expect(200).json();
                let edit = json!({"recipient_name": format!("{NAME} II")});
                app.patch(&path).json(edit).await.expect(200).json();
                paths.push(path);
            }
            "cancel" => {
                app.post(&format!("{path}cancel/"))
                    .json(&reason)
                    .await
                    .expect(200)
                    .json();
                let events = app.get(&format!("{path}events/")).await.expect(200);
                assert_none(nowhere, &events.body, "the audit trail");
                refused(&app.post(&format!("{path}retry/")).json(&reason).await, nowhere);
            }
            _ => drop(app.delete(&path).await.expect(204)),
        }
    }
    refusals(app, &paths[0], nowhere).await;
    paths
}

/// Sends canaries where they are refused: no answer may quote them.
async fn refusals(app: &App, path: &str, nowhere: &[&str]) {
    let everything = nowhere.join(" ");
    let refused = |reply: Reply| refused(&reply, nowhere);
    for wrong in [
        json!({"amount": everything, "currency": ACCOUNT, "status": NAME}),
        json!({"amount": [ACCOUNT], "currency": {"x": NAME}, "recipient_account": 5, "recipient_name": null}),
        json!({"recipient_account": format!("{ACCOUNT}\u{7}"), "recipient_name": NAME.repeat(9)}),
        json!([ACCOUNT, NAME]),
    ] {
        refused(app.post(PAYOUTS).json(&wrong).await);
        refused(app.put(path).json(&wrong).await);
        refused(app.patch(path).json(&wrong).await);
    }
    refused(
        app.post(PAYOUTS)
            .text(format!("{{\"recipient_account\": \"{everything}"))
            .await,
    );
    refused(app.post(PAYOUTS).text(everything.repeat(1000)).await);
    refused(
        app.post(PAYOUTS)
            .header("content-type", "text/plain")
            .bytes(everything.clone())
            .await,
    );
    let keys = format!("{IDEMPOTENCY_KEY} {ACCOUNT}");
    refused(
        app.post(PAYOUTS)
            .header("idempotency-key", &keys)
            .json(body())
            .await,
    );
    let other =
        json!({"amount": "1", "currency": "EUR", "recipient_account": ACCOUNT, "recipient_name": NAME});
    refused(
        app.post(PAYOUTS)
            .header("idempotency-key", IDEMPOTENCY_KEY)
            .json(other)
            .await,
    );
    refused(
        app.patch(path)
            .header("if-match", &format!("\"{ACCOUNT}\""))
            .json(body())
            .await,
    );
    refused(
        app.get(&format!(
            "{PAYOUTS}?currency={ACCOUNT}&cursor={ACCOUNT}&created_after={ACCOUNT}&page={ACCOUNT}"
        ))
        .await,
    );
    let _ = app
        .get(path)
        .header("authorization", &format!("Bearer {API_KEY}"))
        .await;
    let _ = app.get(path).header("x-api-key", API_KEY).await;
}

fn refused(reply: &Reply, nowhere: &[&str]) {
    assert!((400..500).contains(&reply.status), "{reply}");
    assert_none(nowhere, &reply.body, "a refusal");
    for (name, value) in &reply.headers {
        assert_none(nowhere, value.as_bytes(), name.as_str());
    }
}

/// Waits until the worker, with the provider at its worst, has ended every payout.
async fn ends(app: &App, paths: &[String], nowhere: &[&str]) {
    for path in paths {
        let failed = app.until(path, "failed").await;
        let failure = failed["failure"].to_string();
        assert!(failure.contains("•••"), "the provider quoted them: {failure}");
        assert_none(nowhere, failure.as_bytes(), "a failure");
        let events = app.get(&format!("{path}events/")).await.expect(200);
        assert_none(nowhere, &events.body, "the audit trail");
    }
}

/// Checks the metrics, and all output of the process.
async fn look(app: &App, nowhere: &[&str]) {
    let metrics = app.get("/metrics").await.expect(200);
    assert_none(nowhere, &metrics.body, "the metrics");
    let log = app.log();
    assert!(log.lines().count() > 3, "it logs: {log}");
    assert_none(nowhere, log.as_bytes(), "the log");
}

/// Returns every key of Redis with its value.
fn everything_in_redis(url: &str) -> Vec<u8> {
    let ask = |args: &[&str]| {
        let output = Command::new("redis-cli")
            .args(["-u", url])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "redis-cli {args:?}");
        output.stdout
    };
    let keys = ask(&["--scan"]);
    let mut all = keys.clone();
    for key in String::from_utf8_lossy(&keys).lines() {
        all.extend(ask(&["XRANGE", key, "-", "+"]));
        all.extend(ask(&["DUMP", key]));
    }
    all
}

#[tokio::test]
async fn what_redis_holds_is_seen() {
    let mut redis = throwaway::Redis::reserved();
    redis.start().await;
    let planted = Command::new("redis-cli")
        .args(["-u", &redis.url(), "XADD", "stream", "*", "account", ACCOUNT])
        .output();
    assert!(planted.unwrap().status.success());
    assert_eq!(found(&NOWHERE, &everything_in_redis(&redis.url())), [ACCOUNT]);
}
