//! Commits that nothing confirms: a synchronous standby is gone, or the server's disk hangs.
//!
//! The server ends none of them by its own timeouts, and goes on waiting after the client has given up. So the readiness
//! probe looks for them, and while there are any, no write of this process adds another.

use std::sync::{Mutex, PoisonError};

use payout_core::ports::RepositoryError;

use crate::storage::sql::error::{SqlError, unavailable};

/// The state of this process's writes: confirmed, or refused at once until they are again.
#[derive(Debug, Default)]
pub(super) struct Stall(Mutex<Option<Stalled>>);

/// The reason for which writes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stalled {
    /// This many sessions wait for a synchronous standby.
    Standby { sessions: i64 },
    /// The last write of the probe was not answered, and still holds its row.
    Unanswered,
}

impl Stalled {
    pub(super) fn error(self) -> RepositoryError {
        unavailable(match self {
            Self::Standby { sessions } => SqlError::StandbyConfirmsNothing { sessions },
            Self::Unanswered => SqlError::WriteUnanswered,
        })
    }
}

impl Stall {
    /// Refuses every write from now on.
    pub(super) fn begin(&self, stalled: Stalled) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stalled);
    }

    /// Lets writes through again.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets a write through.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] while commits are not confirmed.
    pub(super) fn check(&self) -> Result<(), RepositoryError> {
        let stalled = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.map_or(Ok(()), |stalled| Err(stalled.error()))
    }
}
