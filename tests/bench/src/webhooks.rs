//! Deliveries of webhooks at a fixed rate of payouts, and the worker's rate with and without them.
//!
//! A latency is the time from the event's own time, which is that of its transaction's beginning, to the receipt.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use payout_core::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::database::Database;
use crate::drains::{drain, worker};
use crate::load::{Target, once, open};
use crate::run::Run;
use crate::table::{Row, Wanted, median};
use crate::{Outcome, clock, creates};

/// The number of connections that create payouts.
const CONNECTIONS: usize = 64;
/// The number of endpoints that work.
const ENDPOINTS: usize = 3;
/// The time within which what was created is delivered after the load.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest latency that the histogram distinguishes, in microseconds.
const LONGEST: u64 = 600_000_000;
/// The number of calls in flight of a worker.
const IN_FLIGHT: usize = 1_024;

/// The sizes of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Payouts per second.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    /// The number of payouts that are drained.
    pub(crate) backlog: i64,
}

/// A receiver of `payout.completed`, which records latencies until the measurement ends.
struct Receiver {
    port: u16,
    heard: Arc<Heard>,
}

struct Heard {
    hangs: bool,
    counts: AtomicBool,
    received: AtomicU64,
    /// In microseconds.
    latencies: Mutex<Histogram<u64>>,
}

impl Receiver {
    async fn start(hangs: bool) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let heard = Arc::new(Heard {
            hangs,
            counts: AtomicBool::new(true),
            received: AtomicU64::new(0),
            latencies: Mutex::new(Histogram::new_with_bounds(1, LONGEST, 3)?),
        });
        let serving = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = serving.clone();
                let serve = service_fn(move |request| {
                    let heard = heard.clone();
                    async move { heard.hear(request).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
            }
        });
        Ok(Self { port, heard })
    }

    async fn subscribe(&self, target: &Target) -> Outcome<()> {
        let body = json!({
            "url": format!("http://127.0.0.1:{}/", self.port),
            "types": ["payout.completed"],
        });
        let (status, body) = once(target, target.post("/api/webhooks/", body.to_string())?).await?;
        if status.as_u16() == 201 {
            Ok(())
        } else {
            Err(format!("no endpoint: {status} {}", String::from_utf8_lossy(&body)).into())
        }
    }

    fn received(&self) -> u64 {
        self.heard.received.load(Ordering::Relaxed)
    }
}

impl Heard {
    async fn hear(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let body = request.into_body().collect().await;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let now = clock::since_epoch();
        let body: Value = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok())
            .unwrap_or_default();
        let at = body["timestamp"]
            .as_str()
            .and_then(|at| at.parse::<Timestamp>().ok())
            .and_then(|at| u128::try_from(at.timestamp_micros()).ok());
        if let Some(at) = at.filter(|_| self.counts.load(Ordering::Relaxed)) {
            let took = now.as_micros().saturating_sub(at);
            let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            // A latency beyond the histogram's range is its greatest.
            latencies.saturating_record(u64::try_from(took).unwrap_or(u64::MAX).max(1));
            self.received.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Response::new(Full::default()))
    }
}

/// Measures all rows.
pub(crate) async fn measure(run: &Run, sizes: Sizes) -> Outcome<Vec<Row>> {
    let row = |work: String, against: &str, unit, ours: Vec<f64>, theirs: Vec<f64>, wanted| Row {
        work,
        against: against.to_owned(),
        unit,
        ours,
        theirs,
        wanted,
    };
    let (mut well, mut beside, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut paid_with, mut paid_without) = (Vec::new(), Vec::new());
    for round in 1..=run.plan.rounds {
        paid_without.push(steady(run, sizes, Endpoints::None).await?.completed);
        let three = steady(run, sizes, Endpoints::Working).await?;
        well.push(three.received_within);
        paid_with.push(three.completed);
        beside.push(
            steady(run, sizes, Endpoints::AndOneThatHangs)
                .await?
                .received_within,
        );
        with.push(drained(run, sizes, true).await?);
        without.push(drained(run, sizes, false).await?);
        run.note(&format!(
            "round {round}: p99 {:.0} ms, beside one that hangs {:.0} ms; completed {:.0}/s, without endpoints {:.0}/s; \
             drained {:.0}/s, without {:.0}/s",
            well[round - 1],
            beside[round - 1],
            paid_with[round - 1],
            paid_without[round - 1],
            with[round - 1],
            without[round - 1]
        ));
    }
    let rate = sizes.rate;
    Ok(vec![
        row(
            format!("payouts completed while {rate:.0} per second are created, three endpoints"),
            "without endpoints",
            "/s",
            paid_with,
            paid_without,
            Wanted::AtLeast(0.9),
        ),
        row(
            format!("p99 from commit to receipt, {rate:.0} payouts/s, three endpoints"),
            "the target",
            "ms",
            well.clone(),
            vec![1_000.0],
            Wanted::AtMost(1.0),
        ),
        row(
            "the same beside a fourth endpoint that hangs".to_owned(),
            "without it",
            "ms",
            beside,
            vec![median(&well)],
            Wanted::AtMost(1.25),
        ),
        row(
            format!("draining {} payouts, three endpoints", sizes.backlog),
            "without endpoints",
            "/s",
            with,
            without,
            Wanted::AtLeast(0.9),
        ),
    ])
}

