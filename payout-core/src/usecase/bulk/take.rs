//! Takes the step of a bulk action with one payout, under every guard of a single request.

use crate::bulk::{BulkAction, BulkResult, BulkStep, PlannedPayout};
use crate::payout::{Caller, Payout, PayoutId};
use crate::ports::{Deleted, EventPage, EventQuery, RepositoryError};
use crate::usecase::{Payouts, ServiceError, Step};

/// Takes the step of one action.
pub(super) struct Taker {
    payouts: Payouts,
    action: BulkAction,
    /// The person who started it. Absent if nothing may be changed any more.
    caller: Option<Caller>,
}

impl Taker {
    pub(super) fn new(payouts: Payouts, action: BulkAction, caller: Option<Caller>) -> Self {
        Self {
            payouts,
            action,
            caller,
        }
    }

    /// Takes the step with a payout at the version that was planned. If the payout has another version, finds out
    /// whether this action made it: an earlier holder may have died before it could say so.
    ///
    /// # Errors
    /// [`RepositoryError`] if the store failed: the payout may have been changed, and is looked at again.
    pub(super) async fn take(&self, planned: PlannedPayout) -> Result<BulkResult, RepositoryError> {
        let Some(caller) = self.caller.clone() else {
            let why = "The action was stopped before it came to this payout.";
            return self.looked_up(planned.payout, why).await;
        };
        let why = match self.step(planned, caller).await {
            Ok(payout) if payout.version() != planned.version => return Ok(BulkResult::Changed),
            Ok(_) => return Ok(BulkResult::refused("It has this status already.")),
            Err(ServiceError::PreconditionFailed | ServiceError::ChangedMeanwhile) => {
                "It has changed since it was counted."
            }
            Err(ServiceError::Repository(error)) => return refused_by_the_store(error),
            Err(ServiceError::Busy) => return Err(RepositoryError::unavailable(ServiceError::Busy)),
            Err(
                error @ (ServiceError::NotFound
                | ServiceError::Step(_)
                | ServiceError::KeyReused
                | ServiceError::KeyInFlight
                | ServiceError::ExternalIdTaken(_)
                | ServiceError::Schedule(_)
                | ServiceError::OverLimit(_)
                | ServiceError::NoRoute(_)),
            ) => return Ok(BulkResult::refused(error.to_string())),
        };
        self.looked_up(planned.payout, why).await
    }

    async fn step(&self, planned: PlannedPayout, caller: Caller) -> Result<Payout, ServiceError> {
        let (payouts, id, versions) = (&self.payouts, planned.payout, [planned.version]);
        match self.action.step {
            BulkStep::Approve => payouts.approve(id, Some(&versions), caller).await,
            BulkStep::Reject => payouts.reject(id, Some(&versions), caller).await,
            BulkStep::Cancel => payouts.step(id, Step::Cancel, Some(&versions), caller).await,
            BulkStep::Retry => {
                let retried = payouts.retry(id, Some(&versions), None, caller).await;
                retried.map(|answered| answered.payout)
            }
        }
    }

    /// Returns that this action changed the payout, if its trail has the action's event; or that it did not, and why.
    async fn looked_up(&self, id: PayoutId, why: &str) -> Result<BulkResult, RepositoryError> {
        let request_id = self.action.request_id();
        let mut query = EventQuery {
            after: None,
            limit: EventPage::LONGEST,
            deleted: Deleted::With,
        };
        loop {
            let page = match self.payouts.events(id, query).await {
                Ok(page) => page,
                Err(ServiceError::Repository(error)) => return refused_by_the_store(error),
                Err(error) => return Ok(BulkResult::refused(error.to_string())),
            };
            let is_of_action = page.events.iter().any(|event| {
                event.request_id.as_ref() == Some(&request_id) && event.actor == self.action.starter.name
            });
            if is_of_action {
                return Ok(BulkResult::Changed);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(BulkResult::refused(why)),
            }
        }
    }
}

/// Decides whether a failure of the store concerns this payout alone.
fn refused_by_the_store(error: RepositoryError) -> Result<BulkResult, RepositoryError> {
    match error {
        RepositoryError::Locked { .. } => Ok(BulkResult::refused(
            "Another session holds a lock that the change needs. Nothing was done.",
        )),
        RepositoryError::Refused(_) => Ok(BulkResult::refused("This payout cannot be read.")),
        error @ (RepositoryError::Unavailable(_) | RepositoryError::Overloaded(_)) => Err(error),
        error @ (RepositoryError::VersionConflict
        | RepositoryError::KeyTaken
        | RepositoryError::ExternalIdTaken(_)
        | RepositoryError::OverLimit(_)) => Ok(BulkResult::refused(error.to_string())),
    }
}
