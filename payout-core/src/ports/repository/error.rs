//! The errors of the payout repository.

use crate::payout::PayoutId;
use crate::spending::OverLimit;

/// An error of the payout repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The store does not answer, or failed midway. Nothing is partly written, but the write may have been made and
    /// only its acknowledgement lost.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another session holds a lock for longer than a write waits. Nothing was written, and the write may succeed
    /// later. The error concerns this row only: the other rows of a batch can be written without it.
    #[error("another session holds a lock on {part}")]
    Locked {
        /// The part that is locked.
        part: LockedPart,
        /// The store's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store has reached its limit of expensive reads, running and waiting, or this read exceeded its time limit. A
    /// later attempt may succeed.
    #[error("the store has too much to read at once")]
    Overloaded(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The payout does not exist any more, or has another version than the change expects. Nothing was written.
    #[error("the payout was changed meanwhile")]
    VersionConflict,
    /// The idempotency key already has a record, in its own scope or in that of requests without an API key. Nothing
    /// was written.
    #[error("the idempotency key was used before")]
    KeyTaken,
    /// Another payout, which is not deleted, has the external id. Nothing was written.
    #[error("another payout has the external id")]
    ExternalIdTaken(PayoutId),
    /// The charge exceeds what is left of the daily limit. Nothing was written.
    #[error("the day's limit is used up")]
    OverLimit(OverLimit),
    /// The store refused the data, or holds invalid data. Nothing was written, and another attempt will not succeed.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RepositoryError {
    /// Wraps a cause as [`Unavailable`](Self::Unavailable).
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// Wraps a cause as [`Refused`](Self::Refused).
    pub fn refused(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(cause.into())
    }
}

/// The part of the store that another session has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedPart {
    /// A daily total. Every write that is charged to it waits.
    DailyTotal,
    /// A payout, an idempotency key, or a table.
    Row,
}

impl std::fmt::Display for LockedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DailyTotal => "the day's total",
            Self::Row => "a row",
        })
    }
}
