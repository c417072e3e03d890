//! The one HTTP client for payment providers.
//!
//! Each call sends at most one request. The client follows no redirects, and its retries are disabled. One retry cannot
//! be disabled, and it is harmless: when a pooled connection turns out to be closed before any byte of the request was
//! written to it, the client opens another connection. The client ignores the proxies of the environment: the route of
//! a payment must not depend on a variable that was set for another program.
//!
//! `failure` classifies the client's errors, and [`Received`] is an answer before a provider's adapter interprets it.

mod failure;
mod received;
pub(crate) mod retry_after;

use std::fmt;
use std::time::Duration;

use payout_core::ports::{Clock, System};
use payout_core::provider::ProcessorError;
use payout_core::request_context::RequestContext;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, redirect, retry};
use url::Url;

pub use self::received::{Body, Received};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

const HTTP2_PING_EVERY: Duration = Duration::from_secs(5);
const HTTP2_PONG_WITHIN: Duration = Duration::from_secs(5);

/// The HTTP client could not be created.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct OutboundError(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Settings of an [`Outbound`] client.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// The limit for establishing a connection, TLS included. A call that exceeds it was never sent.
    pub connect_timeout: Duration,
    /// The limit for the whole call, reading the answer included. The worker applies a limit of its own; this one
    /// protects other callers.
    pub timeout: Duration,
    /// The maximum number of idle connections in the pool.
    pub idle_connections: usize,
    /// The time that an idle connection is kept. It is shorter than most providers keep theirs, so that a call rarely
    /// picks a connection that the provider is closing.
    pub idle_timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub longest_answer: usize,
}

impl Default for OutboundSettings {
    /// 2 s to connect, 30 s for a call, 64 idle connections for at most 15 s, answers of at most 1 MiB.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            idle_connections: 64,
            idle_timeout: Duration::from_secs(15),
            longest_answer: LONGEST_ANSWER,
        }
    }
}

/// An HTTP client for one provider.
pub struct Outbound {
    client: Client,
    clock: System,
    longest_answer: usize,
}

impl Outbound {
    /// Creates the client without connecting. `headers` are sent with every request; they may be secret.
    ///
    /// # Errors
    /// [`OutboundError`] if the system has no root certificates.
    pub fn new(settings: &OutboundSettings, mut headers: HeaderMap) -> Result<Self, OutboundError> {
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        let client = Client::builder()
            .user_agent(concat!("payout/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.idle_connections)
            .pool_idle_timeout(settings.idle_timeout)
            // All calls share one HTTP/2 connection: were it dead unnoticed, every call would time out on it.
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PONG_WITHIN)
            .http2_keep_alive_while_idle(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| OutboundError(Box::new(error)))?;
        Ok(Self {
            client,
            clock: System::default(),
            longest_answer: settings.longest_answer,
        })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request once and reads its answer.
    ///
    /// # Errors
    /// [`ProcessorError::NeverSent`] if the request was certainly never sent, else [`ProcessorError::Unknown`].
    pub async fn ask(&self, request: RequestBuilder) -> Result<Received, ProcessorError> {
        self.ask_for_headers(request).await.map(|(received, _)| received)
    }

    /// Sends a request once and reads its answer with its headers.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_for_headers(
        &self,
        request: RequestBuilder,
    ) -> Result<(Received, HeaderMap), ProcessorError> {
        let trace = RequestContext::with_current(|request_context| request_context.trace).flatten();
        let request = match trace {
            Some(trace) => request.header("traceparent", trace.to_string()),
            None => request,
        };
        let response = request
            .send()
            .await
            .map_err(|error| failure::before_answer(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let received = Received {
            status,
            retry_after: retry_after::read(&headers, self.clock.now()),
            body: read_body(response, self.longest_answer).await,
        };
        Ok((received, headers))
    }
}

/// Reads at most `longest` bytes. The connection of a longer answer is closed, not drained.
async fn read_body(mut response: Response, longest: usize) -> Body {
    const TOO_LONG: Body = Body::Unreadable("longer than any answer may be");
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > longest => return TOO_LONG,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(body),
            Err(error) => return Body::Unreadable(failure::within_answer(&error)),
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}
