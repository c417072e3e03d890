//! Hand-written HTTP, for requests that no client would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::problem::Problem;

/// An answer, read until the connection ends.
#[derive(Debug)]
pub struct RawReply {
    /// The status; 0 when the connection ended without one.
    pub status: u16,
    /// The head.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl RawReply {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Returns the problem; fails the test unless it is well formed.
    #[track_caller]
    pub fn problem(&self, path: &str) -> Problem {
        Problem::read(self.status, self.header("content-type"), path, &self.body)
    }
}

/// Sends a request without a body on a connection of its own.
pub async fn request(port: u16, method: &str, target: &str) -> RawReply {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    send(port, head.as_bytes()).await
}

/// Sends bytes on a connection of their own, and reads the answer until the service closes the connection.
pub async fn send(port: u16, bytes: &[u8]) -> RawReply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The service may have refused the request and closed the connection before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(
        read.is_ok(),
        "no end of the answer to {:?}",
        String::from_utf8_lossy(bytes)
    );
    parse(&answer)
}

fn parse(answer: &[u8]) -> RawReply {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let body = answer.get(end + 4..).unwrap_or_default().to_vec();
    RawReply { status, head, body }
}
