//! `PAYOUT_PROCESSOR=http`: the provider's answers, and the resulting states of the payout.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use payout_tests::app::{App, path_of};
use payout_tests::body::payout;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually, now};
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    a_payment_is_asked_for_by_the_contract,
    an_accepted_payment_is_looked_up_until_it_settles,
    a_declined_payout_fails_and_a_retry_has_a_key_of_its_own,
    an_unclear_answer_is_looked_up_under_the_same_key,
    a_provider_that_is_away_costs_only_time,
    an_outage_leaves_nothing_to_a_person_and_is_over_within_five_seconds,
    what_is_refused_for_now_stays_pending_and_uses_up_no_attempt,
    what_a_gateway_may_have_passed_on_is_looked_up_before_it_is_sent_again,
    a_provider_that_is_busy_is_left_alone_for_as_long_as_it_asks,
    attempts_that_are_used_up_need_a_person,
    a_retry_waits_until_no_worker_can_be_sending,
);

/// Starts a server and a worker with this provider, which retry at once.
async fn paying_by(backend: Backend, provider: &Provider) -> App {
    let launch = launch(backend)
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    let launch = launch
        .set("PAYOUT_PROCESSOR_TOKEN", "s3cr3t-t0ken")
        .call_timeout_ms(300);
    launch
        .set("PAYOUT_BACKOFF_BASE_MS", 20)
        .set("PAYOUT_BACKOFF_CAP_MS", 100)
        .run()
        .await
}

/// Creates a payout, and returns its path and its key at the provider.
async fn sent(app: &App) -> (String, String) {
    let payout = app.create(payout()).await;
    (path_of(&payout), format!("{}:0", payout["id"].as_str().unwrap()))
}

async fn a_payment_is_asked_for_by_the_contract(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let mut app = paying_by(backend, &provider).await;
    let body = payout();
    let created = app.create(&body).await;
    let path = path_of(&created);
    let paid = app.until(&path, "completed").await;
    let key = format!("{}:0", created["id"].as_str().unwrap());
    assert_eq!(paid["provider_reference"], format!("ref-{key}"));
    let expected = json!({
        "payout_id": created["id"], "amount": "10.50", "currency": "USD", "recipient_account": body["recipient_account"],
        "recipient_name": body["recipient_name"], "description": "Invoice 7", "digest": digest_of(&body),
    });
    let entry = provider.entry(&key);
    assert_eq!(
        (entry.bodies, entry.submissions, entry.lookups),
        (vec![expected], 1, 0)
    );
    assert_eq!(provider.tokens(), [Some("s3cr3t-t0ken".to_owned())]);
    assert!(app.process().terminate().await.success());
    assert!(!app.log().contains("s3cr3t-t0ken"));
}

/// Computes the digest as the contract describes it, with another program's SHA-256.
fn digest_of(body: &Value) -> String {
    let fields = [
        "amount",
        "currency",
        "recipient_account",
        "recipient_name",
        "description",
    ];
    let texts = fields.map(|field| body[field].as_str().unwrap());
    let netstrings = texts.map(|text| format!("{}:{text},", text.len())).concat();
    let mut sha256sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sha256sum.stdin.take().unwrap();
    input.write_all(netstrings.as_bytes()).unwrap();
    drop(input);
    let output = sha256sum.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.split(' ').next().unwrap().to_owned()
}

async fn an_accepted_payment_is_looked_up_until_it_settles(backend: Backend) {
    let provider = Provider::that(Deed::Accept).await;
    let app = paying_by(backend, &provider).await;
    let (path, key) = sent(&app).await;
    app.until(&path, "completed").await;
    let entry = provider.entry(&key);
    assert_eq!((entry.payments, entry.submissions), (1, 1));
    assert!(entry.lookups >= 2);
    let events = app.events(&path).await;
    assert!(events.contains(&"accepted".to_owned()), "{events:?}");
}

async fn a_declined_payout_fails_and_a_retry_has_a_key_of_its_own(backend: Backend) {
    let provider = Provider::deciding(|key, _| {
        if key.ends_with(":0") {
            Deed::Decline
        } else {
            Deed::Pay
        }
    })
    .await;
    let app = paying_by(backend, &provider).await;
    let (path, key) = sent(&app).await;
    let failed = app.until(&path, "failed").await;
    assert_eq!(
        failed["failure"],
        json!({"code": "account_closed", "message": "Closed.", "reason": null})
    );
    let _ = app.post(&format!("{path}retry/")).await.expect(202);
    app.until(&path, "completed").await;
    assert_eq!(provider.entry(&key).payments, 0);
    assert_eq!(provider.entry(&key.replace(":0", ":1")).payments, 1);
}

