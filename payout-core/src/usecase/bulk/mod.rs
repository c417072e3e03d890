//! The use cases for bulk actions: a person counts what a filter matches, starts an action, follows it and stops it.
//!
//! - [`BulkActions`] serves requests; `runner` goes on with actions in a worker, and `take` changes one payout.
//! - A page is planned before its payouts are changed, each at the version that was read. So whatever dies, each payout
//!   is changed at most once, and none is without an outcome.

mod count;
mod runner;
mod selection;
mod take;

use std::sync::Arc;

use chrono::TimeDelta;

pub use self::count::{BulkCount, BulkSum};
pub use self::runner::BulkRunner;
pub use self::selection::{ReadFilter, SelectionError};
use crate::access::Principal;
use crate::bulk::{BulkAction, BulkActionId, BulkOutcome, BulkStarter, NewBulkAction};
use crate::payout::Actor;
use crate::ports::{BulkActionRepository, BulkOutcomeQuery, RepositoryError};
use crate::usecase::{Payouts, ServiceError};

/// The age at which a count is too old to be confirmed.
const CONFIRMED_WITHIN: TimeDelta = TimeDelta::hours(1);
/// The greatest distance of an id's time, in milliseconds, from the time of its count.
const SAME_COUNT: TimeDelta = TimeDelta::seconds(1);

/// The reason for which a request about a bulk action was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// The filter cannot be used for a bulk action.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// More payouts match than one action may change.
    #[error(
        "More than {} payouts match: narrow the list, and do it in parts.",
        BulkActions::MOST
    )]
    TooMany,
    /// The payouts were counted too long ago, or in the future.
    #[error("These payouts were counted too long ago, or not by this service: count them again.")]
    Stale,
    /// There is no such action.
    #[error("There is no such bulk action.")]
    NotFound,
    /// A use case of payouts failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<RepositoryError> for BulkError {
    fn from(error: RepositoryError) -> Self {
        Self::Service(error.into())
    }
}

/// The use cases for bulk actions. Cheap to clone.
#[derive(Clone)]
pub struct BulkActions {
    repository: Arc<dyn BulkActionRepository>,
    payouts: Payouts,
    read_filter: ReadFilter,
}

impl BulkActions {
    /// The largest number of payouts of one action.
    pub const MOST: u64 = 100_000;

    /// Makes the use cases over a store. `read_filter` parses the filters that actions keep.
    pub fn new(repository: Arc<dyn BulkActionRepository>, payouts: Payouts, read_filter: ReadFilter) -> Self {
        Self {
            repository,
            payouts,
            read_filter,
        }
    }

    /// Starts an action of this person. A worker goes on with it. The same action again, by its id, is returned as it is.
    /// What matches is counted once more, so that the action shows a number that is true.
    ///
    /// # Errors
    /// [`BulkError::Selection`], [`BulkError::TooMany`], [`BulkError::Service`]. [`BulkError::Stale`] for an id that no
    /// count at that time has given. If another person, or another action, has this id, [`BulkError::NotFound`].
    pub async fn start(&self, new: &NewBulkAction, principal: &Principal) -> Result<BulkAction, BulkError> {
        let now = self.payouts.store_now().await?;
        let age = now - new.counted_at;
        let made_at = new.id.created_at().ok_or(BulkError::Stale)?;
        let is_of_count = (made_at - new.counted_at).abs() < SAME_COUNT;
        if age < TimeDelta::zero() || age > CONFIRMED_WITHIN || !is_of_count {
            return Err(BulkError::Stale);
        }
        let matched = self.tally(&new.filter, principal, new.counted_at).await?.payouts;
        let started = self
            .repository
            .start_bulk(&NewBulkAction {
                starter: BulkStarter::of(principal),
                matched,
                ..new.clone()
            })
            .await?;
        let is_same = started.starter == BulkStarter::of(principal)
            && started.step == new.step
            && started.filter == new.filter;
        if is_same {
            Ok(started)
        } else {
            Err(BulkError::NotFound)
        }
    }

    /// Stops a running action. The payouts that a worker is changing at this moment are still changed. An action that has
    /// ended stays as it is.
    ///
    /// # Errors
    /// [`BulkError::NotFound`], [`BulkError::Service`].
    pub async fn stop(
        &self,
        id: BulkActionId,
        by: &Actor,
        reason: Option<&str>,
    ) -> Result<BulkAction, BulkError> {
        let why = match reason {
            Some(reason) => format!("{by} stopped it: {reason}"),
            None => format!("{by} stopped it."),
        };
        let stopped = self.repository.stop_bulk(id, &why).await?;
        stopped.ok_or(BulkError::NotFound)
    }

    /// Returns an action.
    ///
    /// # Errors
    /// [`BulkError::NotFound`], [`BulkError::Service`].
    pub async fn get(&self, id: BulkActionId) -> Result<BulkAction, BulkError> {
        self.repository.bulk_action(id).await?.ok_or(BulkError::NotFound)
    }

    /// Lists actions, newest first: those that are older than an action, or the newest.
    ///
    /// # Errors
    /// [`BulkError::Service`].
    pub async fn list(&self, before: Option<BulkActionId>, limit: u32) -> Result<Vec<BulkAction>, BulkError> {
        Ok(self.repository.bulk_actions(before, limit).await?)
    }

    /// Returns part of an action's outcomes.
    ///
    /// # Errors
    /// [`BulkError::Service`].
    pub async fn outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, BulkError> {
        Ok(self.repository.bulk_outcomes(id, query).await?)
    }
}
