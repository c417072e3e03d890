//! The queue of hints between processes.

use payout_adapters::Secret;
use url::Url;

use super::ConfigError;
use super::database::Database;
use super::parse::{Reader, secret};
use super::table::section;

const VARIABLE: &str = "QUEUE_URL";
const ALIAS: &str = "REDIS_URL";
const SCHEMES: &str = "has no known scheme: use postgres:, redis://, redis+sentinel://, redis+cluster://, amqp://, \
                       nats:// or memory:";
const REDIS_FORM: &str = "use redis://[user:password@]host[:port][/database], or rediss:// for TLS";

/// The queue that hints go through.
#[derive(Debug, Clone)]
pub enum Queue {
    /// This process's memory. Other processes find a payout by their sweep.
    Memory,
    /// A PostgreSQL database: the one that payouts are stored in.
    Postgres {
        /// Its address, which may hold a password.
        url: Secret,
    },
    /// A Redis server, the primary that sentinels name, or a cluster.
    Redis(Broker),
    /// A RabbitMQ server.
    Amqp(Broker),
    /// A NATS server or cluster, with JetStream.
    Nats(Broker),
}

/// A server that carries hints.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Its address, which may hold a password.
    pub url: Secret,
    /// The start of the names of everything that the service makes there.
    pub prefix: String,
}

impl Queue {
    /// The kind, for health checks and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Postgres { .. } => "postgres",
            Self::Redis(_) => "redis",
            Self::Amqp(_) => "amqp",
            Self::Nats(_) => "nats",
        }
    }

    /// Returns whether the queue has its table in the database of the payouts.
    pub(crate) fn is_in_database(&self) -> bool {
        match self {
            Self::Postgres { .. } => true,
            Self::Memory | Self::Redis(_) | Self::Amqp(_) | Self::Nats(_) => false,
        }
    }
}

/// The kind of a queue, by the scheme of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Postgres,
    Redis,
    Amqp,
    Nats,
}

/// The address of a queue.
#[derive(Debug, Clone)]
pub(super) struct Address {
    kind: Kind,
    text: Secret,
}

section! {
    /// The rows of the queue.
    pub(super) struct QueueRows in SECTION, titled "Queue", read by Queue {
        /// The queue by which several processes find each other's payouts sooner: `postgres:` (the database of
        /// `DATABASE_URL`, or its address), `redis://HOST:PORT/`, `redis+sentinel://HOST,HOST/NAME`,
        /// `redis+cluster://HOST,HOST`, `amqp://HOST/VHOST`, `nats://HOST`, or `memory:`; with TLS `rediss`, `amqps`, `tls`.
        pub(super) url: Option<Address> = "QUEUE_URL" {
            option: "queue-url", value: "URL", secret: true,
            unset: "postgres: where payouts are stored in PostgreSQL, otherwise memory:",
            see: "Queues",
        } => optional(url),

        /// Another name of `QUEUE_URL`, for a Redis server.
        pub(super) redis: Option<Address> = "REDIS_URL" {
            option: "redis-url", value: "URL", secret: true,
            unset: "QUEUE_URL applies",
        } => optional(redis),

        /// The start of the names of everything that the service makes in Redis, RabbitMQ or NATS.
        pub(super) prefix: String = "PAYOUT_QUEUE_PREFIX" {
            option: "queue-prefix", value: "TEXT", default: "payout",
        } => required(prefix),

        /// Another name of `PAYOUT_QUEUE_PREFIX`.
        pub(super) redis_prefix: Option<String> = "PAYOUT_REDIS_PREFIX" {
            option: "redis-prefix", value: "TEXT",
            unset: "PAYOUT_QUEUE_PREFIX applies",
        } => optional(prefix),
    }
}

fn url(text: Reader<'_>) -> Result<Address, ConfigError> {
    let (scheme, rest) = text.text.split_once(':').unwrap_or((text.text, ""));
    let kind = match scheme {
        "memory" if rest.is_empty() || rest == "//" => Kind::Memory,
        "memory" => return Err(text.error("memory: takes nothing after it")),
        "postgres" | "postgresql" => return postgres(text, rest),
        "redis" | "rediss" => return redis(text),
        "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => Kind::Redis,
        "amqp" | "amqps" => Kind::Amqp,
        "nats" | "tls" => Kind::Nats,
        // Without a colon it may be anything, also a password that went astray.
        _ => return Err(text.error(SCHEMES)),
    };
    address(kind, text)
}

