//! The settings that belong together, and must not contradict each other.

use std::time::Duration;

use payout_adapters::{ReadLimits, Secret};
use payout_core::keys::KeySecret;
use payout_core::limits::MoneyLimits;
use payout_core::payout::Actor;
use payout_core::policy::Policy;
use payout_core::ports::Randomness;
use payout_core::worker::WorkerSettings;

use super::arguments::Arguments;
use super::read::Reader;
use super::{ConfigError, ProcessorConfig, Redis, secrets};

pub(super) fn redis(arguments: &Arguments) -> Result<Option<Redis>, ConfigError> {
    let Some(url) = secrets::REDIS_URL.read(arguments.redis_url())? else {
        return Ok(None);
    };
    let parsed = url::Url::parse(url.expose())
        .ok()
        .filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    if parsed.is_none() {
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
        url,
        prefix: prefix.to_owned(),
    }))
}

/// Whether the service was told to be open to whoever reaches it while it has no keys.
pub(super) fn auth_off(arguments: &Arguments) -> Result<bool, ConfigError> {
    match arguments.auth() {
        None => Ok(false),
        Some(text) => Reader {
            variable: "PAYOUT_AUTH",
            text,
        }
        .choice(&[("off", true)]),
    }
}

/// How much may be paid out.
pub(super) fn money_limits(arguments: &Arguments) -> Result<MoneyLimits, ConfigError> {
    let Some(text) = arguments.money_limits() else {
        return Ok(MoneyLimits::default());
    };
    text.parse()
        .map_err(|error| ConfigError::new("PAYOUT_LIMITS", error))
}

pub(super) fn key_secret(arguments: &Arguments) -> Result<Option<KeySecret>, ConfigError> {
    let Some(secret) = secrets::KEY_SECRET.read(arguments.key_secret())? else {
        return Ok(None);
    };
    KeySecret::new(secret.expose().as_bytes())
        .map(Some)
        .map_err(|error| ConfigError::new("PAYOUT_KEY_SECRET", error))
}

pub(super) fn processor(arguments: &Arguments) -> Result<ProcessorConfig, ConfigError> {
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
    let token = secrets::PROCESSOR_TOKEN.read(arguments.processor_token())?;
    if !http {
        refuse_forgotten_provider(arguments, token.as_ref())?;
        return Ok(ProcessorConfig::Simulated { delay, failure_rate });
    }
    let Some(text) = arguments.processor_url() else {
        return Err(ConfigError::new(
            "PAYOUT_PROCESSOR_URL",
            "is needed with PAYOUT_PROCESSOR=http",
        ));
    };
    let url = base_url("PAYOUT_PROCESSOR_URL", text)?;
    if token
        .as_ref()
        .is_some_and(|token| !token.expose().bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(ConfigError::new(
            "PAYOUT_PROCESSOR_TOKEN",
            "use visible ASCII characters",
        ));
    }
    Ok(ProcessorConfig::Http { url, token })
}

/// The collector's base address.
pub(super) fn traces(arguments: &Arguments) -> Result<Option<url::Url>, ConfigError> {
    let read = |text| base_url("OTEL_EXPORTER_OTLP_ENDPOINT", text);
    arguments.otlp_endpoint().map(read).transpose()
}

/// Whoever names a provider means it: the simulated one would say of every payout that it was paid.
fn refuse_forgotten_provider(arguments: &Arguments, token: Option<&Secret>) -> Result<(), ConfigError> {
    let variable = match (arguments.processor_url(), token) {
        (Some(_), _) => "PAYOUT_PROCESSOR_URL",
        (None, Some(_)) => secrets::PROCESSOR_TOKEN.name,
        (None, None) => return Ok(()),
    };
    Err(ConfigError::new(
        variable,
        "is set, but the provider is simulated and nobody would be paid: set PAYOUT_PROCESSOR=http, or unset it",
    ))
}

/// An address that paths are added to.
fn base_url(variable: &'static str, text: &str) -> Result<url::Url, ConfigError> {
    let url = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let message = "use http:// or https://, without user, query and fragment";
    url.ok_or_else(|| ConfigError::new(variable, message))
}

pub(super) fn worker(
    arguments: &Arguments,
    randomness: &dyn Randomness,
) -> Result<WorkerSettings, ConfigError> {
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
        name: process_name(std::env::var("HOSTNAME").ok(), randomness),
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

/// How much is read at once.
pub(super) fn reads(arguments: &Arguments) -> Result<ReadLimits, ConfigError> {
    let connections = Reader {
        variable: "PAYOUT_READ_CONNECTIONS",
        text: arguments.read_connections(),
    }
    .number(1..=64)?;
    let timeout = Reader {
        variable: "PAYOUT_READ_TIMEOUT_MS",
        text: arguments.read_timeout_ms(),
    }
    .number(100..=60_000)?;
    Ok(ReadLimits {
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
        timeout: Duration::from_millis(timeout),
    })
}

/// The name of this process among others, for the audit trail and the queue: two must never share one.
pub(super) fn process_name(host: Option<String>, randomness: &dyn Randomness) -> Actor {
    let host = host.filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.as_deref().map_or("worker", str::trim);
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .take(64)
        .collect();
    Actor::new(&format!(
        "{host}-{}-{:06x}",
        std::process::id(),
        randomness.next_u64() & 0xff_ffff
    ))
}