/// The endpoints of a steady load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoints {
    None,
    Working,
    /// Those that work, and one that never answers.
    AndOneThatHangs,
}

/// The figures of a steady load.
struct Steady {
    /// Payouts completed per second, until the last of them was created.
    completed: f64,
    /// The 99th percentile from an event to its receipt, over the endpoints that work, in milliseconds; 0 without them.
    received_within: f64,
}

/// Creates payouts at a fixed rate for a server and a worker.
async fn steady(run: &Run, sizes: Sizes, endpoints: Endpoints) -> Outcome<Steady> {
    let database = run.fresh_database("webhooks").await?;
    let variables = with_networks(worker(&database, Duration::ZERO, IN_FLIGHT));
    let mut server = run.services.start("serve", &variables).await?;
    let mut worker = run.services.start("worker", &variables).await?;
    let mut receivers = Vec::new();
    let working = if endpoints == Endpoints::None {
        0
    } else {
        ENDPOINTS
    };
    for _ in 0..working {
        let receiver = Receiver::start(false).await?;
        receiver.subscribe(&server.target).await?;
        receivers.push(receiver);
    }
    let hanging = Receiver::start(true).await?;
    if endpoints == Endpoints::AndOneThatHangs {
        hanging.subscribe(&server.target).await?;
    }
    // The worker looks for free endpoints every two seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let make = creates::create(&server.target);
    let begun = clock::since_epoch().as_secs_f64();
    let creates = open(&server.target, CONNECTIONS, sizes.rate, sizes.duration, &make).await?;
    let (completed, life) = database.completed("", begun).await?;
    run.note(&format!(
        "{endpoints:?} endpoints: {completed:.0} completed per second, p99 {life:.0} ms after their creation, creates p99 {:.0} ms",
        creates.value_at_quantile(0.99) as f64 / 1000.0
    ));
    delivered(&database, &receivers).await?;
    let mut all = Histogram::<u64>::new(3)?;
    for receiver in &receivers {
        receiver.heard.counts.store(false, Ordering::Relaxed);
        all.add(
            &*receiver
                .heard
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )?;
    }
    for service in [&mut server, &mut worker] {
        service.process.terminate().await;
    }
    Ok(Steady {
        completed,
        received_within: all.value_at_quantile(0.99) as f64 / 1000.0,
    })
}

/// Waits until every payout is completed and each receiver has heard of all of them.
async fn delivered(database: &Database, receivers: &[Receiver]) -> Outcome<()> {
    let until = clock::now() + PATIENCE;
    loop {
        let (completed, open) = (database.count("completed").await?, database.unfinished(1).await?);
        let least = receivers
            .iter()
            .map(Receiver::received)
            .min()
            .unwrap_or(completed);
        if open == 0 && least >= completed {
            return Ok(());
        }
        if clock::now() > until {
            return Err(format!("{least} of {completed} were delivered in time").into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns the payouts per second of a worker that drains a backlog.
async fn drained(run: &Run, sizes: Sizes, with_endpoints: bool) -> Outcome<f64> {
    let database = run.fresh_database("delivering").await?;
    let variables = with_networks(worker(&database, Duration::ZERO, IN_FLIGHT));
    let mut receivers = Vec::new();
    if with_endpoints {
        let mut server = run.services.start("serve", &variables).await?;
        for _ in 0..ENDPOINTS {
            let receiver = Receiver::start(false).await?;
            receiver.subscribe(&server.target).await?;
            receivers.push(receiver);
        }
        server.process.terminate().await;
    }
    database.backlog(sizes.backlog).await?;
    database.tidy().await?;
    drain(run, &run.services, &database, &variables, 1).await
}

fn with_networks(mut variables: Vec<(String, String)>) -> Vec<(String, String)> {
    variables.push(("PAYOUT_WEBHOOK_NETWORKS".to_owned(), "127.0.0.0/8".to_owned()));
    variables
}
