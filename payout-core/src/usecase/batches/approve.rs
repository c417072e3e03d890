//! Approves and rejects all payouts of a batch that await approval, each by the rules of a single payout.
//!
//! The payouts are approved in parts, each in one transaction. A part that was written stays, whatever happens then: an
//! approval that is repeated gives what is left.

use std::collections::HashSet;

use crate::Timestamp;
use crate::approval::ApproverError;
use crate::batch::{Batch, BatchApprovals, BatchId, BatchProgress};
use crate::concurrency::detached::run_detached;
use crate::crash::{self, Point};
use crate::payout::{Caller, Change, Payout, PayoutId, Status, StepError};
use crate::ports::{ListedMember, MembersQuery};
use crate::usecase::ServiceError;
use crate::usecase::batches::steps::{CANCELLED_AT_ONCE, PATIENCE, READ_AT_ONCE, REFUSED_LISTED};
use crate::usecase::batches::{BatchError, Batches};

/// The number of times that the payouts are read: again for those that changed while they were approved.
const ROUNDS: usize = 3;

/// The result of the approval of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchApproved {
    /// The number of payouts that this caller approved now.
    pub approved: u64,
    /// The number of those that require no further approval: they are pending.
    pub complete: u64,
    /// The payouts that were not approved although they await it, with the reasons: the first thousand. Those that the
    /// caller created, edited or approved before are only counted.
    pub refused: Vec<(PayoutId, String)>,
    /// True if there was not enough time for all: repeat the request.
    pub is_partial: bool,
    /// The payouts that require approval, after the step.
    pub approvals: BatchApprovals,
    /// The batch after the step.
    pub progress: BatchProgress,
}

impl BatchApproved {
    /// Returns the number of payouts that the caller approved before.
    pub fn already_approved(&self) -> u64 {
        let given = self.approvals.given + self.approvals.settled_with;
        given.saturating_sub(self.approved)
    }
}

/// The result of the rejection of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRejected {
    /// The number of payouts that were rejected now.
    pub rejected: u64,
    /// The payouts that require approval, after the step.
    pub approvals: BatchApprovals,
    /// The batch after the step.
    pub progress: BatchProgress,
}

impl BatchRejected {
    /// Returns the number of payouts for which it was too late: they had every approval that they require.
    pub fn too_late(&self) -> u64 {
        let settled = self.approvals.settled_with + self.approvals.settled_without;
        settled.saturating_sub(self.approvals.cancelled)
    }
}

/// The approvals of one caller so far.
#[derive(Default)]
struct Tally {
    /// The time after which a change of a payout was not seen by the caller.
    unchanged_since: Option<Timestamp>,
    approved: u64,
    complete: u64,
    refused: Vec<(PayoutId, String)>,
    /// Payouts that changed between the read and the write.
    missed: u64,
}

impl Tally {
    fn refuse(&mut self, id: PayoutId, reason: String) {
        if self.refused.len() < REFUSED_LISTED {
            self.refused.push((id, reason));
        }
    }

    /// Builds the approval of a payout that was read.
    fn decide(&mut self, member: ListedMember, caller: &Caller) -> Option<Change> {
        let payout: Payout = match member {
            ListedMember::Payout(payout) => payout,
            ListedMember::Unreadable(id) => {
                self.refuse(id, "This payout cannot be read.".to_owned());
                return None;
            }
        };
        let id = payout.id();
        if self
            .unchanged_since
            .is_some_and(|seen| payout.parts().updated_at > seen)
        {
            self.refuse(
                id,
                "This payout has changed since you looked at the batch.".to_owned(),
            );
            return None;
        }
        match payout.approve(caller.clone()) {
            Ok(change) => Some(change),
            // Counted by the store.
            Err(StepError::Approver(_)) => None,
            Err(error) => {
                self.refuse(id, error.to_string());
                None
            }
        }
    }
}

