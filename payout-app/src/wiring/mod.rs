//! The composition root: builds the adapters that the settings select, and connects them to the ports.

mod providers;
mod queue;

use std::sync::Arc;

use payout_adapters::storage::admin::{NothingToOperate, StorageAdmin};
use payout_adapters::storage::memory::{
    MemoryApiKeys, MemoryBulkActions, MemoryConsoleSessions, MemoryRepository, MemoryWebhooks,
};
use payout_adapters::storage::postgres::{AddressError, PostgresRepository};
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_adapters::telemetry::otlp::{OtlpSettings, OtlpTracer};
use payout_adapters::webhook::HttpWebhookSender;
use payout_core::ports::{
    ApiKeyRepository, BatchRepository, BulkActionRepository, EventFeed, JobQueue, NoTracer, PayoutExport,
    PayoutRepository, ProviderRepository, RecheckRepository, RecipientRepository, StatsRepository, System,
    Telemetry, Tracer, WebhookQueue, WebhookRepository,
};
use payout_core::provider::Routes;
use payout_core::usecase;
use payout_core::usecase::api_keys::{ApiKeyCache, ApiKeys};
use payout_core::usecase::bulk::{BulkActions, BulkRunner};
use payout_core::usecase::console_sessions::ConsoleSessions;
use payout_core::usecase::providers::ProviderWatch;
use payout_core::usecase::stats::CountedList;
use payout_core::usecase::webhooks::Webhooks;
use payout_core::usecase::{CreateBatcherSettings, ListPages, Payouts};
use payout_core::worker::{WebhookPorts, Worker, WorkerSettings};

use crate::http::read_bulk_filter;
use crate::os_secrets::OsSecrets;
use crate::own_ports::{OWN, OwnPorts};
use crate::settings::providers::ConfiguredProvider;
use crate::settings::{Config, ConfigError, Database};

use self::providers::Providers;

/// The ports of one process: the program's own ports, and for the others the adapters that the settings select. No
/// adapter has connected to anything yet.
pub(crate) struct Ports {
    pub(crate) store: Store,
    pub(crate) repository: Arc<dyn PayoutRepository>,
    /// The batches in the same store; absent if the program's own has none.
    pub(crate) batches: Option<Arc<dyn BatchRepository>>,
    /// The rechecks in the same store; absent if the program's own has none.
    pub(crate) rechecks: Option<Arc<dyn RecheckRepository>>,
    /// The state of the providers in the same store; absent if the program's own has none.
    pub(crate) provider_states: Option<Arc<dyn ProviderRepository>>,
    /// The exports of the same store.
    pub(crate) exports: Arc<dyn PayoutExport>,
    /// The stored recipients of the same store; in memory if the program's own has none.
    pub(crate) recipients: Arc<dyn RecipientRepository>,
    /// The statistics of the same store.
    pub(crate) stats: Arc<dyn StatsRepository>,
    /// The event feed of the same store; absent if the program's own has none.
    pub(crate) feed: Option<Arc<dyn EventFeed>>,
    /// The webhooks in the same store; absent if the program's own has none.
    pub(crate) webhooks: Option<WebhookPorts>,
    /// The bulk actions in the same store; in memory if the program's own has none.
    pub(crate) bulk: Arc<dyn BulkActionRepository>,
    /// The kind of the repository, for health checks and logs.
    pub(crate) repository_kind: &'static str,
    pub(crate) keys: ApiKeys,
    pub(crate) queue: Arc<dyn JobQueue>,
    /// The kind of the queue, for health checks and logs.
    pub(crate) queue_kind: &'static str,
    /// The providers; none for a command that calls none.
    pub(crate) providers: Vec<ConfiguredProvider>,
    /// The routes that choose among them; absent where there is only one, without a name.
    pub(crate) routes: Option<Arc<Routes>>,
    pub(crate) system: Arc<System>,
    pub(crate) traces: Traces,
}

/// The destination of traces; without the setting, none are sent.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<Arc<OtlpTracer>>);

impl Traces {
    fn new(config: &Config) -> Result<Self, ConfigError> {
        let Some(endpoint) = &config.traces else {
            return Ok(Self(None));
        };
        let settings = OtlpSettings {
            endpoint: endpoint.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            instance: config.worker.name.as_str().to_owned(),
        };
        let tracer = OtlpTracer::new(&settings).map_err(|error| ConfigError {
            variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
            message: error.to_string(),
        })?;
        Ok(Self(Some(Arc::new(tracer))))
    }

