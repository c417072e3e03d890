//! The queue of hints between processes.

use payout_adapters::Secret;

use super::ConfigError;
use super::parse::{Reader, secret};
use super::table::section;

/// A Redis server.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its address, which may hold a password.
    pub url: Secret,
    /// The start of all keys' names.
    pub prefix: String,
}

section! {
    /// The rows of the queue.
    pub(super) struct QueueRows in SECTION, titled "Queue", read by Queue {
        /// `redis://HOST:PORT/`, by which several processes find each other's payouts sooner.
        pub(super) url: Option<Secret> = "REDIS_URL" {
            option: "redis-url", value: "URL", secret: true,
            unset: "hints stay in this process, and the sweep finds the rest",
        } => optional(url),

        /// The start of the names of all keys in Redis.
        pub(super) prefix: String = "PAYOUT_REDIS_PREFIX" {
            option: "redis-prefix", value: "TEXT", default: "payout",
        } => required(prefix),
    }
}

fn url(text: Reader<'_>) -> Result<Secret, ConfigError> {
    let parsed = url::Url::parse(text.text)
        .ok()
        .filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    match parsed {
        Some(_) => secret(text),
        None => Err(text.error("use redis://[user:password@]host[:port][/database], or rediss:// for TLS")),
    }
}

fn prefix(text: Reader<'_>) -> Result<String, ConfigError> {
    if text.text.len() > 64 || !text.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(text.error("use up to 64 visible ASCII characters"));
    }
    Ok(text.text.to_owned())
}

impl QueueRows {
    /// The Redis server, where one is named.
    pub(super) fn redis(self) -> Option<Redis> {
        let Self { url, prefix } = self;
        url.map(|url| Redis { url, prefix })
    }
}
