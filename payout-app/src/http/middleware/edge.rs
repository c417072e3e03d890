//! The outermost middleware: everything that is done for every request, whatever its outcome.
//!
//! It gives the request its id, its context and its span, catches panics, turns bare errors of any layer into problems,
//! and counts and logs. It is a single middleware, since each one costs every request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use payout_core::access::Principal;
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Span, SpanKind, TraceContext};
use payout_core::request_context::RequestContext;
use salvo::http::header::{CONTENT_LENGTH, HOST};
use salvo::http::{HeaderValue, Method, ResBody, StatusCode, Version};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};

use crate::http::SharedState;
use crate::http::admission::{Allowance, Client, Taken};
use crate::http::console::refusal;
use crate::http::middleware::browser;
use crate::http::middleware::context::{Context, REQUEST_ID, RequestId, RequestIds, is_of_our_making};
use crate::http::problem::{Errors, Problem};
use crate::metrics::{Refused, method_label};

pub(crate) struct RequestScope {
    app_state: SharedState,
    ids: RequestIds,
    nobody: Arc<Principal>,
    /// The paths whose requests are not counted, without their trailing slash.
    unmetered: Vec<String>,
}

impl RequestScope {
    pub(crate) fn new(app_state: SharedState, unmetered: Vec<String>) -> Self {
        Self {
            unmetered,
            ids: RequestIds::new(&*app_state.system),
            nobody: Arc::new(Principal::nobody()),
            app_state,
        }
    }
}

#[async_trait]
impl Handler for RequestScope {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let started = self.app_state.system.monotonic();
        let request_id = self.ids.of(request);
        let client = self.app_state.limits.client(request);
        let (of_address, refusal) = self.count(request, client);
        let refusal = refusal.or_else(|| refuse_unclear_host(request));
        depot.insert_typed(Context {
            app_state: self.app_state.clone(),
            request_id: request_id.clone(),
            principal: self.nobody.clone(),
            client,
            taken: Taken {
                of_address,
                of_key: None,
            },
        });
        let span = self.begin_span(request);
        let request_context = RequestContext {
            request_id: Some(request_id.shared()),
            ..RequestContext::default()
        }
        .within(span.as_deref());
        // A handler that panicked has lost its answer and nothing else: writes run in separate tasks.
        let handle = async {
            match refusal {
                Some(problem) => {
                    flow.skip_rest();
                    problem.write(request, depot, response).await;
                }
                None => {
                    flow.call_next(request, depot, response).await;
                }
            }
        };
        let handled = request_context
            .clone()
            .around(AssertUnwindSafe(handle).catch_unwind())
            .await;
        if let Ok(context) = Context::of(depot) {
            context.taken.write(response.headers_mut());
        }
        request_context
            .enter(|| self.finish(request, response, &request_id, started, handled.is_err(), span));
    }
}

impl RequestScope {
    /// Counts the request for its address; a problem means that the quota is used up. Operators' requests are not
    /// counted, since health and metrics are needed most under load.
    fn count(&self, request: &Request, client: Client) -> (Option<Allowance>, Option<Problem>) {
        let path = request.uri().path();
        if self
            .unmetered
            .iter()
            .any(|known| known == path.trim_end_matches('/'))
        {
            return (None, None);
        }
        match self.app_state.limits.take_of_address(client) {
            Ok(allowance) => (allowance, None),
            Err(too_many) => {
                self.app_state.metrics.refused(Refused::Address);
                (Some(too_many.allowance), Some(too_many.into()))
            }
        }
    }

    /// Begins a span, for requests about payouts only: probes and scrapes would be most of the traces.
    fn begin_span(&self, request: &Request) -> Option<Box<dyn Span>> {
        if !request.uri().path().starts_with("/api/payouts") {
            return None;
        }
        self.app_state
            .tracer
            .begin(SpanKind::Server, "request", trace_of(request))
    }

