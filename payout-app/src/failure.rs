//! The errors that keep a process from starting or end it.

use std::net::SocketAddr;

use payout_core::ports::{ApiKeyError, RepositoryError};

use crate::settings::ConfigError;
use crate::unusable::Unusable;

/// An error that keeps a process from starting or ends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The metrics cannot be set up.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The database cannot be used, and waiting does not help.
    #[error(transparent)]
    Database(#[from] Unusable),
    /// There are no API keys, and other hosts could reach the process.
    #[error(
        "PAYOUT_BIND: {0} is reached by other hosts, and there is no API key yet: make one (`payout keys create`), or say \
         PAYOUT_AUTH=off to be open to every client"
    )]
    Open(SocketAddr),
    /// This version cannot read the API keys.
    #[error("the API keys cannot be read: {0}")]
    Keys(#[source] ApiKeyError),
    /// The payouts that may have been sent cannot be recorded after a restore.
    #[error("what may have been sent cannot be written down: {0}")]
    Restored(#[source] RepositoryError),
    /// The HTTP server stopped with an error.
    #[error("the HTTP server failed: {0}")]
    Server(#[source] std::io::Error),
}
