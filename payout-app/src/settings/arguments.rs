//! What can be set: each setting is a variable, and an option of the same name that wins over it.
//!
//! Everything arrives as text, and is read in [`super`]: clap's own messages name the option and not the variable, and
//! take several lines. Secrets are options here and no more: clap would keep copies of their variables.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use payout_adapters::Secret;

use super::ConfigError;
use super::import_command::ImportCommand;
use super::keys_command::KeysCommand;
use super::limits::{self, LimitSettings};
use super::read::or;
use super::reconcile_command::ReconcileCommand;

/// The defaults.
pub(super) mod defaults {
    pub(crate) const DATABASE_URL: &str = "sqlite://payouts.db";
    pub(crate) const BIND: &str = "127.0.0.1:8000";
    pub(crate) const DOCS: &str = "on";
    pub(crate) const REQUIRE_IDEMPOTENCY_KEY: &str = "off";
    pub(crate) const REDIS_PREFIX: &str = "payout";
    pub(crate) const PROCESSOR: &str = "simulated";
    pub(crate) const SIMULATED_DELAY_MS: &str = "2000";
    pub(crate) const SIMULATED_FAILURE_RATE: &str = "0";
    pub(crate) const CONCURRENCY: &str = "256";
    pub(crate) const LEASE_MS: &str = "15000";
    pub(crate) const CALL_TIMEOUT_MS: &str = "5000";
    pub(crate) const SWEEP_MS: &str = "1000";
    pub(crate) const BACKOFF_BASE_MS: &str = "1000";
    pub(crate) const BACKOFF_CAP_MS: &str = "60000";
    pub(crate) const MAX_ATTEMPTS: &str = "20";
    pub(crate) const KEY_WINDOW_HOURS: &str = "24";
    pub(crate) const READ_CONNECTIONS: &str = "4";
    pub(crate) const READ_TIMEOUT_MS: &str = "3000";
    pub(crate) const LOG: &str = "info";
    pub(crate) const LOG_FORMAT: &str = "pretty";
}

/// Sends money, once: an HTTP API for payouts, and the worker that hands them to a payment provider.
///
/// Without a command it migrates the database, serves and works in one process. Every setting is a variable, also from a
/// file .env in the working folder; an option wins over its variable, and an empty variable counts as unset. A secret may
/// also be in a file, which the variable with _FILE after its name then names.
#[derive(Debug, Default, Parser)]
#[command(name = "payout", version, args_override_self = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    pub(super) limits: LimitSettings,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Migrate the database, serve and work in one process (the default)
    Run,
    /// Serve HTTP; another process works
    Serve,
    /// Send payouts; another process serves HTTP
    Worker,
    /// Bring the database's schema up to date, and exit
    Migrate,
    /// Make, list, revoke and rotate API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the OpenAPI document
    Openapi {
        /// In which form
        #[arg(long, value_enum, default_value_t = DocumentFormat::Yaml)]
        format: DocumentFormat,
    },
    /// Seal account numbers and names with the first of PAYOUT_ENCRYPTION_KEYS, wherever another key or none was used;
    /// safe while others run, and to be repeated when it was stopped
    KeysRotate,
    /// Look at the settings, the database, the queue and the provider, and say what is wrong; exit 0 when nothing is
    Doctor {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Look each payout of a period up at the provider, and list every disagreement; exit 0 when there is none, 1 when there
    /// is one, 2 when that could not be found out
    Reconcile(ReconcileCommand),
    /// Copy the SQLite file while others use it
    Backup {
        /// The copy, which must not be there yet
        file: PathBuf,
    },
    /// Take the payouts of the Django service over that this one replaces, with their ids, states and times; what was imported
    /// before is left as it is. Exit 0 when every row is here, 1 when one is refused or differs, 2 when it could not go on
    ImportDjango(ImportCommand),
    /// Ask the process that listens at PAYOUT_BIND whether it is ready; exit 0 when it is, 1 when not
    Healthcheck,
}

