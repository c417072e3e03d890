//! Adapters for the ports of `payout-core`, each behind the cargo feature of its name.
//!
//! | port | adapters |
//! |---|---|
//! | `PayoutRepository`, `ApiKeyRepository` | `storage`: `postgres`, `sqlite`, `memory` |
//! | `JobQueue` | `queue`: `postgres`, `redis`, `amqp`, `nats`, `memory` |
//! | `Processor` | `provider`: `adyen`, `http_contract` (feature `http`), `paypal`, `simulated`, `stripe` |
//! | `WebhookSender` | `webhook` |
//! | `Tracer` | `telemetry`: `otlp` |
//!
//! Two adapters implement no port: `telemetry::sentry` reports errors, and `django` reads the table of the service that this one
//! replaces.
//!
//! The two SQL repositories share the row type, the mapping and the error mapping (`storage::sql`), and nothing else: each keeps
//! its statements as constants beside the methods that run them. Both encrypt the recipient with the keys of a
//! [`EncryptionKeys`](encryption::EncryptionKeys), if they are given one.

#[cfg(feature = "django")]
pub mod django;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod encryption;
#[cfg(feature = "outbound")]
pub mod outbound;
pub mod provider;
pub mod queue;
mod secret;
pub mod storage;
pub mod telemetry;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use secret::Secret;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use storage::{ReadLimits, StoreFault};
