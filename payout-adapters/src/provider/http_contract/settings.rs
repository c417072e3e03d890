//! Settings and setup errors of the HTTP processor.

use std::time::Duration;

use crate::Secret;

/// An invalid setup of the HTTP processor. No message shows the URL or the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// The URL is not a valid provider URL.
    #[error("not a provider URL (http:// or https://, without user, query and fragment)")]
    InvalidUrl,
    /// The token has characters that are not allowed in a header.
    #[error("the token cannot be sent in a header")]
    InvalidToken,
    /// The HTTP client could not be created.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Settings of an [`HttpProcessor`](super::HttpProcessor).
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The provider's base URL; `/payouts` is appended to it.
    pub url: String,
    /// The bearer token to send, if any.
    pub token: Option<Secret>,
    /// The key that verifies the provider's notifications. Absent: none are accepted.
    pub notification_key: Option<Secret>,
    /// The time after *paid* for which the provider may return a payment. Absent: it never does, and no paid payment is
    /// looked up again.
    pub returns_within: Option<Duration>,
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
}

impl HttpSettings {
    /// Creates settings with the defaults: no token, no notifications, no returns, 2 s to connect, 30 s for a call, 64 idle connections for at most
    /// 15 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            notification_key: None,
            returns_within: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            idle_connections: 64,
            idle_timeout: Duration::from_secs(15),
        }
    }
}