async fn an_unclear_answer_is_looked_up_under_the_same_key(backend: Backend) {
    for (deed, found) in [
        (Deed::PayAndVanish, true),
        (Deed::PayAndHang, true),
        (Deed::Refuse(500), false),
        (Deed::Refuse(404), false),
        (Deed::Refuse(405), false),
        (Deed::Garble, false),
    ] {
        let provider = Provider::deciding(move |_, number| if number == 1 { deed } else { Deed::Pay }).await;
        let app = paying_by(backend, &provider).await;
        let (path, key) = sent(&app).await;
        app.until(&path, "completed").await;
        let entry = provider.entry(&key);
        assert_eq!((entry.payments, provider.ledger().len()), (1, 1), "{deed:?}");
        assert_eq!(entry.submissions, if found { 1 } else { 2 }, "{deed:?}");
        assert!(
            entry.bodies.iter().all(|body| *body == entry.bodies[0]),
            "{deed:?}"
        );
        assert_eq!(
            app.events(&path).await[..3],
            ["created", "claimed", "postponed"],
            "{deed:?}: never failed"
        );
    }
}

async fn a_provider_that_is_away_costs_only_time(backend: Backend) {
    let away = format!("http://127.0.0.1:{}", payout_tests::ports::free_port());
    let provider = Provider::that(Deed::Pay).await;
    let app = paying_by(backend, &provider).await;
    let launch = app.launch().clone();
    drop(app);
    let mut app = launch.clone().set("PAYOUT_PROCESSOR_URL", away).run().await;
    let (path, key) = sent(&app).await;
    eventually("it was released", SOON, async || {
        app.events(&path)
            .await
            .contains(&"released".to_owned())
            .then_some(())
    })
    .await;
    assert!(app.process().terminate().await.success());
    let app = launch.run().await;
    app.until(&path, "completed").await;
    assert_eq!(
        provider.entry(&key).submissions,
        1,
        "nothing was ever sent before"
    );
}

/// Counts the payouts that a filter finds.
async fn how_many(app: &App, filter: &str) -> u64 {
    let page = app.get(&format!("/api/payouts/?page_size=1&{filter}")).await;
    page.expect(200).json()["count"].as_u64().unwrap()
}

