//! A payout repository in memory: one mutex around the store, and a clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use payout_core::Timestamp;
use payout_core::attempt::{Recheck, Settlement};
use payout_core::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::{Announcement, FeedPosition};
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{
    Actor, Caller, Change, Evidence, ExternalId, ForeignPayout, NewPayout, Payout, PayoutId,
};
use payout_core::ports::{
    BatchInsertion, BatchRepository, BatchRows, ClaimRequest, Claims, Clock, Count, DeletedPayout,
    DueProvider, EventFeed, EventPage, EventQuery, ExportQuery, ExportedRows, FeedPage, FeedQuery, Filter,
    Imported, Insertion, ListQuery, Listed, ListedMember, ListedRecipient, MemberRetry, MembersQuery,
    PausedProvider, PayoutExport, PayoutImport, PayoutRepository, PayoutStats, Position, ProviderRepository,
    RecheckRepository, RecipientQuery, RecipientRepository, RecipientRepositoryError, ReconciliationQuery,
    ReconciliationReader, Record, RepositoryError, Settled, StatsRepository,
};
use payout_core::provider::{PaymentName, ProviderCalls, ProviderName};
use payout_core::spending::{DailyTotals, SpendingBucket};
use payout_core::stats::{Days, Grouping, StatsRow};
use payout_core::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};

use super::export::Copied;
use super::recipients::StoredRecipients;
use super::store::Store;

/// Payouts in this process's memory, kept until the process ends.
///
/// Lists with a narrow filter scan every payout; all other reads use an index.
pub struct MemoryRepository {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    store: Store,
    recipients: StoredRecipients,
    /// The latest time that was returned or written.
    latest: Timestamp,
    /// The monotonic time of the latest transaction.
    lasted: Duration,
}

impl MemoryRepository {
    /// Creates an empty repository that reads the time from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Mutex::new(Inner {
                store: Store::default(),
                recipients: StoredRecipients::default(),
                latest: Timestamp::MIN_UTC,
                lasted: Duration::ZERO,
            }),
        }
    }

    /// Adds an event of something other than a payout to the feed.
    pub(super) fn announce(&self, announcement: Announcement) {
        self.transact(|store, now| store.announce(announcement, now));
    }

    /// Runs a transaction, in which time stands still. When the clock was set back, time advances by the monotonic
    /// clock.
    fn transact<T>(&self, work: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        self.transact_both(|store, _, now| work(store, now))
    }

    /// Runs a transaction that may use the stored recipients.
    fn transact_both<T>(&self, work: impl FnOnce(&mut Store, &mut StoredRecipients, Timestamp) -> T) -> T {
        // Every transaction checks before it writes, so a panic leaves none half done.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            store,
            recipients,
            latest,
            lasted,
        } = &mut *inner;
        let before = std::mem::replace(lasted, self.clock.monotonic());
        let passed = lasted.saturating_sub(before);
        *latest = self.clock.now().max(*latest + passed);
        // Truncated to microseconds, the resolution of a cursor and of every store.
        let now = DateTime::from_timestamp_micros(latest.timestamp_micros()).unwrap_or(*latest);
        work(store, recipients, now)
    }
}

#[async_trait]
impl ReconciliationReader for MemoryRepository {
    async fn records(&self, query: &ReconciliationQuery) -> Result<Vec<Record>, RepositoryError> {
        Ok(self.transact(|store, _| store.records(query)))
    }

    async fn presume_claimed(&self, limit: u32, by: &Actor) -> Result<u64, RepositoryError> {
        Ok(self.transact(|store, now| store.presume_claimed(limit, by, now)))
    }
}

#[async_trait]
impl BatchRepository for MemoryRepository {
    async fn store_batch(
        &self,
        batch: &NewBatch,
        mut rows: BatchRows,
    ) -> Result<BatchInsertion, RepositoryError> {
        let mut payouts = Vec::new();
        while let Some(part) = rows.next().await {
            payouts.extend(part);
        }
        self.transact(|store, now| store.store_batch(batch, &payouts, now))
    }

