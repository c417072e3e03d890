//! The repository on SQLite, in one file, for one host.
//!
//! - `store` owns the connections: one writer, since SQLite has one writer at a time, and a few readers. `writer` is
//!   the writing connection while it is in use; `file` detects when the file is deleted or replaced under them.
//! - `insert`, `apply`, `claim` and `settle` are the writes. Each is one transaction, which begins as a writer
//!   (`BEGIN IMMEDIATE`). It runs to its end in a task of its own, so that a caller's cancellation leaves none open.
//!   `totals` checks a day's payouts against its limit within such a transaction.
//! - `find`, `trail`, `feed`, `list` and `payout_stats` are the reads.
//! - `batches` stores and reads batches.
//! - `bulk` has the bulk actions, their leases and their outcomes.
//! - `keys` has the API keys, and `console_sessions` the sessions of the console; `webhooks` and `webhook_queue` have the endpoints of webhooks.
//! - `schema` migrates; `reseal` re-encrypts recipients with a new key.
//!
//! Statements differ from PostgreSQL's where SQLite lacks a feature:
//!
//! - It has no array parameters: a batch comes as JSON, through `jsonb_each`.
//! - It cannot write within another statement: a write, its event and its record are statements of one transaction.
//! - It has no clock that its users share: the time is the host's, read once the transaction has begun.

mod admin;
mod ahead;
mod apply;
mod backup;
mod batch_approvals;
mod batch_completions;
mod batch_retries;
mod batches;
mod bulk;
mod claim;
mod clock;
mod console_sessions;
mod count;
mod deleted;
mod duplicates;
mod export;
mod feed;
mod file;
mod find;
mod import;
mod insert;
mod keys;
mod list;
mod payout_stats;
#[cfg(test)]
mod plans;
mod probe;
mod providers;
mod rechecks;
mod recipients;
mod reconciliation;
mod references;
mod reseal;
mod rules;
mod schema;
mod settle;
mod stats;
mod store;
mod totals;
mod trail;
mod webhook_queue;
mod webhooks;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::{Recheck, Settlement};
use payout_core::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::FeedPosition;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{
    Actor, Caller, Change, Evidence, ExternalId, ForeignPayout, NewPayout, Payout, PayoutId,
};
use payout_core::ports::{
    BatchInsertion, BatchRepository, BatchRows, ClaimRequest, Claims, Clock, Count, DeletedPayout,
    DueProvider, EventFeed, EventPage, EventQuery, ExportQuery, ExportedRows, FeedPage, FeedQuery, Filter,
    Imported, Insertion, ListQuery, Listed, ListedMember, MemberRetry, MembersQuery, PausedProvider,
    PayoutExport, PayoutImport, PayoutRepository, PayoutStats, ProviderRepository, RecheckRepository,
    ReconciliationQuery, ReconciliationReader, Record, RepositoryError, Settled, StatsRepository,
};
use payout_core::provider::{PaymentName, ProviderCalls, ProviderName};
use payout_core::spending::{DailyTotals, SpendingBucket};
use payout_core::stats::{Days, Grouping, StatsRow};

use crate::ReadLimits;
use crate::encryption::EncryptionKeys;
use store::Store;

/// Configuration of a [`SqliteRepository`].
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The number of readers beside the writer (WAL); a few are enough for the cores of one host.
    pub readers: u32,
    /// The maximum time that a write waits for earlier writes of its own process, and the maximum time that it waits
    /// for those of another process.
    pub busy_timeout: Duration,
    /// Additional connections for reads that may be slow: lists, counts, audit trails, statistics.
    pub reads: ReadLimits,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            reads: ReadLimits::default(),
        }
    }
}

/// [`PayoutRepository`] in a SQLite file.
///
/// Several processes of one host may share the file. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct SqliteRepository {
    store: Store,
}

impl SqliteRepository {
    /// Creates a repository for the file of this URL (`sqlite://payouts.db`). The file is opened on first use, and
    /// created when it is missing; `clock` supplies the time.
    ///
    /// # Errors
    /// [`RepositoryError::Refused`] when the URL is not a valid SQLite URL, or names no file.
    pub fn open_lazy(url: &str, clock: Arc<dyn Clock>) -> Result<Self, RepositoryError> {
        Self::open_lazy_with(url, clock, &SqliteOptions::default())
    }

    /// Creates a repository with these options, otherwise like [`open_lazy`](Self::open_lazy).
    ///
    /// # Errors
    /// Those of [`open_lazy`](Self::open_lazy).
    pub fn open_lazy_with(
        url: &str,
        clock: Arc<dyn Clock>,
        options: &SqliteOptions,
    ) -> Result<Self, RepositoryError> {
        Store::new(url, clock, options).map(|store| Self { store })
    }

    /// Encrypts recipients with the first of these keys, and decrypts them with any.
    #[must_use]
    pub fn sealing_with(mut self, keyring: EncryptionKeys) -> Self {
        self.store.keyring = keyring;
        self
    }
}

#[async_trait]
impl BatchRepository for SqliteRepository {
    async fn store_batch(
        &self,
        batch: &NewBatch,
        rows: BatchRows,
    ) -> Result<BatchInsertion, RepositoryError> {
        batches::store(&self.store, batch, rows).await
    }

    async fn find_batch(&self, id: BatchId) -> Result<Option<Batch>, RepositoryError> {
        batches::find(&self.store, id).await
    }

