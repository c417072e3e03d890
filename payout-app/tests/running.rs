//! A whole process, started from the library on a free port.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use payout_app::AppError;
use payout_app::{App, Config, Running};
use payout_core::ports::System;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// A folder for one test's files, deleted when dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("payout-app-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> String {
        format!("--database-url=sqlite://{}", self.0.join("payouts.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(options: &[&str]) -> Config {
    let mut all = vec!["payout", "--redis-url="];
    if options.first() != Some(&"worker") {
        all.push("--bind=127.0.0.1:0");
    }
    if options.first() != Some(&"serve") {
        all.push("--processor=simulated");
    }
    all.extend_from_slice(options);
    Config::from_args(all, &System::default()).unwrap()
}

async fn start(options: &[&str]) -> (Running, SocketAddr) {
    let running = App::start(config(options)).await.unwrap();
    let address = running.local_addr().unwrap();
    (running, address)
}

/// Sends one request on a new connection; returns the status and the whole answer.
async fn send(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (status, answer)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    )
    .await
}

async fn create(address: SocketAddr) -> (u16, String) {
    let body = r#"{"amount":"1.50","currency":"EUR","recipient_account":"A","recipient_name":"N"}"#;
    let head = "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    send(
        address,
        &format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
    )
    .await
}

/// Repeats a request until its answer contains `part`, for at most ten seconds.
async fn until(address: SocketAddr, path: &str, part: &str) {
    for _ in 0..400 {
        if get(address, path).await.1.contains(part) {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("{path} never said {part}: {}", get(address, path).await.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_goes_from_post_to_completed_in_one_process() {
    let folder = Folder::new("run");
    let (running, address) = start(&[&folder.database(), "--simulated-delay-ms=10"]).await;
    until(address, "/health/ready", "\n{\"status\":\"ok\"").await;
    let (status, answer) = create(address).await;
    assert_eq!(status, 201, "{answer}");
    until(address, "/api/payouts/?status=completed", "\"count\":1").await;
    running.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_it_is_stopped_ends_well() {
    let folder = Folder::new("stop");
    let (running, address) = start(&[&folder.database(), "--simulated-delay-ms=700"]).await;
    until(address, "/health/ready", "\n{\"status\":\"ok\"").await;
    assert_eq!(create(address).await.0, 201);
    until(address, "/api/payouts/", "processing").await;
    timeout(Duration::from_secs(5), running.shutdown()).await.unwrap();

    let (running, address) = start(&["serve", &folder.database()]).await;
    until(address, "/api/payouts/?status=completed", "\"count\":1").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_http_1_1_names_its_host_once() {
    let (running, address) = start(&["--database-url=memory:"]).await;
    for (version, hosts, expected) in [
        ("1.1", "Host: localhost\r\n", 200),
        ("1.1", "", 400),
        ("1.1", "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("1.0", "", 200),
    ] {
        let head = format!("GET /health/live HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        let (status, answer) = send(address, &head).await;
        assert_eq!(status, expected, "{head}{answer}");
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_the_shutdown_up() {
    let (running, address) = start(&["--database-url=memory:"]).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 16];
    idle.read_exact(&mut first).await.unwrap();
    timeout(Duration::from_secs(3), running.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_alone_waits_for_the_migration_and_a_worker_too() {
    let folder = Folder::new("wait");
    let database = folder.database();
    let (server, address) = start(&["serve", &database]).await;
    let worker = App::start(config(&[
        "worker",
        &database,
        "--simulated-delay-ms=10",
        "--metrics-bind=127.0.0.1:0",
    ]));
    let worker = worker.await.unwrap();
    let metrics = worker.metrics_addr().unwrap();
    assert_eq!(worker.local_addr(), None);
    for address in [address, metrics] {
        until(address, "/health/ready", "run `payout migrate`").await;
        assert_eq!(get(address, "/health/ready").await.0, 503);
    }
    let (status, answer) = create(address).await;
    assert!(status == 503 && answer.contains("retry-after: 1"), "{answer}");
    assert_eq!(get(metrics, "/api/payouts/").await.0, 404);

    let (migrating, _) = start(&[&database]).await;
    until(address, "/health/ready", "\n{\"status\":\"ok\"").await;
    migrating.shutdown().await;
    assert_eq!(create(address).await.0, 201);
    until(address, "/api/payouts/?status=completed", "\"count\":1").await;
    until(
        metrics,
        "/metrics",
        "payout_settlements_total{verdict=\"completed\"} 1",
    )
    .await;
    server.shutdown().await;
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_listens_while_its_database_is_away() {
    // No process listens on port 1.
    let (running, address) = start(&["--database-url=postgres://postgres@127.0.0.1:1/none"]).await;
    until(address, "/health/ready", "does not answer").await;
    assert_eq!(get(address, "/health/live").await.0, 200);
    let (status, answer) = create(address).await;
    assert!(
        status == 503 && answer.contains("application/problem+json"),
        "{answer}"
    );
    timeout(Duration::from_secs(8), running.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_go_on_while_redis_is_away() {
    let options = [
        "--database-url=memory:",
        "--redis-url=redis://127.0.0.1:1/",
        "--simulated-delay-ms=10",
    ];
    let (running, address) = start(&options).await;
    until(address, "/health/ready", "\"status\":\"degraded\"").await;
    assert_eq!(get(address, "/health/ready").await.0, 200);
    assert_eq!(create(address).await.0, 201);
    until(address, "/api/payouts/?status=completed", "\"count\":1").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_fatal() {
    let folder = Folder::new("junk");
    std::fs::write(
        folder.0.join("payouts.db"),
        "this is no database, but a text of some length",
    )
    .unwrap();
    let (mut running, _) = start(&[&folder.database()]).await;
    let error = timeout(Duration::from_secs(5), running.failed()).await.unwrap();
    assert!(matches!(error, AppError::Database(_)), "{error}");
    assert!(!error.to_string().contains('\n'));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_said_by_its_variable() {
    let (running, address) = start(&["--database-url=memory:"]).await;
    let second = App::start(config(&["--database-url=memory:", &format!("--bind={address}")])).await;
    let Err(error) = second else {
        panic!("two listen on {address}")
    };
    assert!(
        error
            .to_string()
            .starts_with("PAYOUT_BIND: cannot listen on 127.0.0.1:"),
        "{error}"
    );
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_far_over_the_limit_is_answered_before_the_connection_ends() {
    let (running, address) = start(&["--database-url=memory:"]).await;
    let head = "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let size = 1024 * 1024;
    let request = format!("{head}\r\nContent-Length: {size}\r\n\r\n{}", " ".repeat(size));
    let (status, answer) = send(address, &request).await;
    assert!(status == 413 && answer.contains("body-too-large"), "{answer}");
    running.shutdown().await;
}
