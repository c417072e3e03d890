//! A payment provider with a ledger, by the provider's contract: its first definite answer for a key is final, and it
//! pays a key at most once. The test decides its answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::ports::{free_port, listen};
use crate::wait::now;

/// The provider's action on a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Pays, and answers so.
    Pay,
    /// Pays, and answers so after this time.
    PayAfter(Duration),
    /// Pays, and closes the connection without an answer.
    PayAndVanish,
    /// Pays, and answers with this status nevertheless.
    PayAndRefuse(u16),
    /// Accepts, and settles at the second look-up.
    Accept,
    /// Declines finally.
    Decline,
    /// Declines finally, and quotes the recipient.
    DeclineQuoting,
    /// Answers with this status and quotes the recipient; does nothing.
    QuoteIn(u16),
    /// Answers 200 with a body that is not JSON and quotes the recipient; does nothing.
    QuoteAndGarble,
    /// Answers with this status, and does nothing.
    Refuse(u16),
    /// Answers 429 with this `Retry-After`, in seconds.
    Throttle(u64),
    /// Reads the request, and never answers.
    Hang,
    /// Pays, and never answers.
    PayAndHang,
    /// Answers 200 with a body that is not JSON, and does nothing.
    Garble,
}

/// The provider's record of one key.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The number of payments: never more than one, or the provider itself is broken.
    pub payments: u32,
    /// The number of submissions.
    pub submissions: u32,
    /// The number of look-ups.
    pub lookups: u32,
    /// Every body that was submitted under the key.
    pub bodies: Vec<Value>,
    /// The final answer.
    answer: Option<Value>,
    accepted: bool,
}

/// A decision by key and by the number of the submission under it.
type Decide = Box<dyn Fn(&str, u32) -> Deed + Send + Sync>;

struct Shared {
    ledger: Mutex<HashMap<String, Entry>>,
    tokens: Mutex<Vec<Option<String>>>,
    traces: Mutex<Vec<Option<String>>>,
    calls: Mutex<Vec<Duration>>,
    hangs: AtomicBool,
    decide: Decide,
}

