//! What Prometheus scrapes. The recorder belongs to one running app and not to the process, so that several apps can
//! run side by side in a test.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use payout_core::payout::Verdict;
use payout_core::ports::{Observer, Signal};
use salvo::http::{Method, StatusCode};

const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts and measures.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// By route, then by method and status. Every request looks its series up, so they are kept ready: to make one
    /// costs more than to answer a small request. Routes and methods are few, and statuses too.
    requests: RwLock<HashMap<String, Vec<Series>>>,
    queue_depth: Gauge,
    database_up: Gauge,
    queue_up: Gauge,
}

/// The requests of one route, method and status.
struct Series {
    method: &'static str,
    status: StatusCode,
    total: Counter,
    duration: Histogram,
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// [`BuildError`] when the buckets are none.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .build_recorder();
        let handle = recorder.handle();
        let (queue_depth, database_up, queue_up) = with_local_recorder(&recorder, || {
            describe();
            gauge!("payout_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            (
                gauge!("payout_queue_depth"),
                gauge!("payout_dependency_up", "dependency" => "database"),
                gauge!("payout_dependency_up", "dependency" => "queue"),
            )
        });
        Ok(Self {
            recorder,
            handle,
            requests: RwLock::default(),
            queue_depth,
            database_up,
            queue_up,
        })
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what was measured into the histograms; must be done now and then, or measurements pile up.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Counts an answered request. `route` is a template, never a path with an id; empty when no route matched.
    pub(crate) fn request(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = method_label(method);
        let known = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(route).and_then(|series| find(series, method, status)) {
            series.total.increment(1);
            series.duration.record(took);
            return;
        }
        drop(known);
        let mut known = self.requests.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = known.entry(route.to_owned()).or_default();
        if find(of_route, method, status).is_none() {
            of_route.push(self.series(route, method, status));
        }
        if let Some(series) = find(of_route, method, status) {
            series.total.increment(1);
            series.duration.record(took);
        }
    }

    fn series(&self, route: &str, method: &'static str, status: StatusCode) -> Series {
        let route = if route.is_empty() {
            "unmatched".to_owned()
        } else {
            format!("/{route}")
        };
        with_local_recorder(&self.recorder, || Series {
            method,
            status,
            total: counter!("payout_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.as_u16().to_string()),
            duration: histogram!("payout_http_request_duration_seconds", "route" => route, "method" => method),
        })
    }

    /// How many hints wait.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and no queue is so long"
    )]
    pub(crate) fn queue_depth(&self, depth: u64) {
        self.queue_depth.set(depth as f64);
    }

    /// Whether the database answers and is at the current schema.
    pub(crate) fn database_up(&self, up: bool) {
        self.database_up.set(f64::from(u8::from(up)));
    }

    /// Whether the queue answers.
    pub(crate) fn queue_up(&self, up: bool) {
        self.queue_up.set(f64::from(u8::from(up)));
    }

    /// Begins the worker's series at zero, so that the first event is seen as an increase.
    pub(crate) fn begin_worker(&self) {
        with_local_recorder(&self.recorder, || {
            for source in ["hint", "sweep"] {
                counter!("payout_claims_total", "source" => source).increment(0);
            }
            for verdict in [
                "completed",
                "failed",
                "accepted",
                "postponed",
                "released",
                "review",
            ] {
                counter!("payout_settlements_total", "verdict" => verdict).increment(0);
            }
            for against in ["true", "false"] {
                counter!("payout_late_outcomes_total", "paid_against_state" => against).increment(0);
            }
            counter!("payout_takeovers_total").increment(0);
            counter!("payout_reviews_total").increment(0);
            counter!("payout_abandoned_claims_total").increment(0);
        });
    }
}

fn find<'a>(series: &'a [Series], method: &str, status: StatusCode) -> Option<&'a Series> {
    series
        .iter()
        .find(|series| series.status == status && series.method == method)
}

/// A method that nobody routes counts as "other": clients may invent any number of them.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

