//! No client blocks another, however many connections and requests it has and however slow it is.

use std::time::Duration;

use payout_tests::app::{App, Launch};
use payout_tests::body;
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::raw;
use payout_tests::store::Backend;
use payout_tests::wait::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::launch;

/// Longer than any wait here when the service works.
const LONG: Duration = Duration::from_secs(8);

async fn limited(settings: &[(&str, &str)]) -> App {
    let launch = launch(Backend::Sqlite).await;
    let set = |launch: Launch, (name, value): &(&str, &str)| launch.set(name, value);
    settings.iter().fold(launch, set).serve().await
}

/// Starts a service with these settings and a key: without a key, the service answers no request through a proxy.
async fn locked(settings: &[(&str, &str)]) -> (App, String) {
    let launch = launch(Backend::Sqlite).await;
    let set = |launch: Launch, (name, value): &(&str, &str)| launch.set(name, value);
    let launch = settings.iter().fold(launch, set);
    launch.migrate().await;
    let key = launch.make_key("reader", "read").await;
    (launch.serve().await, key)
}

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(("127.0.0.1", app.port())).await.unwrap()
}

/// Opens many connections that send these bytes, and then nothing.
async fn many(app: &App, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = connect(app).await;
        connection.write_all(said).await.unwrap();
        connections.push(connection);
    }
    connections
}

/// Returns the status of a list, requested by a proxy for a client at this address.
async fn forwarded(api: &Api, key: &str, address: &str) -> u16 {
    let call = api.get(PAYOUTS).key(key);
    call.header("x-forwarded-for", address).await.status
}

/// Returns whether the service has closed the connection.
async fn is_closed(connection: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(LONG, connection.read_to_end(&mut rest)).await.is_ok()
}

/// Checks that requests on other connections are answered at once.
async fn others_are_served(app: &App) {
    for _ in 0..20 {
        let asked = now();
        Api::on_port(app.port()).get(PAYOUTS).await.expect(200).json();
        assert!(
            (now() - asked) < Duration::from_secs(2),
            "it took {:?}",
            (now() - asked)
        );
    }
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_refused_and_another_is_not() {
    let app = limited(&[("PAYOUT_RATE_PER_ADDRESS", "20/h")]).await;
    let mut answered = 0;
    let refused = loop {
        let reply = app.get(PAYOUTS).await;
        if reply.status != 200 {
            break reply;
        }
        answered += 1;
        let policy = reply.header("ratelimit-policy").unwrap();
        assert_eq!(policy, "\"address\";q=20;w=3600");
    };
    // One request was spent on reading the document that all answers are checked against, unless another test had read
    // it.
    assert!((19..=20).contains(&answered), "{answered}");
    assert_eq!(refused.problem(429).kind, "urn:payout:problem:too-many-requests");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((170..=180).contains(&wait), "{wait}");
    assert!(
        refused
            .header("ratelimit")
            .unwrap()
            .starts_with("\"address\";r=0;t=")
    );
    for path in ["/nothing", "/api/docs/", "/api/schema/", "/api/keys/"] {
        raw::request(app.port(), "GET", path).await.problem(path);
        assert_eq!(raw::request(app.port(), "GET", path).await.status, 429, "{path}");
    }
    app.get("/health/live").await.expect(200).json();
    app.get("/metrics").await.expect(200).text();
    let other = Api::from_address([127, 0, 0, 2], app.port());
    other.get(PAYOUTS).await.expect(200).json();
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let settings = [("PAYOUT_RATE_PER_ADDRESS", "3/h")];
    let trusting = [settings[0], ("PAYOUT_TRUSTED_PROXIES", "127.0.0.2/32")];

    let (app, key) = locked(&settings).await;
    let stranger = Api::from_address([127, 0, 0, 3], app.port());
    for (address, status) in [
        ("198.51.100.1", 200),
        ("198.51.100.2", 200),
        ("198.51.100.3", 200),
        ("198.51.100.4", 429),
    ] {
        assert_eq!(
            forwarded(&stranger, &key, address).await,
            status,
            "{address}: nobody is trusted"
        );
    }

    let (app, key) = locked(&trusting).await;
    let proxy = Api::from_address([127, 0, 0, 2], app.port());
    for _ in 0..3 {
        assert_eq!(forwarded(&proxy, &key, "198.51.100.1").await, 200);
    }
    assert_eq!(forwarded(&proxy, &key, "198.51.100.1").await, 429);
    assert_eq!(
        forwarded(&proxy, &key, "198.51.100.99, 198.51.100.1").await,
        429,
        "what the client wrote itself"
    );
    assert_eq!(forwarded(&proxy, &key, "198.51.100.2").await, 200);
    let standard = proxy
        .get(PAYOUTS)
        .key(&key)
        .header("forwarded", "for=198.51.100.1;proto=https");
    assert_eq!(
        standard.await.status,
        429,
        "the same client, in the standard's words"
    );
    let stranger = Api::from_address([127, 0, 0, 3], app.port());
    for (address, status) in [
        ("198.51.100.5", 200),
        ("198.51.100.6", 200),
        ("198.51.100.7", 200),
        ("198.51.100.8", 429),
    ] {
        assert_eq!(
            forwarded(&stranger, &key, address).await,
            status,
            "{address}: not by this proxy"
        );
    }
}

#[tokio::test]
async fn unless_it_is_set_this_host_may_ask_as_often_as_it_likes() {
    let app = limited(&[]).await;
    let (asks, api) = (2_500, &*app);
    let asked = (0..asks).map(|_| async { api.get("/api/payouts/?page_size=1").await });
    let replies = futures::future::join_all(asked).await;
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 200 && reply.header("ratelimit").is_none())
    );
}

