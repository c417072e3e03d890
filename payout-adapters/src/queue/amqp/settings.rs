//! Settings of the AMQP queue.

use crate::Secret;

/// An invalid AMQP URL. The message does not show it: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an AMQP URL (amqp://[user:password@]host[:port][/vhost], amqps:// for TLS)")]
pub struct InvalidAmqpUrl;

/// Settings of an [`AmqpQueue`](super::AmqpQueue).
#[derive(Debug, Clone)]
pub struct AmqpSettings {
    /// The server's URL: `amqp://…`, or `amqps://…` for TLS.
    pub url: Secret,
    /// The prefix of the queues' names. Queues with the same prefix are one queue.
    pub prefix: String,
    /// The name of this process, as the server shows its connections.
    pub consumer: String,
    /// The maximum number of hints. Beyond it, the server drops the oldest.
    pub cap: u32,
    /// The number of hints that the server delivers to this process ahead of their acknowledgements.
    pub prefetch: u16,
}

impl AmqpSettings {
    /// Creates settings with the defaults: 100,000 hints, of which 64 are delivered ahead.
    pub fn new(url: impl Into<Secret>, prefix: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            consumer: consumer.into(),
            cap: 100_000,
            prefetch: 64,
        }
    }
}
