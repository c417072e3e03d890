//! Failures of PostgreSQL as a queue.

use payout_core::ports::{QueueError, RepositoryError};

use crate::storage::sql::error::repository_error;

/// A failure of PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// PostgreSQL did not answer in time.
    #[error("PostgreSQL did not answer in time ({0})")]
    Timeout(&'static str),
    /// PostgreSQL answered with an error, or the connection failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Timeout(_) => return Self::unavailable(failure),
            Failure::Database(error) => error,
        };
        let code = error.as_database_error().and_then(|error| error.code());
        // read_only_sql_transaction, disk_full, out_of_memory: the server answers, and takes no hints.
        let refuses = code.is_some_and(|code| matches!(&*code, "25006" | "53100" | "53200"));
        match repository_error(error) {
            RepositoryError::Unavailable(source) if !refuses => Self::Unavailable(source),
            RepositoryError::Unavailable(source) | RepositoryError::Refused(source) => Self::Refused(source),
            other @ (RepositoryError::Locked { .. }
            | RepositoryError::Overloaded(_)
            | RepositoryError::VersionConflict
            | RepositoryError::KeyTaken
            | RepositoryError::ExternalIdTaken(_)
            | RepositoryError::OverLimit(_)
            | _) => Self::Refused(Box::new(other)),
        }
    }
}
