//! A sound repository with one guard removed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::Timestamp;
use payout_core::attempt::Settlement;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Caller, Change, Evidence, NewPayout, Payout, PayoutId, Status};
use payout_core::ports::{
    ClaimRequest, Claims, Count, DeletedPayout, EventPage, EventQuery, Filter, Insertion, ListQuery, Listed,
    PayoutRepository, PayoutStats, Position, RepositoryError, Search, Settled, System,
};
use payout_core::spending::DailyTotals;

type Answer<T> = Result<T, RepositoryError>;

/// The flaw of a [`FlawedRepository`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    AnyFence,
    AnyGeneration,
    NoEvidence,
    RepetitionIsLate,
    ReversedAnswers,
    AnyVersion,
    NoLease,
    NoLimit,
    NoSchedule,
    QuietAtOnce,
    NoKeys,
    LiveAnswers,
    NoTies,
    NoSearch,
    ExactCount,
    NewestEventFirst,
    NoEventPlaces,
    NoneOverdue,
    NoneInReview,
    OneCurrency,
    NoCharges,
    LateCharges,
    WholeBatches,
    FreeEdits,
}

pub(crate) struct FlawedRepository {
    sound: MemoryRepository,
    flaw: Option<Flaw>,
    /// The daily totals charged so far, for the flaw that charges after the write.
    taken: Mutex<DailyTotals>,
}

impl FlawedRepository {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self {
            sound: MemoryRepository::new(Arc::new(System::default())),
            flaw,
            taken: Mutex::default(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    async fn settle_one(&self, mut settlement: Settlement) -> Answer<Settled> {
        if let Some(payout) = self.sound.find(settlement.id).await? {
            let (status, generation) = (payout.status(), payout.generation());
            let late = Settled::Late {
                status,
                generation,
                deleted: false,
            };
            if self.has(Flaw::AnyFence) {
                settlement.fence = payout.fence();
            }
            if self.has(Flaw::AnyGeneration) {
                settlement.generation = generation;
            }
            if self.has(Flaw::NoEvidence) && settlement.fence != payout.fence() {
                return Ok(late);
            }
            if self.has(Flaw::RepetitionIsLate) && status != Status::Processing {
                return Ok(late);
            }
        }
        Ok(self.sound.settle(&[settlement]).await?.remove(0))
    }

    /// Checks what is left of the limit, writes, and only then charges the total.
    async fn insert_then_take(&self, batch: &[NewPayout]) -> Answer<Vec<Insertion>> {
        let today = self.sound.now().await?.date_naive();
        let mut seen = self.taken.lock().unwrap().clone();
        let mut answers = Vec::new();
        for new in batch {
            let mut new = new.clone();
            let charge = new.charge.take();
            if let Some(Err(over)) = charge.map(|charge| seen.take(&charge, today)) {
                answers.push(Insertion::OverLimit(over));
                continue;
            }
            tokio::task::yield_now().await;
            answers.append(&mut self.sound.insert(&[new]).await?);
            if let Some(charge) = &charge {
                let _ = self.taken.lock().unwrap().take(charge, today);
            }
        }
        Ok(answers)
    }

    /// Refuses every charged payout after the first one that exceeds its limit.
    async fn insert_up_to_the_first(&self, batch: &[NewPayout]) -> Answer<Vec<Insertion>> {
        let mut answers = Vec::new();
        let mut over = None;
        for new in batch {
            let answer = match over {
                Some(over) if new.charge.is_some() => Insertion::OverLimit(over),
                _ => self.sound.insert(std::slice::from_ref(new)).await?.remove(0),
            };
            if let Insertion::OverLimit(refused) = answer {
                over = Some(refused);
            }
            answers.push(answer);
        }
        Ok(answers)
    }
}

#[async_trait]
impl PayoutRepository for FlawedRepository {
    async fn insert(&self, batch: &[NewPayout]) -> Answer<Vec<Insertion>> {
        if self.has(Flaw::LateCharges) {
            return self.insert_then_take(batch).await;
        }
        if self.has(Flaw::WholeBatches) {
            return self.insert_up_to_the_first(batch).await;
        }
        let mut batch = batch.to_vec();
        for new in &mut batch {
            new.request = new.request.take().filter(|_| !self.has(Flaw::NoKeys));
            new.charge = new.charge.filter(|_| !self.has(Flaw::NoCharges));
            new.details.scheduled_at = new.details.scheduled_at.filter(|_| !self.has(Flaw::NoSchedule));
        }
        self.sound.insert(&batch).await
    }

