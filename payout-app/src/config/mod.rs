//! The settings. This is the only place that reads the environment.
//!
//! [`arguments`] says what can be set and how it is called; here it becomes a [`Config`], which is valid once it
//! exists. Whatever is wrong is one line that names the variable.

mod arguments;
mod database;
mod read;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use payout_core::payout::Actor;
use payout_core::policy::Policy;
use payout_core::ports::Randomness;
use payout_core::worker::WorkerSettings;
use secrecy::SecretString;

use self::arguments::{Arguments, defaults};
pub use self::arguments::{Command, DocumentFormat, LogFormat};
pub use self::database::Database;
use self::read::Reader;

/// Everything that can be set, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to do.
    pub command: Command,
    /// Where payouts are kept.
    pub database: Database,
    /// Where hints go; in this process when absent.
    pub redis: Option<Redis>,
    /// Where to listen.
    pub bind: SocketAddr,
    /// Where to serve health and metrics besides; the only place where a worker alone does.
    pub metrics_bind: Option<SocketAddr>,
    /// Who moves the money.
    pub processor: ProcessorConfig,
    /// How the worker works.
    pub worker: WorkerSettings,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// A Redis server.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its address, which may hold a password.
    pub url: SecretString,
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
        token: Option<SecretString>,
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
}

impl Config {
    /// Reads `.env` in the working folder, where there is one, into the environment. Must be called before threads run.
    ///
    /// # Errors
    /// [`ConfigError`] when the file is there and cannot be read.
    pub fn load_dotenv() -> Result<(), ConfigError> {
        let path = Path::new(".env");
        match dotenvy::from_path(path) {
            Ok(()) => Ok(()),
            Err(error) if error.not_found() => Ok(()),
            // The line itself is not shown: it may hold a secret.
            Err(dotenvy::Error::LineParse(line, _)) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let first = line.lines().next().unwrap_or_default().trim();
                let number = text.lines().position(|other| other.trim() == first);
                let place = number.map_or_else(String::new, |number| format!("line {}: ", number + 1));
                Err(ConfigError::new(".env", format!("{place}this is not NAME=value")))
            }
            Err(error) => Err(ConfigError::new(".env", error)),
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
        read::refuse_odd_text()?;
        let arguments = Arguments::try_parse_from(args)?;
        Ok(Self::from_arguments(arguments, randomness)?)
    }