    async fn find_same_batch<'a>(
        &self,
        external_id: Option<&'a ExternalId>,
        content: &ContentHash,
    ) -> Result<Option<Batch>, RepositoryError> {
        batches::find_same(&self.store, external_id, content).await
    }

    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<Batch>, RepositoryError> {
        batches::list(&self.store, before, limit).await
    }

    async fn batch_totals(&self, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError> {
        batches::sum(&self.store, batch).await
    }

    async fn batch_members(
        &self,
        batch: &Batch,
        query: &MembersQuery,
    ) -> Result<Vec<ListedMember>, RepositoryError> {
        batches::members(&self.store, batch, query).await
    }

    async fn taken_external_ids(
        &self,
        ids: &[ExternalId],
    ) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
        batches::taken_external_ids(&self.store, ids).await
    }

    async fn cancel_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        batches::cancel(&self.store, batch, caller, limit).await
    }

    async fn batch_approvals(
        &self,
        batch: &Batch,
        caller: &Caller,
    ) -> Result<BatchApprovals, RepositoryError> {
        batch_approvals::count(&self.store, batch, caller).await
    }

    async fn approve_members(
        &self,
        batch: &Batch,
        approvals: &[Change],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        batch_approvals::approve(&self.store, batch, approvals).await
    }

    async fn retry_members(
        &self,
        batch: &Batch,
        retries: &[Change],
    ) -> Result<Vec<MemberRetry>, RepositoryError> {
        batch_retries::retry(&self.store, batch, retries).await
    }

    async fn reject_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        batches::reject(&self.store, batch, caller, limit).await
    }

    async fn likely_duplicates(
        &self,
        payouts: &[NewPayout],
    ) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError> {
        duplicates::find(&self.store, payouts).await
    }

    async fn daily_totals(&self, buckets: &[SpendingBucket]) -> Result<DailyTotals, RepositoryError> {
        totals::read_today(&self.store, buckets).await
    }

    async fn complete_batches(&self, worker: &Actor, limit: u32) -> Result<u64, RepositoryError> {
        batch_completions::complete(&self.store, worker, limit).await
    }
}

#[async_trait]
impl PayoutImport for SqliteRepository {
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError> {
        import::import(&self.store, batch).await
    }
}

#[async_trait]
impl ReconciliationReader for SqliteRepository {
    async fn records(&self, query: &ReconciliationQuery) -> Result<Vec<Record>, RepositoryError> {
        reconciliation::records(&self.store, query).await
    }

    async fn presume_claimed(&self, limit: u32, by: &Actor) -> Result<u64, RepositoryError> {
        reconciliation::presume_claimed(&self.store, limit, by).await
    }
}

#[async_trait]
impl EventFeed for SqliteRepository {
    async fn after(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
        feed::after(&self.store, query).await
    }

    async fn end(&self) -> Result<FeedPosition, RepositoryError> {
        feed::end(&self.store).await
    }
}

#[async_trait]
impl RecheckRepository for SqliteRepository {
    async fn claim_rechecks(
        &self,
        provider: Option<ProviderName>,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Payout>, RepositoryError> {
        rechecks::claim(&self.store, provider, limit, lease).await
    }

    async fn settle_rechecks(&self, batch: &[Recheck], worker: &Actor) -> Result<Vec<bool>, RepositoryError> {
        rechecks::settle(&self.store, batch, worker).await
    }

    async fn hint_payments(
        &self,
        provider: Option<ProviderName>,
        payments: &[PaymentName],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        rechecks::hint(&self.store, provider, payments).await
    }
}

#[async_trait]
impl ProviderRepository for SqliteRepository {
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        providers::paused(&self.store).await
    }

    async fn pause_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        providers::pause(&self.store, name, caller).await
    }

    async fn resume_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        providers::resume(&self.store, name, caller).await
    }

    async fn count_workers(&self, worker: &Actor, within: Duration) -> Result<u32, RepositoryError> {
        providers::count_workers(&self.store, worker, within).await
    }

    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError> {
        providers::due(&self.store).await
    }

    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
        providers::add_calls(&self.store, calls).await
    }

    async fn count_calls(&self, within: Duration) -> Result<Vec<ProviderCalls>, RepositoryError> {
        providers::count_calls(&self.store, within).await
    }
}

#[async_trait]
impl PayoutExport for SqliteRepository {
    async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, RepositoryError> {
        export::export(&self.store, query).await
    }
}

#[async_trait]
impl StatsRepository for SqliteRepository {
    async fn stats(&self, days: Days, by: Option<Grouping>) -> Result<Vec<StatsRow>, RepositoryError> {
        stats::stats(&self.store, days, by).await
    }

    async fn fold_stats(&self, limit: u32) -> Result<u64, RepositoryError> {
        stats::fold(&self.store, limit).await
    }
}

#[async_trait]
impl PayoutRepository for SqliteRepository {
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        insert::insert(&self.store, batch).await
    }

    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError> {
        apply::apply(&self.store, change, request).await
    }

    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
        find::payout(&self.store, id).await
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
        find::payouts(&self.store, ids).await
    }

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
        references::find(&self.store, reference, limit).await
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        deleted::find(&self.store, id).await
    }

    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError> {
        apply::record_evidence(&self.store, id, evidence, caller).await
    }

    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
        find::answer(&self.store, key).await
    }

    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError> {
        trail::events(&self.store, id, query).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        list::list(&self.store, query).await
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
        count::count(&self.store, filter, at_most).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
        claim::claim(&self.store, request).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        settle::settle(&self.store, batch).await
    }

    async fn count_ahead(&self, at_most: u32) -> Result<u64, RepositoryError> {
        ahead::count(&self.store, at_most).await
    }

    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        ahead::bring_back(&self.store, limit).await
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
        apply::forget_answers(&self.store, age, limit).await
    }

    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
        payout_stats::payout_stats(&self.store).await
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        find::now(&self.store).await
    }

    async fn probe(&self) -> Result<(), RepositoryError> {
        probe::probe(&self.store).await
    }
}
