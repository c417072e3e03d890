//! The port for rechecks of completed payments, which a provider may return.

use std::time::Duration;

use async_trait::async_trait;

use crate::attempt::Recheck;
use crate::payout::{Actor, Payout, PayoutId};
use crate::ports::RepositoryError;
use crate::provider::{PaymentName, ProviderName};

/// Stores when completed payments must be checked for a return.
///
/// # Promises
/// - A recheck changes a payout only while it is completed in the generation that was checked. It changes nothing but
///   `completed` to `returned`, with one event, and the time of the next recheck.
/// - A claim moves the time of the next recheck to the end of its lease. A worker that dies loses nothing, and two
///   workers that recheck one payment at the same time do no harm.
/// - All times are by the repository's clock, as in [`PayoutRepository`](crate::ports::PayoutRepository).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RecheckRepository: Send + Sync {
    /// Claims at most `limit` payouts of a provider whose recheck is due, those that have been due the longest, for the
    /// duration of a lease. Without a provider, claims payouts that have none.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn claim_rechecks(
        &self,
        provider: Option<ProviderName>,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Payout>, RepositoryError>;

    /// Writes the findings of rechecks. Returns for each, in their order, whether its guard held.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; repeating is harmless.
    async fn settle_rechecks(&self, batch: &[Recheck], worker: &Actor) -> Result<Vec<bool>, RepositoryError>;

    /// Brings forward the next look at the payments that a notification names: the poll of those that the provider has
    /// accepted, and the recheck of those that it has paid. Names that match nothing are ignored, and so are payouts
    /// that a worker holds. Without a provider, looks among the payouts that have none. Returns the payouts that are now
    /// due.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; repeating is harmless.
    async fn hint_payments(
        &self,
        provider: Option<ProviderName>,
        payments: &[PaymentName],
    ) -> Result<Vec<PayoutId>, RepositoryError>;
}
