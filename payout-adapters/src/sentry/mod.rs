//! Reports errors to Sentry.
//!
//! Of Sentry's own crates only the types are used: nothing is collected, each event has what a [`Report`] has and no more.
//! Reports are sent one after the other in the background; when too many wait, further ones are dropped.

mod event;

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use sentry_types::Dsn;
use tokio::sync::{mpsc, oneshot};

use crate::Secret;

/// Reports that may wait.
const CAPACITY: usize = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long to leave it alone when it has said that there are too many.
const PAUSE: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("payout/", env!("CARGO_PKG_VERSION"));

/// Something that went wrong. Nothing in it may tell who is paid: it leaves the house.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What, in words that are the same each time.
    pub message: String,
    /// The module that says so.
    pub module: String,
    /// Names and values to search for: ids and places.
    pub tags: Vec<(&'static str, String)>,
}

/// Errors cannot be reported like this. Shows nothing of the DSN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentrySetupError {
    /// The DSN is none.
    #[error("use https://KEY@HOST/PROJECT")]
    InvalidDsn,
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

enum Order {
    Send(Box<Report>),
    Flush(oneshot::Sender<()>),
}

/// Takes reports.
#[derive(Debug, Clone)]
pub struct SentryReporter(mpsc::Sender<Order>);

/// Sends them.
pub struct SentrySending {
    orders: mpsc::Receiver<Order>,
    client: Client,
    dsn: Dsn,
    process: String,
}

impl SentryReporter {
    /// A reporter for the process of this name, and what sends its reports. Needs no runtime yet.
    ///
    /// # Errors
    /// [`SentrySetupError`].
    pub fn new(dsn: &Secret, process: &str) -> Result<(Self, SentrySending), SentrySetupError> {
        let dsn: Dsn = dsn.expose().parse().map_err(|_| SentrySetupError::InvalidDsn)?;
        let client = Client::builder()
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(AGENT)
            .build()
            .map_err(|error| SentrySetupError::Client(Box::new(error)))?;
        let (sender, orders) = mpsc::channel(CAPACITY);
        let sending = SentrySending {
            orders,
            client,
            dsn,
            process: process.to_owned(),
        };
        Ok((Self(sender), sending))
    }

    /// Takes a report, or drops it when too many wait. Returns at once.
    pub fn report(&self, report: Report) {
        let _ = self.0.try_send(Order::Send(Box::new(report)));
    }

    /// Waits until what was reported so far is sent.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.send(Order::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

impl SentrySending {
    /// Sends until all reporters are gone. Whatever goes wrong here is said nowhere: it would be reported in turn.
    pub async fn run(mut self) {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Send(report) => {
                    if self.send(&report).await == Some(StatusCode::TOO_MANY_REQUESTS) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Order::Flush(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    async fn send(&self, report: &Report) -> Option<StatusCode> {
        let body = event::envelope(report, &self.process)?;
        let request = self
            .client
            .post(self.dsn.envelope_api_url().as_str())
            .header("X-Sentry-Auth", self.dsn.to_auth(Some(AGENT)).to_string())
            .header("Content-Type", "application/x-sentry-envelope")
            .body(body);
        Some(request.send().await.ok()?.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_that_is_none_is_refused_without_showing_it() {
        for dsn in [
            "",
            "hunter2",
            "https://sentry.example/1",
            "https://hunter2@sentry.example/",
        ] {
            let error = SentryReporter::new(&dsn.into(), "p").map(|_| ()).unwrap_err();
            assert!(matches!(error, SentrySetupError::InvalidDsn), "{dsn}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
