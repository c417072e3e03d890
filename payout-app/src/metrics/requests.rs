//! Metrics of answered requests, by route, method and status.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram, with_local_recorder,
};
use salvo::http::{Method, StatusCode};

use super::Metrics;

/// The series by route, then by method and status. They are cached, because creating one costs more than answering a
/// small request. The number of routes, methods and statuses is small.
#[derive(Default)]
pub(super) struct Requests(RwLock<HashMap<String, Vec<Series>>>);

/// The series of one route, method and status.
struct Series {
    method: &'static str,
    status: StatusCode,
    total: Counter,
    duration: Histogram,
}

impl Series {
    fn count(&self, took: Duration) {
        self.total.increment(1);
        self.duration.record(took);
    }
}

impl Metrics {
    /// Counts an answered request. `route` is a template, never a path with an id, and is empty if no route matched.
    pub(crate) fn request(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = method_label(method);
        let Requests(known) = &self.requests;
        {
            let known = known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(series) = known.get(route).and_then(|series| find(series, method, status)) {
                series.count(took);
                return;
            }
        }
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = known.entry(route.to_owned()).or_default();
        if find(of_route, method, status).is_none() {
            of_route.push(self.series(route, method, status));
        }
        if let Some(series) = find(of_route, method, status) {
            series.count(took);
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
}

fn find<'a>(series: &'a [Series], method: &str, status: StatusCode) -> Option<&'a Series> {
    series
        .iter()
        .find(|series| series.status == status && series.method == method)
}

/// Returns the label of a method: "other" for a method that no route has, because clients can send arbitrary methods.
pub(crate) fn method_label(method: &Method) -> &'static str {
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

pub(super) fn describe() {
    describe_counter!(
        "payout_http_requests_total",
        "Answered requests, by route, method and status."
    );
    describe_histogram!(
        "payout_http_request_duration_seconds",
        Unit::Seconds,
        "Duration of requests."
    );
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
}
