//! Settings of the NATS queue.

use std::time::Duration;

use crate::Secret;

/// Invalid settings of a NATS queue. The message does not show the URL: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNatsSettings {
    /// The URL is invalid.
    #[error("not a NATS URL (nats://[user:password@]host[:port], several after commas, tls:// for TLS)")]
    Url,
    /// The prefix cannot begin the name of a stream.
    #[error("NATS takes only letters, digits, - and _ in the prefix of its streams")]
    Prefix,
}

/// Settings of a [`NatsQueue`](super::NatsQueue).
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// The servers' URLs: `nats://…`, or `tls://…` for TLS; those of a cluster after commas.
    pub url: Secret,
    /// The prefix of the streams and subjects. Queues with the same prefix are one queue.
    pub prefix: String,
    /// The name of this process, as the server shows its connections.
    pub consumer: String,
    /// The maximum number of hints. Beyond it, the server drops the oldest.
    pub cap: u32,
    /// The time after which an unacknowledged delivery is delivered again.
    pub deliver_again_after: Duration,
}

impl NatsSettings {
    /// Creates settings with the defaults: 100,000 hints, delivered again after 30 seconds.
    pub fn new(url: impl Into<Secret>, prefix: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            consumer: consumer.into(),
            cap: 100_000,
            deliver_again_after: Duration::from_secs(30),
        }
    }
}
