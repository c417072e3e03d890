//! The port for bulk actions: their progress, their leases and their outcomes.

use std::time::Duration;

use async_trait::async_trait;

use crate::bulk::{
    BulkAction, BulkActionId, BulkEnd, BulkOutcome, BulkPlace, BulkResult, NewBulkAction, PlannedPayout,
};
use crate::payout::Actor;
use crate::ports::RepositoryError;

/// A lease of a bulk action: until it ends, no other worker goes on with the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BulkLease {
    /// The action.
    pub id: BulkActionId,
    /// The number of the lease. Every takeover increases it, and a write under an older number changes nothing.
    pub fence: u64,
}

/// A bulk action that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBulkAction {
    /// The lease.
    pub lease: BulkLease,
    /// The action.
    pub action: BulkAction,
    /// The payouts that an earlier holder planned and that have no outcome yet.
    pub unsettled: Vec<BulkOutcome>,
}

/// The next payouts of a bulk action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkPage {
    /// The payouts, in their order.
    pub payouts: Vec<PlannedPayout>,
    /// The position of the last of them.
    pub place: BulkPlace,
}

/// A query for a page of outcomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BulkOutcomeQuery {
    /// The number after which the page begins.
    pub after: u64,
    /// True for the payouts that were not changed.
    pub refused_only: bool,
    /// The largest number of outcomes.
    pub limit: u32,
}

/// Stores bulk actions, leases them to workers, and keeps what became of each payout.
///
/// # Promises
/// - An acknowledged write is durable. Actions and their outcomes are kept.
/// - **One holder.** While a lease lasts, no other worker holds the action. A write under a lease that another worker has
///   taken over changes nothing.
/// - **Nothing lost, nothing doubled.** The payouts of a page, their number and the position behind them are written in
///   one transaction, and only while no payout that was planned before is without an outcome. An outcome is counted
///   once.
/// - An action that has ended never goes on. Only payouts that were planned before still get an outcome.
/// - All times are by the store's clock.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BulkActionRepository: Send + Sync {
    /// Stores an action. If one has its id, returns that one as it is.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Refused`].
    async fn start_bulk(&self, new: &NewBulkAction) -> Result<BulkAction, RepositoryError>;

    /// Finds an action.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, RepositoryError>;

    /// Lists actions, newest first: those that are older than an action, or the newest.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn bulk_actions(
        &self,
        before: Option<BulkActionId>,
        limit: u32,
    ) -> Result<Vec<BulkAction>, RepositoryError>;

    /// Returns part of an action's outcomes, in the order of their numbers.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn bulk_outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, RepositoryError>;

    /// Stops a running action, for this reason. Returns the action, whatever its state was; `None` if the id is unknown.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn stop_bulk(&self, id: BulkActionId, why: &str) -> Result<Option<BulkAction>, RepositoryError>;

    /// Leases an action that no worker holds and that is running, or has payouts without an outcome: of several, the one
    /// that was leased the longest time ago.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn lease_bulk(
        &self,
        worker: &Actor,
        lease: Duration,
    ) -> Result<Option<HeldBulkAction>, RepositoryError>;

    /// Plans the next payouts. Returns them with their numbers; `None`, and changes nothing, if the lease is lost, the
    /// action has ended, or a planned payout has no outcome.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]: they may have been planned, and the next lease has them.
    async fn plan_bulk(
        &self,
        lease: BulkLease,
        page: &BulkPage,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError>;

    /// Stores the results of planned payouts, by their numbers, and ends the lease. Returns the action; `None`, and
    /// changes nothing, if the lease is lost.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]: they may have been stored.
    async fn settle_bulk(
        &self,
        lease: BulkLease,
        results: &[(u64, BulkResult)],
    ) -> Result<Option<BulkAction>, RepositoryError>;

    /// Ends a running action, and the lease. Returns false, and changes nothing, if the lease is lost.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn end_bulk(&self, lease: BulkLease, end: &BulkEnd) -> Result<bool, RepositoryError>;

    /// Ends a lease early, so that another worker can go on at once. Does nothing if the lease is lost.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn release_bulk(&self, lease: BulkLease) -> Result<(), RepositoryError>;
}
