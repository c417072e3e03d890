//! A payment provider over HTTP that implements this project's provider contract.
//!
//! [`answer`] interprets the provider's answers, and `failure` classifies the HTTP client's errors. Both follow one
//! rule: only what is certain is reported as certain. An answer that does not match the contract exactly is *unknown*.
//! So is every error, except a failure to connect.
//!
//! Each call sends at most one request. The client follows no redirects, and its retries are disabled. One retry cannot
//! be disabled, and it is harmless: when a pooled connection turns out to be closed before any byte of the request was
//! written to it, the client opens another connection. The client ignores the proxies of the environment: the route of
//! a payment must not depend on a variable that was set for another program.

pub mod answer;
mod failure;
mod request;
mod retry_after;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};
use payout_core::request_context::RequestContext;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, redirect, retry};
use secrecy::zeroize::Zeroizing;

use self::answer::{Body, Received};
use self::request::{Endpoints, Wire};
pub use self::settings::{HttpSettings, HttpSetupError};

/// The longest answer that is read, in bytes. An answer of the contract has a few hundred bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

const HTTP2_PING_EVERY: Duration = Duration::from_secs(5);
const HTTP2_PONG_WITHIN: Duration = Duration::from_secs(5);

/// A [`Processor`] that calls a payment provider over HTTP.
pub struct HttpProcessor {
    client: Client,
    endpoints: Endpoints,
    clock: System,
}

impl HttpProcessor {
    /// Creates the processor without connecting to the provider.
    ///
    /// # Errors
    /// [`HttpSetupError`] when the URL or the token cannot be used, or when the system has no root certificates.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpSetupError> {
        let endpoints = Endpoints::new(&settings.url)?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        if let Some(token) = &settings.token {
            let value = Zeroizing::new(format!("Bearer {}", token.expose()));
            let mut value = HeaderValue::from_str(&value).map_err(|_| HttpSetupError::InvalidToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
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
            .map_err(|error| HttpSetupError::Client(Box::new(error)))?;
        Ok(Self {
            client,
            endpoints,
            clock: System::default(),
        })
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Received, ProcessorError> {
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
        let retry_after = retry_after::read(response.headers(), self.clock.now());
        Ok(Received {
            status,
            retry_after,
            body: read_body(response).await,
        })
    }
}

/// Reads at most [`LONGEST_ANSWER`] bytes. The connection of a longer answer is closed, not drained.
async fn read_body(mut response: Response) -> Body {
    const TOO_LONG: Body = Body::Unreadable("longer than any answer may be");
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_ANSWER => return TOO_LONG,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(body),
            Err(error) => return Body::Unreadable(failure::within_answer(&error)),
        }
    }
}

#[async_trait]
impl Processor for HttpProcessor {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let request = self
            .client
            .post(self.endpoints.submit())
            .header("Idempotency-Key", instruction.key.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Wire::from(instruction).to_json());
        answer::of_submission(&self.ask(request).await?)
    }

    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
        let request = self.client.get(self.endpoints.look_up(key));
        answer::of_look_up(&self.ask(request).await?)
    }
}

impl fmt::Debug for HttpProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProcessor")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
