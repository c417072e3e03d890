//! An HTTP client that checks of every answer what holds for all of them.

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

/// The document is the same for every process of this binary.
static DOCUMENT: OnceLock<Document> = OnceLock::new();

/// One service, as a client sees it. When dropped, every status that it answered must be in the OpenAPI document.
pub struct Api {
    http: Client,
    base: String,
    key: OnceLock<String>,
    observed: Mutex<BTreeSet<Observed>>,
}

impl Api {
    /// Of a service on this local port.
    pub fn on_port(port: u16) -> Self {
        Self::from(None, port)
    }

    /// The same, asked from another address: all of 127.0.0.0/8 is this host.
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

    /// With this API key from now on, wherever a request has no other.
    pub fn always_with_key(&self, token: &str) {
        self.key.set(token.to_owned()).expect("one key is enough");
    }

    /// The service's address, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request of any method; `path` may be a whole link of this service.
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

    /// `GET`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    /// `POST`.
    #[track_caller]
    pub fn post(&self, path: &str) -> Call<'_> {
        self.call("POST", path)
    }

    /// `PUT`.
    #[track_caller]
    pub fn put(&self, path: &str) -> Call<'_> {
        self.call("PUT", path)
    }

    /// `PATCH`.
    #[track_caller]
    pub fn patch(&self, path: &str) -> Call<'_> {
        self.call("PATCH", path)
    }

    /// `DELETE`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call("DELETE", path)
    }

    /// Whether it answers that it is ready. Asked before anything else is known of it, so nothing is checked.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/health/ready", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Reads the document that all answers are held against.
    pub async fn learn(&self) {
        if DOCUMENT.get().is_none() {
            let document = self.get("/api/schema/?format=json").await.expect(200).json();
            let _ = DOCUMENT.set(Document::new(document));
        }
    }

    /// The OpenAPI document.
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
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "authorization" {
            self.key = None;
        }
        self.builder = self.builder.header(name, value);
        self
    }

    /// With an API key.
    #[must_use]
    pub fn key(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: impl std::borrow::Borrow<Value>) -> Self {
        self.text(body.borrow().to_string())
    }

    /// With a body that says it is JSON, and may not be.
    #[must_use]
    pub fn text(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").bytes(body)
    }

    /// With a body that does not say what it is.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// Sends it; an error when no answer came.
    ///
    /// # Errors
    /// The client's.
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
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// What holds for every answer.
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

    /// The problem; fails the test unless it is one of this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status, status, "{self}");
        self.as_problem()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The `ETag`, which must be there.
    #[track_caller]
    pub fn etag(&self) -> String {
        self.header("etag")
            .unwrap_or_else(|| panic!("no ETag: {self}"))
            .to_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The body as text.
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
