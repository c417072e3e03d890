//! The composition root: builds the adapters that the settings select, and connects them to the ports.

use std::sync::Arc;

use payout_adapters::provider::http_contract::{HttpProcessor, HttpSettings, HttpSetupError};
use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::queue::redis::{RedisQueue, RedisSettings};
use payout_adapters::storage::admin::{NothingToOperate, StorageAdmin};
use payout_adapters::storage::memory::{MemoryApiKeys, MemoryRepository};
use payout_adapters::storage::postgres::PostgresRepository;
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_adapters::telemetry::otlp::{OtlpSettings, OtlpTracer};
use payout_core::ports::{ApiKeyRepository, JobQueue, NoTracer, PayoutRepository, Processor, System, Tracer};
use payout_core::usecase::api_keys::ApiKeys;

use crate::os_secrets::OsSecrets;
use crate::own_ports::{OWN, OwnPorts};
use crate::settings::{Config, ConfigError, Database, ProcessorConfig};

/// The capacity of the in-process queue. Further hints are dropped, and the sweep finds their payouts.
const MEMORY_QUEUE: usize = 100_000;

/// The ports of one process: the program's own ports, and for the others the adapters that the settings select. No
/// adapter has connected to anything yet.
pub(crate) struct Ports {
    pub(crate) store: Store,
    pub(crate) repository: Arc<dyn PayoutRepository>,
    /// The kind of the repository, for health checks and logs.
    pub(crate) repository_kind: &'static str,
    pub(crate) keys: ApiKeys,
    pub(crate) queue: Arc<dyn JobQueue>,
    /// The kind of the queue, for health checks and logs.
    pub(crate) queue_kind: &'static str,
    pub(crate) processor: Arc<dyn Processor>,
    /// True when the processor is the program's own, and not the one that the settings name.
    pub(crate) own_processor: bool,
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
        let (repository_kind, (store, repository)) = match own.repository {
            Some(repository) => (OWN, (nothing_to_operate(), repository)),
            None => (config.database.kind(), repository(config, &system)?),
        };
        let (queue_kind, queue) = match own.queue {
            Some(queue) => (OWN, queue),
            None => queue(config)?,
        };
        let keys = match own.api_keys {
            Some(repository) => keys_of(repository, config, &system),
            None => api_keys(&store, config, &system),
        };
        let own_processor = own.processor.is_some();
        let processor = match own.processor {
            Some(processor) => processor,
            None => processor(&config.processor)?,
        };
        Ok(Self {
            store,
            repository,
            repository_kind,
            keys,
            queue,
            queue_kind,
            processor,
            own_processor,
            system,
            traces: Traces::new(config)?,
        })
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
    repository(config, &Arc::new(System::default())).map(|(store, _)| store)
}

pub(crate) fn nothing_to_operate() -> Store {
    Arc::new(NothingToOperate)
}

fn repository(
    config: &Config,
    system: &Arc<System>,
) -> Result<(Store, Arc<dyn PayoutRepository>), ConfigError> {
    match &config.database {
        Database::Memory => Ok((
            nothing_to_operate(),
            Arc::new(MemoryRepository::new(system.clone())),
        )),
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
            Ok((repository.clone(), repository))
        }
        Database::Postgres { url } => {
            let repository = PostgresRepository::connect_lazy(url.expose(), &config.storage.postgres())
                .map_err(|_| ConfigError {
                    variable: "DATABASE_URL",
                    message: "use postgres://user:password@host:port/database".to_owned(),
                })?;
            let repository = Arc::new(repository.sealing_with(config.keyring.clone()));
            Ok((repository.clone(), repository))
        }
    }
}

fn queue(config: &Config) -> Result<(&'static str, Arc<dyn JobQueue>), ConfigError> {
    let Some(redis) = &config.redis else {
        return Ok(("memory", Arc::new(MemoryQueue::new(MEMORY_QUEUE))));
    };
    let settings = RedisSettings::new(redis.url.clone(), &redis.prefix, config.worker.name.as_str());
    let queue = RedisQueue::new(&settings).map_err(|error| ConfigError {
        variable: "REDIS_URL",
        message: error.to_string(),
    })?;
    Ok(("redis", Arc::new(queue)))
}

fn processor(config: &ProcessorConfig) -> Result<Arc<dyn Processor>, ConfigError> {
    match config {
        ProcessorConfig::Simulated { delay, failure_rate } => {
            let processor = SimulatedProcessor::new(*delay, *failure_rate).map_err(|error| ConfigError {
                variable: "PAYOUT_SIMULATED_FAILURE_RATE",
                message: error.to_string(),
            })?;
            Ok(Arc::new(processor))
        }
        ProcessorConfig::Http { url, token } => {
            let settings = HttpSettings {
                token: token.clone(),
                ..HttpSettings::new(url.as_str())
            };
            let processor = HttpProcessor::new(&settings).map_err(|error| {
                let variable = match error {
                    HttpSetupError::InvalidToken => "PAYOUT_PROCESSOR_TOKEN",
                    HttpSetupError::InvalidUrl | HttpSetupError::Client(_) | _ => "PAYOUT_PROCESSOR_URL",
                };
                ConfigError {
                    variable,
                    message: error.to_string(),
                }
            })?;
            Ok(Arc::new(processor))
        }
    }
}
