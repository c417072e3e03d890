//! The port for exports: all payouts of a list, as they are at one moment.

use async_trait::async_trait;

use crate::ports::{Filter, Listed, Order, RepositoryError};

/// A query for an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportQuery {
    /// The filter.
    pub filter: Filter,
    /// The order.
    pub order: Order,
}

/// Exports the payouts of a store.
///
/// # Promises
/// - The rows are those that a list with the same filter and order would have at one moment. The moment has passed when
///   [`export`](Self::export) returns: nothing that is written afterwards is seen.
/// - The memory that an export uses does not grow with its rows.
/// - Exports are bounded in number and in time, and no other call waits for them.
/// - An export ends when it is dropped.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PayoutExport: Send + Sync {
    /// Begins an export.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; [`RepositoryError::Overloaded`] while as many exports run as may.
    async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, RepositoryError>;
}

/// The rows of a running export.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ExportedRows: Send {
    /// Returns the next rows, in the order of the list: at least one, or nothing after the last. A row that cannot be
    /// read has its place.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`] when the export took too long. The rows before
    /// are not the whole export, and no further row comes.
    async fn next(&mut self) -> Result<Option<Vec<Listed>>, RepositoryError>;
}