    async fn find_batch(&self, id: BatchId) -> Result<Option<Batch>, RepositoryError> {
        Ok(self.transact(|store, _| store.batch(id)))
    }

    async fn find_same_batch<'a>(
        &self,
        external_id: Option<&'a ExternalId>,
        content: &ContentHash,
    ) -> Result<Option<Batch>, RepositoryError> {
        Ok(self.transact(|store, _| store.same_batch(external_id, content)))
    }

    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<Batch>, RepositoryError> {
        Ok(self.transact(|store, _| store.list_batches(before, limit)))
    }

    async fn batch_totals(&self, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError> {
        Ok(self.transact(|store, _| store.batch_totals(batch)))
    }

    async fn batch_members(
        &self,
        batch: &Batch,
        query: &MembersQuery,
    ) -> Result<Vec<ListedMember>, RepositoryError> {
        Ok(self.transact(|store, _| store.batch_members(batch, query)))
    }

    async fn taken_external_ids(
        &self,
        ids: &[ExternalId],
    ) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
        Ok(self.transact(|store, _| store.taken_external_ids(ids)))
    }

    async fn cancel_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        self.transact(|store, now| store.cancel_members(batch, caller, limit, now))
    }

    async fn batch_approvals(
        &self,
        batch: &Batch,
        caller: &Caller,
    ) -> Result<BatchApprovals, RepositoryError> {
        Ok(self.transact(|store, _| store.batch_approvals(batch, caller)))
    }

    async fn approve_members(
        &self,
        batch: &Batch,
        approvals: &[Change],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        self.transact(|store, now| store.approve_members(batch, approvals, now))
    }

    async fn retry_members(
        &self,
        batch: &Batch,
        retries: &[Change],
    ) -> Result<Vec<MemberRetry>, RepositoryError> {
        self.transact(|store, now| store.retry_members(batch, retries, now))
    }

    async fn reject_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        self.transact(|store, now| store.reject_members(batch, caller, limit, now))
    }

    async fn likely_duplicates(
        &self,
        payouts: &[NewPayout],
    ) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError> {
        Ok(self.transact(|store, now| store.likely_duplicates(payouts, now)))
    }

    async fn daily_totals(&self, buckets: &[SpendingBucket]) -> Result<DailyTotals, RepositoryError> {
        Ok(self.transact(|store, now| store.daily_totals(buckets, now)))
    }

    async fn complete_batches(&self, worker: &Actor, limit: u32) -> Result<u64, RepositoryError> {
        Ok(self.transact(|store, now| store.complete_batches(worker, limit, now)))
    }
}

#[async_trait]
impl PayoutImport for MemoryRepository {
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError> {
        Ok(self.transact(|store, now| store.import(batch, now)))
    }
}

#[async_trait]
impl EventFeed for MemoryRepository {
    async fn after(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
        Ok(self.transact(|store, _| store.feed(query)))
    }

    async fn end(&self) -> Result<FeedPosition, RepositoryError> {
        Ok(self.transact(|store, _| store.feed_end()))
    }
}

#[async_trait]
impl RecheckRepository for MemoryRepository {
    async fn claim_rechecks(
        &self,
        provider: Option<ProviderName>,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Payout>, RepositoryError> {
        Ok(self.transact(|store, now| store.claim_rechecks(provider.as_ref(), limit, lease, now)))
    }

    async fn settle_rechecks(&self, batch: &[Recheck], worker: &Actor) -> Result<Vec<bool>, RepositoryError> {
        Ok(self.transact(|store, now| store.settle_rechecks(batch, worker, now)))
    }

    async fn hint_payments(
        &self,
        provider: Option<ProviderName>,
        payments: &[PaymentName],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        Ok(self.transact(|store, now| store.hint_payments(provider.as_ref(), payments, now)))
    }
}

#[async_trait]
impl ProviderRepository for MemoryRepository {
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        Ok(self.transact(|store, _| store.paused_providers()))
    }

