//! The port for storage of batches.

use std::collections::HashMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::approval::Person;
use crate::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use crate::payout::{Actor, Caller, Change, ExternalId, NewPayout, Payout, PayoutId, Status};
use crate::ports::RepositoryError;
use crate::spending::{DailyTotals, OverLimit, SpendingBucket};

/// The payouts of a new batch, in parts: each is made while an earlier one is written.
#[derive(Debug)]
pub struct BatchRows(mpsc::Receiver<Vec<NewPayout>>);

/// The other end of [`BatchRows`].
#[derive(Debug)]
pub struct BatchRowsSender(mpsc::Sender<Vec<NewPayout>>);

impl BatchRows {
    /// The largest number of payouts in one part.
    pub const PART: usize = 1_000;

    /// Makes both ends. Only one part waits between them, so that memory stays small.
    pub fn channel() -> (BatchRowsSender, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (BatchRowsSender(sender), Self(receiver))
    }

    /// Makes the rows of payouts that are in memory.
    pub fn of(payouts: &[NewPayout]) -> Self {
        let (sender, receiver) = mpsc::channel(payouts.len().div_ceil(Self::PART).max(1));
        for part in payouts.chunks(Self::PART) {
            let _ = sender.try_send(part.to_vec());
        }
        Self(receiver)
    }

    /// Returns the next payouts; absent at the end. The end comes too early if the task that makes the payouts fails.
    pub async fn next(&mut self) -> Option<Vec<NewPayout>> {
        self.0.recv().await
    }
}

impl BatchRowsSender {
    /// Sends a part, and waits until there is room for it. Returns false once nobody receives it. Must not be called
    /// within an asynchronous task.
    pub fn send(&self, part: Vec<NewPayout>) -> bool {
        self.0.blocking_send(part).is_ok()
    }
}

/// The result of storing a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchInsertion {
    /// The batch and all its payouts were stored.
    Stored(Batch),
    /// This batch has the external id, or else the content. Nothing was written.
    Known(Batch),
    /// Another payout has the external id of one of the payouts. Nothing was written.
    ExternalIdTaken,
    /// The sum of the charges exceeds what is left of a daily limit. Nothing was written.
    OverLimit(OverLimit),
}

/// A query for one page of a batch's payouts, in the order of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersQuery {
    /// Any of these statuses; all if empty.
    pub statuses: Vec<Status>,
    /// Only payouts that await approval and that this person may approve, as far as the people who created and edited
    /// them were recorded.
    pub approvable_by: Option<Person>,
    /// The payouts after this one.
    pub after: Option<PayoutId>,
    /// The largest number of payouts.
    pub limit: u32,
}

/// A payout of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all can be read; boxing each would cost more"
)]
pub enum ListedMember {
    /// A payout.
    Payout(Payout),
    /// A payout whose row cannot be read, because it was altered or its encryption key is missing.
    Unreadable(PayoutId),
}

impl ListedMember {
    /// Returns the payout's id.
    pub fn id(&self) -> PayoutId {
        match self {
            Self::Payout(payout) => payout.id(),
            Self::Unreadable(id) => *id,
        }
    }
}

/// The result of the retry of one payout of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberRetry {
    /// It was written.
    Written,
    /// The payout has another version, or another session has locked it. Nothing was written.
    Missed,
    /// The payout exceeds what is left of a daily limit. Nothing was written.
    OverLimit(OverLimit),
}

