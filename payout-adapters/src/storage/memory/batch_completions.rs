//! Completions of batches: each is reported once after its last open payout was finished.

use payout_core::Timestamp;
use payout_core::batch::{Batch, FinishedPayouts};
use payout_core::feed::Announcement;
use payout_core::payout::{Actor, Payout, Status};

use super::store::Store;

impl Store {
    /// Tells the completion of open batches whose payouts are all finished. Returns their number.
    pub(super) fn complete_batches(&mut self, worker: &Actor, limit: u32, now: Timestamp) -> u64 {
        let open = self
            .batches
            .iter()
            .filter(|batch| self.open_batches.contains(&batch.id));
        let completed: Vec<(Batch, FinishedPayouts)> = open
            .filter_map(|batch| {
                let statuses = self.members(batch).map(|payout| (payout.status(), 1));
                Some((batch.clone(), FinishedPayouts::of(statuses)?))
            })
            .take(limit as usize)
            .collect();
        for (batch, finished) in &completed {
            self.open_batches.remove(&batch.id);
            self.announce(Announcement::of_completed(batch, *finished, worker), now);
        }
        completed.len() as u64
    }

    /// Notes that a batch is not finished, if a change has left a payout of it open.
    pub(super) fn open_batch_again(&mut self, after: &Payout) {
        let is_open = match after.status() {
            Status::AwaitingApproval | Status::Pending | Status::Processing => true,
            Status::Completed | Status::Returned | Status::Failed | Status::Cancelled => false,
        };
        self.open_batches.extend(after.parts().batch.filter(|_| is_open));
    }
}