    async fn pause_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        self.transact(|store, now| store.pause_provider(name, caller, now));
        Ok(())
    }

    async fn resume_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        self.transact(|store, now| store.resume_provider(name, caller, now));
        Ok(())
    }

    async fn count_workers(&self, worker: &Actor, within: Duration) -> Result<u32, RepositoryError> {
        Ok(self.transact(|store, now| store.count_workers(worker, within, now)))
    }

    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError> {
        Ok(self.transact(|store, now| store.due_providers(now)))
    }

    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
        self.transact(|store, now| store.add_calls(calls, now));
        Ok(())
    }

    async fn count_calls(&self, within: Duration) -> Result<Vec<ProviderCalls>, RepositoryError> {
        Ok(self.transact(|store, now| store.count_calls(within, now)))
    }
}

#[async_trait]
impl PayoutExport for MemoryRepository {
    async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, RepositoryError> {
        let ExportQuery { filter, order } = query.clone();
        let all = ListQuery {
            filter,
            order,
            position: Position::Offset(0),
            limit: u32::MAX,
        };
        Ok(Box::new(Copied::of(self.transact(|store, _| store.list(&all)))))
    }
}

#[async_trait]
impl RecipientRepository for MemoryRepository {
    async fn insert_recipient(
        &self,
        new: &NewStoredRecipient,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        self.transact_both(|_, recipients, now| recipients.insert(new, now))
    }

    async fn change_recipient(
        &self,
        change: &RecipientChange,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        self.transact_both(|_, recipients, now| recipients.change(change, now))
    }

    async fn find_recipient(&self, id: RecipientId) -> Result<Option<StoredRecipient>, RepositoryError> {
        Ok(self.transact_both(|_, recipients, _| recipients.find(id)))
    }

    async fn list_recipients(&self, query: &RecipientQuery) -> Result<Vec<ListedRecipient>, RepositoryError> {
        Ok(self.transact_both(|_, recipients, _| recipients.list(query)))
    }
}

#[async_trait]
impl StatsRepository for MemoryRepository {
    async fn stats(&self, days: Days, by: Option<Grouping>) -> Result<Vec<StatsRow>, RepositoryError> {
        Ok(self.transact(|store, _| store.stats(days, by)))
    }

    async fn fold_stats(&self, _limit: u32) -> Result<u64, RepositoryError> {
        Ok(0)
    }
}

#[async_trait]
impl PayoutRepository for MemoryRepository {
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        self.transact(|store, now| store.insert(batch, now))
    }

    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError> {
        self.transact(|store, now| store.apply(change, request, now))
    }

    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
        Ok(self.transact(|store, _| store.find(id)))
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
        Ok(self.transact(|store, _| ids.iter().filter_map(|id| store.find(*id)).collect()))
    }

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
        Ok(self.transact(|store, _| store.find_by_reference(reference, limit)))
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        Ok(self.transact(|store, _| store.find_deleted(id)))
    }

    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError> {
        self.transact(|store, now| store.record_evidence(id, evidence, caller, now));
        Ok(())
    }

    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
        Ok(self.transact(|store, _| store.find_answer(key)))
    }

    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError> {
        Ok(self.transact(|store, _| store.events(id, query)))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        Ok(self.transact(|store, _| store.list(query)))
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
        Ok(self.transact(|store, _| store.count(filter, at_most)))
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
        self.transact(|store, now| store.claim(request, now).map(Claims::from))
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        self.transact(|store, now| store.settle(batch, now))
    }

    async fn count_ahead(&self, at_most: u32) -> Result<u64, RepositoryError> {
        Ok(self.transact(|store, now| store.ahead(now).take(at_most as usize).count() as u64))
    }

    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        Ok(self.transact(|store, now| store.bring_back(now, limit as usize)))
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
        let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        Ok(self.transact(|store, now| {
            now.checked_sub_signed(age)
                .map_or(0, |before| store.forget_answers(before, limit))
        }))
    }

    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
        Ok(self.transact(|store, now| store.payout_stats(now)))
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.transact(|_, now| now))
    }
}
