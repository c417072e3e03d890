//! Calls to the service, from a client that repeats a call while the outcome is unknown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::Outcome;

/// A request to the service.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A definite answer, and whether the call was repeated.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
    pub(crate) repeated: bool,
}

pub(crate) struct Api {
    http: reqwest::Client,
    servers: Vec<String>,
    turn: AtomicUsize,
    /// The number of answers with each status; status 0 counts calls without an answer.
    answers: Mutex<BTreeMap<u16, u64>>,
}

const PATIENCE: Duration = Duration::from_secs(6);

impl Api {
    /// Builds a client with an API key.
    pub(crate) fn new(servers: Vec<String>, key: &str) -> Outcome<Self> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .no_proxy()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(1))
            .build()?;
        Ok(Self {
            http,
            servers,
            turn: AtomicUsize::new(0),
            answers: Mutex::default(),
        })
    }

    pub(crate) fn answers(&self) -> BTreeMap<u16, u64> {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes one attempt, at the next server in turn.
    async fn once(&self, call: &Call) -> Result<(Answer, Option<Duration>), String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let server = &self.servers[turn % self.servers.len()];
        let mut request = self
            .http
            .request(call.method.clone(), format!("{server}{}", call.path));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answered = async {
            let response = request.send().await?;
            let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let (etag, retry_after) = (header("etag"), header("retry-after"));
            let status = response.status();
            Ok::<_, reqwest::Error>((status, etag, retry_after, response.bytes().await?))
        };
        let answered = answered.await.map_err(|error| error.to_string());
        let status = answered.as_ref().map_or(0, |(status, ..)| status.as_u16());
        *self
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(status)
            .or_default() += 1;
        let (status, etag, retry_after, body) = answered?;
        let retry_after = retry_after
            .and_then(|wait| wait.parse().ok())
            .map(Duration::from_secs);
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok((
            Answer {
                status: status.as_u16(),
                body,
                etag,
                repeated: false,
            },
            retry_after,
        ))
    }

    /// Repeats the call until a definite answer arrives: neither a 5xx or 429, nor a conflict that says to retry later.
    pub(crate) async fn ask(&self, call: &Call, until: Instant) -> Result<Answer, String> {
        let mut repeated = false;
        loop {
            let (why, wait) = match self.once(call).await {
                Ok((mut answer, retry_after)) => {
                    let later = answer.status == StatusCode::CONFLICT.as_u16() && retry_after.is_some();
                    if !later && answer.status < 500 && answer.status != 429 {
                        answer.repeated = repeated;
                        return Ok(answer);
                    }
                    (
                        format!("answered {}: {}", answer.status, answer.body),
                        retry_after,
                    )
                }
                Err(error) => (error, None),
            };
            repeated = true;
            let wait = wait
                .unwrap_or(Duration::from_millis(150))
                .min(Duration::from_secs(2));
            let next = crate::clock::instant() + wait;
            if next > until {
                return Err(why);
            }
            sleep_until(next).await;
        }
    }
}