impl Batches {
    /// Approves every payout of a batch that awaits approval and that the caller may approve. With `unchanged_since`, what
    /// changed after that time is refused, so that nobody approves what they have not seen.
    ///
    /// # Errors
    /// [`BatchError::NotFound`]; [`BatchError::Service`] if the store failed, or the service cannot tell its callers
    /// apart. What was approved until then stays approved.
    pub async fn approve(
        &self,
        id: BatchId,
        unchanged_since: Option<Timestamp>,
        caller: Caller,
    ) -> Result<BatchApproved, BatchError> {
        let batch = self.find(id).await?;
        if caller.person().is_anyone() {
            let anyone = StepError::Approver(ApproverError::Anyone);
            return Err(ServiceError::Step(anyone).into());
        }
        let this = self.clone();
        run_detached(async move { this.approve_members(batch, unchanged_since, caller).await }).await
    }

    async fn approve_members(
        &self,
        batch: Batch,
        unchanged_since: Option<Timestamp>,
        caller: Caller,
    ) -> Result<BatchApproved, BatchError> {
        let began = self.payouts.monotonic();
        let mut tally = Tally {
            unchanged_since,
            ..Tally::default()
        };
        let mut is_partial = false;
        for _ in 0..ROUNDS {
            tally.missed = 0;
            tally.refused.clear();
            let mut after = None;
            loop {
                let Some(last) = self.approve_part(&batch, &caller, after, &mut tally).await? else {
                    break;
                };
                after = Some(last);
                if self.payouts.monotonic().saturating_sub(began) > PATIENCE {
                    is_partial = true;
                    break;
                }
            }
            if is_partial || tally.missed == 0 {
                break;
            }
        }
        let approvals = self.repository.batch_approvals(&batch, &caller).await?;
        Ok(BatchApproved {
            approved: tally.approved,
            complete: tally.complete,
            refused: tally.refused,
            is_partial: is_partial || tally.missed > 0,
            approvals,
            progress: self.progress_with(batch, &approvals).await?,
        })
    }

    /// Approves the next payouts, and returns the last of them; `None` after the last of all.
    async fn approve_part(
        &self,
        batch: &Batch,
        caller: &Caller,
        after: Option<PayoutId>,
        tally: &mut Tally,
    ) -> Result<Option<PayoutId>, BatchError> {
        let query = MembersQuery {
            statuses: vec![Status::AwaitingApproval],
            approvable_by: Some(caller.person()),
            after,
            limit: READ_AT_ONCE,
        };
        let members = self.repository.batch_members(batch, &query).await?;
        let Some(last) = members.last().map(ListedMember::id) else {
            return Ok(None);
        };
        let changes: Vec<Change> = members
            .into_iter()
            .filter_map(|member| tally.decide(member, caller))
            .collect();
        if changes.is_empty() {
            return Ok(Some(last));
        }
        crash::pass(Point::BeforeApproveBatch);
        let written = self.repository.approve_members(batch, &changes).await?;
        crash::pass(Point::AfterApproveBatch);
        let complete: HashSet<PayoutId> = changes
            .iter()
            .filter(|change| change.after.status() == Status::Pending)
            .map(|change| change.after.id())
            .collect();
        tally.approved += written.len() as u64;
        tally.complete += written.iter().filter(|id| complete.contains(id)).count() as u64;
        tally.missed += (changes.len() - written.len()) as u64;
        Ok(Some(last))
    }

    /// Rejects every payout of a batch that awaits approval: it is cancelled. The others stay.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`].
    pub async fn reject(&self, id: BatchId, caller: Caller) -> Result<BatchRejected, BatchError> {
        let batch = self.find(id).await?;
        let this = self.clone();
        run_detached(async move {
            let mut rejected = 0;
            loop {
                let part = this
                    .repository
                    .reject_members(&batch, &caller, CANCELLED_AT_ONCE)
                    .await?;
                rejected += part;
                if part == 0 {
                    break;
                }
            }
            let approvals = this.repository.batch_approvals(&batch, &caller).await?;
            Ok(BatchRejected {
                rejected,
                approvals,
                progress: this.progress_with(batch, &approvals).await?,
            })
        })
        .await
    }

    async fn progress_with(
        &self,
        batch: Batch,
        approvals: &BatchApprovals,
    ) -> Result<BatchProgress, BatchError> {
        Ok(BatchProgress {
            totals: self.repository.batch_totals(&batch).await?,
            batch,
            approvable: approvals.approvable(),
        })
    }
}
