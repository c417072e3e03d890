//! One trace from the request through the queue and the worker to the provider, over real processes: a server, a
//! worker, Redis between them, a provider and a collector.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use payout_core::ports::TraceContext;
use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::ports::free_port;
use payout_tests::process::Process;
use payout_tests::provider::{Deed, Provider};
use payout_tests::sink::Sink;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use prost::Message;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");

/// Returns every span that the collector received.
fn spans(collector: &Sink) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in collector.kept() {
        assert_eq!(request.path, "/v1/traces");
        let sent = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
        let scopes = sent
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    spans
}

fn of_trace(collector: &Sink, trace: TraceContext) -> HashMap<String, Span> {
    let id = trace.trace_id().to_be_bytes();
    let of_it = spans(collector).into_iter().filter(|span| span.trace_id == id);
    of_it.map(|span| (span.name.clone(), span)).collect()
}

fn fresh_trace(n: u128) -> TraceContext {
    TraceContext::new((7 << 64) + n, 9, 1).unwrap()
}

async fn launch(provider: &Provider) -> Launch {
    Launch::new(BINARY, Arc::new(Store::new(Backend::Postgres).await))
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
        .set("PAYOUT_LOG_FORMAT", "json")
        // Only hints bring payouts to the worker.
        .set("PAYOUT_SWEEP_MS", 60_000)
}

fn traced(launch: Launch, collector: &Sink) -> Launch {
    launch
        .set(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://127.0.0.1:{}/", collector.port()),
        )
        .set("OTEL_BSP_SCHEDULE_DELAY", 100)
}

async fn start(launch: &Launch) -> (App, Process) {
    let app = launch.serve().await;
    let port = free_port();
    let worker = launch
        .clone()
        .set("PAYOUT_METRICS_BIND", format!("127.0.0.1:{port}"))
        .worker();
    let operators = Api::on_port(port);
    // The worker's first sweep must not be the one that finds the test's payouts.
    eventually("the worker has swept", SOON, async || {
        let scraped = operators.get("/metrics").send().await.ok()?.text();
        scraped
            .contains("payout_sweep_duration_seconds_count 1")
            .then_some(())
    })
    .await;
    (app, worker)
}

/// Returns the log lines of a trace.
fn lines(log: &str, trace: TraceContext) -> Vec<Value> {
    let id = format!("{:032x}", trace.trace_id());
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["trace_id"] == id.as_str()).collect()
}

#[tokio::test]
async fn one_trace_leads_from_the_request_to_the_provider() {
    let (provider, collector) = (Provider::that(Deed::Decline).await, Sink::start().await);
    let (app, _worker) = start(&traced(launch(&provider).await, &collector)).await;
    let trace = fresh_trace(1);
    let created = app
        .post(PAYOUTS)
        .header("traceparent", &trace.to_string())
        .json(payout())
        .await
        .expect(201);
    let created_json = created.json();
    app.until(&path_of(&created_json), "failed").await;
    let found = eventually("all of the trace is sent", SOON, async || {
        Some(of_trace(&collector, trace)).filter(|spans| spans.len() == 4)
    })
    .await;
    let request = &found["POST /api/payouts"];
    let [insert, attempt, submit] =
        ["insert payout", "attempt payout", "submit payment"].map(|name| &found[name]);
    assert_eq!(request.parent_span_id, trace.span_id().to_be_bytes());
    assert_eq!(insert.parent_span_id, request.span_id);
    assert_eq!(attempt.parent_span_id, insert.span_id, "through the queue");
    assert_eq!(submit.parent_span_id, attempt.span_id);
    let span_id = u64::from_be_bytes(submit.span_id.as_slice().try_into().unwrap());
    let carried = TraceContext::new(trace.trace_id(), span_id, 1)
        .unwrap()
        .to_string();
    assert_eq!(provider.traces(), [Some(carried)]);

    let told = lines(&app.log(), trace);
    assert!(!told.is_empty(), "the server's lines carry the trace");
    for line in told {
        assert_eq!(
            line["request_id"],
            created.header("x-request-id").unwrap(),
            "{line}"
        );
    }
    let personal = format!("{:?}", spans(&collector));
    for text in ["recipient_account", "recipient_name", "Invoice"] {
        let value = created_json[text].as_str().unwrap_or(text);
        assert!(!personal.contains(value), "{value} in {personal}");
    }
}