fn address(kind: Kind, text: Reader<'_>) -> Result<Address, ConfigError> {
    Ok(Address {
        kind,
        text: secret(text)?,
    })
}

fn postgres(text: Reader<'_>, rest: &str) -> Result<Address, ConfigError> {
    if rest.is_empty() {
        return address(Kind::Postgres, text);
    }
    match Database::parse(text.text) {
        Ok(_) => address(Kind::Postgres, text),
        Err(_) => Err(text.error(
            "use postgres: for the database of DATABASE_URL, or its address: postgres://user:password@host:port/database",
        )),
    }
}

fn redis(text: Reader<'_>) -> Result<Address, ConfigError> {
    let parsed = Url::parse(text.text)
        .ok()
        .filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    match parsed {
        Some(_) => address(Kind::Redis, text),
        None => Err(text.error(REDIS_FORM)),
    }
}

fn prefix(text: Reader<'_>) -> Result<String, ConfigError> {
    if text.text.len() > 64 || !text.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(text.error("use up to 64 visible ASCII characters"));
    }
    Ok(text.text.to_owned())
}

/// Returns the one value of a setting with two names.
///
/// # Errors
/// [`ConfigError`] that names both, if they have different values.
fn either<T>(
    (variable, value): (&'static str, Option<T>),
    (alias, other): (&'static str, Option<T>),
    same: impl Fn(&T, &T) -> bool,
) -> Result<Option<T>, ConfigError> {
    match (value, other) {
        (Some(value), Some(other)) if !same(&value, &other) => Err(ConfigError::new(
            alias,
            format!("is set, and {variable} is set to another value: they are one setting, so unset {alias}"),
        )),
        (Some(value), _) | (None, Some(value)) => Ok(Some(value)),
        (None, None) => Ok(None),
    }
}

impl QueueRows {
    /// The queue of a service with this database. A pooler in transaction mode delivers no notifications, so hints go
    /// around it, or through another queue.
    ///
    /// # Errors
    /// [`ConfigError`] when two names of a setting have different values, or the queue does not fit the database.
    pub(super) fn queue(self, database: &Database, is_pooled: bool) -> Result<Queue, ConfigError> {
        let Self {
            url,
            redis,
            prefix,
            redis_prefix,
        } = self;
        let address = either((VARIABLE, url), (ALIAS, redis), |one, other| {
            one.text.expose() == other.text.expose()
        })?;
        let given = Some(prefix.clone()).filter(|prefix| prefix != "payout");
        let prefix = either(
            ("PAYOUT_QUEUE_PREFIX", given),
            ("PAYOUT_REDIS_PREFIX", redis_prefix),
            String::eq,
        )?
        .unwrap_or(prefix);
        let stored = match database {
            Database::Postgres { url, .. } => Some(url.clone()),
            Database::Sqlite { .. } | Database::Memory => None,
        };
        let broker = |url| Broker { url, prefix };
        match (address, stored) {
            (None, Some(url)) if !is_pooled => Ok(Queue::Postgres { url }),
            (None, _) => Ok(Queue::Memory),
            (Some(address), stored) => match (address.kind, stored) {
                (Kind::Memory, _) => Ok(Queue::Memory),
                (Kind::Redis, _) => Ok(Queue::Redis(broker(address.text))),
                (Kind::Amqp, _) => Ok(Queue::Amqp(broker(address.text))),
                (Kind::Nats, _) => Ok(Queue::Nats(broker(address.text))),
                (Kind::Postgres, Some(_)) if is_pooled && !address.text.expose().contains('/') => {
                    Err(ConfigError::new(
                        VARIABLE,
                        "postgres: does not go through PAYOUT_POOLER=transaction: name the server itself, \
                         postgres://user:password@host:port/database",
                    ))
                }
                (Kind::Postgres, Some(url)) if !address.text.expose().contains('/') => {
                    Ok(Queue::Postgres { url })
                }
                (Kind::Postgres, Some(_)) => Ok(Queue::Postgres { url: address.text }),
                (Kind::Postgres, None) => Err(ConfigError::new(
                    VARIABLE,
                    "postgres: needs payouts in PostgreSQL: set DATABASE_URL=postgres://…, or unset it",
                )),
            },
        }
    }
}
