//! Why a process does not start, or does not go on.

use crate::config::ConfigError;
use crate::schema_ready::SchemaError;

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
    /// The database's schema is of no use to this version.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The server ended by itself.
    #[error("the HTTP server failed: {0}")]
    Server(#[source] std::io::Error),
}
