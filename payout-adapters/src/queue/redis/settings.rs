//! Settings of the Redis queue.

use std::time::Duration;

use crate::Secret;

/// An invalid Redis URL. The message does not show it: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Redis URL (redis://[user:password@]host[:port][/database], redis+sentinel://host,host/name[/database], \
     redis+cluster://host,host; rediss for TLS)"
)]
pub struct InvalidRedisUrl;

/// Settings of a [`RedisQueue`](super::RedisQueue).
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The server's URL: `redis://…`, or `rediss://…` for TLS; `redis+sentinel://host,host/name`, `redis+cluster://host,host`.
    pub url: Secret,
    /// The prefix of all keys. Queues with the same prefix are one queue.
    pub prefix: String,
    /// The consumer name of this process. It must be unique: two consumers with one name may each receive the hints
    /// that the other is working on.
    pub consumer: String,
    /// The approximate maximum number of hints. Beyond it, Redis drops the oldest.
    pub cap: usize,
    /// The time after which another consumer takes over an unacknowledged delivery.
    pub take_over_after: Duration,
    /// The number of calls other than `receive` that may use Redis at the same time. Further calls wait for their turn.
    pub connections: u32,
}

impl RedisSettings {
    /// Creates settings with the defaults: 100,000 hints, takeover after 30 seconds, 16 connections.
    pub fn new(url: impl Into<Secret>, prefix: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            consumer: consumer.into(),
            cap: 100_000,
            take_over_after: Duration::from_secs(30),
            connections: 16,
        }
    }
}
