//! Settings of the PostgreSQL queue.

use std::time::Duration;

use crate::Secret;

/// An invalid PostgreSQL URL. The message does not show it: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a PostgreSQL URL (postgres://user:password@host:port/database)")]
pub struct InvalidPostgresUrl;

/// Settings of a [`PostgresQueue`](super::PostgresQueue).
#[derive(Debug, Clone)]
pub struct PostgresQueueSettings {
    /// The URL of the repository's database. It must lead to the server itself: a pooler that hands one server
    /// connection to several clients in turn delivers no notifications.
    pub url: Secret,
    /// The time after which hints that no worker has taken are deleted.
    pub keep: Duration,
    /// The name of the queue's connections in the server's session lists.
    pub application_name: String,
}

impl PostgresQueueSettings {
    /// Creates settings with the defaults: hints are kept for half a minute.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            keep: Duration::from_secs(30),
            application_name: "payout-hints".to_owned(),
        }
    }
}