impl Observer for Metrics {
    fn observe(&self, signal: &Signal<'_>) {
        with_local_recorder(&self.recorder, || match *signal {
            Signal::Claimed {
                count,
                takeovers,
                swept,
            } => {
                let source = if swept { "sweep" } else { "hint" };
                counter!("payout_claims_total", "source" => source).increment(count as u64);
                counter!("payout_takeovers_total").increment(takeovers as u64);
            }
            Signal::Called { call, outcome, took } => {
                counter!("payout_processor_calls_total", "call" => call, "outcome" => outcome).increment(1);
                histogram!("payout_processor_call_duration_seconds", "call" => call).record(took);
            }
            Signal::Settled(verdict) => {
                counter!("payout_settlements_total", "verdict" => verdict_label(verdict)).increment(1);
                if let Verdict::Review { .. } = verdict {
                    counter!("payout_reviews_total").increment(1);
                }
            }
            Signal::LateOutcome { paid_against_state } => {
                let against = if paid_against_state { "true" } else { "false" };
                counter!("payout_late_outcomes_total", "paid_against_state" => against).increment(1);
            }
            Signal::Abandoned => counter!("payout_abandoned_claims_total").increment(1),
        });
    }
}

fn verdict_label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Completed { .. } => "completed",
        Verdict::Failed(_) => "failed",
        Verdict::Accepted { .. } => "accepted",
        Verdict::Postponed { .. } => "postponed",
        Verdict::Released { .. } => "released",
        Verdict::Review { .. } => "review",
    }
}

fn describe() {
    describe_counter!(
        "payout_http_requests_total",
        "Answered requests, by route, method and status."
    );
    describe_histogram!(
        "payout_http_request_duration_seconds",
        Unit::Seconds,
        "How long requests took."
    );
    describe_counter!(
        "payout_claims_total",
        "Payouts that workers of this process claimed, by what led to them."
    );
    describe_counter!(
        "payout_takeovers_total",
        "Claims of payouts that were claimed before in their generation."
    );
    describe_counter!(
        "payout_processor_calls_total",
        "Calls to the payment provider, by call and outcome."
    );
    describe_histogram!(
        "payout_processor_call_duration_seconds",
        Unit::Seconds,
        "How long those calls took."
    );
    describe_counter!(
        "payout_settlements_total",
        "Claims that were settled, by verdict."
    );
    describe_counter!(
        "payout_late_outcomes_total",
        "Settlements that a guard refused since the lease was lost; paid_against_state: the provider paid what the payout's state denies."
    );
    describe_counter!("payout_reviews_total", "Payouts that were handed to a person.");
    describe_counter!(
        "payout_abandoned_claims_total",
        "Claims that were let go without a call, too late in their lease."
    );
    describe_gauge!("payout_queue_depth", "Hints that wait in the queue, about.");
    describe_gauge!("payout_dependency_up", "Whether a dependency answers: 1 or 0.");
    describe_gauge!("payout_build_info", "1, labelled with the version that runs.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..2 {
            metrics.request(
                "api/payouts/{id}",
                &Method::GET,
                StatusCode::OK,
                Duration::from_millis(3),
            );
        }
        metrics.request(
            "",
            &Method::from_bytes(b"BREW").unwrap(),
            StatusCode::NOT_FOUND,
            Duration::ZERO,
        );
        let text = metrics.render();
        let counted = r#"payout_http_requests_total{route="/api/payouts/{id}",method="GET",status="200"} 2"#;
        assert!(text.contains(counted), "{text}");
        assert!(
            text.contains(r#"route="unmatched",method="other",status="404"} 1"#),
            "{text}"
        );
        let bucket = r#"payout_http_request_duration_seconds_bucket{route="/api/payouts/{id}",method="GET",le="0.005"} 2"#;
        assert!(text.contains(bucket), "{text}");
    }

    #[test]
    fn the_workers_signals_are_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.begin_worker();
        assert!(metrics.render().contains("payout_reviews_total 0"));
        metrics.observe(&Signal::Claimed {
            count: 3,
            takeovers: 1,
            swept: true,
        });
        metrics.observe(&Signal::Called {
            call: "submit",
            outcome: "paid",
            took: Duration::from_secs(1),
        });
        metrics.observe(&Signal::Settled(&Verdict::Review { why: String::new() }));
        metrics.observe(&Signal::LateOutcome {
            paid_against_state: true,
        });
        metrics.observe(&Signal::Abandoned);
        let text = metrics.render();
        for line in [
            r#"payout_claims_total{source="sweep"} 3"#,
            "payout_takeovers_total 1",
            r#"payout_processor_calls_total{call="submit",outcome="paid"} 1"#,
            r#"payout_settlements_total{verdict="review"} 1"#,
            "payout_reviews_total 1",
            r#"payout_late_outcomes_total{paid_against_state="true"} 1"#,
            "payout_abandoned_claims_total 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
