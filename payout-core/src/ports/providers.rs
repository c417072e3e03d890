//! The port for the state of providers that operators change.

use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;
use crate::payout::{Actor, Caller};
use crate::ports::RepositoryError;
use crate::provider::{ProviderCalls, ProviderName};

/// A provider that an operator has paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedProvider {
    /// The name.
    pub name: ProviderName,
    /// The time since which it is paused.
    pub since: Timestamp,
    /// The operator that paused it.
    pub by: Actor,
    /// The operator's reason.
    pub reason: Option<String>,
}

/// The payouts of one provider that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueProvider {
    /// The provider. Absent: payouts without a provider.
    pub name: Option<ProviderName>,
    /// The time since which the first of its payouts has been due.
    pub since: Timestamp,
}

/// Stores the state of providers that the processes share: which are paused, and how often they were called.
///
/// # Promises
/// - An acknowledged write is durable, and every process that shares the store sees it within a second.
/// - Pausing a paused provider and resuming one that is not paused succeed and change nothing.
/// - The transaction of a change reports it to the [feed](crate::ports::EventFeed).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ProviderRepository: Send + Sync {
    /// Returns the providers that are paused, by name.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError>;

    /// Pauses a provider.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn pause_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError>;

    /// Resumes a provider.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn resume_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError>;

    /// Notes that this worker is alive, and returns the number of workers that were alive within this duration,
    /// itself included. Workers that share a provider's rate divide it by this number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn count_workers(&self, worker: &Actor, within: Duration) -> Result<u32, RepositoryError>;

    /// Returns every provider that has due payouts, configured or not. The call is cheap, however many payouts are due.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError>;

    /// Adds calls to the counts of the current minute, and deletes the counts of minutes that are more than a day old.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError>;

    /// Returns the calls per provider in the minutes that began within this duration, in the order of the names.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn count_calls(&self, within: Duration) -> Result<Vec<ProviderCalls>, RepositoryError>;
}