    pub(crate) fn tracer(&self) -> Arc<dyn Tracer> {
        match &self.0 {
            Some(tracer) => tracer.clone(),
            None => Arc::new(NoTracer),
        }
    }

    /// Sends the remaining spans.
    pub(crate) async fn close(&self) {
        if let Some(tracer) = &self.0 {
            tracer.close().await;
        }
    }
}

/// The database behind the repository, for the operator's commands.
pub(crate) type Store = Arc<dyn StorageAdmin>;

impl Ports {
    /// # Errors
    /// [`ConfigError`] when an adapter refuses its setting.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::with(config, OwnPorts::default())
    }

    /// Combines the program's own ports with the settings' adapters for the others.
    ///
    /// # Errors
    /// [`ConfigError`] when an adapter refuses its setting, or a setting does not apply to a port of the program's own.
    pub(crate) fn with(config: &Config, own: OwnPorts) -> Result<Self, ConfigError> {
        own.fit(config)?;
        let system = Arc::new(System::default());
        let (repository_kind, stored) = match own.repository {
            Some(repository) => {
                let stored = Stored::own(repository, &system);
                let stored = Stored {
                    batches: own.batches,
                    rechecks: own.rechecks,
                    provider_states: own.provider_states,
                    exports: own.exports.unwrap_or(stored.exports),
                    stats: own.stats.unwrap_or(stored.stats),
                    recipients: own.recipients.unwrap_or(stored.recipients),
                    feed: own.feed,
                    ..stored
                };
                (OWN, stored)
            }
            None => (config.database.kind(), stored(config, &system)?),
        };
        let Stored {
            store,
            repository,
            batches,
            rechecks,
            provider_states,
            exports,
            recipients,
            stats,
            feed,
            webhooks,
        } = stored;
        let webhooks = webhooks.map(|stored| stored.with_sender(config)).transpose()?;
        let (queue_kind, queue) = match own.queue {
            Some(queue) => (OWN, queue),
            None => (config.queue.kind(), queue::queue(config)?),
        };
        let memory = || Arc::new(MemoryBulkActions::new(system.clone()));
        let bulk = store.bulk_actions().unwrap_or_else(|| memory());
        let keys = match own.api_keys {
            Some(repository) => keys_of(repository, config, &system),
            None => api_keys(&store, config, &system),
        };
        let providers = match own.processor {
            Some(processor) => Providers::own(processor),
            None => Providers::new(config, &own.provider_kinds)?,
        };
        Ok(Self {
            store,
            repository,
            batches,
            rechecks,
            provider_states,
            exports,
            recipients,
            stats,
            feed,
            webhooks,
            bulk,
            repository_kind,
            keys,
            queue,
            queue_kind,
            providers: providers.list,
            routes: providers.routes,
            system,
            traces: Traces::new(config)?,
        })
    }

    /// Builds the use cases of payouts over these ports: one place for every rule that the settings make for them, so
    /// that the API and the commands apply the same.
    pub(crate) fn payouts(&self, config: &Config, telemetry: Telemetry) -> Payouts {
        let payouts = Payouts::start_with(
            self.repository.clone(),
            self.queue.clone(),
            self.system.clone(),
            CreateBatcherSettings::default(),
            telemetry,
        )
        .exporting(self.exports.clone())
        .within(config.money_limits.clone())
        .approved_by(config.approvals.clone());
        match &self.routes {
            Some(routes) => payouts.routed_by(routes.clone()),
            None => payouts,
        }
    }

    /// Builds the worker over these ports.
    pub(crate) fn worker(self, settings: WorkerSettings) -> Worker {
        let providers = self
            .providers
            .iter()
            .map(ConfiguredProvider::for_worker)
            .collect();
        let mut worker =
            Worker::with_providers(self.repository, self.queue, providers, self.system, settings)
                .counting(self.stats)
                .traced_by(self.traces.tracer());
        if let Some(batches) = self.batches {
            worker = worker.completing(batches);
        }
        if let Some(rechecks) = self.rechecks {
            worker = worker.rechecking(rechecks);
        }
        if let Some(states) = self.provider_states {
            worker = worker.following(states);
        }
        if let Some(webhooks) = self.webhooks {
            worker = worker.delivering(webhooks);
        }
        if let Some(routes) = self.routes {
            worker = worker.routed_by(routes);
        }
        worker
    }

    /// Returns the use cases of the providers with a name. Without a store for them, pauses are kept in memory.
    pub(crate) fn provider_use_cases(&self) -> usecase::providers::Providers {
        let memory = || Arc::new(MemoryRepository::new(self.system.clone()));
        usecase::providers::Providers::new(
            self.providers.iter().filter_map(ConfiguredProvider::known),
            self.provider_states.clone().unwrap_or_else(|| memory()),
            self.rechecks.clone().unwrap_or_else(|| memory()),
            self.queue.clone(),
        )
    }

    /// Returns the use case that shows what happens at each provider.
    pub(crate) fn provider_watch(&self) -> ProviderWatch {
        let memory = || Arc::new(MemoryRepository::new(self.system.clone()));
        ProviderWatch::new(
            self.providers.iter().map(ConfiguredProvider::watched),
            self.provider_states.clone().unwrap_or_else(|| memory()),
            self.system.clone(),
        )
    }

    /// Returns the use cases of webhooks; `None` where the store has none.
    pub(crate) fn webhook_use_cases(&self) -> Option<Webhooks> {
        let WebhookPorts {
            webhooks,
            feed,
            sender,
            ..
        } = self.webhooks.clone()?;
        let secrets = Arc::new(OsSecrets);
        Some(Webhooks::new(
            webhooks,
            feed,
            sender,
            secrets,
            self.system.clone(),
        ))
    }

    /// Returns the use cases of bulk actions.
    pub(crate) fn bulk_actions(&self, payouts: Payouts) -> BulkActions {
        BulkActions::new(self.bulk.clone(), payouts, read_bulk_filter)
    }

    /// Returns the part of the worker that goes on with bulk actions.
    pub(crate) fn bulk_runner(&self, payouts: Payouts) -> BulkRunner {
        BulkRunner::new(self.bulk.clone(), payouts, self.keys.clone(), read_bulk_filter)
    }

    /// Returns the use cases of the console's sessions. Without a store for them, they are kept in memory.
    pub(crate) fn console_sessions(&self, keyring: Arc<ApiKeyCache>) -> ConsoleSessions {
        let memory = || Arc::new(MemoryConsoleSessions::new(self.system.clone()));
        let repository = self.store.console_sessions().unwrap_or_else(|| memory());
        ConsoleSessions::new(repository, keyring, Arc::new(OsSecrets))
    }

    /// Returns whether every provider is simulated, so that nobody is paid.
    pub(crate) fn is_simulated(&self) -> bool {
        self.providers.iter().all(|provider| provider.kind == "simulated")
    }
}

