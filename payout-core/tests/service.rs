//! The use cases over a mocked repository.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::contract::build;
use payout_core::idempotency::{IdempotencyRecord, ScopedKey};
use payout_core::payout::{
    EventKind, ExternalId, Failure, InvalidSchedule, Metadata, MetadataPatch, PaymentDetails, Payout,
    PayoutId, RecipientAccount, RecipientName, Status, StepError,
};
use payout_core::ports::{
    Count, Cursor, Filter, Insertion, Listed, LockedPart, MockJobQueue, MockPayoutRepository, Order,
    Position, RepositoryError, System,
};
use payout_core::spending::OverLimit;
use payout_core::usecase::{
    CountMode, EditError, EditRequest, Edited, MetadataEdit, PageRequest, Payouts, ServiceError, Sight, Step,
};

fn service(repository: MockPayoutRepository) -> Payouts {
    let mut queue = MockJobQueue::new();
    queue.expect_enqueue().returning(|_| Ok(()));
    Payouts::start(Arc::new(repository), Arc::new(queue), Arc::new(System::default()))
}

fn stored() -> Payout {
    build::new_payout().stored_at(Timestamp::UNIX_EPOCH)
}

fn storing_all(batch: &[payout_core::payout::NewPayout]) -> Vec<Insertion> {
    batch
        .iter()
        .map(|new| Insertion::Stored(new.stored_at(Timestamp::UNIX_EPOCH)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_payout_that_the_store_refuses_fails_no_other_caller_of_its_batch() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_insert().returning(|batch| {
        if batch
            .iter()
            .any(|new| new.details.description.as_str() == "poison")
        {
            return Err(RepositoryError::Refused("no".into()));
        }
        Ok(storing_all(batch))
    });
    let service = service(repository);
    let mut poison = build::details();
    poison.description = payout_core::payout::Description::new("poison").unwrap();
    let drafts = [build::details(), poison.clone(), build::details()];
    let answers = futures::future::join_all(
        drafts
            .into_iter()
            .map(|draft| service.create(draft, None, build::client())),
    )
    .await;
    let stored: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, false, true]);
    let alone = service.create(poison, None, build::client()).await;
    for refused in [&answers[1], &alone] {
        assert!(
            matches!(
                refused,
                Err(ServiceError::Repository(RepositoryError::Refused(_)))
            ),
            "trying again will not help, and the caller must hear it: {refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn creates_that_wait_are_written_together() {
    let mut repository = MockPayoutRepository::new();
    let statements = Arc::new(AtomicUsize::new(0));
    let counted = statements.clone();
    repository.expect_insert().returning(move |batch| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(storing_all(batch))
    });
    let service = service(repository);
    let creates = (0..100).map(|_| service.create(build::details(), None, build::client()));
    let answers = futures::future::join_all(creates).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(
        statements.load(Ordering::SeqCst) <= 2,
        "100 creates took {statements:?} statements"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_fate_is_unknown_is_not_written_again() {
    let mut repository = MockPayoutRepository::new();
    // Calls are counted here, because a mock that is called too often panics in the writer's task, and callers would
    // only see an outage.
    let tried = Arc::new(AtomicUsize::new(0));
    let counted = tried.clone();
    repository.expect_insert().returning(move |batch| {
        counted.fetch_add(batch.len(), Ordering::SeqCst);
        Err(RepositoryError::Unavailable("cut off".into()))
    });
    let service = service(repository);
    let creates = (0..3).map(|_| service.create(build::details(), None, build::client()));
    for answer in futures::future::join_all(creates).await {
        assert!(matches!(
            answer,
            Err(ServiceError::Repository(RepositoryError::Unavailable(_)))
        ));
    }
    assert_eq!(tried.load(Ordering::SeqCst), 3, "each create once");
}

fn held(part: LockedPart) -> RepositoryError {
    RepositoryError::Locked {
        part,
        source: "held".into(),
    }
}

fn is_locked(answer: &Result<payout_core::usecase::Answered, ServiceError>) -> bool {
    matches!(
        answer,
        Err(ServiceError::Repository(RepositoryError::Locked { .. }))
    )
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_that_another_session_holds_holds_up_no_other_create() {
    let mut repository = MockPayoutRepository::new();
    let together = Arc::new(Mutex::new(Vec::new()));
    let free = Arc::new(AtomicBool::new(false));
    let (sizes, is_free) = (together.clone(), free.clone());
    let held_key = build::fresh_client_key();
    let key = ScopedKey::new(None, &held_key);
    repository.expect_insert().returning(move |batch| {
        let needs = |new: &payout_core::payout::NewPayout| new.request.as_ref().is_some_and(|r| r.key == key);
        if batch.iter().any(needs) {
            sizes.lock().unwrap().push(batch.len());
            if !is_free.load(Ordering::SeqCst) {
                return Err(held(LockedPart::Row));
            }
        }
        Ok(storing_all(batch))
    });
    let service = service(repository);
    for round in 0..3 {
        let stuck = service.create(build::details(), Some(held_key.clone()), build::client());
        let others = (0..20).map(|n| {
            let key = (n % 2 == 0).then(build::fresh_client_key);
            service.create(build::details(), key, build::client())
        });
        let (stuck, others) = tokio::join!(stuck, futures::future::join_all(others));
        assert!(is_locked(&stuck), "{stuck:?}");
        assert!(others.iter().all(Result::is_ok), "round {round}: {others:?}");
    }
    let sizes = together.lock().unwrap().clone();
    assert!(sizes[0] > 1, "it met the others: {sizes:?}");
    assert!(
        sizes.iter().rev().take(2).all(|size| *size == 1),
        "what is known to be held goes alone: {sizes:?}"
    );
    free.store(true, Ordering::SeqCst);
    let freed = service.create(build::details(), Some(held_key), build::client());
    assert!(freed.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_total_that_another_session_holds_holds_up_no_other_purse() {
    let mut repository = MockPayoutRepository::new();
    let dear = Arc::new(AtomicUsize::new(0));
    let waits = dear.clone();
    repository.expect_insert().returning(move |batch| {
        let charges = batch.iter().filter_map(|new| new.charge.as_ref());
        let mut buckets = charges.map(|charge| charge.bucket().currency.code());
        if buckets.any(|currency| currency == "EUR") {
            waits.fetch_add(1, Ordering::SeqCst);
            return Err(held(LockedPart::DailyTotal));
        }
        Ok(storing_all(batch))
    });
    let service = service(repository).within(build::limits(&[
        ("EUR", None, Some("1000")),
        ("USD", None, Some("1000")),
    ]));
    let draft = |amount: &str, currency: &str| payout_core::payout::PaymentDetails {
        money: build::money(amount, currency),
        ..build::details()
    };
    let currencies = ["EUR", "USD", "JPY", "EUR", "EUR", "USD", "JPY"];
    for _ in 0..2 {
        let creates = currencies.map(|currency| service.create(draft("1", currency), None, build::client()));
        let answers = futures::future::join_all(creates).await;
        for (answer, currency) in answers.iter().zip(currencies) {
            assert_eq!(is_locked(answer), currency == "EUR", "{currency}: {answer:?}");
            assert_eq!(answer.is_ok(), currency != "EUR", "{currency}: {answer:?}");
        }
    }
    // In the first round, it is tried twice: together with the others and alone. After that, one create tries on behalf
    // of all.
    assert!(dear.load(Ordering::SeqCst) <= 4, "{dear:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_gets_the_first_answer_and_another_request_none() {
    let key = build::fresh_client_key();
    let first = build::keyed(&ScopedKey::new(None, &key));
    let answer = first.stored_at(Timestamp::UNIX_EPOCH);
    let fingerprint = first.request.clone().unwrap().fingerprint;
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_insert()
        .returning(|batch| Ok(batch.iter().map(|_| Insertion::KeyTaken).collect()));
    let replayed = answer.clone();
    repository.expect_find_answer().returning(move |_| {
        Ok(Some(IdempotencyRecord {
            fingerprint,
            payout: replayed.clone(),
        }))
    });
    let service = service(repository);
    let again = service
        .create(first.details, Some(key.clone()), build::client())
        .await
        .unwrap();
    assert_eq!((again.payout, again.replayed), (answer, true));
    let other = service.create(build::details(), Some(key), build::client()).await;
    assert!(matches!(other, Err(ServiceError::KeyReused)));
}

/// A repository whose inserts complete only when the test allows it.
struct Gated {
    gate: tokio::sync::Semaphore,
    panics: AtomicBool,
    inner: MockPayoutRepository,
}

mod gated {
    use super::{Gated, Insertion, Ordering, RepositoryError};
    use async_trait::async_trait;
    use payout_core::Timestamp;
    use payout_core::attempt::Settlement;
    use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
    use payout_core::payout::{Caller, Change, NewPayout, Payout, PayoutId};
    use payout_core::ports::{
        ClaimRequest, Claims, Count, DeletedPayout, EventPage, EventQuery, Filter, ListQuery, Listed,
        PayoutRepository, PayoutStats, Settled,
    };
    use std::time::Duration;

    #[async_trait]
    impl PayoutRepository for Gated {
        async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
            self.gate.acquire().await.unwrap().forget();
            assert!(!self.panics.swap(false, Ordering::SeqCst), "a bug in an adapter");
            self.inner.insert(batch).await
        }
        async fn apply<'a>(
            &self,
            change: &Change,
            request: Option<&'a IdempotentRequest>,
        ) -> Result<Payout, RepositoryError> {
            self.gate.acquire().await.unwrap().forget();
            self.inner.apply(change, request).await
        }
        async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
            self.inner.find(id).await
        }

        async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
            self.inner.find_many(ids).await
        }
        async fn find_by_reference(
            &self,
            reference: &str,
            limit: u32,
        ) -> Result<Vec<PayoutId>, RepositoryError> {
            self.inner.find_by_reference(reference, limit).await
        }

        async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
            self.inner.find_deleted(id).await
        }

        async fn record_evidence(
            &self,
            id: PayoutId,
            evidence: payout_core::payout::Evidence,
            caller: &Caller,
        ) -> Result<(), RepositoryError> {
            self.inner.record_evidence(id, evidence, caller).await
        }

        async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
            self.inner.find_answer(key).await
        }
        async fn events(
            &self,
            id: PayoutId,
            query: EventQuery,
        ) -> Result<Option<EventPage>, RepositoryError> {
            self.inner.events(id, query).await
        }
        async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
            self.inner.list(query).await
        }
        async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
            self.inner.count(filter, at_most).await
        }
        async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
            self.inner.claim(request).await
        }
        async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
            self.inner.settle(batch).await
        }
        async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
            self.inner.forget_answers(age, limit).await
        }
        async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
            self.inner.payout_stats().await
        }
        async fn now(&self) -> Result<Timestamp, RepositoryError> {
            self.inner.now().await
        }
    }
}