/// A running provider, stopped when dropped.
pub struct Provider {
    port: u16,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl Provider {
    /// Starts a provider that treats every submission alike.
    pub async fn that(deed: Deed) -> Self {
        Self::deciding(move |_, _| deed).await
    }

    /// Starts a provider that decides by key and by the number of the submission under it, from 1.
    pub async fn deciding(decide: impl Fn(&str, u32) -> Deed + Send + Sync + 'static) -> Self {
        Self::at(free_port(), decide).await
    }

    /// Starts a provider on a port that the test chooses, on which nothing listened before.
    pub async fn at(port: u16, decide: impl Fn(&str, u32) -> Deed + Send + Sync + 'static) -> Self {
        let listener = listen(port).await;
        let shared = Arc::new(Shared {
            ledger: Mutex::default(),
            tokens: Mutex::default(),
            traces: Mutex::default(),
            calls: Mutex::default(),
            hangs: AtomicBool::new(false),
            decide: Box::new(decide),
        });
        let serving = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self {
            port,
            shared,
            serving,
        }
    }

    /// Returns the value for `PAYOUT_PROCESSOR_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a copy of the ledger.
    pub fn ledger(&self) -> HashMap<String, Entry> {
        self.shared.ledger.lock().unwrap().clone()
    }

    /// Returns the record of a key.
    pub fn entry(&self, key: &str) -> Entry {
        self.ledger().remove(key).unwrap_or_default()
    }

    /// Enters an answer for a key, as if the provider had given it.
    pub fn plant(&self, key: &str, answer: Value) {
        let mut ledger = self.shared.ledger.lock().unwrap();
        ledger.entry(key.to_owned()).or_default().answer = Some(answer);
    }

    /// Sets whether no call is answered, whatever it is.
    pub fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Returns the time of each call, as [`now`] tells it.
    pub fn calls(&self) -> Vec<Duration> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// Returns the `traceparent` of each call.
    pub fn traces(&self) -> Vec<Option<String>> {
        self.shared.traces.lock().unwrap().clone()
    }

    /// Returns the bearer token of each call.
    pub fn tokens(&self) -> Vec<Option<String>> {
        self.shared.tokens.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the task, and with it all connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move { shared.serve(BufStream::new(stream)).await });
    }
}

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, including the query.
    pub path: String,
    /// The headers, by name in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Shared {
    async fn serve(&self, mut stream: BufStream<TcpStream>) -> Option<()> {
        loop {
            let request = read(&mut stream).await?;
            self.calls.lock().unwrap().push(now());
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let token = request
                .headers
                .get("authorization")
                .and_then(|value| value.strip_prefix("Bearer "));
            self.tokens.lock().unwrap().push(token.map(str::to_owned));
            let trace = request.headers.get("traceparent").cloned();
            self.traces.lock().unwrap().push(trace);
            let answer = match request.method.as_str() {
                "POST" => self.submit(&request).await?,
                _ if request.path == "/balances" => balances(),
                _ => self.look_up(&request),
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
        }
    }

    /// Answers a submission; `None` closes the connection without an answer.
    async fn submit(&self, request: &Request) -> Option<String> {
        let key = request.headers.get("idempotency-key")?.clone();
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let account = body["recipient_account"].as_str().unwrap_or_default();
        let quoted = format!(
            "{account} of {} is closed",
            body["recipient_name"].as_str().unwrap_or_default()
        );
        let (deed, settled) = {
            let mut ledger = self.ledger.lock().unwrap();
            let entry = ledger.entry(key.clone()).or_default();
            entry.submissions += 1;
            entry.bodies.push(body);
            let deed = (self.decide)(&key, entry.submissions);
            let pays = matches!(
                deed,
                Deed::Pay | Deed::PayAfter(_) | Deed::PayAndVanish | Deed::PayAndHang | Deed::PayAndRefuse(_)
            );
            if entry.answer.is_none() && pays {
                entry.pay(&key);
            } else if entry.answer.is_none() && deed == Deed::Decline {
                entry.answer =
                    Some(json!({"status": "failed", "code": "account_closed", "message": "Closed."}));
            } else if entry.answer.is_none() && deed == Deed::DeclineQuoting {
                entry.answer =
                    Some(json!({"status": "failed", "code": format!("closed-{quoted}"), "message": quoted}));
            } else if deed == Deed::Accept {
                entry.accepted = true;
            }
            (deed, entry.answer.clone())
        };
        if let Deed::PayAfter(time) = deed {
            tokio::time::sleep(time).await;
        }
        match (deed, settled) {
            (Deed::PayAndVanish, _) => None,
            (Deed::Hang | Deed::PayAndHang, _) => std::future::pending().await,
            (Deed::Refuse(status) | Deed::PayAndRefuse(status), _) => Some(encode(status, "", "{}")),
            (Deed::Throttle(seconds), _) => Some(encode(429, &format!("retry-after: {seconds}\r\n"), "{}")),
            (Deed::Garble, _) => Some(encode(200, "", "<html>")),
            (Deed::QuoteIn(status), _) => Some(encode(
                status,
                "",
                &json!({"code": quoted, "message": quoted}).to_string(),
            )),
            (Deed::QuoteAndGarble, _) => Some(encode(200, "", &format!("<html>{quoted}"))),
            (
                Deed::Pay | Deed::PayAfter(_) | Deed::Decline | Deed::DeclineQuoting | Deed::Accept,
                Some(answer),
            ) => Some(encode(200, "", &answer.to_string())),
            (Deed::Pay | Deed::PayAfter(_) | Deed::Decline | Deed::DeclineQuoting | Deed::Accept, None) => {
                Some(encode(
                    202,
                    "",
                    &json!({"status": "pending", "reference": key}).to_string(),
                ))
            }
        }
    }

    fn look_up(&self, request: &Request) -> String {
        let key = request
            .path
            .trim_start_matches("/payouts/")
            .replace("%3A", ":")
            .replace("%3a", ":");
        let mut ledger = self.ledger.lock().unwrap();
        let Some(entry) = ledger.get_mut(&key) else {
            return encode(404, "", "{}");
        };
        entry.lookups += 1;
        if entry.accepted && entry.answer.is_none() && entry.lookups > 1 {
            entry.pay(&key);
        }
        match (&entry.answer, entry.accepted) {
            (Some(answer), _) => encode(200, "", &answer.to_string()),
            (None, true) => encode(
                200,
                "",
                &json!({"status": "pending", "reference": key}).to_string(),
            ),
            (None, false) => encode(404, "", "{}"),
        }
    }
}

impl Entry {
    fn pay(&mut self, key: &str) {
        self.payments += 1;
        // A payment has the details of the first submission.
        let told = self.bodies.first().cloned().unwrap_or_default();
        self.answer = Some(json!({
            "status": "completed",
            "reference": format!("ref-{key}"),
            "amount": told["amount"],
            "currency": told["currency"],
            "digest": told["digest"],
        }));
    }
}

/// Answers with balances that no payment changes.
fn balances() -> String {
    let balances = [("EUR", "48250.00"), ("USD", "12.50")];
    let balances =
        balances.map(|(currency, available)| json!({"currency": currency, "available": available}));
    encode(200, "", &json!({"balances": balances}).to_string())
}

fn encode(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Reads a request; `None` when the connection ends.
pub(crate) async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

async fn line(stream: &mut BufStream<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
