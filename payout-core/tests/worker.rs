//! The worker over mocked ports, one behaviour each: when it calls, when it does not, and what it settles.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::{Claim, Settlement, SettlementOutcome, UnreadableClaim, Verdict};
use payout_core::contract::build;
use payout_core::payout::{Actor, Payout, Status};
use payout_core::ports::{
    Claims, Clock, Delivery, Hint, LockedPart, MockJobQueue, MockObserver, MockPayoutRepository,
    MockProcessor, QueueError, Randomness, Receipt, RepositoryError, Settled, Signal,
};
use payout_core::provider::{LookUpAnswer, ProcessorError, ProviderAnswer};
use payout_core::worker::{Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

/// A clock that moves only when a test advances it.
#[derive(Default)]
struct ByHand {
    elapsed_ms: AtomicU64,
}

impl ByHand {
    fn pass(&self, duration: Duration) {
        self.elapsed_ms
            .fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}

impl Randomness for ByHand {
    fn next_u64(&self) -> u64 {
        0
    }
}

struct Bench {
    clock: Arc<ByHand>,
    repository: MockPayoutRepository,
    queue: MockJobQueue,
    processor: MockProcessor,
    observer: MockObserver,
    settled: Arc<Mutex<Vec<Settlement>>>,
    settings: WorkerSettings,
}

impl Bench {
    /// Makes a bench with an empty queue and no answers to forget.
    fn new() -> Self {
        let mut repository = MockPayoutRepository::new();
        repository.expect_forget_answers().returning(|_, _| Ok(0));
        repository.expect_bring_back().returning(|_| Ok(0));
        let mut queue = MockJobQueue::new();
        queue
            .expect_receive()
            .returning(|_, _| Err(QueueError::Unavailable("no queue".into())));
        let mut observer = MockObserver::new();
        observer.expect_observe().return_const(());
        Self {
            clock: Arc::default(),
            repository,
            queue,
            processor: MockProcessor::new(),
            observer,
            settled: Arc::default(),
            settings: WorkerSettings::default(),
        }
    }

    /// The first sweep claims these.
    fn with_claims(mut self, claims: Vec<Claim>) -> Self {
        let mut claims = Some(claims);
        self.repository
            .expect_claim()
            .returning_st(move |_| Ok(claims.take().unwrap_or_default().into()));
        self
    }

    fn settling(mut self) -> Self {
        let settled = self.settled.clone();
        self.repository.expect_settle().returning(move |batch| {
            settled.lock().unwrap().extend_from_slice(batch);
            Ok(vec![Settled::Applied; batch.len()])
        });
        self
    }

    /// Runs the worker for ten seconds of paused time, shuts it down, and returns what was settled.
    async fn run(self) -> Vec<Verdict> {
        let shutdown = CancellationToken::new();
        // Kept to the end: a mock that is dropped by one of the worker's tasks cannot fail the test.
        let (repository, queue, processor) = (
            Arc::new(self.repository),
            Arc::new(self.queue),
            Arc::new(self.processor),
        );
        let worker = Worker::new(
            repository.clone(),
            queue.clone(),
            processor.clone(),
            self.clock,
            self.settings,
        )
        .observed_by(Arc::new(self.observer));
        let running = tokio::spawn(worker.run(shutdown.clone()));
        tokio::time::sleep(Duration::from_secs(10)).await;
        shutdown.cancel();
        running.await.unwrap();
        drop((repository, queue, processor));
        let settled = self.settled.lock().unwrap();
        settled
            .iter()
            .map(|settlement| settlement.verdict.clone())
            .collect()
    }
}

const LEASE: Duration = Duration::from_secs(15);

fn claim(payout: Payout) -> Claim {
    let now = payout.parts().due_at.unwrap();
    payout.claim(now, LEASE, LEASE).unwrap()
}

fn first() -> Claim {
    claim(build::new_payout().stored_at(Timestamp::UNIX_EPOCH))
}

/// Claimed once by a worker that died, and now by this worker.
fn second() -> Claim {
    claim(first().payout().clone())
}

fn paid() -> ProviderAnswer {
    ProviderAnswer::Paid {
        reference: build::reference("ref"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_claim_is_sent_without_a_look_up() {
    let mut bench = Bench::new().with_claims(vec![first()]).settling();
    bench.processor.expect_look_up().never();
    bench.processor.expect_submit().once().returning(|_| Ok(paid()));
    assert_eq!(bench.run().await, [build::completed("ref")]);
}

#[tokio::test(start_paused = true)]
async fn a_later_claim_adopts_what_the_look_up_finds_and_sends_nothing() {
    let mut bench = Bench::new().with_claims(vec![second()]).settling();
    bench
        .processor
        .expect_look_up()
        .once()
        .returning(|_| Ok(LookUpAnswer::Found(paid())));
    bench.processor.expect_submit().never();
    assert_eq!(bench.run().await, [build::completed("ref")]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_provider_never_received_is_sent_again() {
    let claim = second();
    let key = claim.key();
    let mut bench = Bench::new().with_claims(vec![claim]).settling();
    bench
        .processor
        .expect_look_up()
        .once()
        .returning(|_| Ok(LookUpAnswer::Absent));
    bench
        .processor
        .expect_submit()
        .once()
        .withf(move |sent| sent.key == key)
        .returning(|_| Ok(paid()));
    assert_eq!(bench.run().await, [build::completed("ref")]);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_without_an_answer_sends_nothing() {
    let mut bench = Bench::new().with_claims(vec![second()]).settling();
    bench.processor.expect_look_up().returning(|_| {
        Err(ProcessorError::Unknown {
            why: "a reset".into(),
            retry_after: None,
        })
    });
    bench.processor.expect_submit().never();
    assert!(matches!(bench.run().await[..], [Verdict::Postponed { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_took_too_long_to_arrive_is_not_sent() {
    let mut bench = Bench::new().settling();
    let (clock, mut claims) = (bench.clock.clone(), Some(vec![first()]));
    bench.repository.expect_claim().returning_st(move |_| {
        clock.pass(Duration::from_millis(10_001));
        Ok(claims.take().unwrap_or_default().into())
    });
    bench.processor.expect_submit().never();
    assert_eq!(bench.run().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_slept_during_the_look_up_does_not_send() {
    let mut bench = Bench::new().with_claims(vec![second()]).settling();
    let clock = bench.clock.clone();
    bench.processor.expect_look_up().once().returning(move |_| {
        clock.pass(Duration::from_millis(10_001));
        Ok(LookUpAnswer::Absent)
    });
    bench.processor.expect_submit().never();
    let abandoned = Arc::new(AtomicU64::new(0));
    let heard = abandoned.clone();
    bench.observer.checkpoint();
    bench.observer.expect_observe().returning(move |signal| {
        if *signal == Signal::Abandoned {
            heard.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert_eq!(bench.run().await, []);
    assert_eq!(abandoned.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_panics_has_said_nothing() {
    let mut bench = Bench::new().with_claims(vec![first()]).settling();
    bench
        .processor
        .expect_submit()
        .returning(|_| panic!("a bug in an adapter"));
    assert!(matches!(bench.run().await[..], [Verdict::Postponed { .. }]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_sent_and_waits_and_at_last_asks_for_a_person() {
    let mut bench = Bench::new().settling();
    let unreadable = |claims| UnreadableClaim {
        id: build::fresh_id(),
        fence: u64::from(claims),
        generation: 0,
        claims,
        altered: false,
    };
    let altered = UnreadableClaim {
        altered: true,
        ..unreadable(1)
    };
    let last = bench.settings.policy.max_attempts;
    let mut claims = Some(Claims {
        won: vec![first()],
        unreadable: vec![unreadable(1), unreadable(last - 1), unreadable(last), altered],
    });
    bench
        .repository
        .expect_claim()
        .returning_st(move |_| Ok(claims.take().unwrap_or_default()));
    bench.processor.expect_look_up().never();
    bench.processor.expect_submit().once().returning(|_| {
        Ok(ProviderAnswer::Paid {
            reference: build::reference("ref-1"),
        })
    });
    let mut settled = bench.run().await;
    settled.sort_by_key(|verdict| verdict.row().event.as_str());
    assert!(
        matches!(
            settled[..],
            [
                Verdict::Completed { .. },
                Verdict::Postponed { .. },
                Verdict::Postponed { .. },
                Verdict::Review { .. },
                Verdict::Review { .. }
            ]
        ),
        "{settled:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_says_when_its_last_call_is_surely_over() {
    let mut bench = Bench::new();
    // A call that begins at the very end of the lease, by a clock that was read just before, is over by then.
    let over = bench.settings.lease + bench.settings.call_timeout;
    let quiet = Arc::new(Mutex::new(Vec::new()));
    let heard = quiet.clone();
    bench.repository.expect_claim().returning(move |request| {
        heard.lock().unwrap().push(request.calls_end_after);
        Ok(Claims::default())
    });
    assert_eq!(bench.run().await, []);
    let quiet = quiet.lock().unwrap();
    assert!(!quiet.is_empty() && quiet.iter().all(|after| *after >= over));
}

struct Silent;

#[async_trait::async_trait]
impl payout_core::ports::Processor for Silent {
    async fn submit(&self, _: &payout_core::provider::Instruction) -> Result<ProviderAnswer, ProcessorError> {
        std::future::pending().await
    }

    async fn look_up(&self, _: &payout_core::provider::LookUp) -> Result<LookUpAnswer, ProcessorError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_within_a_third_of_the_lease_whatever_the_settings_say() {
    let settled = Arc::new(Mutex::new(Vec::new()));
    let mut bench = Bench::new().with_claims(vec![first()]);
    #[expect(
        clippy::disallowed_methods,
        reason = "the paused clock is what the test measures by"
    )]
    let started = tokio::time::Instant::now();
    let times = settled.clone();
    bench.repository.expect_settle().returning_st(move |batch| {
        times
            .lock()
            .unwrap()
            .push((started.elapsed(), batch[0].verdict.clone()));
        Ok(vec![Settled::Applied; batch.len()])
    });
    let settings = WorkerSettings {
        lease: LEASE,
        call_timeout: Duration::from_secs(14),
        ..WorkerSettings::default()
    };
    let shutdown = CancellationToken::new();
    let worker = Worker::new(
        Arc::new(bench.repository),
        Arc::new(bench.queue),
        Arc::new(Silent),
        bench.clock,
        settings,
    );
    let running = tokio::spawn(worker.run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(14)).await;
    shutdown.cancel();
    running.await.unwrap();
    let settled = settled.lock().unwrap();
    assert!(
        matches!(settled[..], [(took, Verdict::Postponed { .. })] if took.as_secs() == 5),
        "{settled:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_written_again_until_the_store_takes_it() {
    let mut bench = Bench::new().with_claims(vec![first()]);
    bench.processor.expect_submit().once().returning(|_| Ok(paid()));
    let mut failures = 0;
    bench.repository.expect_settle().times(3).returning(move |batch| {
        failures += 1;
        if failures < 3 {
            return Err(RepositoryError::Unavailable("restarting".into()));
        }
        Ok(vec![Settled::Applied; batch.len()])
    });
    bench.run().await;
}

#[tokio::test(start_paused = true)]
async fn one_outcome_that_the_store_refuses_holds_up_no_other() {
    let (poisonous, sound) = (first(), first());
    let poisonous_id = poisonous.payout().id();
    let sound_id = sound.payout().id();
    let mut bench = Bench::new().with_claims(vec![poisonous, sound]);
    bench.processor.expect_submit().times(2).returning(|_| Ok(paid()));
    let written = Arc::new(Mutex::new(Vec::new()));
    let ids = written.clone();
    bench.repository.expect_settle().returning(move |batch| {
        if batch.iter().any(|settlement| settlement.id == poisonous_id) {
            return Err(RepositoryError::Refused("no such row".into()));
        }
        ids.lock()
            .unwrap()
            .extend(batch.iter().map(|settlement| settlement.id));
        Ok(vec![Settled::Applied; batch.len()])
    });
    bench.run().await;
    assert_eq!(*written.lock().unwrap(), [sound_id]);
}

/// Settles two claims while another session holds the row of the first for six seconds. Returns the two claims and what
/// was written, in the order of the writes.
async fn written_while_one_is_held(
    refuse: impl Fn(&[Settlement], payout_core::payout::PayoutId) -> Result<Vec<Settled>, RepositoryError>
    + Send
    + 'static,
) -> (
    Vec<payout_core::payout::PayoutId>,
    [payout_core::payout::PayoutId; 2],
) {
    let (held, free) = (first(), first());
    let ids = [held.payout().id(), free.payout().id()];
    let mut bench = Bench::new().with_claims(vec![held, free]);
    bench.processor.expect_submit().times(2).returning(|_| Ok(paid()));
    let written = Arc::new(Mutex::new(Vec::new()));
    let heard = written.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the paused clock is what the test measures by"
    )]
    let started = tokio::time::Instant::now();
    bench.repository.expect_settle().returning_st(move |batch| {
        let is_held = started.elapsed() < Duration::from_secs(6);
        let answers = if is_held && batch.iter().any(|settlement| settlement.id == ids[0]) {
            refuse(batch, ids[0])?
        } else {
            vec![Settled::Applied; batch.len()]
        };
        let applied = batch
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == Settled::Applied);
        let applied = applied.map(|(settlement, _)| settlement.id);
        heard
            .lock()
            .unwrap()
            .extend(applied.map(|id| (id, started.elapsed().as_secs())));
        Ok(answers)
    });
    bench.run().await;
    let written = written.lock().unwrap().clone();
    assert!(
        written.iter().all(|(id, at)| *id == ids[0] || *at < 2),
        "the other does not wait: {written:?}"
    );
    (written.into_iter().map(|(id, _)| id).collect(), ids)
}

#[tokio::test(start_paused = true)]
async fn a_locked_row_holds_up_no_other_outcome_and_is_written_once_it_is_free() {
    let (written, [held, free]) = written_while_one_is_held(|batch, held| {
        let answer = |settlement: &Settlement| match settlement.id == held {
            true => Settled::Locked,
            false => Settled::Applied,
        };
        Ok(batch.iter().map(answer).collect())
    })
    .await;
    assert_eq!(written, [free, held]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_a_batch_for_one_locked_row_holds_up_no_other_outcome() {
    let (written, [held, free]) = written_while_one_is_held(|_, _| {
        Err(RepositoryError::Locked {
            part: LockedPart::Row,
            source: "held".into(),
        })
    })
    .await;
    assert_eq!(written, [free, held]);
}

#[tokio::test(start_paused = true)]
async fn a_late_payment_against_a_failed_payout_is_heard() {
    let mut bench = Bench::new().with_claims(vec![first()]);
    bench.processor.expect_submit().returning(|_| Ok(paid()));
    bench.repository.expect_settle().returning(|batch| {
        Ok(vec![
            Settled::Late {
                status: Status::Failed,
                generation: 0,
                deleted: false
            };
            batch.len()
        ])
    });
    let alarms = Arc::new(AtomicU64::new(0));
    let heard = alarms.clone();
    bench.observer.checkpoint();
    bench.observer.expect_observe().returning(move |signal| {
        if *signal
            == (Signal::LateOutcome {
                paid_against_state: true,
            })
        {
            heard.fetch_add(1, Ordering::SeqCst);
        }
    });
    bench.run().await;
    assert_eq!(alarms.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_acknowledged_only_after_its_claim() {
    let claim = first();
    let id = claim.payout().id();
    let mut bench = Bench::new().settling();
    bench.processor.expect_submit().once().returning(|_| Ok(paid()));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut delivery = Some(Delivery {
        hint: Hint::at(id),
        receipt: Receipt::new("1-0"),
    });
    bench.queue = MockJobQueue::new();
    bench.queue.expect_receive().returning_st(move |_, _| {
        delivery
            .take()
            .map(|one| vec![one])
            .ok_or_else(|| QueueError::Unavailable("drained".into()))
    });
    let (claimed, acknowledged) = (order.clone(), order.clone());
    let mut claim = Some(claim);
    bench.repository.expect_claim().returning_st(move |request| {
        if request.only.as_deref() != Some(&[id]) {
            return Ok(Claims::default());
        }
        claimed.lock().unwrap().push("claimed");
        Ok(claim.take().into_iter().collect::<Vec<_>>().into())
    });
    bench
        .queue
        .expect_acknowledge()
        .once()
        .returning_st(move |receipts| {
            assert_eq!(receipts, [Receipt::new("1-0")]);
            acknowledged.lock().unwrap().push("acknowledged");
            Ok(())
        });
    assert_eq!(bench.run().await.len(), 1);
    assert_eq!(*order.lock().unwrap(), ["claimed", "acknowledged"]);
}

#[tokio::test(start_paused = true)]
async fn a_hint_whose_claim_failed_is_not_acknowledged() {
    let mut bench = Bench::new();
    let mut delivery = Some(Delivery {
        hint: Hint::at(build::fresh_id()),
        receipt: Receipt::new("1-0"),
    });
    bench.queue = MockJobQueue::new();
    bench.queue.expect_receive().returning_st(move |_, _| {
        delivery
            .take()
            .map(|one| vec![one])
            .ok_or_else(|| QueueError::Unavailable("drained".into()))
    });
    bench.queue.expect_acknowledge().never();
    bench
        .repository
        .expect_claim()
        .returning(|_| Err(RepositoryError::Unavailable("away".into())));
    assert_eq!(bench.run().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_absent_provider_keeps_hints_from_being_claimed() {
    let mut bench = Bench::new()
        .with_claims((0..9).map(|_| first()).collect())
        .settling();
    let clock = bench.clock.clone();
    bench.processor.expect_submit().times(9).returning(move |_| {
        clock.pass(Duration::from_secs(1));
        Err(ProcessorError::NeverSent {
            why: "refused".into(),
        })
    });
    bench.processor.expect_look_up().returning(|_| {
        Err(ProcessorError::NeverSent {
            why: "refused".into(),
        })
    });
    bench.queue = MockJobQueue::new();
    let asked = Arc::new(AtomicU64::new(0));
    let heard = asked.clone();
    bench.queue.expect_receive().returning_st(move |_, _| {
        heard.fetch_add(1, Ordering::SeqCst);
        Err(QueueError::Unavailable("nothing".into()))
    });
    let settled = bench.run().await;
    assert_eq!(settled.len(), 9);
    assert!(settled.iter().all(|one| matches!(one, Verdict::Released { .. })));
    // About one every quarter of a second before the provider was found to be away, and none in the ten seconds after.
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked <= 4, "asked for hints {asked} times");
}

#[tokio::test(start_paused = true)]
async fn a_worker_never_has_more_in_hand_than_it_has_slots() {
    let mut bench = Bench::new();
    bench.settings = WorkerSettings {
        concurrency: 8,
        ..WorkerSettings::default()
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (limits, mut left) = (asked.clone(), 20_u32);
    bench.repository.expect_claim().returning_st(move |request| {
        limits.lock().unwrap().push(request.limit);
        let take = request.limit.min(left);
        left -= take;
        Ok((0..take).map(|_| first()).collect::<Vec<_>>().into())
    });
    let shutdown = CancellationToken::new();
    let worker = Worker::new(
        Arc::new(bench.repository),
        Arc::new(bench.queue),
        Arc::new(Silent),
        bench.clock,
        WorkerSettings {
            drain_within: Duration::ZERO,
            ..bench.settings
        },
    );
    let running = tokio::spawn(worker.run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        asked.lock().unwrap().iter().sum::<u32>(),
        8,
        "eight slots, and no call has ended yet"
    );
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_claims_nothing_more_and_settles_what_runs() {
    let mut bench = Bench::new().with_claims(vec![first()]).settling();
    bench.settings.name = Actor::new("worker-7");
    struct Slow;
    #[async_trait::async_trait]
    impl payout_core::ports::Processor for Slow {
        async fn submit(
            &self,
            _: &payout_core::provider::Instruction,
        ) -> Result<ProviderAnswer, ProcessorError> {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(paid())
        }

        async fn look_up(&self, _: &payout_core::provider::LookUp) -> Result<LookUpAnswer, ProcessorError> {
            Ok(LookUpAnswer::Absent)
        }
    }
    let shutdown = CancellationToken::new();
    let settled = bench.settled.clone();
    let worker = Worker::new(
        Arc::new(bench.repository),
        Arc::new(bench.queue),
        Arc::new(Slow),
        bench.clock,
        bench.settings,
    );
    let running = tokio::spawn(worker.run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(settled.lock().unwrap().len(), 1);
}

#[test]
fn a_settled_row_of_each_verdict_is_a_state_that_can_be() {
    let soon = Duration::from_secs(1);
    let verdicts = [
        build::completed("r"),
        build::failed(),
        build::accepted("r", soon),
        build::postponed(soon),
        build::put_off(soon),
        build::released(soon),
        build::review(),
    ];
    for verdict in verdicts {
        let claim = first();
        let payout = claim.payout().clone();
        let SettlementOutcome::Written(after) = payout.settle(&claim.settle(verdict), Timestamp::UNIX_EPOCH)
        else {
            panic!()
        };
        Payout::restore(after.parts().clone()).unwrap();
    }
}