/// How the OpenAPI document is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// After the database was restored from a backup: look each payout that was pending up at the provider before
    /// sending it
    #[arg(long, global = true)]
    restored: bool,
    /// sqlite://FILE (created when missing), postgres://USER:PASSWORD@HOST:PORT/DATABASE, or memory:
    /// [env: DATABASE_URL, or DATABASE_URL_FILE] [default: sqlite://payouts.db]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<Secret>,
    /// redis://HOST:PORT/; without it hints stay in this process, and the sweep finds the rest
    /// [env: REDIS_URL, or REDIS_URL_FILE]
    #[arg(long, global = true, value_name = "URL")]
    redis_url: Option<Secret>,
    /// What account numbers and names are encrypted with: ID:BASE64 of 32 bytes, by commas, the current one first
    /// [env: PAYOUT_ENCRYPTION_KEYS, or PAYOUT_ENCRYPTION_KEYS_FILE]
    #[arg(long, global = true, value_name = "KEYS")]
    encryption_keys: Option<Secret>,
    /// What the names of all keys in Redis start with
    #[arg(long, env = "PAYOUT_REDIS_PREFIX", global = true, hide_env_values = true, value_name = "TEXT", default_value = defaults::REDIS_PREFIX)]
    redis_prefix: String,
    /// The address to listen on
    #[arg(long, env = "PAYOUT_BIND", global = true, hide_env_values = true, value_name = "ADDRESS", default_value = defaults::BIND)]
    bind: String,
    /// An address of its own for metrics, and for health; a worker alone serves nothing else
    #[arg(
        long,
        env = "PAYOUT_METRICS_BIND",
        global = true,
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    metrics_bind: Option<String>,
    /// off: without API keys, answer whoever reaches the service, and not only this host; with keys it says nothing
    #[arg(
        long,
        env = "PAYOUT_AUTH",
        global = true,
        hide_env_values = true,
        value_name = "off"
    )]
    auth: Option<String>,
    /// What the digests of API keys are keyed with, 32 characters or more; without it, a secret that the database keeps
    /// [env: PAYOUT_KEY_SECRET, or PAYOUT_KEY_SECRET_FILE]
    #[arg(long, global = true, value_name = "SECRET")]
    key_secret: Option<Secret>,
    /// How much may be paid out, by commas: CURRENCY=MAXIMUM of one payout/MAXIMUM of a day and API key, either of them
    /// left away where there is none (USD=1000/50000,EUR=500,JPY=/2000000); * is every currency that is not named, which
    /// without it has no limit
    #[arg(
        long = "limits",
        env = "PAYOUT_LIMITS",
        global = true,
        hide_env_values = true,
        value_name = "LIMITS"
    )]
    money_limits: Option<String>,
    /// Whether Swagger UI, Redoc and the OpenAPI document are served: on, or off
    #[arg(long, env = "PAYOUT_DOCS", global = true, hide_env_values = true, value_name = "on|off", default_value = defaults::DOCS)]
    docs: String,
    /// Whether every create must have an Idempotency-Key, so that none can be repeated by mistake: on, or off
    #[arg(long, env = "PAYOUT_REQUIRE_IDEMPOTENCY_KEY", global = true, hide_env_values = true, value_name = "on|off", default_value = defaults::REQUIRE_IDEMPOTENCY_KEY)]
    require_idempotency_key: String,
    /// Who moves the money: simulated (nobody is paid), or http
    #[arg(long, env = "PAYOUT_PROCESSOR", global = true, hide_env_values = true, value_name = "NAME", default_value = defaults::PROCESSOR)]
    processor: String,
    /// The base address of the provider
    #[arg(
        long,
        env = "PAYOUT_PROCESSOR_URL",
        global = true,
        hide_env_values = true,
        value_name = "URL"
    )]
    processor_url: Option<String>,
    /// The bearer token that the provider wants; better from a file, since options are seen by others
    /// [env: PAYOUT_PROCESSOR_TOKEN, or PAYOUT_PROCESSOR_TOKEN_FILE]
    #[arg(long, global = true, value_name = "TOKEN")]
    processor_token: Option<Secret>,
    /// How long a simulated payment takes
    #[arg(long, env = "PAYOUT_SIMULATED_DELAY_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::SIMULATED_DELAY_MS)]
    simulated_delay_ms: String,
    /// Which part of all simulated payments is declined, from 0 to 1
    #[arg(long, env = "PAYOUT_SIMULATED_FAILURE_RATE", global = true, hide_env_values = true, value_name = "RATE", default_value = defaults::SIMULATED_FAILURE_RATE)]
    simulated_failure_rate: String,
    /// How many calls to the provider are in flight at the most
    #[arg(long, env = "PAYOUT_WORKER_CONCURRENCY", global = true, hide_env_values = true, value_name = "COUNT", default_value = defaults::CONCURRENCY)]
    worker_concurrency: String,
    /// How long a claim holds before another worker may take the payout over
    #[arg(long, env = "PAYOUT_LEASE_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::LEASE_MS)]
    lease_ms: String,
    /// How long one call to the provider may take: at most a third of the lease
    #[arg(long, env = "PAYOUT_CALL_TIMEOUT_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::CALL_TIMEOUT_MS)]
    call_timeout_ms: String,
    /// How often a worker looks for what no hint announced
    #[arg(long, env = "PAYOUT_SWEEP_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::SWEEP_MS)]
    sweep_ms: String,
    /// The longest wait before the second attempt; doubled for each further one
    #[arg(long, env = "PAYOUT_BACKOFF_BASE_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::BACKOFF_BASE_MS)]
    backoff_base_ms: String,
    /// The longest wait before any attempt
    #[arg(long, env = "PAYOUT_BACKOFF_CAP_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::BACKOFF_CAP_MS)]
    backoff_cap_ms: String,
    /// How many attempts before a person must look
    #[arg(long, env = "PAYOUT_MAX_ATTEMPTS", global = true, hide_env_values = true, value_name = "COUNT", default_value = defaults::MAX_ATTEMPTS)]
    max_attempts: String,
    /// How long the provider remembers an idempotency key
    #[arg(long, env = "PAYOUT_KEY_WINDOW_HOURS", global = true, hide_env_values = true, value_name = "HOURS", default_value = defaults::KEY_WINDOW_HOURS)]
    key_window_hours: String,
    /// How many lists, counts and audit trails are read at the same time, each on a connection of its own; seven times as many
    /// wait, and more are refused
    #[arg(long, env = "PAYOUT_READ_CONNECTIONS", global = true, hide_env_values = true, value_name = "COUNT", default_value = defaults::READ_CONNECTIONS)]
    read_connections: String,
    /// How long one of them may take, and may wait for its turn
    #[arg(long, env = "PAYOUT_READ_TIMEOUT_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::READ_TIMEOUT_MS)]
    read_timeout_ms: String,
    /// What is logged: error, warn, info, debug, trace, or by module (info,payout_core=debug)
    #[arg(long, env = "PAYOUT_LOG", global = true, hide_env_values = true, value_name = "FILTER", default_value = defaults::LOG)]
    log: String,
    /// How log lines look: pretty, or json
    #[arg(long, env = "PAYOUT_LOG_FORMAT", global = true, hide_env_values = true, value_name = "FORMAT", default_value = defaults::LOG_FORMAT)]
    log_format: String,
    /// The base address of a collector that traces are sent to by OTLP over HTTP; without it none are kept
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        global = true,
        hide_env_values = true,
        value_name = "URL"
    )]
    otlp_endpoint: Option<String>,
    /// The DSN of a Sentry project that errors are reported to; without it none are
    /// [env: SENTRY_DSN, or SENTRY_DSN_FILE]
    #[arg(long, global = true, value_name = "DSN")]
    sentry_dsn: Option<Secret>,
}