    async fn apply<'a>(&self, change: &Change, request: Option<&'a IdempotentRequest>) -> Answer<Payout> {
        let mut change = change.clone();
        change.charge = change.charge.filter(|_| !self.has(Flaw::FreeEdits));
        if self.has(Flaw::AnyVersion)
            && let Some(payout) = self.sound.find(change.after.id()).await?
        {
            change.expected_version = payout.version();
        }
        self.sound
            .apply(&change, request.filter(|_| !self.has(Flaw::NoKeys)))
            .await
    }

    async fn find(&self, id: PayoutId) -> Answer<Option<Payout>> {
        self.sound.find(id).await
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Answer<Vec<Payout>> {
        self.sound.find_many(ids).await
    }

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Answer<Vec<PayoutId>> {
        self.sound.find_by_reference(reference, limit).await
    }

    async fn find_deleted(&self, id: PayoutId) -> Answer<Option<DeletedPayout>> {
        self.sound.find_deleted(id).await
    }

    async fn record_evidence(&self, id: PayoutId, evidence: Evidence, caller: &Caller) -> Answer<()> {
        self.sound.record_evidence(id, evidence, caller).await
    }

    async fn find_answer(&self, key: &ScopedKey) -> Answer<Option<IdempotencyRecord>> {
        let mut answer = self.sound.find_answer(key).await?;
        if self.has(Flaw::LiveAnswers)
            && let Some(answer) = &mut answer
            && let Some(payout) = self.sound.find(answer.payout.id()).await?
        {
            answer.payout = payout;
        }
        Ok(answer)
    }

    async fn events(&self, id: PayoutId, mut query: EventQuery) -> Answer<Option<EventPage>> {
        if self.has(Flaw::NoEventPlaces) {
            query.after = None;
        }
        let mut page = self.sound.events(id, query).await?;
        if self.has(Flaw::NewestEventFirst) {
            page.iter_mut().for_each(|page| page.events.reverse());
        }
        if self.has(Flaw::NoEventPlaces) {
            page.iter_mut().for_each(|page| page.next = None);
        }
        Ok(page)
    }

    async fn list(&self, query: &ListQuery) -> Answer<Vec<Listed>> {
        let mut query = query.clone();
        if self.has(Flaw::NoTies)
            && let Position::After(cursor) = &mut query.position
        {
            cursor.id = "ffffffff-ffff-ffff-ffff-ffffffffffff".parse().unwrap();
        }
        if self.has(Flaw::NoSearch)
            && let Some(search) = &query.filter.search
        {
            query.filter.search = Search::new(&search.name_prefix());
        }
        self.sound.list(&query).await
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Answer<Count> {
        let Count { count, exact } = self.sound.count(filter, at_most).await?;
        Ok(Count {
            count,
            exact: exact || self.has(Flaw::ExactCount),
        })
    }

    async fn claim(&self, request: &ClaimRequest) -> Answer<Claims> {
        let mut request = request.clone();
        if self.has(Flaw::NoLease) {
            request.lease = Duration::ZERO;
        }
        if self.has(Flaw::NoLimit) {
            request.limit = u32::MAX;
        }
        if self.has(Flaw::QuietAtOnce) {
            request.calls_end_after = Duration::ZERO;
        }
        self.sound.claim(&request).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Answer<Vec<Settled>> {
        let mut answers = Vec::new();
        for settlement in batch {
            answers.push(self.settle_one(settlement.clone()).await?);
        }
        if self.has(Flaw::ReversedAnswers) {
            answers.reverse();
        }
        Ok(answers)
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Answer<u64> {
        self.sound.forget_answers(age, limit).await
    }

    async fn payout_stats(&self) -> Answer<PayoutStats> {
        let mut payout_stats = self.sound.payout_stats().await?;
        if self.has(Flaw::NoneOverdue) {
            payout_stats.overdue = Duration::ZERO;
        }
        if self.has(Flaw::NoneInReview) {
            payout_stats.in_review = 0;
        }
        if self.has(Flaw::OneCurrency) {
            payout_stats.counts.truncate(1);
        }
        Ok(payout_stats)
    }

    async fn now(&self) -> Answer<Timestamp> {
        self.sound.now().await
    }
}
