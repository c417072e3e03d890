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
//! - `lane` serves one provider, with slots, a pace and a rate (`throttle`) of its own. `routes` hands payouts of which
//!   nothing was sent to another provider, and `states` follows which providers an operator has paused. `calls` counts
//!   the calls to each.
//! - `rechecks` looks completed payments up for as long as they may be returned. `new_generation` goes on after a
//!   refusal that has spent the key.
//! - `clock` resets the due times that a clock that was ahead has written.
//! - `stats` keeps the sums of statistics up to date, and `batches` tells which batches are completed.
//! - `webhooks` delivers events to endpoints, and `bulk` goes on with bulk actions, beside the lanes.
//! - `janitor` deletes idempotency records that have reached their age limit.
//!
//! A worker claims no more payouts than it has free slots for, so every claim starts at once, well within its lease.
//! A worker that is killed at any line loses nothing: its claims' leases expire, and another worker takes the payouts
//! over.

mod aside;
mod attempt;
mod batches;
mod bulk;
mod calls;
mod claims;
mod clock;
mod hints;
mod janitor;
mod lane;
mod new_generation;
mod pace;
mod provider;
mod rechecks;
mod routes;
mod settle;
mod states;
mod stats;
mod sweep;
mod throttle;
mod webhooks;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::calls::CallCounts;
use self::lane::Lane;
pub use self::provider::{Provider, ProviderSettings};
use self::settle::Concluded;
pub use self::webhooks::WebhookPorts;
use crate::attempt::Policy;
use crate::payout::Actor;
use crate::ports::{
    BatchRepository, Environment, JobQueue, NoObserver, NoTracer, Observer, PayoutRepository, Processor,
    ProviderRepository, RecheckRepository, StatsRepository, Tracer,
};
use crate::provider::Routes;
use crate::usecase::bulk::BulkRunner;

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

/// Sends payouts to their providers until its shutdown token is cancelled.
pub struct Worker {
    repository: Arc<dyn PayoutRepository>,
    queue: Arc<dyn JobQueue>,
    providers: Vec<Provider>,
    rechecks: Option<Arc<dyn RecheckRepository>>,
    provider_states: Option<Arc<dyn ProviderRepository>>,
    stats: Option<Arc<dyn StatsRepository>>,
    batches: Option<Arc<dyn BatchRepository>>,
    routes: Option<Arc<Routes>>,
    webhooks: Option<WebhookPorts>,
    bulk: Option<BulkRunner>,
    environment: Arc<dyn Environment>,
    observer: Arc<dyn Observer>,
    tracer: Arc<dyn Tracer>,
    settings: WorkerSettings,
    restored: bool,
}

/// State that the tasks of one running worker share.
struct Shared {
    repository: Arc<dyn PayoutRepository>,
    queue: Arc<dyn JobQueue>,
    rechecks: Option<Arc<dyn RecheckRepository>>,
    provider_states: Option<Arc<dyn ProviderRepository>>,
    stats: Option<Arc<dyn StatsRepository>>,
    batches: Option<Arc<dyn BatchRepository>>,
    routes: Option<Arc<Routes>>,
    webhooks: Option<WebhookPorts>,
    bulk: Option<BulkRunner>,
    environment: Arc<dyn Environment>,
    observer: Arc<dyn Observer>,
    tracer: Arc<dyn Tracer>,
    settings: WorkerSettings,
    /// True if the store was restored from a backup: its rows may name another provider than the one that was called.
    restored: bool,
    /// The lanes of the providers, set once at the start.
    lanes: OnceLock<Vec<Weak<Lane>>>,
    /// The tasks of the payouts in flight.
    attempts: TaskTracker,
    /// The channel to the settling tasks.
    settlements: mpsc::Sender<Concluded>,
    shutdown: CancellationToken,
}

impl Worker {
    /// Creates a worker over its ports, for one provider without a name. The settings' policy applies as it is: the
    /// processor is not asked for its capabilities.
    pub fn new(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        processor: Arc<dyn Processor>,
        environment: Arc<dyn Environment>,
        settings: WorkerSettings,
    ) -> Self {
        let providers = vec![Provider::plain(processor)];
        Self::with_providers(repository, queue, providers, environment, settings)
    }