fn gated(inner: MockPayoutRepository) -> (Arc<Gated>, Payouts) {
    let repository = Arc::new(Gated {
        gate: tokio::sync::Semaphore::new(0),
        panics: AtomicBool::new(false),
        inner,
    });
    let mut queue = MockJobQueue::new();
    queue.expect_enqueue().returning(|_| Ok(()));
    let service = Payouts::start(repository.clone(), Arc::new(queue), Arc::new(System::default()));
    (repository, service)
}

/// Waits, in paused time, until every task that can run has run.
async fn quiesce() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_request_under_a_running_key_is_told_to_wait() {
    let mut inner = MockPayoutRepository::new();
    inner
        .expect_insert()
        .once()
        .returning(|batch| Ok(storing_all(batch)));
    let (repository, service) = gated(inner);
    let key = build::fresh_client_key();
    let draft = build::details();
    let first = {
        let (service, draft, key) = (service.clone(), draft.clone(), key.clone());
        tokio::spawn(async move { service.create(draft, Some(key), build::client()).await })
    };
    quiesce().await;
    let second = service.create(draft, Some(key), build::client()).await;
    assert!(matches!(second, Err(ServiceError::KeyInFlight)));
    repository.gate.add_permits(1);
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_cannot_cancel_its_write() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let mut inner = MockPayoutRepository::new();
    let kinds = written.clone();
    inner.expect_insert().returning(move |batch| {
        kinds.lock().unwrap().push("insert");
        Ok(storing_all(batch))
    });
    inner.expect_find().returning(|_| Ok(Some(stored())));
    let kinds = written.clone();
    inner.expect_apply().returning(move |change, _| {
        kinds.lock().unwrap().push("apply");
        Ok(change.made_at(Timestamp::UNIX_EPOCH))
    });
    let (repository, service) = gated(inner);
    // Longer than a stalled batch delays the next one.
    let leave = Duration::from_millis(50);
    for key in [None, Some(build::fresh_client_key())] {
        let create = service.create(build::details(), key, build::client());
        assert!(
            tokio::time::timeout(leave, create).await.is_err(),
            "the client has left"
        );
    }
    let cancel = service.step(build::fresh_id(), Step::Cancel, None, build::client());
    assert!(
        tokio::time::timeout(leave, cancel).await.is_err(),
        "the client has left"
    );
    repository.gate.add_permits(3);
    quiesce().await;
    assert_eq!(*written.lock().unwrap(), ["insert", "insert", "apply"]);
}

