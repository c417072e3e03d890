//! What the HTTP processor needs to know.

use std::time::Duration;

use crate::Secret;

/// The HTTP processor cannot be set up like this. No message shows the URL or the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// The URL is not one that the provider can have.
    #[error("not a provider URL (http:// or https://, without user, query and fragment)")]
    InvalidUrl,
    /// The token has characters that no header may have.
    #[error("the token cannot be sent in a header")]
    InvalidToken,
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What an [`HttpProcessor`](super::HttpProcessor) needs to know.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the provider is: `/payouts` is added to it.
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<Secret>,
    /// Within this a connection is made, TLS included. A call that fails here was never sent.
    pub connect_timeout: Duration,
    /// Within this a call ends, the reading of its answer included. The worker has a bound of its own; this one is
    /// for those who call without it.
    pub timeout: Duration,
    /// How many idle connections are kept.
    pub idle_connections: usize,
    /// How long they are kept: shorter than providers usually do, so that a call seldom meets a connection that
    /// the other end is closing.
    pub idle_timeout: Duration,
}

impl HttpSettings {
    /// The defaults: no token, 2 seconds to connect, 30 in all, 64 idle connections for 15 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            idle_connections: 64,
            idle_timeout: Duration::from_secs(15),
        }
    }
}
