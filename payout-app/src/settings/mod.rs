//! The settings. This is the only place that reads the environment.
//!
//! `arguments` says what can be set and how it is called; here and in `parts` it becomes a [`Config`], which is valid once it
//! exists. Whatever is wrong is one line that names the variable.

mod arguments;
mod belonging;
#[cfg(feature = "crash-points")]
mod crash;
mod database;
mod dotenv;
mod import_command;
mod keys_command;
mod limits;
mod names;
mod parts;
mod read;
mod reconcile_command;
mod sealing;
mod secrets;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use payout_adapters::seal::Keyring;
use payout_adapters::{ReadLimits, Secret};
use payout_core::keys::KeySecret;
use payout_core::limits::MoneyLimits;
use payout_core::ports::{Randomness, System};
use payout_core::worker::WorkerSettings;

use self::arguments::{Arguments, defaults};
pub use self::arguments::{Command, DocumentFormat, LogFormat};
pub use self::belonging::MisplacedOption;
pub use self::database::Database;
pub use self::import_command::{ImportCommand, Pair, PendingChoice, SourceUrl, StatusPair};
pub use self::keys_command::KeysCommand;
pub use self::limits::{LimitsConfig, Quota, RateLimit};
pub use self::names::UnknownSetting;
use self::read::Reader;
pub use self::reconcile_command::{ReconcileCommand, ReconcileFormat};

/// Everything that can be set, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to do.
    pub command: Command,
    /// Where payouts are kept.
    pub database: Database,
    /// How many lists, counts and audit trails are read at once.
    pub reads: ReadLimits,
    /// What who is paid is sealed with.
    pub keyring: Keyring,
    /// Where hints go; in this process when absent.
    pub redis: Option<Redis>,
    /// Where to listen.
    pub bind: SocketAddr,
    /// Where to serve metrics, instead of with the API, and health; the only place where a worker alone does.
    pub metrics_bind: Option<SocketAddr>,
    /// Whether it is open to whoever reaches it, and not only to its own host, as long as it has no API key.
    pub auth_off: bool,
    /// What the digests of API keys are keyed with; a secret of the database's own when absent.
    pub key_secret: Option<KeySecret>,
    /// How much may be paid out.
    pub money_limits: MoneyLimits,
    /// Whether the documentation is served: the pages and the document that they show.
    pub docs: bool,
    /// Whether a create without an `Idempotency-Key` is refused.
    pub require_idempotency_key: bool,
    /// How much of the service one client may take.
    pub limits: LimitsConfig,
    /// Who moves the money.
    pub processor: ProcessorConfig,
    /// How the worker works.
    pub worker: WorkerSettings,
    /// Whether the database was restored from a backup.
    pub restored: bool,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where errors are reported to, besides the log; nowhere when absent.
    pub sentry: Option<Secret>,
    /// The collector that traces are sent to; they are not kept when absent.
    pub traces: Option<url::Url>,
}

/// A Redis server.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its address, which may hold a password.
    pub url: Secret,
    /// What the names of all keys start with.
    pub prefix: String,
}

/// Who moves the money.
#[derive(Debug, Clone)]
pub enum ProcessorConfig {
    /// Nobody: it only takes its time.
    Simulated {
        /// So much of it.
        delay: Duration,
        /// How many of all payouts it declines, from 0 to 1.
        failure_rate: f64,
    },
    /// A provider, by the contract in the documentation.
    Http {
        /// Its base address.
        url: url::Url,
        /// The bearer token that it wants.
        token: Option<Secret>,
    },
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A filter of tracing-subscriber.
    pub filter: String,
    /// For people or for programs.
    pub format: LogFormat,
}

