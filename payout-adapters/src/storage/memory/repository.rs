//! A payout repository in memory: one mutex around the store, and a clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use payout_core::Timestamp;
use payout_core::attempt::Settlement;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Actor, Caller, Change, ForeignPayout, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    ClaimRequest, Claims, Clock, Count, DeletedPayout, EventPage, EventQuery, Filter, Imported, Insertion,
    ListQuery, Listed, PayoutImport, PayoutRepository, PayoutStats, ReconciliationQuery,
    ReconciliationReader, Record, RepositoryError, Settled,
};

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
                latest: Timestamp::MIN_UTC,
                lasted: Duration::ZERO,
            }),
        }
    }

    /// Runs a transaction, in which time stands still. When the clock was set back, time advances by the monotonic
    /// clock.
    fn transact<T>(&self, work: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        // Every transaction checks before it writes, so a panic leaves none half done.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            store,
            latest,
            lasted,
        } = &mut *inner;
        let before = std::mem::replace(lasted, self.clock.monotonic());
        let passed = lasted.saturating_sub(before);
        *latest = self.clock.now().max(*latest + passed);
        // Truncated to microseconds, the resolution of a cursor and of every store.
        let now = DateTime::from_timestamp_micros(latest.timestamp_micros()).unwrap_or(*latest);
        work(store, now)
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
impl PayoutImport for MemoryRepository {
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError> {
        Ok(self.transact(|store, now| store.import(batch, now)))
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

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        Ok(self.transact(|store, _| store.find_deleted(id)))
    }

    async fn record_refusal(&self, id: PayoutId, caller: &Caller) -> Result<(), RepositoryError> {
        self.transact(|store, now| store.record_refusal(id, caller, now));
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
