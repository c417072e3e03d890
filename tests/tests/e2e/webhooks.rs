//! Webhooks of the real binary: no address inside is called, and the delivery log says so.

use std::time::Duration;

use payout_tests::app::App;
use payout_tests::body::payout;
use payout_tests::ports::{free_port, listen};
use payout_tests::sink::Sink;
use payout_tests::store::Backend;
use payout_tests::wait::eventually;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::launch;

const WEBHOOKS: &str = "/api/webhooks/";

/// Every form of an address inside: an IPv4 and an IPv6 address of each kind, their mapped and translated forms, numbers
/// in other bases, and names. The port is that of a server which must never be asked.
const INSIDE: &[&str] = &[
    "https://127.0.0.1:PORT/",
    "https://127.1:PORT/",
    "https://127.255.255.254:PORT/",
    "https://2130706433:PORT/",
    "https://0x7f000001:PORT/",
    "https://0x7f.0x0.0x0.0x1:PORT/",
    "https://0177.0.0.1:PORT/",
    "https://017700000001:PORT/",
    "https://0:PORT/",
    "https://0.0.0.0:PORT/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]:PORT/",
    "https://[::]:PORT/",
    "https://[::ffff:127.0.0.1]:PORT/",
    "https://[::ffff:7f00:1]:PORT/",
    "https://[::127.0.0.1]:PORT/",
    "https://[64:ff9b::7f00:1]:PORT/",
    "https://[2002:7f00:1::]:PORT/",
    "https://[2001:db8::1]/",
    "https://[fc00::1]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "http://127.0.0.1:PORT/",
    "http://93.184.215.14/",
];

/// Names that stand for addresses inside. They are accepted, and refused when they are looked up.
const NAMES: &[&str] = &["https://localhost:PORT/", "http://localhost:PORT/"];

async fn made(app: &App, url: &str) -> Value {
    let created = app.post(WEBHOOKS).json(json!({"url": url})).await.expect(201);
    created.json()["webhook"].clone()
}

/// Waits until the endpoint's only delivery was tried, and returns the first attempt.
async fn first_attempt(app: &App, id: &str) -> Value {
    let path = format!("{WEBHOOKS}{id}/deliveries/1/");
    eventually(
        &format!("a delivery to {id} is tried"),
        Duration::from_secs(60),
        async || {
            let reply = app.get(&path).await;
            // Nothing became a delivery yet.
            if reply.status == 404 {
                return None;
            }
            let first = reply.expect(200).json()["attempts"][0].clone();
            first.is_object().then_some(first)
        },
    )
    .await
}

#[tokio::test]
async fn an_address_inside_is_refused_when_an_endpoint_is_made_or_changed() {
    let app = launch(Backend::Sqlite).await.serve().await;
    let endpoint = made(&app, "https://shop.example/hooks").await;
    let path = format!("{WEBHOOKS}{}/", endpoint["id"].as_str().unwrap());
    let credentials = ["https://user:pass@shop.example/", "https://user@127.0.0.1/"];
    for url in INSIDE.iter().chain(&credentials) {
        let body = json!({"url": url.replace("PORT", "443")});
        let refused = app.post(WEBHOOKS).json(&body).await.problem(400);
        assert_eq!(refused.fields(), ["url"], "{url}");
        let refused = app.patch(&path).json(&body).await.problem(400);
        assert_eq!(refused.fields(), ["url"], "{url}");
    }
    let listed = app.get(WEBHOOKS).await.expect(200).json();
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);
    assert_eq!(listed["results"][0]["url"], "https://shop.example/hooks");
}

