//! The repository on SQLite, in one file, for one host.
//!
//! - `store` owns the connections: one that writes, since SQLite has one writer at a time, and a few that read.
//!   `writer` is the one that writes, while it is in use; `file` sees when the file is deleted or replaced under them.
//! - `insert`, `apply`, `claim` and `settle` are the writes: each is one transaction, begun as a writer's
//!   (`BEGIN IMMEDIATE`) and run to its end in a task of its own, so that a caller who goes away leaves none open.
//!   `totals` is the part of them that holds a day's payouts against its limit.
//! - `find`, `trail`, `list` and `payout_stats` are the reads; `keys` has the API keys. `schema` migrates; `reseal`
//!   rotates what who is paid is sealed with.
//!
//! Statements differ from PostgreSQL's where SQLite has no array parameters (a batch comes as JSON, through
//! `json_each`), no statements that write within others (a write, its event and its record are statements of one
//! transaction), and no clock that its users share: time is the host's, read once the transaction has begun.

mod admin;
mod ahead;
mod apply;
mod backup;
mod claim;
mod clock;
mod deleted;
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
mod reconciliation;
mod reseal;
mod schema;
mod settle;
mod store;
mod totals;
mod trail;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::Settlement;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Actor, Caller, Change, ForeignPayout, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    ClaimRequest, Claims, Clock, Count, DeletedPayout, EventPage, EventQuery, Filter, Imported, Insertion,
    ListQuery, Listed, PayoutImport, PayoutRepository, PayoutStats, ReconciliationQuery,
    ReconciliationReader, Record, RepositoryError, Settled,
};

use crate::ReadLimits;
use crate::encryption::EncryptionKeys;
use store::Store;

/// How a [`SqliteRepository`] uses its file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Connections that read beside the one that writes (WAL); a few are enough for the cores of one host.
    pub readers: u32,
    /// How long a write waits for those of its own process before it, and how long for another process's.
    pub busy_timeout: Duration,
    /// Connections besides, for reads that may be slow: lists, counts, audit trails, statistics.
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
    /// Over the file of this URL (`sqlite://payouts.db`). Opened when first used, and made when missing; `clock` tells
    /// its time.
    ///
    /// # Errors
    /// [`RepositoryError::Refused`] when the URL is none of SQLite's, or names no file.
    pub fn open_lazy(url: &str, clock: Arc<dyn Clock>) -> Result<Self, RepositoryError> {
        Self::open_lazy_with(url, clock, &SqliteOptions::default())
    }

    /// Opens the file of this URL with these options, otherwise like [`open_lazy`](Self::open_lazy).
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

    /// Seals who is paid with the first of these keys, and opens it with any.
    #[must_use]
    pub fn sealing_with(mut self, keyring: EncryptionKeys) -> Self {
        self.store.keyring = keyring;
        self
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

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        deleted::find(&self.store, id).await
    }

    async fn record_refusal(&self, id: PayoutId, caller: &Caller) -> Result<(), RepositoryError> {
        apply::record_refusal(&self.store, id, caller).await
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
        list::count(&self.store, filter, at_most).await
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