    /// Creates a worker over its ports, for these providers.
    pub fn with_providers(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        providers: Vec<Provider>,
        environment: Arc<dyn Environment>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            repository,
            queue,
            providers,
            rechecks: None,
            provider_states: None,
            stats: None,
            batches: None,
            routes: None,
            webhooks: None,
            bulk: None,
            environment,
            observer: Arc::new(NoObserver),
            tracer: Arc::new(NoTracer),
            settings,
            restored: false,
        }
    }

    /// Works on a store that was restored from a backup: before a payout that may have been sent is sent again, the other
    /// providers of its route are asked for its key.
    #[must_use]
    pub fn restored(mut self, restored: bool) -> Self {
        self.restored = restored;
        self
    }

    /// Rechecks completed payments that their provider may return.
    #[must_use]
    pub fn rechecking(mut self, rechecks: Arc<dyn RecheckRepository>) -> Self {
        self.rechecks = Some(rechecks);
        self
    }

    /// Follows which providers are paused, and shares their rates of calls with other workers.
    #[must_use]
    pub fn following(mut self, provider_states: Arc<dyn ProviderRepository>) -> Self {
        self.provider_states = Some(provider_states);
        self
    }

    /// Keeps the sums of statistics up to date.
    #[must_use]
    pub fn counting(mut self, stats: Arc<dyn StatsRepository>) -> Self {
        self.stats = Some(stats);
        self
    }

    /// Tells the event feed which batches are completed.
    #[must_use]
    pub fn completing(mut self, batches: Arc<dyn BatchRepository>) -> Self {
        self.batches = Some(batches);
        self
    }

    /// Hands payouts of which nothing was sent to the providers that these routes name.
    #[must_use]
    pub fn routed_by(mut self, routes: Arc<Routes>) -> Self {
        self.routes = Some(routes);
        self
    }

    /// Delivers the events of the feed to the endpoints of webhooks.
    #[must_use]
    pub fn delivering(mut self, webhooks: WebhookPorts) -> Self {
        self.webhooks = Some(webhooks);
        self
    }

    /// Goes on with bulk actions.
    #[must_use]
    pub fn acting_in_bulk(mut self, bulk: BulkRunner) -> Self {
        self.bulk = Some(bulk);
        self
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
        let mut settings = self.settings;
        settings.concurrency = settings.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        settings.batch = settings.batch.max(1);

        let slots = settings.concurrency.saturating_mul(self.providers.len().max(1));
        let (settlements, to_settle) = mpsc::channel(slots.clamp(settings.batch, Semaphore::MAX_PERMITS));
        let drain_within = settings.drain_within;
        let settling = settle::Settling::start(
            self.repository.clone(),
            self.observer.clone(),
            to_settle,
            settings.batch,
            drain_within,
        );
        let shared = Arc::new(Shared {
            repository: self.repository,
            queue: self.queue,
            rechecks: self.rechecks,
            provider_states: self.provider_states,
            stats: self.stats,
            batches: self.batches,
            routes: self.routes,
            webhooks: self.webhooks,
            bulk: self.bulk,
            environment: self.environment,
            observer: self.observer,
            tracer: self.tracer,
            settings,
            restored: self.restored,
            lanes: OnceLock::new(),
            attempts: TaskTracker::new(),
            settlements,
            shutdown,
        });
        let lanes = self
            .providers
            .into_iter()
            .map(|provider| Lane::new(shared.clone(), provider));
        let lanes: Arc<[Arc<Lane>]> = lanes.collect();
        let _ = shared.lanes.set(lanes.iter().map(Arc::downgrade).collect());

        let loops = TaskTracker::new();
        loops.spawn(shared.clone().follow_hints(lanes.clone()));
        loops.spawn(shared.clone().follow_states(lanes.clone()));
        loops.spawn(shared.clone().follow_strays(lanes.clone()));
        for lane in lanes.iter() {
            loops.spawn(lane.clone().sweep());
            loops.spawn(lane.clone().fail_over());
            loops.spawn(lane.clone().recheck());
        }
        let counts = CallCounts::of(&lanes);
        drop(lanes);
        loops.spawn(shared.clone().report_calls(counts.clone()));
        loops.spawn(shared.clone().deliver_webhooks());
        loops.spawn(shared.clone().act_in_bulk());
        loops.spawn(shared.clone().bring_back());
        loops.spawn(shared.clone().forget_old_answers());
        loops.spawn(shared.clone().fold_stats());
        loops.spawn(shared.clone().complete_batches());
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
        counts.report_at_last(shared.provider_states.as_deref()).await;
        drop(shared);
        settling.finish().await;
    }
}
