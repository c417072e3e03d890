//! The port for statistics of payouts.

use async_trait::async_trait;

use crate::ports::RepositoryError;
use crate::stats::{Days, Grouping, StatsRow};

/// Counts the payouts of a store.
///
/// # Promises
/// - The counts are exact, as of one moment. Deleted payouts are not counted.
/// - The cost does not grow with the number of payouts, as long as [`fold_stats`](Self::fold_stats) is called again and
///   again: it grows with the payouts that are open, and with those of the last seconds.
/// - Statistics are bounded in number and in time, and no other call waits for them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StatsRepository: Send + Sync {
    /// Counts the payouts that were created in these days. Rows of one group and currency may come in any number and
    /// order.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn stats(&self, days: Days, by: Option<Grouping>) -> Result<Vec<StatsRow>, RepositoryError>;

    /// Adds up to `limit` payouts to the sums that the store keeps. Returns their number; it is below `limit` once
    /// nothing is left to be added. A call while another process does the same does nothing.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; nothing was added.
    async fn fold_stats(&self, limit: u32) -> Result<u64, RepositoryError>;
}