#[tokio::test]
async fn a_thousand_idle_connections_stop_nobody() {
    rlimit::increase_nofile_limit(8_192).unwrap();
    let app = limited(&[]).await;
    let idle = many(&app, 1_000, b"").await;
    others_are_served(&app).await;
    let slow = many(&app, 1_000, b"GET /api/payouts/ HTTP/1.1\r\nHost: local").await;
    others_are_served(&app).await;
    drop((idle, slow));
}

#[tokio::test]
async fn more_connections_than_there_may_be_stop_nobody() {
    rlimit::increase_nofile_limit(8_192).unwrap();
    let app = limited(&[("PAYOUT_MAX_CONNECTIONS", "100")]).await;
    let mut first = many(&app, 90, b"POST /api/payouts/ HTTP/1.1\r\n").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    others_are_served(&app).await;
    let later = many(&app, 300, b"").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    others_are_served(&app).await;
    assert!(is_closed(&mut first[0]).await, "the oldest made room");
    drop(later);
}

#[tokio::test]
async fn a_head_that_trickles_in_ends_with_its_connection() {
    let app = limited(&[("PAYOUT_HEADER_TIMEOUT_MS", "1000")]).await;
    let mut loris = many(&app, 50, b"GET /api/payouts/ HTTP/1.1\r\n").await;
    let begun = now();
    let mut alive = true;
    while alive && now() - begun < LONG {
        tokio::time::sleep(Duration::from_millis(200)).await;
        alive = loris[0].write_all(b"x: y\r\n").await.is_ok();
        others_are_served(&app).await;
    }
    assert!(!alive, "still open after {LONG:?}");
    for connection in &mut loris[1..] {
        assert!(is_closed(connection).await);
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_is_refused_and_holds_no_place() {
    let app = limited(&[("PAYOUT_BODY_TIMEOUT_MS", "1500"), ("PAYOUT_MAX_IN_FLIGHT", "1")]).await;
    let head = "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
    let mut slow = many(&app, 20, head.as_bytes()).await;
    for _ in 0..5 {
        for connection in &mut slow {
            let _ = connection.write_all(b" ").await;
        }
        app.create(body::payout()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for mut connection in slow {
        let mut answer = Vec::new();
        let read = timeout(LONG, connection.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection is still open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("urn:payout:problem:body-too-slow"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_without_a_key_is_refused_before_it_is_there() {
    let app = limited(&[("PAYOUT_BODY_TIMEOUT_MS", "60000")]).await;
    let _ = app.launch().make_key("first", "read").await;
    let head = "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
    let asked = now();
    loop {
        let refused = raw::send(app.port(), head.as_bytes());
        match timeout(Duration::from_secs(1), refused).await {
            Ok(reply) => {
                assert_eq!(reply.status, 401);
                break;
            }
            // The service does not know the key yet.
            Err(_) => assert!((now() - asked) < LONG),
        }
    }
}
