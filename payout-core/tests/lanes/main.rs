//! A worker with several providers, in paused time, over a store and providers in memory. Each test is one behaviour;
//! at its end, the ledgers are the evidence: of all generations of a payout, at most one is paid and not returned.
//!
//! - `store`: the store, with the steps of the domain.
//! - `providers`: providers with a ledger each.
//! - `failover`: which provider is sent a payout, and when another one takes it.
//! - `waiting`: refusals for now, keys that are spent, look-ups that cannot tell.
//! - `approvals`: payouts that other people approved.
//! - `returns`: rechecks of completed payments.
//! - `rates`: slots, pauses, and limits of calls per second.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

mod approvals;
mod failover;
mod providers;
mod rates;
mod returns;
mod store;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use payout_core::contract::build;
use payout_core::payout::{NewPayout, PayoutId};
use payout_core::ports::{MockJobQueue, QueueError};
use payout_core::provider::{ProviderName, Route, Routes};
use payout_core::worker::{Provider as Lane, ProviderSettings, Worker, WorkerSettings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::providers::Provider;
use self::store::{Life, Store};

const LEASE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

/// The worker's surroundings.
struct Bench {
    store: Store,
    providers: Vec<(Provider, ProviderSettings)>,
    routes: Option<Vec<Route>>,
    settings: WorkerSettings,
    /// True if the store was restored from a backup.
    restored: bool,
}

impl Bench {
    fn new() -> Self {
        Self {
            store: Store::new(),
            providers: Vec::new(),
            routes: None,
            settings: WorkerSettings {
                lease: LEASE,
                ..WorkerSettings::default()
            },
            restored: false,
        }
    }

    /// Makes a bench with the providers `a` and `b`; every payout may use both, `a` first.
    fn of_two() -> (Self, Provider, Provider) {
        let mut bench = Self::new();
        let (a, b) = (bench.provider("a"), bench.provider("b"));
        (bench.with(&a).with(&b).routed(&[&a, &b]), a, b)
    }

    fn provider(&mut self, name: &str) -> Provider {
        Provider::new(name, self.store.clock)
    }

    fn with(self, provider: &Provider) -> Self {
        self.with_settings(provider, ProviderSettings::default())
    }

    fn with_settings(mut self, provider: &Provider, settings: ProviderSettings) -> Self {
        self.providers.push((provider.clone(), settings));
        self
    }

    /// Sets the only route.
    fn routed(mut self, providers: &[&Provider]) -> Self {
        let mut route = Route::to(providers[0].name.clone());
        route.providers = providers.iter().map(|provider| provider.name.clone()).collect();
        self.routes = Some(vec![route]);
        self
    }

    /// Starts a worker.
    fn start(&self) -> Running {
        let life = Life::default();
        let lanes = self.providers.iter().map(|(provider, settings)| {
            let processor = Arc::new(provider.of_worker(&life));
            Lane::new(Some(provider.name.clone()), processor).with(settings.clone())
        });
        let mut queue = MockJobQueue::new();
        queue
            .expect_receive()
            .returning(|_, _| Err(QueueError::Unavailable("no queue".into())));
        let mut worker = Worker::with_providers(
            Arc::new(self.store.repository(&life)),
            Arc::new(queue),
            lanes.collect(),
            Arc::new(self.store.clock),
            self.settings.clone(),
        )
        .following(Arc::new(self.store.clone()))
        .restored(self.restored)
        .rechecking(Arc::new(self.store.rechecks(&life)));
        if let Some(routes) = &self.routes {
            let capabilities = self.providers.iter();
            let capabilities =
                capabilities.map(|(provider, _)| (provider.name.clone(), provider.capabilities.clone()));
            worker = worker.routed_by(Arc::new(Routes::new(routes.clone(), capabilities.collect())));
        }
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Running { task, shutdown, life }
    }

    /// Runs a worker for a while, then shuts it down.
    async fn run_for(&self, duration: Duration) {
        let running = self.start();
        tokio::time::sleep(duration).await;
        running.stop().await;
    }

    /// Stores a payout whose provider is planned to be this one.
    fn payout_for(&self, provider: &Provider) -> PayoutId {
        self.store.insert(&planned(Some(&provider.name)))
    }

    fn payouts_for(&self, provider: &Provider, count: usize) -> Vec<PayoutId> {
        (0..count).map(|_| self.payout_for(provider)).collect()
    }

    /// Counts the payments of a payout that were not returned, at all providers.
    fn payments(&self, id: PayoutId) -> usize {
        self.providers
            .iter()
            .map(|(provider, _)| provider.payments(id))
            .sum()
    }

    fn provider_of(&self, id: PayoutId) -> Option<ProviderName> {
        self.store.get(id).parts().provider.clone()
    }
}

/// A running worker.
struct Running {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
    life: Life,
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Ends the worker at once, as a crash does.
    fn crash(self) {
        self.life.end();
    }
}

fn planned(provider: Option<&ProviderName>) -> NewPayout {
    NewPayout {
        provider: provider.cloned(),
        ..build::new_payout()
    }
}
