//! Adapters for the ports of `payout-core`, each behind the cargo feature of its name.
//!
//! | port | adapters |
//! |---|---|
//! | `PayoutRepository` | `postgres`, `sqlite`, `memory` |
//! | `ApiKeyRepository` | `postgres`, `sqlite`, `memory` |
//! | `JobQueue` | `redis`, `memory` |
//! | `Processor` | `http`, `simulated` |
//! | `Tracer` | `otlp` |
//!
//! Two adapters implement no port: `sentry` reports errors, and `django` reads the table of the service that this one
//! replaces.
//!
//! The two SQL repositories share the row type, the mapping and the error mapping (`sql`), and nothing else: each keeps
//! its statements as constants beside the methods that run them. Both encrypt the recipient with the keys of a
//! [`EncryptionKeys`](encryption::EncryptionKeys), if they are given one.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod admin;
#[cfg(feature = "django")]
pub mod django;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod encryption;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod reads;
#[cfg(feature = "redis")]
pub mod redis;
mod secret;
#[cfg(feature = "sentry")]
pub mod sentry;
#[cfg(feature = "simulated")]
pub mod simulated;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use reads::ReadLimits;
pub use secret::Secret;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::fault::StoreFault;
