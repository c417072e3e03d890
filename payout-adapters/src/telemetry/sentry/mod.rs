//! Reports errors to Sentry.
//!
//! Only the types of Sentry's own crates are used. Nothing is collected automatically: an event contains the fields of
//! a [`Report`] and no others. A background task sends the reports one after the other. When too many wait, further
//! reports are dropped.

mod event;

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use sentry_types::Dsn;
use tokio::sync::{mpsc, oneshot};

use crate::Secret;

/// The number of reports that may wait.
const CAPACITY: usize = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The pause after Sentry has answered 429 Too Many Requests.
const PAUSE: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("payout/", env!("CARGO_PKG_VERSION"));

/// An error to report. It must contain nothing about the recipient: it is sent outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The error's message, constant for each kind of error.
    pub message: String,
    /// The module that reports the error.
    pub module: String,
    /// Names and values to search for: ids and code locations.
    pub tags: Vec<(&'static str, String)>,
}

/// An invalid setup of the reporter. No message shows the DSN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentrySetupError {
    /// The DSN is not a valid `https://KEY@HOST/PROJECT`.
    #[error("use https://KEY@HOST/PROJECT")]
    InvalidDsn,
    /// The HTTP client could not be created.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

enum Order {
    Send(Box<Report>),
    Flush(oneshot::Sender<()>),
}

/// Accepts reports and passes them to [`SentrySending`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SentryReporter(mpsc::Sender<Order>);

/// The background task that sends the reports.
pub struct SentrySending {
    orders: mpsc::Receiver<Order>,
    client: Client,
    dsn: Dsn,
    process: String,
}

impl SentryReporter {
    /// Creates a reporter for the named process, and the task that sends its reports. Needs no runtime yet.
    ///
    /// # Errors
    /// [`SentrySetupError`] when the DSN is invalid, or when the HTTP client cannot be created.
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

    /// Accepts a report, or drops it when too many wait. Returns at once.
    pub fn report(&self, report: Report) {
        let _ = self.0.try_send(Order::Send(Box::new(report)));
    }

    /// Waits until all earlier reports are sent.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.send(Order::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

impl SentrySending {
    /// Sends reports until all reporters are dropped. Its own errors are not logged: they would be reported in turn.
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
