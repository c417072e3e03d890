//! An HTTP client that checks each answer against the rules that hold for all answers.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::document::{Document, Observed};
use crate::problem::Problem;

/// The collection of payouts.
pub const PAYOUTS: &str = "/api/payouts/";

/// The OpenAPI document, which is the same for every process of this binary.
static DOCUMENT: OnceLock<Document> = OnceLock::new();

/// A service, as a client sees it. When dropped, it checks that every status that the service answered is in the
/// OpenAPI document.
pub struct Api {
    http: Client,
    base: String,
    key: OnceLock<String>,
    observed: Mutex<BTreeSet<Observed>>,
}

impl Api {
    /// Makes a client of the service on this local port.
    pub fn on_port(port: u16) -> Self {
        Self::from(None, port)
    }

    /// Makes a client that connects from another address: all of 127.0.0.0/8 is this host.
    pub fn from_address(address: [u8; 4], port: u16) -> Self {
        Self::from(Some(address.into()), port)
    }

    fn from(address: Option<IpAddr>, port: u16) -> Self {
        let http = Client::builder()
            .local_address(address)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            base: format!("http://127.0.0.1:{port}"),
            key: OnceLock::new(),
            observed: Mutex::default(),
        }
    }

    /// Sends this API key from now on, in every request that has no other.
    pub fn always_with_key(&self, token: &str) {
        self.key.set(token.to_owned()).expect("one key is enough");
    }

    /// Returns the service's address, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Begins a request of any method; `path` may be a full link of this service.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        assert!(path.starts_with('/'), "not a path of this service: {path}");
        let url = format!("{}{path}", self.base);
        let builder = self
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        Call {
            api: self,
            builder,
            key: self.key.get().cloned(),
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }

    /// Begins a `GET`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    /// Begins a `POST`.
    #[track_caller]
    pub fn post(&self, path: &str) -> Call<'_> {
        self.call("POST", path)
    }

    /// Begins a `PUT`.
    #[track_caller]
    pub fn put(&self, path: &str) -> Call<'_> {
        self.call("PUT", path)
    }

    /// Begins a `PATCH`.
    #[track_caller]
    pub fn patch(&self, path: &str) -> Call<'_> {
        self.call("PATCH", path)
    }

    /// Begins a `DELETE`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call("DELETE", path)
    }

    /// Returns whether the service reports that it is ready. This is asked before the document is known, so nothing is
    /// checked.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/health/ready", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Reads the document that all answers are checked against.
    pub async fn learn(&self) {
        if DOCUMENT.get().is_none() {
            let document = self.get("/api/schema/?format=json").await.expect(200).json();
            let _ = DOCUMENT.set(Document::new(document));
        }
    }

    /// Returns the OpenAPI document.
    pub fn document(&self) -> &'static Document {
        DOCUMENT.get().expect("a service was started before")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let (Some(document), false) = (DOCUMENT.get(), std::thread::panicking()) {
            self.observed
                .lock()
                .unwrap()
                .iter()
                .for_each(|observed| document.check(observed));
        }
    }
}

/// A request that is sent when awaited.
pub struct Call<'a> {
    api: &'a Api,
    builder: RequestBuilder,
    key: Option<String>,
    method: String,
    path: String,
}

impl Call<'_> {
    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "authorization" {
            self.key = None;
        }
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sets an API key.
    #[must_use]
    pub fn key(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: impl std::borrow::Borrow<Value>) -> Self {
        self.text(body.borrow().to_string())
    }

    /// Sets a body that is declared as JSON, and may not be JSON.
    #[must_use]
    pub fn text(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").bytes(body)
    }

    /// Sets a body without a content type.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// Sends the request; returns an error when no answer arrives.
    ///
    /// # Errors
    /// The HTTP client's error.
    pub async fn send(mut self) -> Result<Reply, reqwest::Error> {
        if let Some(key) = self.key.take() {
            self.builder = self.builder.bearer_auth(key);
        }
        let answer = self.builder.send().await?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer.bytes().await?.to_vec();
        let path = self.path.split('?').next().unwrap_or_default().to_owned();
        self.api
            .observed
            .lock()
            .unwrap()
            .insert((self.method.clone(), path, status));
        let reply = Reply {
            method: self.method,
            path: self.path,
            status,
            headers,
            body,
        };
        reply.check();
        Ok(reply)
    }
}

impl<'a> IntoFuture for Call<'a> {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let what = format!("{} {}", self.method, self.path);
            self.send()
                .await
                .unwrap_or_else(|error| panic!("{what}: {error:?}"))
        })
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    method: String,
    path: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Checks the rules that hold for every answer.
    fn check(&self) {
        assert!(self.status < 500 || self.status == 503, "{self}");
        if self.method == "HEAD" {
            assert!(self.body.is_empty(), "a body for HEAD: {self}");
        } else if self.status >= 400 && !self.path.starts_with("/health/ready") {
            let _ = self.as_problem();
            let seconds = self.header("retry-after").map(str::parse::<u64>);
            assert!(
                self.status != 503 || matches!(seconds, Some(Ok(1..))),
                "no Retry-After: {self}"
            );
            assert!(
                self.status != 405 || self.headers.contains_key("allow"),
                "no Allow: {self}"
            );
        }
    }

    fn as_problem(&self) -> Problem {
        Problem::read(self.status, self.header("content-type"), &self.path, &self.body)
    }

    /// Fails the test unless it has this status.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Returns the problem; fails the test unless the answer is a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status, status, "{self}");
        self.as_problem()
    }

    /// Returns a header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the `ETag`, which must be present.
    #[track_caller]
    pub fn etag(&self) -> String {
        self.header("etag")
            .unwrap_or_else(|| panic!("no ETag: {self}"))
            .to_owned()
    }

    /// Reads the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Reads the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} was answered {}: {}",
            self.method,
            self.path,
            self.status,
            self.text()
        )
    }
}