    fn from_arguments(arguments: Arguments, randomness: &dyn Randomness) -> Result<Self, ConfigError> {
        let command = arguments.command();
        let database = Database::parse(arguments.database_url())?;
        let in_memory = matches!(database, Database::Memory);
        match command {
            Command::Serve if in_memory => return Err(alone("serve")),
            Command::Worker if in_memory => return Err(alone("worker")),
            Command::Run
            | Command::Serve
            | Command::Worker
            | Command::Migrate
            | Command::Openapi { .. }
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
        Ok(Self {
            bind: Reader {
                variable: "PAYOUT_BIND",
                text: arguments.bind(),
            }
            .address()?,
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
            redis: redis(&arguments)?,
            processor: processor(&arguments)?,
            worker: worker(&arguments, randomness)?,
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

fn redis(arguments: &Arguments) -> Result<Option<Redis>, ConfigError> {
    let Some(text) = arguments.redis_url() else {
        return Ok(None);
    };
    let url = url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    if url.is_none() {
        let message = "use redis://[user:password@]host[:port][/database], or rediss:// for TLS";
        return Err(ConfigError::new("REDIS_URL", message));
    }
    let prefix = arguments.redis_prefix();
    if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) || prefix.len() > 64 {
        return Err(ConfigError::new(
            "PAYOUT_REDIS_PREFIX",
            "use up to 64 visible ASCII characters",
        ));
    }
    Ok(Some(Redis {
        url: text.to_owned().into(),
        prefix: prefix.to_owned(),
    }))
}

fn processor(arguments: &Arguments) -> Result<ProcessorConfig, ConfigError> {
    let delay = Reader {
        variable: "PAYOUT_SIMULATED_DELAY_MS",
        text: arguments.simulated_delay_ms(),
    }
    .milliseconds_or_none()?;
    let failure_rate = Reader {
        variable: "PAYOUT_SIMULATED_FAILURE_RATE",
        text: arguments.simulated_failure_rate(),
    }
    .rate()?;
    let http = Reader {
        variable: "PAYOUT_PROCESSOR",
        text: arguments.processor(),
    }
    .choice(&[("simulated", false), ("http", true)])?;
    if !http {
        return Ok(ProcessorConfig::Simulated { delay, failure_rate });
    }
    let Some(text) = arguments.processor_url() else {
        return Err(ConfigError::new(
            "PAYOUT_PROCESSOR_URL",
            "is needed with PAYOUT_PROCESSOR=http",
        ));
    };
    let url = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let url = url.ok_or_else(|| {
        ConfigError::new(
            "PAYOUT_PROCESSOR_URL",
            "use http:// or https://, without user, query and fragment",
        )
    })?;
    let token = arguments.processor_token();
    if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(ConfigError::new(
            "PAYOUT_PROCESSOR_TOKEN",
            "use visible ASCII characters",
        ));
    }
    Ok(ProcessorConfig::Http {
        url,
        token: token.map(|token| token.to_owned().into()),
    })
}

fn worker(arguments: &Arguments, randomness: &dyn Randomness) -> Result<WorkerSettings, ConfigError> {
    let milliseconds = |variable, text| Reader { variable, text }.milliseconds();
    let lease = milliseconds("PAYOUT_LEASE_MS", arguments.lease_ms())?;
    let call_timeout = milliseconds("PAYOUT_CALL_TIMEOUT_MS", arguments.call_timeout_ms())?;
    if call_timeout > lease / 3 {
        let message = format!(
            "{} is more than a third of PAYOUT_LEASE_MS ({}): a call could outlive its lease",
            call_timeout.as_millis(),
            lease.as_millis()
        );
        return Err(ConfigError::new("PAYOUT_CALL_TIMEOUT_MS", message));
    }
    let sweep_every = milliseconds("PAYOUT_SWEEP_MS", arguments.sweep_ms())?;
    let backoff_base = milliseconds("PAYOUT_BACKOFF_BASE_MS", arguments.backoff_base_ms())?;
    let backoff_cap = milliseconds("PAYOUT_BACKOFF_CAP_MS", arguments.backoff_cap_ms())?;
    if backoff_base > backoff_cap {
        let message = format!(
            "{} is more than PAYOUT_BACKOFF_CAP_MS ({})",
            backoff_base.as_millis(),
            backoff_cap.as_millis()
        );
        return Err(ConfigError::new("PAYOUT_BACKOFF_BASE_MS", message));
    }
    let max_attempts = Reader {
        variable: "PAYOUT_MAX_ATTEMPTS",
        text: arguments.max_attempts(),
    }
    .number(1..=1_000_000)?;
    let hours = Reader {
        variable: "PAYOUT_KEY_WINDOW_HOURS",
        text: arguments.key_window_hours(),
    }
    .number(1..=87_600)?;
    let concurrency = Reader {
        variable: "PAYOUT_WORKER_CONCURRENCY",
        text: arguments.concurrency(),
    }
    .number(1..=100_000)?;
    Ok(WorkerSettings {
        name: Actor::new(&process_name(randomness)),
        concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
        lease,
        call_timeout,
        sweep_every,
        // What runs when the shutdown begins ends within one call, and what it learnt is then written.
        drain_within: call_timeout.max(lease / 3) + Duration::from_secs(5),
        policy: Policy {
            backoff_base,
            backoff_cap,
            max_attempts: u32::try_from(max_attempts).unwrap_or(u32::MAX),
            key_window: Duration::from_secs(hours * 60 * 60),
        },
        ..WorkerSettings::default()
    })
}

/// The name of this process among others, for the audit trail and the queue: two must never share one.
fn process_name(randomness: &dyn Randomness) -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.as_deref().map_or("worker", str::trim);
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .take(64)
        .collect();
    format!(
        "{host}-{}-{:06x}",
        std::process::id(),
        randomness.next_u64() & 0xff_ffff
    )
}

/// The default of the address that the process listens on, for messages.
pub const DEFAULT_BIND: &str = defaults::BIND;
