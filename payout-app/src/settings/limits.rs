//! How much of the service one client may take.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use super::ConfigError;
use super::read::Reader;

mod defaults {
    /// Unless it is said otherwise: more than one client alone is likely to need, and not for this host itself.
    pub(super) const RATE: &str = "1000/s";
    pub(super) const MAX_IN_FLIGHT: &str = "4096";
    pub(super) const MAX_CONNECTIONS: &str = "8192";
    pub(super) const MAX_BODY_BYTES: &str = "65536";
    pub(super) const HEADER_TIMEOUT_MS: &str = "10000";
    pub(super) const BODY_TIMEOUT_MS: &str = "20000";
    pub(super) const HANDLER_TIMEOUT_MS: &str = "30000";
}

/// The limits of one process, on what its clients may take of it.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// How many requests one API key may send; any number when absent.
    pub per_key: Option<RateLimit>,
    /// How many requests may come from one address; any number when absent.
    pub per_address: Option<RateLimit>,
    /// How many requests are worked on at the same time.
    pub in_flight: usize,
    /// How many connections are open at the same time.
    pub connections: usize,
    /// How many bytes a body may have.
    pub body_bytes: usize,
    /// How long a client may take to send a request's head, and to begin with the next one.
    pub header_timeout: Duration,
    /// How long a client may take to send a whole body.
    pub body_timeout: Duration,
    /// How long a request whose body is there may take to be answered.
    pub handler_timeout: Duration,
    /// Whose word for where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
}

/// A quota, and whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// So many requests.
    pub quota: Quota,
    /// Whether it does not hold for requests from this host itself, as long as nobody asked for it.
    pub spares_this_host: bool,
}

/// So many requests in a time, as `600/m` or `10/s` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many.
    pub requests: NonZeroU32,
    /// In this time.
    pub window: Duration,
}

impl FromStr for Quota {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Without a unit it may be meant by the second, the minute or the hour.
        let (number, unit) = text.split_once('/').ok_or(())?;
        let window = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(()),
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let requests = number.parse::<NonZeroU32>().map_err(drop)?;
        if !plain || requests.get() > 1_000_000 {
            return Err(());
        }
        Ok(Self {
            requests,
            window: Duration::from_secs(window),
        })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window.as_secs() {
            1 => "a second",
            60 => "a minute",
            _ => "an hour",
        };
        write!(f, "{} {window}", self.requests)
    }
}

/// As they are set.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitSettings {
    /// How many requests one API key may send: 1000/s, 600/m, 50/h, or off; beyond it is answered 429
    /// [default: 1000/s, but any number from this host itself]
    #[arg(
        long,
        env = "PAYOUT_RATE_PER_KEY",
        global = true,
        hide_env_values = true,
        value_name = "RATE|off"
    )]
    rate_per_key: Option<String>,
    /// How many requests may come from one address, or from one /64 of IPv6
    /// [default: 1000/s, but any number from this host itself]
    #[arg(
        long,
        env = "PAYOUT_RATE_PER_ADDRESS",
        global = true,
        hide_env_values = true,
        value_name = "RATE|off"
    )]
    rate_per_address: Option<String>,
    /// How many requests are worked on at the same time; beyond it is answered 503
    #[arg(long, env = "PAYOUT_MAX_IN_FLIGHT", global = true, hide_env_values = true, value_name = "COUNT", default_value = defaults::MAX_IN_FLIGHT)]
    max_in_flight: String,
    /// How many connections are open at the same time; for one more, the one without an answer for longest is closed
    #[arg(long, env = "PAYOUT_MAX_CONNECTIONS", global = true, hide_env_values = true, value_name = "COUNT", default_value = defaults::MAX_CONNECTIONS)]
    max_connections: String,
    /// How large a body may be; beyond it is answered 413
    #[arg(long, env = "PAYOUT_MAX_BODY_BYTES", global = true, hide_env_values = true, value_name = "BYTES", default_value = defaults::MAX_BODY_BYTES)]
    max_body_bytes: String,
    /// How long a client may take to send a request's head; then its connection is closed
    #[arg(long, env = "PAYOUT_HEADER_TIMEOUT_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::HEADER_TIMEOUT_MS)]
    header_timeout_ms: String,
    /// How long a client may take to send a whole body; beyond it is answered 408
    #[arg(long, env = "PAYOUT_BODY_TIMEOUT_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::BODY_TIMEOUT_MS)]
    body_timeout_ms: String,
    /// How long a request may take once its body is there; beyond it is answered 503
    #[arg(long, env = "PAYOUT_HANDLER_TIMEOUT_MS", global = true, hide_env_values = true, value_name = "MS", default_value = defaults::HANDLER_TIMEOUT_MS)]
    handler_timeout_ms: String,
    /// The proxies whose X-Forwarded-For says where a request comes from: addresses and networks (10.0.0.0/8), by commas
    #[arg(
        long,
        env = "PAYOUT_TRUSTED_PROXIES",
        global = true,
        hide_env_values = true,
        value_name = "NETWORKS"
    )]
    trusted_proxies: Option<String>,
}

