//! The limits of what one client may take of the service.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::ConfigError;
use super::parse::{Reader, milliseconds, number};
use super::table::{Part, section};

/// The rate that holds where none is set: more than one client alone is likely to need.
const RATE: &str = "1000/s";
const UNSET_RATE: &str = "1000/s, but any number from this host itself";

section! {
    /// The limits of one process, on what its clients may take of it.
    pub struct LimitsConfig in SECTION, titled "Client limits", read by Api {
        /// Requests that one API key may send: `1000/s`, `600/m`, `50/h` (with its unit), or `off`; more are answered 429.
        pub per_key: Option<RateLimit> = "PAYOUT_RATE_PER_KEY" {
            option: "rate-per-key", value: "RATE|off", unset: UNSET_RATE, see: "Limits",
        } => required(rate),

        /// Requests that may come from one address, or from one /64 of IPv6; otherwise like `PAYOUT_RATE_PER_KEY`.
        pub per_address: Option<RateLimit> = "PAYOUT_RATE_PER_ADDRESS" {
            option: "rate-per-address", value: "RATE|off", unset: UNSET_RATE,
        } => required(rate),

        /// Requests that one process works on at the same time; more are answered 503.
        pub in_flight: usize = "PAYOUT_MAX_IN_FLIGHT" {
            option: "max-in-flight", value: "COUNT", default: "4096",
        } => required(number(1..=1_000_000)),

        /// Connections that are open at the same time; for one more, the one without an answer for longest is closed.
        pub connections: usize = "PAYOUT_MAX_CONNECTIONS" {
            option: "max-connections", value: "COUNT", default: "8192", part: Part::Server,
        } => required(number(1..=1_000_000)),

        /// The size of a body in bytes; a larger one is answered 413.
        pub body_bytes: usize = "PAYOUT_MAX_BODY_BYTES" {
            option: "max-body-bytes", value: "BYTES", default: "65536",
        } => required(number(1..=16 * 1024 * 1024)),

        /// The time that a client has to send a request's head, and to begin with the next one; then its connection is closed.
        pub header_timeout: Duration = "PAYOUT_HEADER_TIMEOUT_MS" {
            option: "header-timeout-ms", value: "MS", default: "10000", part: Part::Server,
        } => required(milliseconds),

        /// The time that a client has to send a whole body; then it is answered 408.
        pub body_timeout: Duration = "PAYOUT_BODY_TIMEOUT_MS" {
            option: "body-timeout-ms", value: "MS", default: "20000",
        } => required(milliseconds),

        /// The time that a request may take once its body is there; then it is answered 503.
        pub handler_timeout: Duration = "PAYOUT_HANDLER_TIMEOUT_MS" {
            option: "handler-timeout-ms", value: "MS", default: "30000",
        } => required(milliseconds),

        /// The proxies whose `X-Forwarded-For`, `-Proto`, `-Host` or `Forwarded` says where a request comes from: addresses and
        /// networks (`10.0.0.0/8`), comma-separated.
        pub trusted_proxies: Vec<IpNet> = "PAYOUT_TRUSTED_PROXIES" {
            option: "trusted-proxies", value: "NETWORKS", unset: "none",
        } => required(networks),
    }
}

/// A quota, and whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The number of requests.
    pub quota: Quota,
    /// Exempts requests from this host itself: nobody asked for the quota.
    pub spares_this_host: bool,
}

/// A number of requests in a time: `600/m`, `10/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The number of requests.
    pub requests: NonZeroU32,
    /// The time.
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

/// Reads a quota. The one that holds where none is given spares this host.
fn rate(text: Reader<'_>) -> Result<Option<RateLimit>, ConfigError> {
    let is_given = !text.text.is_empty();
    let text = if is_given { text } else { text.part(RATE) };
    if text.text == "off" {
        return Ok(None);
    }
    match text.text.parse() {
        Ok(quota) => Ok(Some(RateLimit {
            quota,
            spares_this_host: !is_given,
        })),
        Err(()) => text.refuse(
            "a rate with its unit, such as 1000/s, 600/m or 50/h (1 to 1000000 requests), and not off",
        ),
    }
}

fn networks(text: Reader<'_>) -> Result<Vec<IpNet>, ConfigError> {
    let entries = text.text.split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    let read = |entry| {
        let network = IpNet::from_str(entry).or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => Ok(network.trunc()),
            Err(_) => text
                .part(entry)
                .refuse("an address or a network such as 10.0.0.0/8"),
        }
    };
    entries.map(read).collect()
}