/// Starts this many creates and returns the sizes of the batches in which they are written.
async fn batches_of(creates: usize, wait: Duration) -> Vec<usize> {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let mut inner = MockPayoutRepository::new();
    let seen = sizes.clone();
    inner.expect_insert().returning(move |batch| {
        seen.lock().unwrap().push(batch.len());
        Ok(storing_all(batch))
    });
    let (repository, service) = gated(inner);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..creates {
        let service = service.clone();
        running.spawn(async move { service.create(build::details(), None, build::client()).await });
        tokio::time::sleep(wait).await;
    }
    repository.gate.add_permits(creates);
    while let Some(created) = running.join_next().await {
        assert!(created.unwrap().is_ok());
    }
    sizes.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn creates_during_one_write_are_gathered_into_the_next() {
    assert_eq!(batches_of(6, Duration::from_millis(1)).await, [1, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_write_does_not_hold_up_the_next() {
    assert_eq!(batches_of(3, Duration::from_millis(50)).await, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_repository_fails_its_callers_and_not_the_next_ones() {
    let mut inner = MockPayoutRepository::new();
    inner
        .expect_insert()
        .once()
        .returning(|batch| Ok(storing_all(batch)));
    let (repository, service) = gated(inner);
    repository.gate.add_permits(2);
    repository.panics.store(true, Ordering::SeqCst);
    assert!(
        service
            .create(build::details(), None, build::client())
            .await
            .is_err()
    );
    assert!(
        service
            .create(build::details(), None, build::client())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_precondition_is_checked_before_and_by_the_write() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| Ok(Some(stored())));
    repository
        .expect_apply()
        .once()
        .returning(|_, _| Err(RepositoryError::VersionConflict));
    let service = service(repository);
    let id = build::fresh_id();
    let stale = service.step(id, Step::Cancel, Some(&[7]), build::client()).await;
    assert!(
        matches!(stale, Err(ServiceError::PreconditionFailed)),
        "version 1 is not 7"
    );
    let raced = service.step(id, Step::Cancel, Some(&[1]), build::client()).await;
    assert!(matches!(raced, Err(ServiceError::PreconditionFailed)));
}

#[tokio::test(start_paused = true)]
async fn without_a_precondition_a_lost_race_is_a_conflict() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| Ok(Some(stored())));
    repository
        .expect_apply()
        .returning(|_, _| Err(RepositoryError::VersionConflict));
    let raced = service(repository)
        .delete(build::fresh_id(), None, build::client())
        .await;
    assert!(matches!(raced, Err(ServiceError::ChangedMeanwhile)));
}

#[tokio::test(start_paused = true)]
async fn asking_for_the_present_status_or_the_present_values_writes_nothing() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| Ok(Some(stored())));
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    repository.expect_apply().never();
    let service = service(repository);
    let id = build::fresh_id();
    assert!(service.step(id, Step::Retry, None, build::client()).await.is_ok());
    assert!(
        service
            .edit(id, EditRequest::default(), None, build::client())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_what_has_not_failed_is_an_illegal_step() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(|_| Ok(Some(stored())));
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    let refused = service(repository)
        .retry(build::fresh_id(), None, None, build::client())
        .await;
    assert!(matches!(refused, Err(ServiceError::Step(StepError::Illegal(_)))));
}

fn first_page() -> PageRequest {
    PageRequest {
        filter: Filter::default(),
        order: Order::default(),
        position: Position::Offset(0),
        size: 20,
        count: CountMode::Bounded,
    }
}

/// Five payouts in pages of two; only the last payout can be read.
#[tokio::test(start_paused = true)]
async fn a_page_of_which_nothing_can_be_read_is_not_the_last() {
    let places: Vec<Cursor> = (0..4)
        .map(|seconds| Cursor {
            at: Timestamp::UNIX_EPOCH + Duration::from_secs(9 - seconds),
            id: build::fresh_id(),
        })
        .collect();
    let mut rows: Vec<Listed> = places.iter().copied().map(Listed::Unreadable).collect();
    let last = stored();
    rows.push(Listed::Payout(last.clone()));
    let mut repository = MockPayoutRepository::new();
    repository.expect_list().returning(move |query| {
        let start = match query.position {
            Position::Offset(offset) => usize::try_from(offset).unwrap(),
            Position::After(cursor) => {
                1 + rows
                    .iter()
                    .position(|row| row.place(Order::default()) == cursor)
                    .unwrap()
            }
            Position::Before(_) => panic!("nobody goes back"),
        };
        Ok(rows
            .iter()
            .skip(start)
            .take(query.limit as usize)
            .cloned()
            .collect())
    });
    repository.expect_count().returning(|_, _| {
        Ok(Count {
            count: 5,
            exact: true,
        })
    });
    let service = service(repository);
    let mut request = PageRequest {
        size: 2,
        ..first_page()
    };
    for (unreadable, previous, next) in [(0..2, None, Some(1)), (2..4, Some(2), Some(3))] {
        let page = service.list(&request).await.unwrap();
        assert_eq!((page.payouts, page.count.count), (vec![], 5));
        let ids: Vec<PayoutId> = places[unreadable].iter().map(|place| place.id).collect();
        assert_eq!(page.unreadable, ids);
        assert_eq!(page.previous, previous.map(|at: usize| places[at]));
        assert_eq!(page.next, next.map(|at: usize| places[at]));
        request.position = Position::After(page.next.unwrap());
    }
    let page = service.list(&request).await.unwrap();
    assert_eq!((page.payouts, page.unreadable), (vec![last], vec![]));
    assert_eq!(page.next, None);
}

#[tokio::test(start_paused = true)]
async fn a_list_too_long_to_count_is_counted_once_in_a_while_and_a_short_one_every_time() {
    for (exact, counts) in [(false, 2), (true, 3)] {
        let mut repository = MockPayoutRepository::new();
        repository.expect_list().returning(|_| Ok(vec![]));
        repository
            .expect_count()
            .times(counts)
            .returning(move |_, _| Ok(Count { count: 10_000, exact }));
        let service = service(repository);
        for pause_secs in [0, 1, 3] {
            tokio::time::sleep(Duration::from_secs(pause_secs)).await;
            assert_eq!(
                service.list(&first_page()).await.unwrap().count,
                Count { count: 10_000, exact }
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_wait_are_made_together_and_each_gets_its_own() {
    let mut repository = MockPayoutRepository::new();
    let stored: Vec<Payout> = (0..40).map(|_| stored()).collect();
    let there = stored.clone();
    repository.expect_find().never();
    repository.expect_find_many().times(1..=4).returning(move |ids| {
        Ok(there
            .iter()
            .rev()
            .filter(|payout| ids.contains(&payout.id()))
            .cloned()
            .collect())
    });
    let service = service(repository);
    let absent = build::fresh_id();
    let ids = stored.iter().map(Payout::id).chain([absent]);
    let answers = futures::future::join_all(ids.map(|id| service.get(id))).await;
    for (payout, answer) in stored.iter().zip(&answers) {
        assert_eq!(answer.as_ref().unwrap(), payout);
    }
    assert!(matches!(answers[40], Err(ServiceError::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn one_row_that_cannot_be_read_hides_no_other() {
    let mut repository = MockPayoutRepository::new();
    let sound = stored();
    let (broken_id, sound_id) = (build::fresh_id(), sound.id());
    repository
        .expect_find_many()
        .returning(|_| Err(RepositoryError::Refused("broken".into())));
    repository.expect_find().returning(move |id| {
        if id == broken_id {
            Err(RepositoryError::Refused("broken".into()))
        } else {
            Ok(Some(sound.clone()))
        }
    });
    let service = service(repository);
    let answers = futures::future::join_all([broken_id, sound_id].map(|id| service.get(id))).await;
    assert_eq!(
        answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [false, true]
    );
}

/// The currencies with limits: the maximum of one payout, and that of a day.
type Entries<'a> = &'a [(&'a str, Option<&'a str>, Option<&'a str>)];

fn within(limits: Entries<'_>, repository: MockPayoutRepository) -> Payouts {
    service(repository).within(build::limits(limits))
}

fn is_over<T>(answer: &Result<T, ServiceError>) -> bool {
    matches!(answer, Err(ServiceError::OverLimit(_)))
}

#[tokio::test(start_paused = true)]
async fn a_payout_beyond_the_maximum_is_refused_without_asking_the_store() {
    let service = within(&[("USD", Some("10.49"), None)], MockPayoutRepository::new());
    let refused = service.create(build::details(), None, build::client()).await;
    let most = OverLimit::PerPayout(build::money("10.49", "USD"));
    assert!(
        matches!(refused, Err(ServiceError::OverLimit(over)) if over == most),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_payout_is_charged_to_the_day_of_its_key() {
    let api_key = build::fresh_api_key();
    let mut repository = MockPayoutRepository::new();
    let charges = Arc::new(Mutex::new(Vec::new()));
    let seen = charges.clone();
    repository.expect_insert().returning(move |batch| {
        seen.lock().unwrap().extend(batch.iter().map(|new| new.charge));
        Ok(storing_all(batch))
    });
    let service = within(
        &[("USD", None, Some("100")), ("JPY", Some("5"), None)],
        repository,
    );
    let caller = build::client().with_api_key(api_key);
    for (amount, currency) in [("10.50", "USD"), ("5", "JPY"), ("9", "EUR")] {
        let mut draft = build::details();
        draft.money = build::money(amount, currency);
        service.create(draft, None, caller.clone()).await.unwrap();
    }
    let charged = build::charged("10.50", "USD", "100", api_key).charge;
    assert!(charged.is_some());
    assert_eq!(*charges.lock().unwrap(), [charged, None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_gets_its_first_answer_whatever_the_limits_are_now() {
    let key = build::fresh_client_key();
    let first = build::keyed(&ScopedKey::new(None, &key));
    let answer = first.stored_at(Timestamp::UNIX_EPOCH);
    let fingerprint = first.request.clone().unwrap().fingerprint;
    let mut repository = MockPayoutRepository::new();
    let (replayed, known) = (answer.clone(), first.request.clone().unwrap().key);
    repository.expect_find_answer().returning(move |key| {
        let stored = IdempotencyRecord {
            fingerprint,
            payout: replayed.clone(),
        };
        Ok((*key == known).then_some(stored))
    });
    let service = within(&[("USD", Some("1"), None)], repository);
    let create = async |draft, key| service.create(draft, Some(key), build::client()).await;
    let again = create(first.details, key.clone()).await.unwrap();
    assert_eq!((again.payout, again.replayed), (answer, true));
    let other = create(build::details(), key).await;
    assert!(matches!(other, Err(ServiceError::KeyReused)), "{other:?}");
    let fresh = create(build::details(), build::fresh_client_key()).await;
    assert!(is_over(&fresh), "{fresh:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_used_up_day_the_caller_hears_the_limit() {
    let per_day = OverLimit::PerDay(build::money("100", "USD"));
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_insert()
        .returning(move |batch| Ok(batch.iter().map(|_| Insertion::OverLimit(per_day)).collect()));
    let service = within(&[("USD", None, Some("100"))], repository);
    for key in [None, Some(build::fresh_client_key())] {
        let refused = service.create(build::details(), key, build::client()).await;
        assert!(
            matches!(refused, Err(ServiceError::OverLimit(over)) if over == per_day),
            "{refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_held_against_the_limits_as_a_create_is() {
    let payout = stored();
    let mut repository = MockPayoutRepository::new();
    let known = payout.clone();
    repository
        .expect_find()
        .returning(move |_| Ok(Some(known.clone())));
    let charges = Arc::new(Mutex::new(Vec::new()));
    let seen = charges.clone();
    repository.expect_apply().returning(move |change, _| {
        seen.lock().unwrap().push(change.charge);
        Ok(change.made_at(Timestamp::UNIX_EPOCH))
    });
    let service = within(&[("USD", Some("20"), Some("100"))], repository);
    let api_key = build::fresh_api_key();
    let edit = async |amount: &str| {
        let edit = EditRequest {
            amount: Some(amount.parse().unwrap()),
            ..EditRequest::default()
        };
        let caller = build::client().with_api_key(api_key);
        service.edit(payout.id(), edit, None, caller).await
    };
    edit("20.00").await.unwrap();
    edit("1").await.unwrap();
    let raise = build::charge_of_edit(payout.money(), build::money("20", "USD"), "100", api_key);
    assert!(raise.is_some());
    assert_eq!(*charges.lock().unwrap(), [raise, None]);
    let refused = edit("20.01").await;
    assert!(
        matches!(refused, Err(EditError::Service(ServiceError::OverLimit(_)))),
        "{refused:?}"
    );
    assert_eq!(charges.lock().unwrap().len(), 2, "what is refused is not written");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_held_against_the_limits_as_a_create_is() {
    let mut parts = stored().parts().clone();
    (parts.status, parts.claims, parts.fence) = (Status::Failed, 1, 1);
    (parts.failure, parts.due_at) = (Some(Failure::new("declined", "No.")), None);
    let failed = Payout::restore(parts).unwrap();
    let mut repository = MockPayoutRepository::new();
    let known = failed.clone();
    repository
        .expect_find()
        .returning(move |_| Ok(Some(known.clone())));
    repository.expect_find_answer().returning(|_| Ok(None));
    repository.expect_now().returning(|| Ok(Timestamp::UNIX_EPOCH));
    let charges = Arc::new(Mutex::new(Vec::new()));
    let seen = charges.clone();
    repository.expect_apply().returning(move |change, _| {
        seen.lock().unwrap().push(change.charge);
        Ok(change.made_at(Timestamp::UNIX_EPOCH))
    });
    let repository = Arc::new(repository);
    let started = |limits: Entries<'_>| {
        let mut queue = MockJobQueue::new();
        queue.expect_enqueue().returning(|_| Ok(()));
        Payouts::start(repository.clone(), Arc::new(queue), Arc::new(System::default()))
            .within(build::limits(limits))
    };
    let api_key = build::fresh_api_key();
    let caller = || build::client().with_api_key(api_key);
    let amount = failed.money().amount().to_string();
    let currency = failed.money().currency().code();
    let service = started(&[(currency, None, Some("100"))]);
    let id = failed.id();
    service.retry(id, None, None, caller()).await.unwrap();
    service
        .retry(id, None, Some(build::fresh_client_key()), caller())
        .await
        .unwrap();
    service.step(id, Step::Retry, None, caller()).await.unwrap();
    let charge = build::charged(&amount, currency, "100", api_key).charge;
    assert!(charge.is_some());
    assert_eq!(*charges.lock().unwrap(), [charge; 3]);
    let less = started(&[(currency, Some("1"), None)]);
    for key in [None, Some(build::fresh_client_key())] {
        let refused = less.retry(id, None, key, caller()).await;
        assert!(is_over(&refused), "{refused:?}");
    }
    assert_eq!(charges.lock().unwrap().len(), 3, "what is refused is not written");
}

#[test]
fn what_is_not_seen_is_changed_by_every_guess() {
    let payout = stored();
    let parts = payout.parts().clone();
    let edit = |sight, change: &dyn Fn(&mut EditRequest)| {
        let mut edit = EditRequest {
            sight,
            ..EditRequest::default()
        };
        change(&mut edit);
        edit.over(&payout)
    };
    let account =
        |edit: &mut EditRequest| edit.recipient_account = Some(parts.details.recipient.account().clone());
    let name = |edit: &mut EditRequest| edit.recipient_name = Some(parts.details.recipient.name().clone());
    let description = |edit: &mut EditRequest| edit.description = Some(parts.details.description.clone());
    let currency = |edit: &mut EditRequest| edit.currency = Some(parts.details.money.currency());
    let same: [&dyn Fn(&mut EditRequest); 4] = [&account, &name, &description, &currency];
    for (sight, is_change) in [
        (Sight::Whole, [false; 4]),
        (Sight::Masked, [true, true, false, false]),
        (Sight::Nothing, [true; 4]),
    ] {
        let changes = same.map(|change| edit(sight, change).unwrap() != Edited::Nothing);
        assert_eq!(changes, is_change, "{sight:?}");
        assert_eq!(
            edit(sight, &|_| ()).unwrap(),
            Edited::Nothing,
            "{sight:?}: nothing is named"
        );
    }
    let masked = |edit: &mut EditRequest| {
        edit.recipient_account = RecipientAccount::new(&parts.details.recipient.account().masked()).ok();
        edit.recipient_name = RecipientName::new(&parts.details.recipient.name().masked()).ok();
    };
    assert_eq!(edit(Sight::Whole, &masked).unwrap(), Edited::Nothing);
    assert_eq!(edit(Sight::Masked, &masked).unwrap(), Edited::Nothing);
    assert!(matches!(edit(Sight::Nothing, &masked), Err(EditError::Masked(_))));
    let fine = |edit: &mut EditRequest| edit.amount = "1.2345".parse().ok();
    assert!(matches!(edit(Sight::Masked, &fine), Err(EditError::Amount(_))));
    let unfit = edit(Sight::Nothing, &fine).unwrap_err();
    assert!(matches!(unfit, EditError::Unfit), "{unfit:?}");
    assert!(!unfit.to_string().contains(parts.details.money.currency().code()));
}

fn tagged(team: &str) -> Option<MetadataEdit> {
    Some(MetadataEdit::Entries(
        MetadataPatch::new([("team", Some(team))]).unwrap(),
    ))
}

fn with_fields() -> Payout {
    build::of_details(PaymentDetails {
        external_id: ExternalId::new("salary-7").ok(),
        metadata: Metadata::new([("team", "blue")]).unwrap(),
        ..build::details()
    })
    .stored_at(Timestamp::UNIX_EPOCH)
}

#[test]
fn an_edit_of_metadata_alone_is_told_from_one_of_the_payment() {
    let edit = |sight, change: &dyn Fn(&mut EditRequest)| {
        let mut edit = EditRequest {
            sight,
            ..EditRequest::default()
        };
        change(&mut edit);
        edit.over(&with_fields()).unwrap()
    };
    let red = |edit: &mut EditRequest| edit.metadata = tagged("red");
    let blue = |edit: &mut EditRequest| edit.metadata = tagged("blue");
    let both = |edit: &mut EditRequest| {
        edit.metadata = tagged("red");
        edit.scheduled_at = Some(Some(Timestamp::UNIX_EPOCH));
    };
    // Equal to what is stored.
    let currency = |edit: &mut EditRequest| {
        edit.metadata = tagged("red");
        edit.currency = Some(with_fields().money().currency());
    };
    for sight in [Sight::Whole, Sight::Masked, Sight::Nothing] {
        assert!(matches!(edit(sight, &red), Edited::Metadata(_)), "{sight:?}");
        assert!(
            matches!(edit(sight, &both), Edited::Details(details) if details.metadata.get("team") == Some("red"))
        );
        assert_eq!(
            matches!(edit(sight, &currency), Edited::Metadata(_)),
            sight != Sight::Nothing,
            "what is not seen counts as a change"
        );
    }
    assert_eq!(edit(Sight::Whole, &blue), Edited::Nothing);
    assert!(matches!(edit(Sight::Nothing, &blue), Edited::Metadata(_)));
}

#[test]
fn an_external_id_is_set_once() {
    let edit = |payout: &Payout, sight, external_id: Option<&str>| {
        let edit = EditRequest {
            external_id: Some(external_id.map(|text| ExternalId::new(text).unwrap())),
            sight,
            ..EditRequest::default()
        };
        edit.over(payout)
    };
    let is_refused = |edited: &Result<Edited, EditError>| {
        matches!(
            edited,
            Err(EditError::Service(ServiceError::Step(StepError::ExternalIdSet)))
        )
    };
    let set = with_fields();
    assert_eq!(
        edit(&set, Sight::Masked, Some("salary-7")).unwrap(),
        Edited::Nothing
    );
    for (sight, external_id) in [
        (Sight::Whole, Some("salary-8")),
        (Sight::Whole, None),
        // A guess tells nothing.
        (Sight::Nothing, Some("salary-7")),
        (Sight::Nothing, Some("salary-8")),
        (Sight::Nothing, None),
    ] {
        let edited = edit(&set, sight, external_id);
        assert!(is_refused(&edited), "{sight:?} {external_id:?}: {edited:?}");
    }
    let edited = edit(&stored(), Sight::Whole, Some("salary-8")).unwrap();
    let Edited::Details(details) = edited else {
        panic!("{edited:?}")
    };
    assert_eq!(details.external_id, ExternalId::new("salary-8").ok());
    assert_eq!(edit(&stored(), Sight::Whole, None).unwrap(), Edited::Nothing);
}

#[tokio::test(start_paused = true)]
async fn only_the_metadata_of_a_payout_that_is_sent_may_be_edited() {
    let claimed = || {
        let lease = Duration::from_secs(15);
        let claim = with_fields().claim(Timestamp::UNIX_EPOCH, lease, lease);
        claim.unwrap().payout().clone()
    };
    let mut repository = MockPayoutRepository::new();
    repository.expect_find().returning(move |_| Ok(Some(claimed())));
    repository
        .expect_apply()
        .withf(|change, request| change.event == EventKind::Edited && request.is_none())
        .times(1)
        .returning(|change, _| Ok(change.made_at(Timestamp::UNIX_EPOCH)));
    let service = service(repository);
    let edit = EditRequest {
        metadata: tagged("red"),
        ..EditRequest::default()
    };
    let after = service
        .edit(build::fresh_id(), edit.clone(), None, build::client())
        .await
        .unwrap();
    assert_eq!(after.details().metadata.get("team"), Some("red"));
    let more = EditRequest {
        scheduled_at: Some(Some(Timestamp::UNIX_EPOCH)),
        ..edit
    };
    let refused = service.edit(build::fresh_id(), more, None, build::client()).await;
    assert!(
        matches!(
            refused,
            Err(EditError::Service(ServiceError::Step(StepError::Illegal(_))))
        ),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_payout_is_not_scheduled_beyond_a_year() {
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_insert()
        .returning(|batch| Ok(storing_all(batch)));
    repository.expect_find().returning(|_| Ok(Some(stored())));
    let service = service(repository);
    let day = Duration::from_secs(24 * 60 * 60);
    let now = payout_core::ports::Clock::now(&System::default());
    let create = async |at| {
        let details = PaymentDetails {
            scheduled_at: Some(at),
            ..build::details()
        };
        service.create(details, None, build::client()).await
    };
    let stored = create(now + 365 * day).await.unwrap().payout;
    assert_eq!(
        stored.details().scheduled_at.map(|at| at.timestamp_micros()),
        Some((now + 365 * day).timestamp_micros())
    );
    let refused = create(now + 367 * day).await;
    assert!(matches!(
        refused,
        Err(ServiceError::Schedule(InvalidSchedule::TooFarAhead))
    ));
    let edit = EditRequest {
        scheduled_at: Some(Some(now + 367 * day)),
        ..EditRequest::default()
    };
    let refused = service.edit(build::fresh_id(), edit, None, build::client()).await;
    assert!(matches!(
        refused,
        Err(EditError::Schedule(InvalidSchedule::TooFarAhead))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_create_under_a_taken_external_id_is_told_who_has_it() {
    let holder = build::fresh_id();
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_insert()
        .returning(move |batch| Ok(batch.iter().map(|_| Insertion::ExternalIdTaken(holder)).collect()));
    let service = service(repository);
    for key in [None, Some(build::fresh_client_key())] {
        let refused = service.create(build::details(), key, build::client()).await;
        assert!(
            matches!(refused, Err(ServiceError::ExternalIdTaken(id)) if id == holder),
            "{refused:?}"
        );
    }
}
