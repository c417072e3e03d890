//! What a Redis queue needs to know.

use std::time::Duration;

use crate::Secret;

/// The URL is none that Redis is reached by. It is not shown: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Redis URL (redis://[user:password@]host[:port][/database], rediss:// for TLS)")]
pub struct InvalidRedisUrl;

/// What a [`RedisQueue`](super::RedisQueue) needs to know.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://…`, or `rediss://…` for TLS.
    pub url: Secret,
    /// What the names of all keys start with. Queues of one prefix are one queue.
    pub prefix: String,
    /// The name of this process among the consumers. Must be its own: of two consumers of one name each may be
    /// handed what the other works on.
    pub consumer: String,
    /// About how many hints are kept; beyond, the oldest are dropped.
    pub cap: usize,
    /// How long a delivery stays unacknowledged before another consumer takes it over.
    pub take_over_after: Duration,
    /// How many calls (`receive` not counted) may talk to Redis at once; more wait for their turn.
    pub connections: u32,
}

impl RedisSettings {
    /// The defaults: 100,000 hints, a takeover after 30 seconds, 16 connections.
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
