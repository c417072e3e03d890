//! The errors of the repository.

use crate::spending::OverLimit;

/// The repository could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The store does not answer, or gave up half way: nothing is half written, but a write may have been made
    /// whose acknowledgement was lost.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another session holds a lock on what would be written, for longer than a write waits. Nothing was written, and the
    /// same may go through later. It concerns this row alone: whatever was asked for together with it can be written
    /// without it.
    #[error("another session holds a lock on {part}")]
    Locked {
        /// What it holds.
        part: LockedPart,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// As many costly reads run and wait as the store takes, or this one took longer than a read may. Nothing was
    /// answered; the same may be answered later.
    #[error("the store has too much to read at once")]
    Overloaded(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The payout is gone, or no longer at the version that the change was made from. Nothing was written.
    #[error("the payout was changed meanwhile")]
    VersionConflict,
    /// The idempotency key has a record already, its own or that of nobody's API key. Nothing was written.
    #[error("the idempotency key was used before")]
    KeyTaken,
    /// The charge does not fit into what is left of its day. Nothing was written.
    #[error("the day's limit is used up")]
    OverLimit(OverLimit),
    /// The store refused the data or holds data that cannot be. Nothing was written; trying again will not help.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RepositoryError {
    /// [`Unavailable`](Self::Unavailable), with its cause.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// [`Refused`](Self::Refused), with its cause.
    pub fn refused(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(cause.into())
    }
}

/// What a lock of another session is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedPart {
    /// The total of a purse: everything that is charged to it waits.
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
