//! The import: payouts of another service, taken over with their ids, states and times.

use async_trait::async_trait;

use crate::payout::ForeignPayout;
use crate::ports::RepositoryError;

/// What became of one payout of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It is stored.
    Stored,
    /// A payout of this id is stored already, perhaps deleted. Nothing was written.
    Known,
}

/// Takes payouts of another service over.
///
/// # Promises
/// - A payout is stored as [`ForeignPayout::stored_at`] says, with one event `imported`, in one transaction.
/// - An id is taken once, whatever imports it and at whatever time: what is stored under it stays as it is.
/// - Who is paid is encrypted as in every other write. Limits of money are not asked.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PayoutImport: Send + Sync {
    /// Imports payouts, one answer each, in their order.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] or [`RepositoryError::Refused`], for the whole batch; repeating it is harmless.
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError>;
}
