//! The whole service over this project's ports: a client creates a payout over HTTP, and the bank pays it once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use own_ports::{Bank, Line, Shelf};
use payout_app::{Config, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

async fn send(address: SocketAddr, request: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn post(address: SocketAddr, account: &str) -> String {
    let body = format!(
        r#"{{"amount": "10.50", "currency": "USD", "recipient_account": "{account}", "recipient_name": "Ada Lovelace"}}"#
    );
    let head = "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    send(
        address,
        format!(
            "{head}\r\nIdempotency-Key: for-{account}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await
}

async fn until(address: SocketAddr, path: &str, part: &str) {
    let looks = async {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        while !send(address, request.clone()).await.contains(part) {
            sleep(Duration::from_millis(25)).await;
        }
    };
    timeout(Duration::from_secs(20), looks)
        .await
        .unwrap_or_else(|_| panic!("{path} never said {part}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_over_http_is_paid_by_the_programs_own_bank_once() {
    let bank = Arc::new(Bank::default());
    let config = Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        ..Config::default()
    };
    let mut running = Service::new(config)
        .processor(bank.clone())
        .queue(Arc::new(Line::default()))
        .repository(Arc::new(Shelf::default()))
        .start()
        .await
        .unwrap();
    running.ready().await.unwrap();
    let address = running.local_addr().unwrap();
    for _ in 0..2 {
        let answer = post(address, "DE89370400440532013000").await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    assert!(post(address, "CLOSED").await.starts_with("HTTP/1.1 201"));
    until(address, "/api/payouts/?status=completed", "\"count\":1,").await;
    until(address, "/api/payouts/?status=failed", "account_gone").await;
    assert_eq!(bank.payments(), 1);
    until(address, "/health/ready", "custom").await;
    running.shutdown().await;
    assert!(
        !std::path::Path::new("payouts.db").exists(),
        "no database of the settings is made"
    );
}
