//! The whole service inside another program, with ports of that program's own.

use std::sync::Arc;

use payout_core::ports::{ApiKeyRepository, JobQueue, PayoutRepository, Processor};

use crate::app::{App, Running};
use crate::failure::AppError;
use crate::own_ports::OwnPorts;
use crate::settings::Config;

/// The service before it starts: its settings, and the ports that the program brings itself.
///
/// Each port that is not given is the adapter that the settings choose, as for the `payout` binary. Which half of the service
/// runs is [`Config::command`]'s to say: [`Run`](crate::settings::Command::Run) (the default) is the REST server and a worker,
/// [`Serve`](crate::settings::Command::Serve) and [`Worker`](crate::settings::Command::Worker) are one of the two.
///
/// The service installs no logger, no panic hook and no signal handler: those are the program's. It logs with `tracing`.
///
/// ```
/// use std::sync::Arc;
///
/// use payout_app::payout_adapters::memory::MemoryQueue;
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
    /// A service with these settings.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            own: OwnPorts::default(),
        }
    }

    /// Sends payouts to this payment provider, in place of the one that [`Config::processor`] names.
    pub fn processor(mut self, processor: Arc<dyn Processor>) -> Self {
        self.own.processor = Some(processor);
        self
    }

    /// Carries hints over this queue, in place of memory or Redis.
    pub fn queue(mut self, queue: Arc<dyn JobQueue>) -> Self {
        self.own.queue = Some(queue);
        self
    }

    /// Keeps payouts in this repository, in place of the one that [`Config::database`] names.
    ///
    /// The program prepares its store (its schema above all) before the start: the service migrates only its own databases. Unless
    /// [`api_keys`](Self::api_keys) is called too, API keys are kept in memory and are gone when the process ends.
    pub fn repository(mut self, repository: Arc<dyn PayoutRepository>) -> Self {
        self.own.repository = Some(repository);
        self
    }

    /// Keeps API keys here, in place of the database that the settings name.
    pub fn api_keys(mut self, api_keys: Arc<dyn ApiKeyRepository>) -> Self {
        self.own.api_keys = Some(api_keys);
        self
    }

    /// Starts the service within the current tokio runtime. It listens at once, whether or not its database and its queue
    /// answer; [`Running::ready`] waits until they do.
    ///
    /// # Errors
    /// [`AppError`] when a setting cannot be used, such as an address that is taken.
    pub async fn start(self) -> Result<Running, AppError> {
        App::start_with(self.config, self.own).await
    }
}
