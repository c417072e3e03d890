//! Metrics of the limits for requests and connections: refusals and current use.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::Metrics;

/// The limit that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The rate of requests from one address.
    Address,
    /// The rate of requests with one API key.
    Key,
    /// The number of requests in flight.
    InFlight,
    /// The number of refused writes by one API key that may not see recipients.
    Guess,
}

/// The series, created at the start so that the first refusal shows as an increase.
pub(super) struct Limited {
    address: Counter,
    key: Counter,
    in_flight: Counter,
    guesses: Counter,
    requests: Gauge,
    connections: Gauge,
}

impl Limited {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let refused = |limit| counter!("payout_http_limited_total", "limit" => limit);
        with_local_recorder(recorder, || Self {
            address: refused("address"),
            key: refused("key"),
            in_flight: refused("in_flight"),
            guesses: refused("guesses"),
            requests: gauge!("payout_http_requests_in_flight"),
            connections: gauge!("payout_http_connections"),
        })
    }
}

impl Metrics {
    /// Counts a request that a limit refused.
    pub(crate) fn refused(&self, by: Refused) {
        match by {
            Refused::Address => &self.limited.address,
            Refused::Key => &self.limited.key,
            Refused::InFlight => &self.limited.in_flight,
            Refused::Guess => &self.limited.guesses,
        }
        .increment(1);
    }

    /// Sets the number of requests in flight and of open connections.
    #[expect(
        clippy::cast_precision_loss,
        reason = "far below where a double counts in twos"
    )]
    pub(crate) fn taken(&self, requests: usize, connections: usize) {
        self.limited.requests.set(requests as f64);
        self.limited.connections.set(connections as f64);
    }
}

pub(super) fn describe() {
    describe_counter!(
        "payout_http_limited_total",
        "Requests that a limit refused, by limit."
    );
    describe_gauge!(
        "payout_http_requests_in_flight",
        Unit::Count,
        "Requests in progress."
    );
    describe_gauge!(
        "payout_http_connections",
        Unit::Count,
        "Connections that are open."
    );
}
