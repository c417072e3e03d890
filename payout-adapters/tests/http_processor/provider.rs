//! A provider on a bare TCP socket, so that it can misbehave in every way that a real provider can.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A request as the provider received it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The headers, by lower-case name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// The provider's reaction to a request.
pub(crate) enum Deed {
    /// Answers with this body and keeps the connection open.
    Answer(u16, &'static str, String),
    /// Answers correctly, then closes the idle connection.
    AnswerAndClose(u16, String),
    /// Writes these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Writes these bytes, then nothing more, and keeps the connection open.
    Stall(Vec<u8>),
    /// Writes the first bytes, then the second ones over and over.
    Endless(Vec<u8>, Vec<u8>),
    /// Writes these bytes and resets the connection.
    Reset(Vec<u8>),
}

/// Creates an answer without further headers.
pub(crate) fn answer(status: u16, body: &str) -> Deed {
    Deed::Answer(status, "", body.to_owned())
}

/// Starts a provider that keeps the contract: one key, one answer.
pub(crate) async fn honest() -> Provider {
    let ledger = Mutex::new(HashMap::<String, String>::new());
    Provider::start(move |request| {
        let mut ledger = ledger.lock().unwrap();
        if request.method == "POST" {
            let reference = format!("tr_{}", ledger.len());
            let reference = ledger
                .entry(request.headers["idempotency-key"].clone())
                .or_insert(reference);
            answer(
                201,
                &format!(r#"{{"status":"completed","reference":"{reference}"}}"#),
            )
        } else {
            let key = request.path.rsplit('/').next().unwrap().replace("%3A", ":");
            match ledger.get(&key) {
                Some(reference) => answer(
                    200,
                    &format!(r#"{{"status":"completed","reference":"{reference}"}}"#),
                ),
                None => answer(404, ""),
            }
        }
    })
    .await
}

pub(crate) struct Provider {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    serving: AbortHandle,
}

impl Provider {
    /// Starts a provider that chooses its reaction by the request.
    pub(crate) async fn start(decide: impl Fn(&Request) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (decide, seen) = (Arc::new(decide), requests.clone());
        let serving = tokio::spawn(async move {
            // Dropped together with the task, which closes all connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, decide.clone(), seen.clone()));
            }
        });
        Self {
            address,
            requests,
            serving: serving.abort_handle(),
        }
    }

    /// Starts a provider that reacts in these ways in turn, and with 500 after the last.
    pub(crate) async fn doing(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let mut deeds: Vec<Deed> = deeds.into_iter().collect();
        deeds.reverse();
        let deeds = Mutex::new(deeds);
        Self::start(move |_| deeds.lock().unwrap().pop().unwrap_or_else(|| answer(500, ""))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    decide: Arc<impl Fn(&Request) -> Deed>,
    requests: Arc<Mutex<Vec<Request>>>,
) -> std::io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        let deed = decide(&request);
        requests.lock().unwrap().push(request);
        match deed {
            Deed::Answer(status, headers, body) => stream.write_all(&encode(status, headers, &body)).await?,
            Deed::AnswerAndClose(status, body) => {
                stream.write_all(&encode(status, "", &body)).await?;
                return Ok(());
            }
            Deed::Raw(bytes) => return stream.write_all(&bytes).await,
            Deed::Stall(bytes) => {
                stream.write_all(&bytes).await?;
                std::future::pending::<()>().await;
            }
            Deed::Endless(first, again) => {
                stream.write_all(&first).await?;
                loop {
                    stream.write_all(&again).await?;
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
            }
            Deed::Reset(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                // The bytes must arrive first: a reset discards what the other end has not read.
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(crate) fn encode(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

/// Reads one request; `None` when the connection ends, or when the bytes are not HTTP.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // The first byte of a TLS handshake.
            Ok(0x16) if head.is_empty() => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
                return Ok(None);
            }
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    }))
}