/// The addresses are in the database already, as after the setting that allowed them was taken back.
#[tokio::test]
async fn an_address_inside_is_not_called_and_the_delivery_log_says_so() {
    let server = Sink::start().await;
    let app = launch(Backend::Sqlite).await.serve().await;
    let mut endpoints = Vec::new();
    for (place, url) in INSIDE.iter().chain(NAMES).enumerate() {
        let url = url.replace("PORT", &server.port().to_string());
        let endpoint = made(&app, &format!("https://shop.example/{place}")).await;
        let id = endpoint["id"].as_str().unwrap().to_owned();
        let sql =
            format!("UPDATE webhook_endpoints SET url = '{url}' WHERE url = 'https://shop.example/{place}'");
        app.store().execute(sql).await;
        let test = app.post(&format!("{WEBHOOKS}{id}/test/")).await;
        assert_eq!(test.json()["type"], "webhook.test", "{test}");
        endpoints.push((id, url));
    }
    // A proxy of the environment would be a way inside too.
    let proxy = format!("http://127.0.0.1:{}/", server.port());
    let worker = app
        .launch()
        .clone()
        .set("HTTP_PROXY", &proxy)
        .set("HTTPS_PROXY", &proxy)
        .set("ALL_PROXY", &proxy);
    // Each leases a few endpoints at a time.
    let _workers = [worker.worker(), worker.worker(), worker.worker(), worker.worker()];
    for (id, url) in &endpoints {
        let attempt = first_attempt(&app, id).await;
        let error = attempt["error"].as_str().unwrap_or_default();
        let is_refused = error.contains("is not allowed: ") || error == "an address begins with https://";
        assert!(is_refused && attempt["status"].is_null(), "{url}: {attempt}");
        assert_eq!(attempt["answer"], "", "{url}");
    }
    assert_eq!(server.kept().len(), 0, "nothing was dialled");
}

/// Answers every connection with a redirect.
async fn redirecting(to: String) -> u16 {
    let port = free_port();
    let listener = listen(port).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn a_redirect_is_not_followed_even_within_the_allowed_networks() {
    let trap = Sink::start().await;
    let port = redirecting(format!("http://127.0.0.1:{}/inside", trap.port())).await;
    let launch = launch(Backend::Sqlite).await;
    let app = launch.set("PAYOUT_WEBHOOK_NETWORKS", "127.0.0.0/8").run().await;
    let endpoint = made(&app, &format!("http://127.0.0.1:{port}/")).await;
    app.create(payout()).await;
    let attempt = first_attempt(&app, endpoint["id"].as_str().unwrap()).await;
    assert_eq!(attempt["status"], 302);
    assert!(attempt["error"].is_string(), "{attempt}");
    assert_eq!(trap.kept().len(), 0);
}

#[tokio::test]
async fn a_command_refuses_a_description_that_is_not_valid() {
    let app = launch(Backend::Sqlite).await.serve().await;
    let endpoint = made(&app, "https://shop.example/hooks").await;
    let id = endpoint["id"].as_str().unwrap();
    let (long, wrong) = ("x".repeat(256), "a\u{7}b");
    for description in [long.as_str(), wrong] {
        for args in [
            vec![
                "webhooks",
                "create",
                "https://shop.example/",
                "--description",
                description,
            ],
            vec!["webhooks", "edit", id, "--description", description],
        ] {
            let mut process = app.launch().finish(&args).await;
            assert!(!process.ended().unwrap().success(), "{args:?}");
            assert!(process.log().contains("--description"), "{}", process.log());
        }
    }
    let listed = app.get(WEBHOOKS).await.expect(200).json();
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);
}

/// The feed and the endpoints that ask for it receive the steps of operators with endpoints.
#[tokio::test]
async fn what_happens_to_an_endpoint_is_told_to_another() {
    let receiver = Sink::start().await;
    let launch = launch(Backend::Sqlite).await;
    let app = launch.set("PAYOUT_WEBHOOK_NETWORKS", "127.0.0.0/8").run().await;
    let url = format!("http://127.0.0.1:{}/", receiver.port());
    let body = json!({"url": url, "types": ["webhook.disabled", "webhook.enabled"]});
    let _ = app.post(WEBHOOKS).json(body).await.expect(201);
    let other = made(&app, "https://shop.example/hooks").await;
    let path = format!("{WEBHOOKS}{}/", other["id"].as_str().unwrap());
    for _ in 0..2 {
        let _ = app.post(&format!("{path}disable/")).await.expect(200);
    }
    let _ = app.post(&format!("{path}enable/")).await.expect(200);
    let told = eventually("both are told", Duration::from_secs(20), async || {
        let kept = receiver.kept();
        (kept.len() >= 2).then_some(kept)
    })
    .await;
    let told: Vec<Value> = told
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    let mut types: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, ["webhook.disabled", "webhook.enabled"]);
    assert!(
        told.iter()
            .all(|event| event["data"]["webhook_id"] == other["id"])
    );
    let feed = app
        .get("/api/events/?types=webhook.disabled")
        .await
        .expect(200)
        .json();
    let event = &feed["results"][0];
    assert_eq!(
        (&event["actor"], &event["payout_id"], &event["version"]),
        (&json!("api"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        event["data"],
        json!({"webhook_id": other["id"], "reason": "operator"})
    );
}
