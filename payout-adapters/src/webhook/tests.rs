//! The sender against servers of this test, with names that the test resolves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::ports::{WebhookRequest, WebhookSender};
use payout_core::webhook::{EndpointUrl, Secrets, SendOutcome, Signature, WebhookSecret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::resolver::Lookup;
use super::{AllowedNetworks, HttpWebhookSender};

/// Answers each look-up with the next of these addresses, and the last one for ever.
struct Answers(Mutex<Vec<IpAddr>>, AtomicUsize);

#[async_trait]
impl Lookup for Answers {
    async fn addresses(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        };
        Ok(vec![next])
    }
}

fn answers(addresses: &[&str]) -> Arc<Answers> {
    let addresses = addresses.iter().map(|address| address.parse().unwrap());
    Arc::new(Answers(Mutex::new(addresses.collect()), AtomicUsize::new(0)))
}

/// A server that gives every request the same answer and closes the connection; it keeps the requests.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn server(answer: &'static str) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let kept = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let kept = kept.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !String::from_utf8_lossy(&request).contains("{\"a\":1}") {
                    let mut buffer = [0; 4096];
                    match connection.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&buffer[..read]),
                    }
                }
                kept.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&request).into_owned());
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    Server { address, requests }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

fn request(url: &str) -> WebhookRequest {
    let now = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
    let secrets = Secrets::new(WebhookSecret::of(&[7; 32]));
    let body = "{\"a\":1}".to_owned();
    WebhookRequest {
        url: EndpointUrl::new(url).unwrap(),
        message_id: "evt_1".to_owned(),
        timestamp: now.timestamp(),
        signature: Signature::of(&secrets, now, "evt_1", &body),
        body,
    }
}

fn sender(networks: &str, lookup: Arc<Answers>) -> HttpWebhookSender {
    let networks: AllowedNetworks = networks.parse().unwrap();
    HttpWebhookSender::with_lookup(&networks, lookup).unwrap()
}

fn status(outcome: &SendOutcome) -> Option<u16> {
    match outcome {
        SendOutcome::Answered { status, .. } => Some(*status),
        SendOutcome::Failed { .. } => None,
    }
}

fn refusal(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::Failed { why } => why,
        SendOutcome::Answered { status, .. } => panic!("answered with {status}"),
    }
}

#[tokio::test]
async fn a_delivery_arrives_with_its_headers_and_its_body() {
    let server = server(OK).await;
    let sender = sender("127.0.0.0/8", answers(&["127.0.0.1"]));
    let url = format!("http://shop.example:{}/hooks?a=b", server.address.port());
    let outcome = sender.send(request(&url)).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let requests = server.requests.lock().unwrap();
    let request = &requests[0];
    for part in [
        "POST /hooks?a=b HTTP/1.1\r\n",
        "content-type: application/json\r\n",
        "webhook-id: evt_1\r\n",
        "webhook-timestamp: 1700000000\r\n",
        "webhook-signature: v1,",
        "\r\n\r\n{\"a\":1}",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
}

#[tokio::test]
async fn each_form_of_an_address_inside_is_refused_before_anything_is_dialled() {
    let sender = sender("", answers(&["8.8.8.8"]));
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "127.0.0.1.",
        "0",
        "10.0.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "192.168.0.1",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "１２７.0.0.1",
    ] {
        let Ok(url) = EndpointUrl::new(&format!("https://{host}/")) else {
            continue;
        };
        assert!(sender.check(&url).is_err(), "{host}");
        let why = refusal(sender.send(request(url.as_str())).await);
        assert!(why.contains("not allowed"), "{host}: {why}");
    }
    for url in ["http://8.8.8.8/", "http://example.com/"] {
        assert!(sender.check(&EndpointUrl::new(url).unwrap()).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_name_that_stands_for_an_address_inside_is_refused() {
    let server = server(OK).await;
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
    ] {
        let sender = sender("", answers(&[address]));
        let url = format!("https://shop.example:{}/", server.address.port());
        let why = refusal(sender.send(request(&url)).await);
        assert!(why.contains("not allowed"), "{address}: {why}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_checked_each_time_and_looked_up_once() {
    let server = server(OK).await;
    let lookup = answers(&["127.0.0.1", "127.0.0.2"]);
    let sender = sender("127.0.0.1", lookup.clone());
    let url = format!("http://shop.example:{}/", server.address.port());
    let first = sender.send(request(&url)).await;
    assert_eq!(status(&first), Some(200));
    assert_eq!(
        lookup.1.load(Ordering::SeqCst),
        1,
        "what was checked is what was dialled"
    );
    let why = refusal(sender.send(request(&url)).await);
    assert!(why.contains("127.0.0.2 is not allowed"), "{why}");
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_with_one_address_inside_among_others_is_refused() {
    struct Both;

    #[async_trait]
    impl Lookup for Both {
        async fn addresses(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            Ok(vec!["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()])
        }
    }

    let sender = HttpWebhookSender::with_lookup(&AllowedNetworks::default(), Arc::new(Both)).unwrap();
    let why = refusal(sender.send(request("https://shop.example/")).await);
    assert!(why.contains("10.0.0.1 is not allowed"), "{why}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inside = server(OK).await;
    let location = format!(
        "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        inside.address.port()
    );
    let outside = server(Box::leak(location.into_boxed_str())).await;
    let sender = sender("127.0.0.0/8", answers(&["127.0.0.1"]));
    let url = format!("http://shop.example:{}/", outside.address.port());
    assert_eq!(status(&sender.send(request(&url)).await), Some(307));
    assert!(inside.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn of_a_long_answer_four_kibibytes_are_kept() {
    let long = format!(
        "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 100000\r\nconnection: close\r\n\r\n{}",
        "a".repeat(100_000)
    );
    let server = server(Box::leak(long.into_boxed_str())).await;
    let sender = sender("127.0.0.0/8", answers(&["127.0.0.1"]));
    let url = format!("http://shop.example:{}/", server.address.port());
    let SendOutcome::Answered {
        status,
        retry_after,
        answer,
    } = sender.send(request(&url)).await
    else {
        panic!("no answer");
    };
    assert_eq!((status, answer.as_str().len()), (503, 4096));
    assert_eq!(retry_after, Some(std::time::Duration::from_secs(7)));
}

#[tokio::test]
async fn a_reason_never_shows_the_address() {
    let sender = sender("127.0.0.0/8", answers(&["127.0.0.1"]));
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let why = refusal(
        sender
            .send(request(&format!("http://shop.example:{port}/token-4711")))
            .await,
    );
    assert!(why.contains("no connection") && !why.contains("4711"), "{why}");
}