    fn finish(
        &self,
        request: &Request,
        response: &mut Response,
        request_id: &RequestId,
        started: Duration,
        panicked: bool,
        span: Option<Box<dyn Span>>,
    ) {
        if panicked {
            *response = Response::new();
            Problem::internal("a handler panicked".into()).render(
                request.uri().path(),
                request_id.as_str(),
                false,
                response,
            );
        }
        answer_bare_errors(request, response, request_id);
        if self.app_state.optional_routes.console && refusal::owns(request.uri().path()) {
            refusal::dress(request, response, request_id.as_str());
        }
        if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        browser::protect(response.headers_mut());
        // A 304 has no body, and so no length.
        if *request.method() == Method::HEAD && response.status_code != Some(StatusCode::NOT_MODIFIED) {
            keep_only_the_length(response);
        }
        let took = self.app_state.system.monotonic().saturating_sub(started);
        let status = response.status_code.unwrap_or_default();
        self.app_state
            .metrics
            .request(request.matched_path(), request.method(), status, took);
        tracing::debug!(
            request_id = request_id.as_str(),
            method = request.method().as_str(),
            path = request.uri().path(),
            status = status.as_u16(),
            took_us = took.as_micros(),
            "answered"
        );
        if let Some(span) = span {
            describe(span, request, request_id, status);
        }
    }
}

/// Refuses a request of HTTP/1.1 that names no host, and any that names several (RFC 9112 §3.2): of several, each layer
/// may believe another one. HTTP/2 has the host in its target, and HTTP/1.0 may omit it.
fn refuse_unclear_host(request: &Request) -> Option<Problem> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let needs_one = request.version() == Version::HTTP_11 && request.uri().authority().is_none();
    let message = if hosts > 1 {
        "This header is given more than once."
    } else if hosts == 0 && needs_one {
        "This header is required."
    } else {
        return None;
    };
    Some(Problem::invalid(Errors::of("Host", message)))
}

/// Returns the trace that the request already belongs to. Two `traceparent` headers count as none.
fn trace_of(request: &Request) -> Option<TraceContext> {
    let mut values = request.headers().get_all("traceparent").iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok()?.parse().ok(),
        (_, _) => None,
    }
}

/// Names the span by the route. The path has an id and is left out, and so is anything else that a client wrote.
fn describe(mut span: Box<dyn Span>, request: &Request, request_id: &RequestId, status: StatusCode) {
    let route = match request.matched_path() {
        "" => "unmatched".to_owned(),
        route => format!("/{route}"),
    };
    let method = method_label(request.method());
    span.rename(format!("{method} {route}"));
    span.note("http.request.method", method);
    span.note("http.route", &route);
    span.note("http.response.status_code", status.as_str());
    if is_of_our_making(request_id.as_str()) {
        span.note("request.id", request_id.as_str());
    }
    if let Some(id) = request
        .params()
        .get("id")
        .and_then(|id| id.parse::<PayoutId>().ok())
    {
        span.note("payout.id", &id.to_string());
    }
    if status.is_server_error() {
        span.fail();
    }
}

/// Turns an error without a body (an unknown path, a wrong method, salvo's own refusals) into a problem.
fn answer_bare_errors(request: &Request, response: &mut Response, request_id: &RequestId) {
    let Some(status) = response.status_code else {
        return;
    };
    let bare = matches!(response.body, ResBody::None | ResBody::Error(_));
    if bare && (status.is_client_error() || status.is_server_error()) {
        let problem = Problem::of_status(status, request.method().as_str());
        problem.render(request.uri().path(), request_id.as_str(), false, response);
    }
}

/// Reduces an answer to its headers, with the length that GET has (RFC 9110 §9.3.2).
fn keep_only_the_length(response: &mut Response) {
    if let Some(length) = response.body.size() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.take_body();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(version: Version, hosts: &[&str]) -> bool {
        let mut request = Request::new();
        *request.version_mut() = version;
        for host in hosts {
            request.headers_mut().append(HOST, host.parse().unwrap());
        }
        refuse_unclear_host(&request).is_some()
    }

    #[test]
    fn a_request_names_its_host_once() {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(!is_refused(version, &["localhost"]), "{version:?}");
            assert!(is_refused(version, &["localhost", "evil.example"]), "{version:?}");
            assert_eq!(
                is_refused(version, &[]),
                version == Version::HTTP_11,
                "{version:?}"
            );
        }
    }
}