/// Returns the API keys of the same store.
pub(crate) fn api_keys(store: &Store, config: &Config, system: &Arc<System>) -> ApiKeys {
    let repository = store
        .api_keys()
        .unwrap_or_else(|| Arc::new(MemoryApiKeys::new(system.clone())));
    keys_of(repository, config, system)
}

fn keys_of(repository: Arc<dyn ApiKeyRepository>, config: &Config, system: &Arc<System>) -> ApiKeys {
    ApiKeys::new(
        repository,
        config.key_secret.clone(),
        Arc::new(OsSecrets),
        system.clone(),
    )
}

/// Builds a repository alone, for a migration.
///
/// # Errors
/// [`ConfigError`] when the adapter refuses its setting.
pub(crate) fn store(config: &Config) -> Result<Store, ConfigError> {
    stored(config, &Arc::new(System::default())).map(|stored| stored.store)
}

pub(crate) fn nothing_to_operate() -> Store {
    Arc::new(NothingToOperate)
}

/// The ports of one store.
struct Stored {
    store: Store,
    repository: Arc<dyn PayoutRepository>,
    batches: Option<Arc<dyn BatchRepository>>,
    rechecks: Option<Arc<dyn RecheckRepository>>,
    provider_states: Option<Arc<dyn ProviderRepository>>,
    exports: Arc<dyn PayoutExport>,
    recipients: Arc<dyn RecipientRepository>,
    stats: Arc<dyn StatsRepository>,
    feed: Option<Arc<dyn EventFeed>>,
    webhooks: Option<StoredWebhooks>,
}

