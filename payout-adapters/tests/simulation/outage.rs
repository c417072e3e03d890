//! An hour's outage of the provider, with several workers and far more payouts than they have slots: the writes that it
//! causes, and the time that the workers need to catch up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::contract::build;
use payout_core::payout::{Actor, ProviderReference, Status};
use payout_core::ports::{Filter, Hint, JobQueue, Observer, PayoutRepository, Processor, Signal};
use payout_core::provider::{Instruction, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer};
use payout_core::worker::{Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;

const PAYOUTS: u64 = 10_000;
const WORKERS: usize = 3;

/// A provider that refuses every connection, or never answers, until it is back. Then it pays.
struct Provider {
    back: Arc<AtomicBool>,
    hangs: bool,
}

impl Provider {
    async fn reach(&self) -> Result<(), ProcessorError> {
        if self.back.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(ProcessorError::NeverSent {
            why: "connection refused".into(),
        })
    }
}

#[async_trait]
impl Processor for Provider {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        self.reach().await?;
        let reference = ProviderReference::new(instruction.key.as_str()).unwrap();
        Ok(ProviderAnswer::Paid { reference })
    }

    async fn look_up(&self, _: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        self.reach().await?;
        Ok(LookUpAnswer::Absent)
    }
}

/// Counts the writes of payouts: claims and settlements.
#[derive(Default)]
struct Writes(AtomicU64);

impl Observer for Writes {
    fn observe(&self, signal: &Signal<'_>) {
        let written = match signal {
            Signal::Claimed { count, .. } => *count as u64,
            Signal::Settled(_) => 1,
            Signal::Called { .. }
            | Signal::Paced { .. }
            | Signal::Returned { .. }
            | Signal::FailedOver { .. }
            | Signal::BroughtBack { .. }
            | Signal::LateOutcome { .. }
            | Signal::Abandoned
            | Signal::HintsDropped { .. }
            | Signal::Swept { .. }
            | Signal::WebhookSent { .. }
            | Signal::WebhookDisabled { .. }
            | Signal::Gathered { .. } => 0,
        };
        self.0.fetch_add(written, Ordering::SeqCst);
    }
}

struct Outcome {
    writes: u64,
    in_review: u64,
    pending: u64,
    processing: u64,
    completed_soon: u64,
}

async fn outage(hangs: bool, lasts: Duration) -> Outcome {
    let chance = Chance::new(7);
    let store = Arc::new(MemoryRepository::new(Arc::new(chance.clone())));
    let queue = Arc::new(MemoryQueue::new(100_000));
    let batch: Vec<_> = (0..PAYOUTS).map(|_| build::new_payout()).collect();
    store.insert(&batch).await.unwrap();
    let hints: Vec<Hint> = batch.iter().map(|new| Hint::at(new.id)).collect();
    queue.enqueue(&hints).await.unwrap();
    let (back, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(Writes::default()));
    let shutdown = CancellationToken::new();
    for number in 0..WORKERS {
        let provider = Provider {
            back: back.clone(),
            hangs,
        };
        let settings = WorkerSettings {
            name: Actor::new(&format!("worker-{number}")),
            concurrency: 32,
            ..WorkerSettings::default()
        };
        let worker = Worker::new(
            store.clone(),
            queue.clone(),
            Arc::new(provider),
            Arc::new(chance.clone()),
            settings,
        );
        tokio::spawn(worker.observed_by(writes.clone()).run(shutdown.clone()));
    }
    tokio::time::sleep(lasts).await;
    let count = async |filter| store.count(&filter, None).await.unwrap().count;
    let of = |status| Filter {
        statuses: vec![status],
        ..Filter::default()
    };
    let in_review = Filter {
        needs_review: Some(true),
        ..Filter::default()
    };
    let (written, in_review) = (writes.0.load(Ordering::SeqCst), count(in_review).await);
    let (pending, processing) = (
        count(of(Status::Pending)).await,
        count(of(Status::Processing)).await,
    );
    back.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let completed_soon = count(of(Status::Completed)).await;
    shutdown.cancel();
    Outcome {
        writes: written,
        in_review,
        pending,
        processing,
        completed_soon,
    }
}

pub(crate) fn in_paused_time<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(run)
}

#[test]
fn an_hour_without_a_connection_writes_next_to_nothing_and_leaves_nothing_to_a_person() {
    let outcome = in_paused_time(outage(false, Duration::from_secs(3_600)));
    let allowed = PAYOUTS * 60 / 10;
    assert!(
        outcome.writes <= allowed / 10,
        "{} writes, {allowed} allowed",
        outcome.writes
    );
    assert_eq!(
        (outcome.pending, outcome.processing, outcome.in_review),
        (PAYOUTS, 0, 0)
    );
    assert_eq!(
        outcome.completed_soon, PAYOUTS,
        "within six seconds of its return"
    );
}

#[test]
fn ten_minutes_of_silence_leave_only_what_was_under_way_in_doubt() {
    let outcome = in_paused_time(outage(true, Duration::from_secs(600)));
    assert_eq!(outcome.in_review, 0);
    assert!(
        outcome.processing <= (WORKERS * 2 * 32) as u64,
        "{} in doubt",
        outcome.processing
    );
    assert_eq!(outcome.pending + outcome.processing, PAYOUTS);
    assert!(
        outcome.completed_soon >= outcome.pending,
        "{} of {} completed soon",
        outcome.completed_soon,
        outcome.pending
    );
}
