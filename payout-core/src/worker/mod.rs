//! The worker: claims payouts, calls the processor, settles the outcomes.
//!
//! ```text
//!   hints ──┐                                   ┌── settle, in batches
//!           ├─ claim, in batches ─► attempt ────┤
//!   sweep ──┘      (one slot each)  one task    └── the slot is free again
//! ```
//!
//! - `hints` claims the payouts that the queue names; `sweep` claims every due payout that no hint named.
//! - `attempt` is one claimed payout's task: look the key up, send, conclude.
//! - `pace` decides how many calls the provider may be sent: it may be away, throttle, or send `Retry-After`.
//! - `settle` writes the verdicts; it repeats until they are written. `aside` writes those whose rows another session
//!   has locked.
//! - `clock` resets the due times that a clock that was ahead has written.
//! - `janitor` deletes idempotency records that have reached their age limit.
//!
//! A worker claims no more payouts than it has free slots for, so every claim starts at once, well within its lease.
//! A worker that is killed at any line loses nothing: its claims' leases expire, and another worker takes the payouts
//! over.

mod aside;
mod attempt;
mod claims;
mod clock;
mod hints;
mod janitor;
mod pace;
mod settle;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::pace::Pace;
use self::settle::Concluded;
use crate::attempt::Policy;
use crate::payout::Actor;
use crate::ports::{
    Environment, JobQueue, NoObserver, NoTracer, Observer, PayoutRepository, Processor, Tracer,
};

/// The settings of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The worker's name, for the audit trail.
    pub name: Actor,
    /// The greatest number of payouts in flight.
    pub concurrency: usize,
    /// The duration of a claim's lease; after it, another worker may take the payout over.
    pub lease: Duration,
    /// The timeout of one call to the processor; never more than a third of the lease.
    pub call_timeout: Duration,
    /// The approximate interval between two sweeps.
    pub sweep_every: Duration,
    /// The most payouts in one claim or one settlement.
    pub batch: usize,
    /// The time that running calls may take after the shutdown began.
    pub drain_within: Duration,
    /// The age at which idempotency records are deleted.
    pub keep_answers: Duration,
    /// The policy of retries and reviews.
    pub policy: Policy,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: Actor::new("worker"),
            concurrency: 256,
            lease: Duration::from_secs(15),
            call_timeout: Duration::from_secs(5),
            sweep_every: Duration::from_secs(1),
            batch: 1024,
            drain_within: Duration::from_secs(15),
            keep_answers: Duration::from_secs(31 * 24 * 60 * 60),
            policy: Policy::default(),
        }
    }
}

/// Sends payouts to the processor until its shutdown token is cancelled.
pub struct Worker {
    repository: Arc<dyn PayoutRepository>,
    queue: Arc<dyn JobQueue>,
    processor: Arc<dyn Processor>,
    environment: Arc<dyn Environment>,
    observer: Arc<dyn Observer>,
    tracer: Arc<dyn Tracer>,
    settings: WorkerSettings,
}

/// State that the tasks of one running worker share.
struct Shared {
    repository: Arc<dyn PayoutRepository>,
    queue: Arc<dyn JobQueue>,
    processor: Arc<dyn Processor>,
    environment: Arc<dyn Environment>,
    observer: Arc<dyn Observer>,
    tracer: Arc<dyn Tracer>,
    settings: WorkerSettings,
    pace: Pace,
    /// One permit for each payout that may be in flight.
    slots: Arc<Semaphore>,
    /// The tasks of the payouts in flight.
    attempts: TaskTracker,
    /// The channel to the settling tasks.
    settlements: mpsc::Sender<Concluded>,
    shutdown: CancellationToken,
}

impl Worker {
    /// Creates a worker over its ports.
    pub fn new(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        processor: Arc<dyn Processor>,
        environment: Arc<dyn Environment>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            repository,
            queue,
            processor,
            environment,
            observer: Arc::new(NoObserver),
            tracer: Arc::new(NoTracer),
            settings,
        }
    }

    /// Reports the worker's signals to an observer.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Records the worker's spans with a tracer.
    #[must_use]
    pub fn traced_by(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Works until `shutdown` is cancelled. Then it claims nothing more, lets running calls finish within
    /// [`WorkerSettings::drain_within`], settles them, and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            repository,
            queue,
            processor,
            environment,
            observer,
            tracer,
            mut settings,
        } = self;
        // The protocol depends on this: a call that begins before its deadline ends before the lease does.
        settings.call_timeout = settings.call_timeout.min(settings.lease / 3);
        settings.concurrency = settings.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        settings.batch = settings.batch.max(1);

        let (settlements, to_settle) = mpsc::channel(settings.concurrency.max(settings.batch));
        let drain_within = settings.drain_within;
        let settling = settle::Settling::start(
            repository.clone(),
            observer.clone(),
            to_settle,
            settings.batch,
            drain_within,
        );
        let shared = Arc::new(Shared {
            repository,
            queue,
            processor,
            environment,
            pace: Pace::new(observer.clone()),
            observer,
            tracer,
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            settings,
            attempts: TaskTracker::new(),
            settlements,
            shutdown,
        });

        let loops = TaskTracker::new();
        loops.spawn(shared.clone().follow_hints());
        loops.spawn(shared.clone().sweep());
        loops.spawn(shared.clone().bring_back());
        loops.spawn(shared.clone().forget_old_answers());
        loops.close();
        loops.wait().await;

        shared.attempts.close();
        if tokio::time::timeout(drain_within, shared.attempts.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                running = shared.attempts.len(),
                "some calls did not finish in time; their payouts will be taken over when their leases end"
            );
        }
        drop(shared);
        settling.finish().await;
    }
}
