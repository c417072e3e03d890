//! Reads batches, and takes steps with all their payouts.

use std::time::Duration;

use crate::batch::{Batch, BatchId, BatchProgress};
use crate::concurrency::detached::run_detached;
use crate::feed::{Announcement, EventType};
use crate::payout::{Caller, PayoutId, Status};
use crate::ports::{ListedMember, MembersQuery};
use crate::usecase::batches::{BatchError, Batches};
use crate::usecase::{ServiceError, Step};

/// The number of payouts that are cancelled or rejected in one transaction.
pub(super) const CANCELLED_AT_ONCE: u32 = 1_000;
/// The number of payouts that are read at once to be retried or approved.
pub(super) const READ_AT_ONCE: u32 = 500;
/// The time after which a retry or an approval stops, so that its request is answered. It goes on when it is repeated.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The result of a step with all payouts of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepCounts {
    /// The number of payouts that were changed.
    pub changed: u64,
    /// The batch after the step.
    pub progress: BatchProgress,
}

/// The result of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The number of payouts that were retried.
    pub retried: u64,
    /// The payouts that were not, with the reasons: the first thousand.
    pub refused: Vec<(PayoutId, String)>,
    /// True if there was not enough time for all: repeat the request.
    pub is_partial: bool,
    /// The batch after the step.
    pub progress: BatchProgress,
}

/// The largest number of refused payouts that are listed.
pub(super) const REFUSED_LISTED: usize = 1_000;

impl Batches {
    /// Returns a batch and the state of its payouts, as this reader sees it.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`].
    pub async fn get(&self, id: BatchId, reader: &Caller) -> Result<BatchProgress, BatchError> {
        let batch = self.find(id).await?;
        self.progress(batch, reader).await
    }

    /// Returns a batch.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`].
    pub async fn find(&self, id: BatchId) -> Result<Batch, BatchError> {
        self.repository.find_batch(id).await?.ok_or(BatchError::NotFound)
    }

    /// Lists batches, newest first: those that are older than a batch, or the newest.
    ///
    /// # Errors
    /// [`BatchError::Service`].
    pub async fn list(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<Batch>, BatchError> {
        Ok(self.repository.list_batches(before, limit).await?)
    }

    /// Returns one page of a batch's payouts, in the order of its rows.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`].
    pub async fn members(&self, id: BatchId, query: &MembersQuery) -> Result<Vec<ListedMember>, BatchError> {
        let batch = self.find(id).await?;
        Ok(self.repository.batch_members(&batch, query).await?)
    }

    /// Cancels every payout of a batch that no worker has claimed yet. The others are too late, and stay.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`].
    pub async fn cancel(&self, id: BatchId, caller: Caller) -> Result<StepCounts, BatchError> {
        let batch = self.find(id).await?;
        let this = self.clone();
        run_detached(async move {
            let mut changed = 0;
            loop {
                let cancelled = this
                    .repository
                    .cancel_members(&batch, &caller, CANCELLED_AT_ONCE)
                    .await?;
                changed += cancelled;
                if cancelled == 0 {
                    break;
                }
            }
            let progress = this.progress(batch, &caller).await?;
            Ok(StepCounts { changed, progress })
        })
        .await
    }

    /// Retries every payout of a batch that failed, each by the rules of a single retry.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], [`BatchError::Service`] if the store failed.
    pub async fn retry(&self, id: BatchId, caller: Caller) -> Result<Retried, BatchError> {
        let batch = self.find(id).await?;
        let this = self.clone();
        run_detached(async move { this.retry_members(batch, caller).await }).await
    }

    async fn retry_members(&self, batch: Batch, caller: Caller) -> Result<Retried, BatchError> {
        let began = self.payouts.monotonic();
        let (mut retried, mut refused, mut after) = (0, Vec::new(), None);
        let is_partial = loop {
            let query = MembersQuery {
                statuses: vec![Status::Failed],
                approvable_by: None,
                after,
                limit: READ_AT_ONCE,
            };
            let failed = self.repository.batch_members(&batch, &query).await?;
            let Some(last) = failed.last() else {
                break false;
            };
            if after.is_none() {
                let retried = Announcement::of_batch(EventType::BatchRetried, &batch, &caller);
                self.repository.announce_batch(&retried).await?;
            }
            after = Some(last.id());
            for payout in &failed {
                match self
                    .payouts
                    .step(payout.id(), Step::Retry, None, caller.clone())
                    .await
                {
                    Ok(_) => retried += 1,
                    Err(error @ ServiceError::Repository(_)) => return Err(error.into()),
                    Err(error) if refused.len() < REFUSED_LISTED => {
                        refused.push((payout.id(), error.to_string()));
                    }
                    Err(_) => (),
                }
            }
            if self.payouts.monotonic().saturating_sub(began) > PATIENCE {
                break true;
            }
        };
        Ok(Retried {
            retried,
            refused,
            is_partial,
            progress: self.progress(batch, &caller).await?,
        })
    }

    pub(super) async fn progress(&self, batch: Batch, reader: &Caller) -> Result<BatchProgress, BatchError> {
        let totals = self.repository.batch_totals(&batch).await?;
        let mut progress = BatchProgress {
            batch,
            totals,
            approvable: 0,
        };
        if progress.awaiting_approval() > 0 && !reader.person().is_anyone() {
            let approvals = self.repository.batch_approvals(&progress.batch, reader).await?;
            progress.approvable = approvals.approvable();
        }
        Ok(progress)
    }
}