async fn an_outage_leaves_nothing_to_a_person_and_is_over_within_five_seconds(backend: Backend) {
    const PAYOUTS: u64 = 60;
    let port = payout_tests::ports::free_port();
    let somebody = Provider::that(Deed::Pay).await;
    let app = paying_by(backend, &somebody).await;
    let launch = app.launch().clone();
    drop(app);
    let app = launch
        .set("PAYOUT_PROCESSOR_URL", format!("http://127.0.0.1:{port}"))
        .set("PAYOUT_MAX_ATTEMPTS", 2)
        .run()
        .await;
    for _ in 0..PAYOUTS {
        app.create(payout()).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let claims = |metrics: &str| -> f64 {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("payout_claims_total{"));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let before = claims(&app.get("/metrics").await.expect(200).text());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let metrics = app.get("/metrics").await.expect(200).text();
    let tried = claims(&metrics) - before;
    assert!(tried <= 4.0, "{tried} of those that wait were tried");
    assert!(
        metrics.contains(r#"payout_provider_pace{state="away"} 1"#),
        "{metrics}"
    );
    assert_eq!(how_many(&app, "status=pending").await, PAYOUTS);
    assert_eq!(how_many(&app, "needs_review=true").await, 0);
    let page = app.get("/api/payouts/?page_size=100").await.expect(200).json();
    for payout in page["results"].as_array().unwrap() {
        assert_eq!(payout["attempts"], 0, "{payout}");
    }

    let back = now();
    let provider = Provider::at(port, |_, _| Deed::Pay).await;
    eventually("all are paid", SOON, async || {
        (how_many(&app, "status=completed").await == PAYOUTS).then_some(())
    })
    .await;
    assert!(now() - back < Duration::from_secs(5), "after {:?}", now() - back);
    let ledger = provider.ledger();
    assert!(
        ledger
            .iter()
            .all(|(_, entry)| entry.payments == 1 && entry.submissions == 1)
    );
    let warnings = app.log();
    let away = warnings
        .lines()
        .filter(|line| line.contains("the provider is away"))
        .count();
    assert_eq!(away, 1, "said once: {warnings}");
}

async fn what_is_refused_for_now_stays_pending_and_uses_up_no_attempt(backend: Backend) {
    for status in [401, 403, 429] {
        let provider = Provider::deciding(move |_, number| {
            if number <= 4 {
                Deed::Refuse(status)
            } else {
                Deed::Pay
            }
        })
        .await;
        let launch = paying_by(backend, &provider).await.launch().clone();
        let app = launch.set("PAYOUT_MAX_ATTEMPTS", 2).run().await;
        let (path, key) = sent(&app).await;
        let paid = app.until(&path, "completed").await;
        assert_eq!(paid["attempts"], 1, "{status}");
        let events = app.events(&path).await;
        let released = events.iter().filter(|event| *event == "released").count();
        assert_eq!(released, 4, "{status}: {events:?}");
        assert!(!events.contains(&"review_requested".to_owned()));
        assert_eq!(provider.entry(&key).payments, 1);
    }
}

async fn what_a_gateway_may_have_passed_on_is_looked_up_before_it_is_sent_again(backend: Backend) {
    for status in [408, 409, 425] {
        for (deed, submissions) in [(Deed::PayAndRefuse(status), 1), (Deed::Refuse(status), 2)] {
            let provider =
                Provider::deciding(move |_, number| if number == 1 { deed } else { Deed::Pay }).await;
            let app = paying_by(backend, &provider).await;
            let (path, key) = sent(&app).await;
            let paid = app.until(&path, "completed").await;
            assert_eq!(paid["attempts"], 2, "{deed:?}");
            let entry = provider.entry(&key);
            assert_eq!((entry.payments, provider.ledger().len()), (1, 1), "{deed:?}");
            assert_eq!(entry.submissions, submissions, "{deed:?}");
            assert_eq!(
                app.events(&path).await[..3],
                ["created", "claimed", "postponed"],
                "{deed:?}: it is not released, since it may have been paid"
            );
        }
    }
}

async fn a_provider_that_is_busy_is_left_alone_for_as_long_as_it_asks(backend: Backend) {
    let provider =
        Provider::deciding(|_, number| if number == 1 { Deed::Throttle(1) } else { Deed::Pay }).await;
    let app = paying_by(backend, &provider).await;
    let (path, key) = sent(&app).await;
    let begun = now();
    app.until(&path, "completed").await;
    assert!(
        now() - begun > Duration::from_millis(900),
        "after {:?}",
        now() - begun
    );
    assert_eq!(provider.entry(&key).payments, 1);
}

async fn attempts_that_are_used_up_need_a_person(backend: Backend) {
    let provider = Provider::that(Deed::Refuse(500)).await;
    let launch = paying_by(backend, &provider).await.launch().clone();
    let app = launch.set("PAYOUT_MAX_ATTEMPTS", 3).run().await;
    let (path, key) = sent(&app).await;
    let review = app.until_review(&path).await;
    assert_eq!(
        (&review["status"], &review["attempts"], &review["failure"]),
        (&json!("processing"), &json!(3), &json!(null))
    );
    assert_eq!(provider.entry(&key).submissions, 3);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(provider.entry(&key).submissions, 3, "and nobody tries on");
    assert!(
        app.log().lines().any(|line| line.contains("ERROR")),
        "an error is logged: {}",
        app.log()
    );
    let metrics = app.get("/metrics").await.expect(200).text();
    assert!(metrics.contains("review"), "and counted: {metrics}");
}

async fn a_retry_waits_until_no_worker_can_be_sending(backend: Backend) {
    let decide = |key: &str, number| match (key.ends_with(":0"), number) {
        (true, 1) => Deed::Refuse(500),
        (true, _) => Deed::Decline,
        (false, _) => Deed::Pay,
    };
    let provider = Provider::deciding(decide).await;
    let app = paying_by(backend, &provider).await;
    let (path, _) = sent(&app).await;
    app.until(&path, "failed").await;
    // The payout was claimed twice, and the last claim's lease and call timeout have not passed.
    let retry = format!("{path}retry/");
    let refused = app.post(&retry).header("idempotency-key", "patience").await;
    refused.problem(409);
    let wait: u64 = refused
        .header("retry-after")
        .expect("when to come back")
        .parse()
        .unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    app.patch(&path)
        .json(json!({"status": "pending"}))
        .await
        .problem(409);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let _ = app
        .post(&retry)
        .header("idempotency-key", "patience")
        .await
        .expect(202);
    app.until(&path, "completed").await;
}