#[tokio::test]
async fn a_workers_lines_carry_the_trace_and_the_payout() {
    let (provider, collector) = (Provider::that(Deed::Hang).await, Sink::start().await);
    let launch = launch(&provider)
        .await
        .call_timeout_ms(100)
        .set("PAYOUT_MAX_ATTEMPTS", 1);
    let (app, worker) = start(&traced(launch, &collector)).await;
    let trace = fresh_trace(2);
    let created = app.post(PAYOUTS).header("traceparent", &trace.to_string());
    let path = path_of(&created.json(payout()).await.expect(201).json());
    app.until_review(&path).await;
    let told = eventually("the review is logged", SOON, async || {
        Some(lines(&worker.log(), trace)).filter(|lines| !lines.is_empty())
    })
    .await;
    let id = path.trim_start_matches(PAYOUTS).trim_end_matches('/');
    assert!(told.iter().all(|line| line["payout_id"] == id), "{told:?}");
}

#[tokio::test]
async fn each_of_many_requests_at_once_has_spans_of_its_own() {
    let (provider, collector) = (Provider::that(Deed::Pay).await, Sink::start().await);
    let app = traced(launch(&provider).await, &collector).serve().await;
    let creates = (0..40).map(|n| {
        let trace = fresh_trace(100 + n).to_string();
        let call = app.post(PAYOUTS).header("traceparent", &trace).json(payout());
        async move { call.await.expect(201) }
    });
    futures::future::join_all(creates).await;
    eventually("each trace has its request and its insert", SOON, async || {
        let whole = (0..40).all(|n| {
            let spans = of_trace(&collector, fresh_trace(100 + n));
            spans.len() == 2 && spans["insert payout"].parent_span_id == spans["POST /api/payouts"].span_id
        });
        whole.then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_to_be_recorded_is_carried_on_and_not_recorded() {
    let (provider, collector) = (Provider::that(Deed::Pay).await, Sink::start().await);
    let (app, _worker) = start(&traced(launch(&provider).await, &collector)).await;
    let id = fresh_trace(200).trace_id();
    // Flag bits that only future versions define are ignored.
    let header = format!("00-{id:032x}-0000000000000009-f8");
    let call = app.post(PAYOUTS).header("traceparent", &header);
    // State and baggage of other systems do not reach the provider.
    let call = call
        .header("tracestate", "canary=state")
        .header("baggage", "canary=baggage");
    app.until(
        &path_of(&call.json(payout()).await.expect(201).json()),
        "completed",
    )
    .await;
    let carried = provider.traces().remove(0).unwrap();
    assert!(
        carried.starts_with(&format!("00-{id:032x}-")) && carried.ends_with("-00"),
        "{carried}"
    );
    // All spans of a later request are sent.
    let later = app
        .post(PAYOUTS)
        .header("traceparent", &fresh_trace(201).to_string());
    let _ = later.json(payout()).await.expect(201);
    eventually("the later one is sent", SOON, async || {
        (of_trace(&collector, fresh_trace(201)).len() == 4).then_some(())
    })
    .await;
    assert!(of_trace(&collector, fresh_trace(200)).is_empty());
    assert!(!format!("{:?}", spans(&collector)).contains("canary"));
}

#[tokio::test]
async fn a_traceparent_that_is_none_begins_a_trace_of_its_own() {
    let (provider, collector) = (Provider::that(Deed::Pay).await, Sink::start().await);
    let (app, _worker) = start(&traced(launch(&provider).await, &collector)).await;
    let call = app.post(PAYOUTS).header("traceparent", "00-canary-1-01");
    app.until(
        &path_of(&call.json(payout()).await.expect(201).json()),
        "completed",
    )
    .await;
    let found = eventually("all of the trace is sent", SOON, async || {
        let spans = spans(&collector);
        let request = spans.iter().find(|span| span.name == "POST /api/payouts")?;
        let of_it = spans.iter().filter(|span| span.trace_id == request.trace_id);
        Some(of_it.cloned().collect::<Vec<_>>()).filter(|spans| spans.len() == 4)
    })
    .await;
    assert_eq!(
        found.iter().filter(|span| span.parent_span_id.is_empty()).count(),
        1
    );
    assert!(!format!("{found:?}").contains("canary"));
}

/// A row does not store a trace: a payout that a sweep found is identified in its trace by its id.
#[tokio::test]
async fn what_a_sweep_takes_up_is_a_trace_of_its_own_that_names_the_payout() {
    let provider = Provider::deciding(|_, submission| {
        if submission == 1 {
            Deed::Refuse(500)
        } else {
            Deed::Pay
        }
    });
    let (provider, collector) = (provider.await, Sink::start().await);
    let launch = launch(&provider).await.set("PAYOUT_SWEEP_MS", 100);
    let app = traced(launch, &collector).run().await;
    let trace = fresh_trace(300);
    let created = app.post(PAYOUTS).header("traceparent", &trace.to_string());
    let path = path_of(&created.json(payout()).await.expect(201).json());
    app.until(&path, "completed").await;
    let id = path.trim_start_matches(PAYOUTS).trim_end_matches('/').to_owned();
    let attempts = eventually("both attempts are sent", SOON, async || {
        let spans = spans(&collector).into_iter();
        let attempts: Vec<_> = spans.filter(|span| span.name == "attempt payout").collect();
        (attempts.len() == 2).then_some(attempts)
    })
    .await;
    for attempt in &attempts {
        assert!(format!("{attempt:?}").contains(&id), "{attempt:?}");
    }
    // The first attempt follows the hint, or a sweep that came before the hint; the second always follows a sweep.
    let of_the_request = trace.trace_id().to_be_bytes();
    assert_ne!(attempts[0].trace_id, attempts[1].trace_id);
    assert!(
        attempts
            .iter()
            .filter(|span| span.trace_id == of_the_request)
            .count()
            <= 1
    );
    // The provider receives the trace of the attempt that calls it.
    let told: Vec<TraceContext> = provider
        .traces()
        .iter()
        .map(|told| told.as_ref().unwrap().parse().unwrap())
        .collect();
    assert!(
        told[1..].iter().all(|told| told.trace_id() != trace.trace_id()),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_span_names_its_request_by_our_id_and_has_nothing_that_a_client_wrote() {
    let (provider, collector) = (Provider::that(Deed::Pay).await, Sink::start().await);
    let app = traced(launch(&provider).await, &collector).serve().await;
    let ours = app.post(PAYOUTS).json(payout()).await.expect(201);
    let ours = ours.header("x-request-id").unwrap();
    let theirs = app.post(PAYOUTS).header("x-request-id", "canary-header");
    let _ = theirs.json(payout()).await.expect(201);
    app.call("CANARY-METHOD", PAYOUTS).await.problem(405);
    let told = eventually("the requests are sent", SOON, async || {
        let spans = spans(&collector);
        let requests = spans.iter().filter(|span| span.parent_span_id.is_empty());
        (requests.count() == 3).then(|| format!("{spans:?}"))
    })
    .await;
    assert!(told.contains(ours), "{ours} in {told}");
    for theirs in ["canary-header", "CANARY-METHOD"] {
        assert!(!told.contains(theirs), "{told}");
    }
}

#[tokio::test]
async fn without_a_collector_nothing_is_traced_and_hints_stay_small() {
    let provider = Provider::that(Deed::Pay).await;
    let (app, _worker) = start(&launch(&provider).await).await;
    let created = app
        .post(PAYOUTS)
        .header("traceparent", &fresh_trace(3).to_string())
        .json(payout());
    let path = path_of(&created.await.expect(201).json());
    app.until(&path, "completed").await;
    assert_eq!(provider.traces(), [None]);
    assert!(lines(&app.log(), fresh_trace(3)).is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let provider = Provider::that(Deed::Pay).await;
    let collector = Sink::start().await;
    let launch = traced(launch(&provider).await, &collector);
    drop(collector);
    let (mut app, _worker) = start(&launch).await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    eventually("it is said once", SOON, async || {
        app.log().contains("traces cannot be sent").then_some(())
    })
    .await;
    assert!(app.process().terminate().await.success());
    assert_eq!(app.log().matches("traces cannot be sent").count(), 1);
}
