//! Ports with faults: errors before and after the work, delays, losses, repeats. Every call passes through its process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::Timestamp;
use payout_core::attempt::Settlement;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Caller, Change, Evidence, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    ClaimRequest, Claims, Count, DeletedPayout, Delivery, EventPage, EventQuery, Filter, Hint, Insertion,
    JobQueue, ListQuery, Listed, LockedPart, PayoutRepository, PayoutStats, QueueError, Receipt,
    RepositoryError, Settled,
};

use crate::chance::Chance;
use crate::process::Process;

/// The faults of one run; switched off at its end.
#[derive(Clone)]
pub(crate) struct Faults {
    pub(crate) chance: Chance,
    on: Arc<AtomicBool>,
    pub(crate) zombie_calls: Arc<AtomicU64>,
    pub(crate) late_outcomes: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            chance,
            on: Arc::new(true.into()),
            zombie_calls: Arc::default(),
            late_outcomes: Arc::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.on.store(false, Ordering::SeqCst);
    }

    pub(crate) fn strikes(&self, percent: u64) -> bool {
        self.on.load(Ordering::SeqCst) && self.chance.percent(percent)
    }

    async fn delay(&self) {
        if self.strikes(20) {
            tokio::time::sleep(self.chance.up_to(Duration::from_millis(800))).await;
        } else {
            tokio::time::sleep(self.chance.up_to(Duration::from_millis(3))).await;
        }
    }
}

/// The store as one process sees it.
pub(crate) struct FaultyRepository {
    pub(crate) store: Arc<MemoryRepository>,
    pub(crate) faults: Faults,
    pub(crate) process: Process,
}

fn cut_off(when: &'static str) -> RepositoryError {
    RepositoryError::Unavailable(when.into())
}

impl FaultyRepository {
    /// Runs a call to the store, which may fail before anything was done, or after everything was done.
    pub(crate) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, RepositoryError>>,
    ) -> Result<T, RepositoryError> {
        self.process.pass().await;
        self.faults.delay().await;
        if self.faults.strikes(4) {
            return Err(cut_off("before"));
        }
        self.process.pass().await;
        let done = work.await;
        self.faults.delay().await;
        self.process.pass().await;
        if self.faults.strikes(4) {
            Err(cut_off("after"))
        } else {
            done
        }
    }
}

#[async_trait]
impl PayoutRepository for FaultyRepository {
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        if self.faults.strikes(3) {
            return Err(RepositoryError::Locked {
                part: LockedPart::Row,
                source: "held".into(),
            });
        }
        self.call(self.store.insert(batch)).await
    }

    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError> {
        self.call(self.store.apply(change, request)).await
    }

    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
        self.call(self.store.find(id)).await
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
        self.call(self.store.find_many(ids)).await
    }

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
        self.call(self.store.find_by_reference(reference, limit)).await
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        self.call(self.store.find_deleted(id)).await
    }

    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError> {
        self.call(self.store.record_evidence(id, evidence, caller)).await
    }

    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
        self.call(self.store.find_answer(key)).await
    }

    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError> {
        self.call(self.store.events(id, query)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        self.call(self.store.list(query)).await
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
        self.call(self.store.count(filter, at_most)).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
        self.call(self.store.claim(request)).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        // Another session locks some of the rows: their settlements are not written, all others are.
        let held: Vec<bool> = batch.iter().map(|_| self.faults.strikes(5)).collect();
        let free = batch.iter().zip(&held).filter(|(_, held)| !**held);
        let free: Vec<Settlement> = free.map(|(settlement, _)| settlement.clone()).collect();
        let mut settled = self.call(self.store.settle(&free)).await?.into_iter();
        let answers = held.iter().map(|held| match held {
            true => Some(Settled::Locked),
            false => settled.next(),
        });
        let settled: Vec<Settled> = answers.collect::<Option<_>>().expect("an answer for each");
        let late = settled
            .iter()
            .filter(|one| matches!(one, Settled::Late { .. }))
            .count();
        self.faults.late_outcomes.fetch_add(late as u64, Ordering::SeqCst);
        Ok(settled)
    }

    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        self.call(self.store.bring_back(limit)).await
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
        self.call(self.store.forget_answers(age, limit)).await
    }

    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
        self.call(self.store.payout_stats()).await
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        self.call(self.store.now()).await
    }
}

/// The queue as one process sees it: it loses, repeats and reorders hints.
pub(crate) struct FaultyQueue {
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) faults: Faults,
    pub(crate) process: Process,
}

#[async_trait]
impl JobQueue for FaultyQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.process.pass().await;
        if self.faults.strikes(10) {
            return Err(QueueError::Unavailable("away".into()));
        }
        let mut sent = Vec::new();
        for hint in hints {
            let copies = if self.faults.strikes(15) {
                self.faults.chance.below(3)
            } else {
                1
            };
            for _ in 0..copies {
                let place = self.faults.chance.below(sent.len() as u64 + 1) as usize;
                sent.insert(place, *hint);
            }
        }
        self.faults.delay().await;
        self.queue.enqueue(&sent).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.process.pass().await;
        if self.faults.strikes(5) {
            return Err(QueueError::Unavailable("away".into()));
        }
        let received = self.queue.receive(max, wait).await;
        self.process.pass().await;
        received
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.process.pass().await;
        self.queue.acknowledge(receipts).await
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        self.queue.depth().await
    }
}
