//! Reads batches, and takes steps with all their payouts.

use std::time::Duration;

use crate::batch::{Batch, BatchId, BatchProgress};
use crate::concurrency::detached::run_detached;
use crate::crash::{self, Point};
use crate::payout::{Caller, PayoutId, Status};
use crate::ports::{ListedMember, MemberRetry, MembersQuery};
use crate::provider::NoRoute;
use crate::usecase::ServiceError;
use crate::usecase::batches::{BatchError, Batches};

/// The number of payouts that are cancelled or rejected in one transaction.
pub(super) const CANCELLED_AT_ONCE: u32 = 1_000;
/// The number of payouts that are read and approved at once.
pub(super) const READ_AT_ONCE: u32 = 500;
/// The number of payouts that are retried in one transaction. It holds the daily total, for which creates wait.
const RETRIED_AT_ONCE: u32 = 100;
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

/// The retries of one request so far.
#[derive(Default)]
struct RetryTally {
    retried: u64,
    refused: Vec<(PayoutId, String)>,
}

impl RetryTally {
    fn refuse(&mut self, id: PayoutId, reason: String) {
        if self.refused.len() < REFUSED_LISTED {
            self.refused.push((id, reason));
        }
    }
}

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
        let mut tally = RetryTally::default();
        let mut after = None;
        let is_partial = loop {
            let Some(last) = self.retry_part(&batch, &caller, after, &mut tally).await? else {
                break false;
            };
            after = Some(last);
            if self.payouts.monotonic().saturating_sub(began) > PATIENCE {
                break true;
            }
        };
        Ok(Retried {
            retried: tally.retried,
            refused: tally.refused,
            is_partial,
            progress: self.progress(batch, &caller).await?,
        })
    }

    /// Retries the next payouts, and returns the last of them; `None` after the last of all.
    async fn retry_part(
        &self,
        batch: &Batch,
        caller: &Caller,
        after: Option<PayoutId>,
        tally: &mut RetryTally,
    ) -> Result<Option<PayoutId>, BatchError> {
        let query = MembersQuery {
            statuses: vec![Status::Failed],
            approvable_by: None,
            after,
            limit: RETRIED_AT_ONCE,
        };
        // Before the payouts are read, so that it can only be too early.
        let now = self.payouts.time_of_retries().await?;
        let failed = self.repository.batch_members(batch, &query).await?;
        let Some(last) = failed.last().map(ListedMember::id) else {
            return Ok(None);
        };
        let mut changes = Vec::with_capacity(failed.len());
        for member in failed {
            let payout = match member {
                ListedMember::Payout(payout) => payout,
                ListedMember::Unreadable(id) => {
                    tally.refuse(id, "This payout cannot be read.".to_owned());
                    continue;
                }
            };
            let id = payout.id();
            match self.payouts.retry_of(payout, now, caller.clone()) {
                Ok(change) => changes.push(change),
                Err(error @ ServiceError::Repository(_)) => return Err(error.into()),
                // Who may retry need not be allowed to read.
                Err(ServiceError::NoRoute(_)) => tally.refuse(id, NoRoute::WITHOUT_OBSTACLE.to_owned()),
                Err(error) => tally.refuse(id, error.to_string()),
            }
        }
        crash::pass(Point::BeforeRetryBatch);
        let results = self.repository.retry_members(batch, &changes).await?;
        crash::pass(Point::AfterRetryBatch);
        for (change, result) in changes.iter().zip(results) {
            let id = change.after.id();
            match result {
                MemberRetry::Written => {
                    tally.retried += 1;
                    self.payouts.hint_of(change);
                }
                MemberRetry::Missed => tally.refuse(id, ServiceError::ChangedMeanwhile.to_string()),
                MemberRetry::OverLimit(over) => tally.refuse(id, over.to_string()),
            }
        }
        Ok(Some(last))
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