/// Every variable that clap reads, for the check that each is text.
pub(super) const VARIABLES: [&str; 24] = [
    "PAYOUT_REDIS_PREFIX",
    "PAYOUT_BIND",
    "PAYOUT_METRICS_BIND",
    "PAYOUT_AUTH",
    "PAYOUT_LIMITS",
    "PAYOUT_DOCS",
    "PAYOUT_REQUIRE_IDEMPOTENCY_KEY",
    "PAYOUT_PROCESSOR",
    "PAYOUT_PROCESSOR_URL",
    "PAYOUT_SIMULATED_DELAY_MS",
    "PAYOUT_SIMULATED_FAILURE_RATE",
    "PAYOUT_WORKER_CONCURRENCY",
    "PAYOUT_LEASE_MS",
    "PAYOUT_CALL_TIMEOUT_MS",
    "PAYOUT_SWEEP_MS",
    "PAYOUT_BACKOFF_BASE_MS",
    "PAYOUT_BACKOFF_CAP_MS",
    "PAYOUT_MAX_ATTEMPTS",
    "PAYOUT_KEY_WINDOW_HOURS",
    "PAYOUT_READ_CONNECTIONS",
    "PAYOUT_READ_TIMEOUT_MS",
    "PAYOUT_LOG",
    "PAYOUT_LOG_FORMAT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

macro_rules! with_defaults {
    ($($name:ident = $field:ident or $default:ident),* $(,)?) => {$(
        pub(super) fn $name(&self) -> &str {
            or(&self.settings.$field, defaults::$default)
        }
    )*};
}

macro_rules! optional {
    ($($name:ident),* $(,)?) => {$(
        pub(super) fn $name(&self) -> Option<&str> {
            given(&self.settings.$name)
        }
    )*};
}

/// The option alone: the variables of secrets are read by [`super::secrets`].
macro_rules! secret {
    ($($name:ident),* $(,)?) => {$(
        pub(super) fn $name(&self) -> Option<&Secret> {
            self.settings.$name.as_ref()
        }
    )*};
}

impl Arguments {
    /// Arguments that set nothing. A secret that is blank here is not looked for in the environment either.
    pub(super) fn without_environment() -> Self {
        let blank = || Some(Secret::from(""));
        Self {
            settings: Settings {
                database_url: blank(),
                redis_url: blank(),
                processor_token: blank(),
                key_secret: blank(),
                encryption_keys: blank(),
                sentry_dsn: blank(),
                ..Settings::default()
            },
            ..Self::default()
        }
    }

    pub(super) fn restored(&self) -> bool {
        self.settings.restored
    }

    pub(super) fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Run)
    }

    with_defaults! {
        redis_prefix = redis_prefix or REDIS_PREFIX,
        bind = bind or BIND,
        docs = docs or DOCS,
        require_idempotency_key = require_idempotency_key or REQUIRE_IDEMPOTENCY_KEY,
        processor = processor or PROCESSOR,
        simulated_delay_ms = simulated_delay_ms or SIMULATED_DELAY_MS,
        simulated_failure_rate = simulated_failure_rate or SIMULATED_FAILURE_RATE,
        concurrency = worker_concurrency or CONCURRENCY,
        lease_ms = lease_ms or LEASE_MS,
        call_timeout_ms = call_timeout_ms or CALL_TIMEOUT_MS,
        sweep_ms = sweep_ms or SWEEP_MS,
        backoff_base_ms = backoff_base_ms or BACKOFF_BASE_MS,
        backoff_cap_ms = backoff_cap_ms or BACKOFF_CAP_MS,
        max_attempts = max_attempts or MAX_ATTEMPTS,
        key_window_hours = key_window_hours or KEY_WINDOW_HOURS,
        read_connections = read_connections or READ_CONNECTIONS,
        read_timeout_ms = read_timeout_ms or READ_TIMEOUT_MS,
        log = log or LOG,
        log_format = log_format or LOG_FORMAT,
    }
    optional!(metrics_bind, auth, money_limits, otlp_endpoint, processor_url);
    secret!(
        database_url,
        redis_url,
        processor_token,
        key_secret,
        encryption_keys,
        sentry_dsn
    );
}

/// clap would name the option and not the variable.
pub(super) fn refuse_odd_text() -> Result<(), ConfigError> {
    for variable in VARIABLES.into_iter().chain(limits::VARIABLES) {
        if std::env::var_os(variable).is_some_and(|value| value.to_str().is_none()) {
            return Err(ConfigError::new(variable, "is not UTF-8 text"));
        }
    }
    Ok(())
}
