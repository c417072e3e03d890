//! The payouts of a batch of which every one is finished.

use crate::payout::Status;

/// The numbers of a batch's payouts by the status in which they ended. Deleted payouts are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FinishedPayouts {
    /// The number of payouts that the provider paid.
    pub completed: u64,
    /// The number of payouts that were paid and came back.
    pub returned: u64,
    /// The number of payouts that were declined for good.
    pub failed: u64,
    /// The number of payouts that a person cancelled.
    pub cancelled: u64,
}

impl FinishedPayouts {
    /// Adds up the payouts of a batch by status; absent while one of them waits for a worker or a person.
    pub fn of(counts: impl IntoIterator<Item = (Status, u64)>) -> Option<Self> {
        let mut finished = Self::default();
        for (status, count) in counts {
            match status {
                Status::Completed => finished.completed += count,
                Status::Returned => finished.returned += count,
                Status::Failed => finished.failed += count,
                Status::Cancelled => finished.cancelled += count,
                Status::AwaitingApproval | Status::Pending | Status::Processing if count == 0 => (),
                Status::AwaitingApproval | Status::Pending | Status::Processing => return None,
            }
        }
        Some(finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_with_an_open_payout_is_not_finished() {
        for open in [Status::AwaitingApproval, Status::Pending, Status::Processing] {
            assert_eq!(FinishedPayouts::of([(Status::Completed, 9), (open, 1)]), None);
        }
        let all = Status::ALL.iter().map(|status| (*status, 0));
        let none = FinishedPayouts::of(all);
        assert_eq!(none, Some(FinishedPayouts::default()), "all were deleted");
        let finished = FinishedPayouts::of([
            (Status::Completed, 1),
            (Status::Returned, 2),
            (Status::Failed, 3),
            (Status::Cancelled, 4),
        ])
        .unwrap();
        let FinishedPayouts {
            completed,
            returned,
            failed,
            cancelled,
        } = finished;
        assert_eq!((completed, returned, failed, cancelled), (1, 2, 3, 4));
    }
}
