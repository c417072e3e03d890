//! HTTP load, from outside the server's process.
//!
//! - [`closed`] sends as fast as the server answers, for throughput: each connection sends its next request when it has
//!   received the last answer.
//! - [`open`] sends at a fixed rate, for latency. The server cannot shift the time at which a request is due, and
//!   latency counts from that time: a stall delays every request that is due during it (coordinated omission, Tene
//!   2013).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::Outcome;
use crate::clock::{self, Instant};

/// The number of the load's own threads. More would take processor time that the server and the database need.
const THREADS: usize = 2;
/// The time before measurements count: connections are made, statements are prepared, caches fill.
const WARM_UP: Duration = Duration::from_millis(500);
/// A request without an answer after this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server that receives the load.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) key: Option<String>,
}

impl Target {
    pub(crate) fn local(port: u16) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            host: format!("127.0.0.1:{port}"),
            key: None,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Outcome<Request<Full<Bytes>>> {
        self.request(Method::GET, path, Bytes::new())
    }

    pub(crate) fn post(&self, path: &str, body: String) -> Outcome<Request<Full<Bytes>>> {
        self.request(Method::POST, path, Bytes::from(body))
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Outcome<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        Ok(request.body(Full::new(body))?)
    }
}

/// Makes the request with this number. Numbers are distributed over all connections, each once.
pub(crate) type Make = Arc<dyn Fn(u64) -> Outcome<Request<Full<Bytes>>> + Send + Sync>;

pub(crate) fn make(make: impl Fn(u64) -> Outcome<Request<Full<Bytes>>> + Send + Sync + 'static) -> Make {
    Arc::new(make)
}

/// The result of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) failed: u64,
}

/// Sends as fast as the server answers, over this many connections.
pub(crate) async fn closed(
    target: &Target,
    connections: usize,
    duration: Duration,
    make: &Make,
) -> Outcome<Rate> {
    let counts_from = clock::now() + WARM_UP;
    let until = counts_from + duration;
    let parts = on_threads(connections, |first, step| {
        let (target, make) = (target.clone(), make.clone());
        async move {
            let mut connections_of_mine = JoinSet::new();
            for connection in (first..connections).step_by(step) {
                let (target, make) = (target.clone(), make.clone());
                connections_of_mine.spawn(async move {
                    let (mut done, mut failed) = (0_u64, 0_u64);
                    let mut numbers = (connection as u64..).step_by(connections);
                    let mut line = Line::new(target);
                    while clock::now() < until {
                        let answered = line.ask(&make, numbers.next().unwrap_or_default()).await?;
                        let at = clock::now();
                        if at >= counts_from && at < until {
                            if answered { done += 1 } else { failed += 1 }
                        }
                    }
                    Outcome::Ok((done, failed))
                });
            }
            collect(connections_of_mine).await
        }
    })
    .await?;
    let (done, failed) = parts
        .into_iter()
        .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    Ok(Rate {
        per_second: done as f64 / duration.as_secs_f64(),
        failed,
    })
}

/// Sends at a fixed rate, over this many connections; latencies are in microseconds.
pub(crate) async fn open(
    target: &Target,
    connections: usize,
    per_second: f64,
    duration: Duration,
    make: &Make,
) -> Outcome<Histogram<u64>> {
    let begins = clock::now() + Duration::from_millis(50);
    let counts_from = begins + WARM_UP;
    let until = counts_from + duration;
    let between = Duration::from_secs_f64(1.0 / per_second);
    let parts = on_threads(connections, |first, step| {
        let (target, make) = (target.clone(), make.clone());
        async move {
            let mut connections_of_mine = JoinSet::new();
            for connection in (first..connections).step_by(step) {
                let (target, make) = (target.clone(), make.clone());
                connections_of_mine.spawn(async move {
                    let mut latencies = Histogram::<u64>::new(3)?;
                    let mut line = Line::new(target);
                    for number in (connection as u64..).step_by(connections) {
                        let due = begins + between.mul_f64(number as f64);
                        if due >= until {
                            break;
                        }
                        sleep_until(due).await;
                        if !line.ask(&make, number).await? {
                            return Err("a request failed under the load of a latency measurement".into());
                        }
                        if due >= counts_from {
                            let took = clock::now().saturating_duration_since(due);
                            latencies.record(u64::try_from(took.as_micros())?.max(1))?;
                        }
                    }
                    Ok(latencies)
                });
            }
            collect(connections_of_mine).await
        }
    })
    .await?;
    let mut all = Histogram::<u64>::new(3)?;
    for part in parts {
        all.add(part)?;
    }
    Ok(all)
}

async fn collect<T: 'static>(mut tasks: JoinSet<Outcome<T>>) -> Outcome<Vec<T>> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result??);
    }
    Ok(results)
}

/// Runs `part(first, step)` on each of the load's threads. A thread takes the connections `first`, `first + step` and
/// so on.
async fn on_threads<T, F>(connections: usize, part: impl Fn(usize, usize) -> F) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Outcome<Vec<T>>> + Send + 'static,
{
    let threads = THREADS.min(connections);
    let mut running = Vec::new();
    for first in 0..threads {
        let part = part(first, threads);
        running.push(tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(part)
        }));
    }
    let mut results = Vec::new();
    for thread in running {
        results.extend(thread.await??);
    }
    Ok(results)
}

/// A connection that is made again when it breaks.
struct Line {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    fn new(target: Target) -> Self {
        Self { target, sender: None }
    }

    /// Sends the request with this number, and returns whether the answer was a success.
    async fn ask(&mut self, make: &Make, number: u64) -> Outcome<bool> {
        let request = make(number)?;
        match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(Ok((status, _))) => Ok(status.is_success()),
            Ok(Err(_)) | Err(_) => {
                self.sender = None;
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(false)
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Outcome<(StatusCode, Bytes)> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            Some(_) | None => connect(self.target.address).await?,
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }
}

async fn connect(address: SocketAddr) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request on its own connection, and reads the whole answer.
pub(crate) async fn once(target: &Target, request: Request<Full<Bytes>>) -> Outcome<(StatusCode, Bytes)> {
    once_within(target, request, PATIENCE).await
}

/// Sends one request on its own connection, and reads the whole answer within this time.
pub(crate) async fn once_within(
    target: &Target,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> Outcome<(StatusCode, Bytes)> {
    let mut line = Line::new(target.clone());
    tokio::time::timeout(within, line.exchange(request)).await?
}

/// Sends one request on its own connection, and counts the lines of its answer while they arrive.
pub(crate) async fn count_lines(
    target: &Target,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> Outcome<u64> {
    let counting = async {
        let mut sender = connect(target.address).await?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("answered {}", response.status()).into());
        }
        let (mut body, mut lines) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            lines += data.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        Ok(lines)
    };
    tokio::time::timeout(within, counting).await?
}

/// Returns the seconds between two readings of the clock.
pub(crate) fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}
