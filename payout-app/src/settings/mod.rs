//! The settings. This is the only place that reads the environment.
//!
//! `table` says what can be set and how it is called; each section has a file with its rows and their values. Together
//! they become a [`Config`], which is valid once it exists. An error is one line that names the variable.

mod access;
mod api;
mod approvals;
mod arguments;
mod batch_command;
mod belonging;
#[cfg(feature = "crash-points")]
mod crash;
mod database;
#[cfg(test)]
mod documents;
mod dotenv;
mod encryption;
mod export_command;
mod import_command;
mod keys_command;
mod limits;
mod log;
mod money;
mod names;
mod parse;
mod provider;
pub(crate) mod providers;
mod providers_command;
mod queue;
mod reconcile_command;
mod reports;
mod secrets;
mod storage;
mod table;
mod values;
mod webhooks;
mod webhooks_command;
mod worker;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;

use payout_adapters::Secret;
use payout_adapters::encryption::EncryptionKeys;
use payout_adapters::storage::postgres::Pooler;
use payout_adapters::webhook::AllowedNetworks;
use payout_core::access::KeySecret;
use payout_core::approval::ApprovalPolicy;
use payout_core::ports::{Randomness, System};
use payout_core::spending::MoneyLimits;
use payout_core::worker::WorkerSettings;

pub use self::api::ApiConfig;
use self::arguments::Arguments;
pub use self::arguments::{Command, DocumentFormat, EncryptionCommand};
pub use self::batch_command::{BatchCommand, BatchImportCommand, DecimalChoice};
pub use self::belonging::MisplacedOption;
pub use self::database::Database;
pub use self::export_command::{DeletedChoice, ExportCommand};
pub use self::import_command::{ImportCommand, Pair, PendingChoice, SourceUrl, StatusPair};
pub use self::keys_command::KeysCommand;
pub use self::limits::{LimitsConfig, Quota, RateLimit};
pub use self::log::{LogConfig, LogFormat};
pub use self::names::UnknownSetting;
pub use self::provider::ProcessorConfig;
pub use self::providers::{ProviderKind, ProviderMistake, ProviderSettings};
pub use self::providers_command::ProvidersCommand;
pub use self::queue::{Broker, Queue};
pub use self::reconcile_command::{ReconcileCommand, ReconcileFormat};
pub use self::storage::StorageConfig;
use self::values::Values;
pub use self::webhooks_command::WebhooksCommand;

/// The default of the address that the process listens on, for messages.
pub const DEFAULT_BIND: &str = "127.0.0.1:8000";

/// Everything that can be set, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// The command.
    pub command: Command,
    /// The database that payouts are stored in.
    pub database: Database,
    /// The use of the database: connections, and how long they wait.
    pub storage: StorageConfig,
    /// The keys that recipients are encrypted with.
    pub keyring: EncryptionKeys,
    /// The queue that hints go through.
    pub queue: Queue,
    /// The address to listen on.
    pub bind: SocketAddr,
    /// An address for metrics and health alone. Metrics are then not served with the API; a worker serves nothing else.
    pub metrics_bind: Option<SocketAddr>,
    /// The choices of the API.
    pub api: ApiConfig,
    /// Opens the service to every client that reaches it, and not only to its own host, as long as it has no API key.
    pub auth_off: bool,
    /// The key of the digests of API keys; a secret of the database's own when absent.
    pub key_secret: Option<KeySecret>,
    /// The spending limits.
    pub money_limits: MoneyLimits,
    /// The rules for approvals.
    pub approvals: ApprovalPolicy,
    /// The limits of what one client may take of the service.
    pub limits: LimitsConfig,
    /// The provider that moves the money.
    pub processor: ProcessorConfig,
    /// The settings of the worker.
    pub worker: WorkerSettings,
    /// The networks inside which the endpoints of webhooks may be called.
    pub webhook_networks: AllowedNetworks,
    /// Says that the database was restored from a backup.
    pub restored: bool,
    /// The log.
    pub log: LogConfig,
    /// The project that errors are reported to, besides the log; none when absent.
    pub sentry: Option<Secret>,
    /// The collector that traces are sent to; they are not kept when absent.
    pub traces: Option<url::Url>,
}

/// A setting is wrong, or two contradict each other. One line that names the variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// The mistake. Never shows a value that may be secret.
    pub message: String,
}