/// A setting is wrong, or two contradict each other. One line that names the variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it. Never shows a value that may be secret.
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
    /// A variable looks like a setting, and is none.
    #[error(transparent)]
    Unknown(#[from] UnknownSetting),
    /// An option says nothing to the command.
    #[error(transparent)]
    Misplaced(#[from] MisplacedOption),
}

/// What README's table calls the defaults, for a program that sets the rest itself. Nothing is read from the environment.
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
        let system = System::default();
        let mut config =
            Self::from_arguments(Arguments::without_environment(), &system).expect("the defaults are valid");
        config.worker.name = parts::process_name(None, &system);
        config
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

    /// What a command line asks for that no setting has a say in: the document, or what clap itself answers (help, version).
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
            Ok(arguments) => match arguments.command() {
                Command::Openapi { format } => Ok(Some(format)),
                Command::Run
                | Command::Serve
                | Command::Worker
                | Command::Migrate
                | Command::Keys(_)
                | Command::KeysRotate
                | Command::Doctor { .. }
                | Command::Reconcile(_)
                | Command::Backup { .. }
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

    /// Reads the command line, with the environment for what it leaves away.
    ///
    /// # Errors
    /// [`StartError`], the first that is found.
    pub fn from_args<I, T>(args: I, randomness: &dyn Randomness) -> Result<Self, StartError>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        arguments::refuse_odd_text()?;
        let arguments = belonging::parse(args)?;
        names::unknown_in_environment()?;
        Ok(Self::from_arguments(arguments, randomness)?)
    }

    fn from_arguments(arguments: Arguments, randomness: &dyn Randomness) -> Result<Self, ConfigError> {
        let command = arguments.command();
        let database = match secrets::DATABASE_URL.read(arguments.database_url())? {
            Some(url) => Database::parse(url.expose())?,
            None => Database::parse(defaults::DATABASE_URL)?,
        };
        let in_memory = matches!(database, Database::Memory);
        match command {
            Command::Serve if in_memory => return Err(alone("serve")),
            Command::Worker if in_memory => return Err(alone("worker")),
            Command::Keys(_) if in_memory => {
                let message = "memory: is seen by one process only; make its keys over HTTP";
                return Err(ConfigError::new("DATABASE_URL", message));
            }
            Command::Run
            | Command::Keys(_)
            | Command::Serve
            | Command::Worker
            | Command::Migrate
            | Command::Openapi { .. }
            | Command::KeysRotate
            | Command::Doctor { .. }
            | Command::Reconcile(_)
            | Command::Backup { .. }
            | Command::ImportDjango(_)
            | Command::Healthcheck => (),
        }
        let log = LogConfig {
            filter: read::log_filter(arguments.log())?,
            format: Reader {
                variable: "PAYOUT_LOG_FORMAT",
                text: arguments.log_format(),
            }
            .choice(&[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)])?,
        };
        let bind = Reader {
            variable: "PAYOUT_BIND",
            text: arguments.bind(),
        }
        .address()?;
        Ok(Self {
            keyring: sealing::keyring(arguments.encryption_keys(), &command, &database, bind)?,
            bind,
            metrics_bind: arguments
                .metrics_bind()
                .map(|text| {
                    Reader {
                        variable: "PAYOUT_METRICS_BIND",
                        text,
                    }
                    .address()
                })
                .transpose()?,
            docs: Reader {
                variable: "PAYOUT_DOCS",
                text: arguments.docs(),
            }
            .choice(&[("on", true), ("off", false)])?,
            require_idempotency_key: Reader {
                variable: "PAYOUT_REQUIRE_IDEMPOTENCY_KEY",
                text: arguments.require_idempotency_key(),
            }
            .choice(&[("on", true), ("off", false)])?,
            limits: arguments.limits.read()?,
            auth_off: parts::auth_off(&arguments)?,
            key_secret: parts::key_secret(&arguments)?,
            money_limits: parts::money_limits(&arguments)?,
            reads: parts::reads(&arguments)?,
            redis: parts::redis(&arguments)?,
            processor: parts::processor(&arguments)?,
            worker: parts::worker(&arguments, randomness)?,
            restored: arguments.restored(),
            sentry: secrets::SENTRY_DSN.read(arguments.sentry_dsn())?,
            traces: parts::traces(&arguments)?,
            command,
            database,
            log,
        })
    }
}

fn alone(command: &str) -> ConfigError {
    let message = format!(
        "memory: is seen by one process only, so `payout {command}` alone has nothing to share it with; use `payout run`"
    );
    ConfigError::new("DATABASE_URL", message)
}

/// The default of the address that the process listens on, for messages.
pub const DEFAULT_BIND: &str = defaults::BIND;