/// Stores batches beside their payouts, in the same store as [`PayoutRepository`](crate::ports::PayoutRepository).
///
/// # Promises
/// - A batch is stored with all its payouts, their events and their charges, or not at all. No reader and no worker sees
///   a part of it.
/// - Neither an external id nor a content is stored twice, whatever runs at the same time.
/// - The transaction that stores a batch reports it to the [feed](crate::ports::EventFeed), after its payouts.
/// - That every payout of a batch is finished is [reported](Self::complete_batches) once, however many workers look for
///   it, after the events of its payouts. A retry makes the batch open, so that it is reported again; a retry before the
///   report leaves only the later one. Writes of payouts without a batch cost nothing for this, and settlements of
///   others do not wait for it.
/// - All payouts of a batch have its time of creation. Ids in the order of the rows keep the payouts in that order.
/// - While a batch is stored, other writes go on, if the store can do that at all.
/// - Claims divide the slots of a worker evenly among the batches with due payouts and the payouts without a batch
///   ([`PayoutRepository::claim`](crate::ports::PayoutRepository::claim)), until a payout was claimed for the first time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BatchRepository: Send + Sync {
    /// Stores a batch. The payouts have no idempotency keys.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], after which the batch may have been stored; [`RepositoryError::Locked`].
    /// [`RepositoryError::Refused`] also where the rows end before, or after, the
    /// [number of payouts](NewBatch::payouts): then nothing is stored.
    async fn store_batch(&self, batch: &NewBatch, rows: BatchRows)
    -> Result<BatchInsertion, RepositoryError>;

    /// Finds a batch.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_batch(&self, id: BatchId) -> Result<Option<Batch>, RepositoryError>;

    /// Finds the batch with this external id, or else with this content.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_same_batch<'a>(
        &self,
        external_id: Option<&'a ExternalId>,
        content: &ContentHash,
    ) -> Result<Option<Batch>, RepositoryError>;

    /// Lists batches, newest first: those that are older than a batch, or the newest.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<Batch>, RepositoryError>;

    /// Counts the payouts of a batch and adds up their amounts. May be slow, as a count of a list.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn batch_totals(&self, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError>;

    /// Returns payouts of a batch, without deleted ones.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn batch_members(
        &self,
        batch: &Batch,
        query: &MembersQuery,
    ) -> Result<Vec<ListedMember>, RepositoryError>;

    /// Returns which of these external ids belong to payouts that are not deleted.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn taken_external_ids(
        &self,
        ids: &[ExternalId],
    ) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError>;

    /// Cancels payouts of a batch that are pending, at most `limit`, in one transaction, each with its event. If there are
    /// any, the transaction also reports the cancellation to the feed, with their number. Payouts that another session has locked are
    /// left out. Returns their number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`].
    async fn cancel_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError>;

    /// Counts the payouts of a batch that require approval, as this caller sees them. May be slow, as a count of a list.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn batch_approvals(
        &self,
        batch: &Batch,
        caller: &Caller,
    ) -> Result<BatchApprovals, RepositoryError>;

    /// Writes approvals that one caller gives to payouts of a batch, in one transaction, each with its event: changes as
    /// [`PayoutRepository::apply`](crate::ports::PayoutRepository::apply) would make them, by the same guards. Payouts
    /// that have another version, or that another session has locked, are left out. If any is written, the transaction
    /// also reports the approval to the feed, with their number. Returns them.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`]. [`RepositoryError::Refused`] if one of the changes
    /// is not an approval, or not one that this person may give: then nothing is written.
    async fn approve_members(
        &self,
        batch: &Batch,
        approvals: &[Change],
    ) -> Result<Vec<PayoutId>, RepositoryError>;

    /// Writes retries that one caller makes of payouts of a batch, in one transaction, each with its event: changes as
    /// [`PayoutRepository::apply`](crate::ports::PayoutRepository::apply) would make them, by the same guards and within
    /// the same daily limits. If any is written, the transaction also reports the retry to the feed, with their
    /// number. Returns the result for each, in the order of the changes.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`].
    async fn retry_members(
        &self,
        batch: &Batch,
        retries: &[Change],
    ) -> Result<Vec<MemberRetry>, RepositoryError>;

    /// Rejects payouts of a batch that await approval, at most `limit`, in one transaction, each with its event: they are
    /// cancelled. If there are any, the transaction also reports the rejection to the feed. Payouts that another session
    /// has locked are left out. Returns their number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`].
    async fn reject_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError>;

    /// Finds the stored payouts that new ones likely duplicate: for each that
    /// [looks for one](NewPayout::duplicates_within), the latest. Nothing is stored, and nothing is locked. May be slow,
    /// as a count of a list.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn likely_duplicates(
        &self,
        payouts: &[NewPayout],
    ) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError>;

    /// Returns the daily totals of these buckets, as they count today by the repository's clock.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn daily_totals(&self, buckets: &[SpendingBucket]) -> Result<DailyTotals, RepositoryError>;

    /// Reports to the feed batches of which every payout is finished, at most `limit`, as this worker finds them. Returns
    /// their number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`]. Some may have been reported.
    async fn complete_batches(&self, worker: &Actor, limit: u32) -> Result<u64, RepositoryError>;
}