impl ConfigError {
    fn new(variable: &'static str, message: impl fmt::Display) -> Self {
        Self {
            variable,
            message: message.to_string(),
        }
    }
}

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command line is not understood, or help was asked for: clap says it best.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// A variable looks like a setting, but is unknown.
    #[error(transparent)]
    Unknown(#[from] UnknownSetting),
    /// An option says nothing to the command.
    #[error(transparent)]
    Misplaced(#[from] MisplacedOption),
}

/// The defaults of README's table, for a program that sets the rest itself. Nothing is read from the environment.
///
/// ```
/// use payout_app::settings::{Config, Database};
///
/// let config = Config { database: Database::parse("sqlite:///var/lib/shop/payouts.db")?, ..Config::default() };
/// assert_eq!(config.bind.to_string(), "127.0.0.1:8000");
/// # Ok::<(), payout_app::settings::ConfigError>(())
/// ```
impl Default for Config {
    #[expect(clippy::expect_used, reason = "a test reads the defaults")]
    fn default() -> Self {
        let nothing = Arguments {
            command: Command::Run,
            restored: false,
            values: Values::default(),
        };
        Self::from_arguments(nothing, &System::default()).expect("the defaults are valid")
    }
}

impl Config {
    /// Reads the environment alone, as the binary without a command line does. A file `.env` is read by
    /// [`load_dotenv`](Self::load_dotenv) before.
    ///
    /// # Errors
    /// [`StartError`], the first that is found.
    pub fn from_env() -> Result<Self, StartError> {
        Self::from_args(["payout"], &System::default())
    }

    /// Reads `.env` in the working folder, where there is one, into the environment. Must be called before threads run.
    ///
    /// # Errors
    /// [`ConfigError`] when the file is there and cannot be read.
    pub fn load_dotenv() -> Result<(), ConfigError> {
        dotenv::load()
    }

    /// Reads what a command line asks for without any setting: the document, or what clap itself answers (help,
    /// version).
    ///
    /// # Errors
    /// [`clap::Error`], which is that answer.
    pub fn without_settings<I, T>(args: I) -> Result<Option<DocumentFormat>, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        use clap::error::ErrorKind;

        match belonging::parse(args) {
            Ok(arguments) => match arguments.command {
                Command::Openapi { format } => Ok(Some(format)),
                Command::Run
                | Command::Serve
                | Command::Worker
                | Command::Migrate
                | Command::Keys(_)
                | Command::Providers(_)
                | Command::Webhooks(_)
                | Command::Encryption(EncryptionCommand::Rotate)
                | Command::KeysRotate
                | Command::Doctor { .. }
                | Command::Reconcile(_)
                | Command::Export(_)
                | Command::Backup { .. }
                | Command::Import(_)
                | Command::Batch(_)
                | Command::ImportDjango(_)
                | Command::Healthcheck => Ok(None),
            },
            Err(StartError::CommandLine(error))
                if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
            {
                Err(error)
            }
            Err(_) => Ok(None),
        }
    }

    /// Reads the command line, with the environment for settings that it omits.
    ///
    /// # Errors
    /// [`StartError`], the first that is found.
    pub fn from_args<I, T>(args: I, randomness: &dyn Randomness) -> Result<Self, StartError>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let arguments = belonging::parse(args)?;
        names::unknown_in_environment()?;
        Ok(Self::from_arguments(arguments, randomness)?)
    }

    fn from_arguments(arguments: Arguments, randomness: &dyn Randomness) -> Result<Self, ConfigError> {
        let Arguments {
            command,
            restored,
            values,
        } = arguments;
        let database = database::DatabaseRow::read(&values)?.database;
        refuse_memory(&command, &database)?;
        let log = LogConfig::read(&values)?;
        let addresses = api::AddressRows::read(&values)?;
        let keyring = encryption::EncryptionRow::read(&values)?;
        let access = access::AccessRows::read(&values)?;
        let processor = provider::ProviderRows::read(&values)?;
        let reports = reports::ReportRows::read(&values)?;
        let name = worker::process_name(values.host_name(), randomness);
        let storage = StorageConfig::read(&values)?.checked()?;
        let is_pooled = matches!(storage.postgres().pooler, Pooler::Transaction);
        let config = Self {
            storage,
            keyring: keyring.keyring(&command, &database, addresses.bind)?,
            queue: queue::QueueRows::read(&values)?.queue(&database, is_pooled)?,
            bind: addresses.bind,
            metrics_bind: addresses.metrics_bind,
            api: ApiConfig::read(&values)?,
            auth_off: access.auth_off.unwrap_or(false),
            key_secret: access.key_secret,
            approvals: approvals::ApprovalRows::read(&values)?.policy(),
            money_limits: money::MoneyRow::read(&values)?.limits.unwrap_or_default(),
            limits: LimitsConfig::read(&values)?,
            processor: processor.processor(&values)?,
            worker: worker::WorkerRows::read(&values)?.settings(name)?,
            webhook_networks: webhooks::WebhookRows::read(&values)?.networks.unwrap_or_default(),
            restored,
            log,
            sentry: reports.sentry,
            traces: reports.traces,
            command,
            database,
        };
        table::refuse_unneeded(&values)?;
        Ok(config)
    }
}

/// Refuses a database in memory for a command that would be alone with it.
fn refuse_memory(command: &Command, database: &Database) -> Result<(), ConfigError> {
    let alone = |name: &str| {
        format!(
            "memory: is seen by one process only, so `payout {name}` alone has nothing to share it with; use `payout run`"
        )
    };
    let message = match (database, command) {
        (Database::Memory, Command::Serve) => alone("serve"),
        (Database::Memory, Command::Worker) => alone("worker"),
        (Database::Memory, Command::Keys(_)) => {
            "memory: is seen by one process only; make its keys over HTTP".to_owned()
        }
        (Database::Memory, Command::Webhooks(_)) => {
            "memory: is seen by one process only; administer its webhooks over HTTP".to_owned()
        }
        (
            Database::Memory,
            Command::Providers(
                ProvidersCommand::List | ProvidersCommand::Pause { .. } | ProvidersCommand::Resume { .. },
            ),
        ) => "memory: is seen by one process only; pause and resume its providers over HTTP".to_owned(),
        (Database::Memory, Command::Import(_) | Command::Batch(_)) => {
            "memory: is seen by one process only; send its batches over HTTP".to_owned()
        }
        (
            Database::Memory,
            Command::Providers(ProvidersCommand::Check)
            | Command::Run
            | Command::Migrate
            | Command::Openapi { .. }
            | Command::Encryption(EncryptionCommand::Rotate)
            | Command::KeysRotate
            | Command::Doctor { .. }
            | Command::Reconcile(_)
            | Command::Export(_)
            | Command::Backup { .. }
            | Command::ImportDjango(_)
            | Command::Healthcheck,
        )
        | (Database::Sqlite { .. } | Database::Postgres { .. }, _) => return Ok(()),
    };
    Err(ConfigError::new("DATABASE_URL", message))
}
