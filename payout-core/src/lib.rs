//! The protocol of the payout service, without I/O: embed it with adapters of your own.
//!
//! - [`money`], [`spending`], [`payout`], [`batch`], [`feed`], [`provider`], [`attempt`], [`approval`], [`access`] and
//!   [`idempotency`] are the domain: values that are valid once they exist, a state machine whose steps consume the
//!   previous state, and pure functions that decide what a worker does next.
//! - [`bulk`] has steps with every payout that a filter matches, in the background.
//! - [`webhook`] has the endpoints that receive events, their secrets, signatures and retries.
//! - [`text`] has Unicode's rules for texts: invisible characters, equivalence and comparison without regard to case.
//! - [`ports`] are the traits that adapters implement: storage, hints, the payment processor, time and randomness. The
//!   folder `docs` of the source has a guide to each of the three main ones: `writing-a-processor.md`,
//!   `writing-a-queue.md` and `writing-a-repository.md`.
//! - [`usecase`] has the operations that requests call, and [`worker`] sends the money.
//!
//! # Embedding
//!
//! Implement the ports, or take adapters from `payout-adapters`. Hand them to [`usecase::Payouts`] and
//! [`worker::Worker`], and the whole protocol runs in your process:
//!
//! ```
//! use std::sync::Arc;
//! use payout_core::ports::{JobQueue, PayoutRepository, Processor, System};
//! use payout_core::usecase::Payouts;
//! use payout_core::worker::{Worker, WorkerSettings};
//! use tokio_util::sync::CancellationToken;
//!
//! async fn embed(
//!     repository: Arc<dyn PayoutRepository>,
//!     queue: Arc<dyn JobQueue>,
//!     processor: Arc<dyn Processor>,
//!     shutdown: CancellationToken,
//! ) -> Payouts {
//!     let system = Arc::new(System::default());
//!     let settings = WorkerSettings::default();
//!     let worker = Worker::new(repository.clone(), queue.clone(), processor, system.clone(), settings);
//!     tokio::spawn(worker.run(shutdown));
//!     Payouts::start(repository, queue, system)
//! }
//! ```
//!
//! The crate `payout-app` runs the REST server too, also with ports of your own (its `Service`).
//!
//! # Features
//!
//! No feature is enabled by default.
//!
//! - `mocks`: a [mockall](https://docs.rs/mockall) mock of every port, such as `ports::MockProcessor`, for tests of
//!   code that calls the ports.
//! - `contract`: the module `contract` with the test cases that every adapter of a port must pass
//!   (`repository_contract!`, `queue_contract!`, `processor_contract!`, `api_keys_contract!`,
//!   `feed_contract!`, `reconciliation_contract!`, `batches_contract!`, `import_contract!`, `export_contract!`,
//!   `stats_contract!`, `recipients_contract!`, `console_sessions_contract!`, `bulk_contract!`), and `contract::build`, which builds valid payouts for tests.
//! - `crash-points`: points at which a test can kill the process. Never enable it in a release.
//!
//! `mocks` and `contract` belong in `[dev-dependencies]`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod causes;
mod concurrency;
pub mod crash;
mod domain;
pub mod ports;
pub mod request_context;
pub mod usecase;
pub mod worker;

pub use causes::Causes;
pub use domain::{
    access, approval, attempt, batch, bulk, feed, idempotency, money, payout, provider, spending, stats,
    stored_recipient, text, webhook,
};

// The names from before the folders were moved, until the paths that use them change.
#[doc(hidden)]
pub use domain::{access as keys, attempt as policy, spending as limits};
#[doc(hidden)]
pub use usecase::{self as service, reconciliation as reconcile};

#[cfg(feature = "contract")]
pub mod contract;

/// A time in UTC. Adapters store it with microsecond precision.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
