//! The whole service inside another program, with ports that the program provides.

use std::sync::Arc;

use payout_core::ports::{
    ApiKeyRepository, BatchRepository, EventFeed, JobQueue, PayoutExport, PayoutRepository, Processor,
    ProviderRepository, RecheckRepository, RecipientRepository, StatsRepository,
};

use crate::app::{App, Running};
use crate::failure::AppError;
use crate::own_ports::OwnPorts;
use crate::settings::{Config, ProviderKind};

/// The service before it starts: its settings, and the ports that the program provides.
///
/// For each port that is not given, the settings choose the adapter, as for the `payout` binary. [`Config::command`]
/// selects the parts that run: [`Run`](crate::settings::Command::Run) (the default) runs the REST server and a worker,
/// [`Serve`](crate::settings::Command::Serve) and [`Worker`](crate::settings::Command::Worker) run one of the two.
///
/// The service installs no logger, no panic hook and no signal handler: the program does. It logs with `tracing`.
///
/// ```
/// use std::sync::Arc;
///
/// use payout_app::payout_adapters::queue::memory::MemoryQueue;
/// use payout_app::{Config, Service, settings::Database};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { bind: "127.0.0.1:0".parse()?, database: Database::Memory, ..Config::default() };
/// let mut running = Service::new(config).queue(Arc::new(MemoryQueue::new(100))).start().await?;
/// running.ready().await?;
/// assert!(running.local_addr().is_some());
/// running.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a service does nothing until it is started"]
pub struct Service {
    config: Config,
    own: OwnPorts,
}

impl Service {
    /// Makes a service with these settings.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            own: OwnPorts::default(),
        }
    }

    /// Uses this payment provider in place of the one that [`Config::processor`] names.
    pub fn processor(mut self, processor: Arc<dyn Processor>) -> Self {
        self.own.processor = Some(processor);
        self
    }

    /// Adds a kind of provider that the file of providers may name. It replaces a kind of the same name.
    pub fn with_provider_kind(mut self, kind: ProviderKind) -> Self {
        self.own.provider_kinds.push(kind);
        self
    }

    /// Uses this queue for hints in place of memory or Redis.
    pub fn queue(mut self, queue: Arc<dyn JobQueue>) -> Self {
        self.own.queue = Some(queue);
        self
    }

    /// Uses this repository for payouts in place of the one that [`Config::database`] names.
    ///
    /// The program prepares its store, including the schema, before the start: the service migrates only its own
    /// databases. Unless [`api_keys`](Self::api_keys) is called too, API keys are kept in memory and lost when the
    /// process ends.
    pub fn repository(mut self, repository: Arc<dyn PayoutRepository>) -> Self {
        self.own.repository = Some(repository);
        self
    }

    /// Uses this repository for batches, beside a [`repository`](Self::repository) of the program's own. Without it, the
    /// service refuses batches.
    pub fn batches(mut self, batches: Arc<dyn BatchRepository>) -> Self {
        self.own.batches = Some(batches);
        self
    }

    /// Uses this repository for rechecks of completed payments, beside a [`repository`](Self::repository) of the
    /// program's own. Without it, payments that a provider returns are not noticed.
    pub fn rechecks(mut self, rechecks: Arc<dyn RecheckRepository>) -> Self {
        self.own.rechecks = Some(rechecks);
        self
    }

    /// Uses this repository for the pauses of providers, beside a [`repository`](Self::repository) of the program's own.
    /// Without it, pauses are kept in memory and lost when the process ends.
    pub fn provider_states(mut self, states: Arc<dyn ProviderRepository>) -> Self {
        self.own.provider_states = Some(states);
        self
    }

    /// Uses this port for exports, beside a [`repository`](Self::repository) of the program's own. Without it, exports read
    /// the pages of the repository's lists, each at another moment.
    pub fn exports(mut self, exports: Arc<dyn PayoutExport>) -> Self {
        self.own.exports = Some(exports);
        self
    }

    /// Uses this port for statistics, beside a [`repository`](Self::repository) of the program's own. Without it, every
    /// payout of the period is read.
    pub fn statistics(mut self, stats: Arc<dyn StatsRepository>) -> Self {
        self.own.stats = Some(stats);
        self
    }

    /// Uses this repository for stored recipients, beside a [`repository`](Self::repository) of the program's own.
    /// Without it, they are kept in memory and lost when the process ends.
    pub fn recipients(mut self, recipients: Arc<dyn RecipientRepository>) -> Self {
        self.own.recipients = Some(recipients);
        self
    }

    /// Uses this event feed, beside a [`repository`](Self::repository) of the program's own. Without it, the service has no
    /// event feed.
    pub fn event_feed(mut self, feed: Arc<dyn EventFeed>) -> Self {
        self.own.feed = Some(feed);
        self
    }

    /// Uses this repository for API keys in place of the database that the settings name.
    pub fn api_keys(mut self, api_keys: Arc<dyn ApiKeyRepository>) -> Self {
        self.own.api_keys = Some(api_keys);
        self
    }

    /// Starts the service within the current tokio runtime. It listens at once, even if its database and its queue are
    /// not available yet; [`Running::ready`] waits for the database.
    ///
    /// # Errors
    /// [`AppError`] if a setting cannot be used, such as an address that is already in use.
    pub async fn start(self) -> Result<Running, AppError> {
        App::start_with(self.config, self.own).await
    }
}