/// The variables of the limits.
pub(super) const VARIABLES: [&str; 9] = [
    "PAYOUT_RATE_PER_KEY",
    "PAYOUT_RATE_PER_ADDRESS",
    "PAYOUT_MAX_IN_FLIGHT",
    "PAYOUT_MAX_CONNECTIONS",
    "PAYOUT_MAX_BODY_BYTES",
    "PAYOUT_HEADER_TIMEOUT_MS",
    "PAYOUT_BODY_TIMEOUT_MS",
    "PAYOUT_HANDLER_TIMEOUT_MS",
    "PAYOUT_TRUSTED_PROXIES",
];

impl LimitSettings {
    pub(super) fn read(&self) -> Result<LimitsConfig, ConfigError> {
        let number = |variable, text: &str, default, most| {
            let number = Reader::or(variable, text, default).number(1..=most)?;
            Ok::<_, ConfigError>(usize::try_from(number).unwrap_or(usize::MAX))
        };
        let milliseconds = |variable, text: &str, default| Reader::or(variable, text, default).milliseconds();
        Ok(LimitsConfig {
            per_key: rate("PAYOUT_RATE_PER_KEY", self.rate_per_key.as_deref())?,
            per_address: rate("PAYOUT_RATE_PER_ADDRESS", self.rate_per_address.as_deref())?,
            in_flight: number(
                "PAYOUT_MAX_IN_FLIGHT",
                &self.max_in_flight,
                defaults::MAX_IN_FLIGHT,
                1_000_000,
            )?,
            connections: number(
                "PAYOUT_MAX_CONNECTIONS",
                &self.max_connections,
                defaults::MAX_CONNECTIONS,
                1_000_000,
            )?,
            body_bytes: number(
                "PAYOUT_MAX_BODY_BYTES",
                &self.max_body_bytes,
                defaults::MAX_BODY_BYTES,
                16 * 1024 * 1024,
            )?,
            header_timeout: milliseconds(
                "PAYOUT_HEADER_TIMEOUT_MS",
                &self.header_timeout_ms,
                defaults::HEADER_TIMEOUT_MS,
            )?,
            body_timeout: milliseconds(
                "PAYOUT_BODY_TIMEOUT_MS",
                &self.body_timeout_ms,
                defaults::BODY_TIMEOUT_MS,
            )?,
            handler_timeout: milliseconds(
                "PAYOUT_HANDLER_TIMEOUT_MS",
                &self.handler_timeout_ms,
                defaults::HANDLER_TIMEOUT_MS,
            )?,
            trusted_proxies: networks("PAYOUT_TRUSTED_PROXIES", self.trusted_proxies.as_deref())?,
        })
    }
}

fn rate(variable: &'static str, text: Option<&str>) -> Result<Option<RateLimit>, ConfigError> {
    let reader = Reader::or(variable, text.unwrap_or_default(), defaults::RATE);
    if reader.text == "off" {
        return Ok(None);
    }
    match reader.text.parse() {
        Ok(quota) => Ok(Some(RateLimit {
            quota,
            spares_this_host: text.is_none_or(|text| text.trim().is_empty()),
        })),
        Err(()) => reader.refuse(
            "a rate with its unit, such as 1000/s, 600/m or 50/h (1 to 1000000 requests), and not off",
        ),
    }
}

fn networks(variable: &'static str, text: Option<&str>) -> Result<Vec<IpNet>, ConfigError> {
    let entries = text.unwrap_or_default().split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    let read = |text| {
        let network = IpNet::from_str(text).or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => Ok(network.trunc()),
            Err(_) => Reader { variable, text }.refuse("an address or a network such as 10.0.0.0/8"),
        }
    };
    entries.map(read).collect()
}
