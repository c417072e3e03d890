//! The port for imports: takes over payouts of another service with their ids, states and times.

use async_trait::async_trait;

use crate::payout::ForeignPayout;
use crate::ports::RepositoryError;

/// The result of importing one payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The payout was stored.
    Stored,
    /// A payout with this id is already stored, and may be deleted. Nothing was written.
    Known,
}

/// Imports payouts of another service.
///
/// # Promises
/// - A payout is stored as [`ForeignPayout::stored_at`] defines, with one event `imported`, in one transaction.
/// - An id is imported at most once. A payout that is already stored under the id does not change.
/// - The recipient is encrypted as in every other write. Spending limits do not apply.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PayoutImport: Send + Sync {
    /// Imports payouts. Returns one result for each, in their order.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] or [`RepositoryError::Refused`], for the whole batch. The call can be repeated
    /// safely.
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError>;
}