/// The ports of one store for webhooks.
struct StoredWebhooks {
    webhooks: Arc<dyn WebhookRepository>,
    queue: Arc<dyn WebhookQueue>,
    feed: Arc<dyn EventFeed>,
}

impl StoredWebhooks {
    fn of<W, F>(webhooks: Arc<W>, feed: Arc<F>) -> Self
    where
        W: WebhookRepository + WebhookQueue + 'static,
        F: EventFeed + 'static,
    {
        Self {
            webhooks: webhooks.clone(),
            queue: webhooks,
            feed,
        }
    }

    /// Adds the client that posts deliveries.
    fn with_sender(self, config: &Config) -> Result<WebhookPorts, ConfigError> {
        let sender = HttpWebhookSender::new(&config.webhook_networks).map_err(|error| ConfigError {
            variable: "PAYOUT_WEBHOOK_NETWORKS",
            message: error.to_string(),
        })?;
        Ok(WebhookPorts {
            webhooks: self.webhooks,
            queue: self.queue,
            feed: self.feed,
            sender: Arc::new(sender),
        })
    }
}

impl Stored {
    /// Takes the program's own repository, which stores payouts alone. Recipients are stored in memory.
    fn own(repository: Arc<dyn PayoutRepository>, system: &Arc<System>) -> Self {
        let exports = Arc::new(ListPages::new(repository.clone()));
        Self {
            store: nothing_to_operate(),
            recipients: Arc::new(MemoryRepository::new(system.clone())),
            stats: Arc::new(CountedList::new(exports.clone())),
            exports,
            repository,
            batches: None,
            rechecks: None,
            provider_states: None,
            feed: None,
            webhooks: None,
        }
    }

    fn of<R>(store: Store, repository: Arc<R>) -> Self
    where
        R: PayoutRepository
            + BatchRepository
            + RecheckRepository
            + ProviderRepository
            + PayoutExport
            + RecipientRepository
            + StatsRepository
            + EventFeed
            + 'static,
    {
        Self {
            store,
            repository: repository.clone(),
            batches: Some(repository.clone()),
            rechecks: Some(repository.clone()),
            provider_states: Some(repository.clone()),
            exports: repository.clone(),
            recipients: repository.clone(),
            stats: repository.clone(),
            feed: Some(repository),
            webhooks: None,
        }
    }

    fn with_webhooks(self, webhooks: StoredWebhooks) -> Self {
        Self {
            webhooks: Some(webhooks),
            ..self
        }
    }
}

fn stored(config: &Config, system: &Arc<System>) -> Result<Stored, ConfigError> {
    match &config.database {
        Database::Memory => {
            let repository = Arc::new(MemoryRepository::new(system.clone()));
            let webhooks = Arc::new(MemoryWebhooks::new(system.clone(), repository.clone()));
            let webhooks = StoredWebhooks::of(webhooks, repository.clone());
            Ok(Stored::of(nothing_to_operate(), repository).with_webhooks(webhooks))
        }
        Database::Sqlite { path } => {
            let refuse = |message: String| ConfigError {
                variable: "DATABASE_URL",
                message,
            };
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(refuse(format!("there is no folder {}", folder.display())));
            }
            let url = format!("sqlite://{}", path.display());
            let repository = SqliteRepository::open_lazy_with(&url, system.clone(), &config.storage.sqlite())
                .map_err(|_| refuse("use sqlite://path/to/a/file".to_owned()))?
                .sealing_with(config.keyring.clone());
            let repository = Arc::new(repository);
            let webhooks = StoredWebhooks::of(repository.clone(), repository.clone());
            Ok(Stored::of(repository.clone(), repository).with_webhooks(webhooks))
        }
        Database::Postgres { url, .. } => {
            let repository = PostgresRepository::connect_lazy(url.expose(), &config.storage.postgres())
                .map_err(|_| ConfigError {
                    variable: "DATABASE_URL",
                    message: AddressError::NotAnAddress.to_string(),
                })?;
            let repository = Arc::new(repository.sealing_with(config.keyring.clone()));
            let webhooks = StoredWebhooks::of(repository.clone(), repository.clone());
            Ok(Stored::of(repository.clone(), repository).with_webhooks(webhooks))
        }
    }
}
