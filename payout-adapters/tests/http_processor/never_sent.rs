//! Failures while connecting, which mean that nothing was sent, and failures right after, which leave that open.

use std::net::Ipv4Addr;
use std::time::Duration;

use payout_core::contract::build;
use payout_core::ports::Processor;
use payout_core::provider::{LookUp, ProcessorError};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::calls::{assert_never_sent, assert_unknown, processor, submit};
use super::provider::Provider;

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    // Bound but not listening: connections are refused, and no other process can use the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    assert_never_sent(&submit(&url).await, "refused the connection");
    let instruction = build::instruction();
    let look_up = LookUp::of_key(instruction.key, instruction.payout_id);
    let looked_up = processor(&url).look_up(&look_up).await;
    assert!(matches!(looked_up, Err(ProcessorError::NeverSent { .. })));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_was_never_sent() {
    assert_never_sent(&submit("http://no-such-host.invalid").await, "");
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_was_never_sent() {
    // A full backlog: Linux then leaves further connections unanswered.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "the backlog never fills");
    }
    assert_never_sent(&submit(&format!("http://{address}")).await, "in time");
}

#[tokio::test]
async fn tls_that_is_not_spoken_was_never_sent() {
    let provider = Provider::doing([]).await;
    let url = format!("https://{}", provider.address());
    assert_never_sent(&submit(&url).await, "TLS");
    assert!(provider.requests().is_empty());

    // A server that accepts and then stays silent, and a server that closes at once.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    assert_never_sent(&submit(&url).await, "in time");
    let closing = tokio::spawn(async move { while silent.accept().await.is_ok() {} });
    assert_never_sent(&submit(&url).await, "TLS");
    closing.abort();
}

#[tokio::test]
async fn a_plain_connection_that_is_accepted_and_closed_is_in_doubt() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for _ in 0..20 {
        assert_unknown(&submit(&url).await);
    }
    closing.abort();
}
