//! Stored batches, and the sums of their payouts.

use rust_decimal::Decimal;

use crate::Timestamp;
use crate::batch::{BatchId, ContentHash, NewBatch};
use crate::money::Currency;
use crate::payout::{Actor, Description, ExternalId, Status};

/// A batch as it is stored. It never changes; its payouts do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The id.
    pub id: BatchId,
    /// The client's own reference.
    pub external_id: Option<ExternalId>,
    /// The digest of what the batch asked for.
    pub content: ContentHash,
    /// The purpose of the batch.
    pub description: Description,
    /// The time at which its payouts became due, except those with a schedule of their own.
    pub scheduled_at: Option<Timestamp>,
    /// The number of payouts that were stored.
    pub payouts: u32,
    /// The number of rows that were left out, since their payouts were stored before.
    pub left_out: u32,
    /// The time at which the batch was stored, which all its payouts have too.
    pub created_at: Timestamp,
    /// The actor that sent it.
    pub created_by: Actor,
}

impl NewBatch {
    /// Returns the batch as stored at `now`, by the repository's clock.
    pub fn stored_at(&self, now: Timestamp) -> Batch {
        Batch {
            id: self.id,
            external_id: self.external_id.clone(),
            content: self.content,
            description: self.description.clone(),
            scheduled_at: self.scheduled_at,
            payouts: self.payouts,
            left_out: self.left_out,
            created_at: now,
            created_by: self.caller.actor.clone(),
        }
    }
}

/// The payouts of a batch in one status and one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchTotal {
    /// The status.
    pub status: Status,
    /// The currency.
    pub currency: Currency,
    /// The number of payouts.
    pub count: u64,
    /// The sum of their amounts.
    pub sum: Decimal,
    /// The number of those that wait for an operator's review.
    pub in_review: u64,
    /// The time of the latest change of any of them.
    pub updated_at: Timestamp,
}

/// The payouts of a batch that require approval, as one person sees them. Deleted payouts are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchApprovals {
    /// The number of payouts that await approval.
    pub awaiting: u64,
    /// The number of those that the person created, or was the last to edit or retry.
    pub own: u64,
    /// The number of those that the person has approved.
    pub given: u64,
    /// The number of payouts that await approval no more, and that the person has approved.
    pub settled_with: u64,
    /// The number of payouts that await approval no more, and that the person has not approved.
    pub settled_without: u64,
    /// The number of payouts that await approval no more, since they were cancelled or rejected.
    pub cancelled: u64,
}

impl BatchApprovals {
    /// Returns the number of payouts that the person may still approve.
    pub fn approvable(&self) -> u64 {
        self.awaiting.saturating_sub(self.own + self.given)
    }
}

/// A batch and the state of its payouts. Deleted payouts are not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchProgress {
    /// The batch.
    pub batch: Batch,
    /// The payouts by status and currency.
    pub totals: Vec<BatchTotal>,
    /// The number of payouts that await approval and that the reader may approve.
    pub approvable: u64,
}

impl BatchProgress {
    /// Returns the number of payouts.
    pub fn payouts(&self) -> u64 {
        self.totals.iter().map(|total| total.count).sum()
    }

    /// Returns the number of payouts that await approval.
    pub fn awaiting_approval(&self) -> u64 {
        let awaiting = self.totals.iter();
        let awaiting = awaiting.filter(|total| total.status == Status::AwaitingApproval);
        awaiting.map(|total| total.count).sum()
    }

    /// Returns the number of payouts that no worker and no person has to finish.
    pub fn finished(&self) -> u64 {
        let finished = self.totals.iter().filter(|total| is_finished(total.status));
        finished.map(|total| total.count).sum()
    }

    /// Returns the share of finished payouts in percent, rounded down: 100 means every one.
    pub fn percent(&self) -> u8 {
        let percent = (self.finished() * 100).checked_div(self.payouts()).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }

    /// Returns the time at which the last payout was finished, if all are.
    pub fn finished_at(&self) -> Option<Timestamp> {
        let latest = self.totals.iter().map(|total| total.updated_at).max();
        latest.filter(|_| self.finished() == self.payouts())
    }

    /// Returns the time of the latest change of a payout.
    pub fn updated_at(&self) -> Timestamp {
        let latest = self.totals.iter().map(|total| total.updated_at).max();
        latest.unwrap_or(self.batch.created_at)
    }
}

/// Returns whether a payout in this status waits for nobody.
fn is_finished(status: Status) -> bool {
    match status {
        Status::Completed | Status::Returned | Status::Failed | Status::Cancelled => true,
        Status::AwaitingApproval | Status::Pending | Status::Processing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(totals: &[(Status, u64, i64)]) -> BatchProgress {
        let total = |(status, count, at): &(Status, u64, i64)| BatchTotal {
            status: *status,
            currency: "EUR".parse().unwrap(),
            count: *count,
            sum: Decimal::ONE,
            in_review: 0,
            updated_at: Timestamp::from_timestamp_micros(*at).unwrap(),
        };
        let new = NewBatch {
            id: BatchId::from(uuid::Uuid::nil()),
            external_id: None,
            content: ContentHash::from([0; 32]),
            description: Description::default(),
            scheduled_at: None,
            payouts: 3,
            left_out: 0,
            caller: crate::payout::Caller::named("test"),
        };
        BatchProgress {
            batch: new.stored_at(Timestamp::UNIX_EPOCH),
            totals: totals.iter().map(total).collect(),
            approvable: 0,
        }
    }

    #[test]
    fn a_batch_is_at_100_percent_once_every_payout_is_finished() {
        let half = progress(&[(Status::Completed, 199, 5), (Status::Processing, 1, 3)]);
        assert_eq!((half.percent(), half.finished_at()), (99, None));
        let whole = progress(&[(Status::Completed, 2, 5), (Status::Failed, 1, 9)]);
        assert_eq!(whole.percent(), 100);
        assert_eq!(whole.finished_at().unwrap().timestamp_micros(), 9);
        let empty = progress(&[]);
        assert_eq!(
            (empty.percent(), empty.finished_at()),
            (100, None),
            "all were deleted"
        );
    }
}
