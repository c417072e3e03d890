//! Why a process does not start, or does not go on.

use std::net::SocketAddr;

use payout_core::ports::{ApiKeyError, RepositoryError};

use crate::settings::ConfigError;
use crate::unusable::Unusable;

/// Why a process does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The metrics cannot be set up.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The database is of no use, and waiting does not help.
    #[error(transparent)]
    Database(#[from] Unusable),
    /// It would be open to others than its own host.
    #[error(
        "PAYOUT_BIND: {0} is reached by other hosts, and there is no API key yet: make one (`payout keys create`), or say \
         PAYOUT_AUTH=off to be open to everybody"
    )]
    Open(SocketAddr),
    /// The API keys are of no use to this version.
    #[error("the API keys cannot be read: {0}")]
    Keys(#[source] ApiKeyError),
    /// A restored database cannot be made safe to work on.
    #[error("what may have been sent cannot be written down: {0}")]
    Restored(#[source] RepositoryError),
    /// The server ended by itself.
    #[error("the HTTP server failed: {0}")]
    Server(#[source] std::io::Error),
}
