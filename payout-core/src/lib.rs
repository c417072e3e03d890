//! The payout protocol without I/O.
//!
//! - [`money`], [`spending`], [`payout`], [`provider`], [`attempt`] and [`access`] are the domain: values that are valid once they exist, a
//!   state machine whose steps consume the state they leave, and pure functions that decide what a worker does next.
//! - [`text`] is what Unicode says of texts: what nobody sees, and what is equal.
//! - [`ports`] are the promises that adapters keep: storage, hints, the payment processor, time and chance. Each has a page in
//!   the folder `docs` of the source on how to write one: `writing-a-processor.md`, `writing-a-queue.md`,
//!   `writing-a-repository.md`.
//! - [`usecase`] is what a request calls; [`worker`] is what sends money.
//!
//! # Embedding
//!
//! Bring your own adapters (or those of `payout-adapters`), hand them to [`usecase::Payouts`] and
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
//!     let worker = Worker::new(repository.clone(), queue.clone(), processor, system.clone(), WorkerSettings::default());
//!     tokio::spawn(worker.run(shutdown));
//!     Payouts::start(repository, queue, system)
//! }
//! ```
//!
//! To run the REST server too, with ports of your own, use the crate `payout-app` (its `Service`).
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `mocks` | a [mockall](https://docs.rs/mockall) mock of every port, `ports::MockProcessor` and the like: for tests of what calls the ports |
//! | `contract` | the module `contract`: the cases that every adapter of a port must pass (`repository_contract!`, `queue_contract!`, `processor_contract!`, `api_keys_contract!`, `books_contract!`, `import_contract!`), and `contract::build`, which makes valid payouts for tests |
//! | `crash-points` | places at which a test kills the process; never for a release |
//!
//! `mocks` and `contract` belong into `[dev-dependencies]`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod concurrency;
pub mod crash;
mod domain;
pub mod errand;
pub mod ports;
pub mod usecase;
pub mod worker;

pub use domain::{access, attempt, idempotency, money, payout, provider, spending, text};

// The names of before the folders were moved, while the paths that use them change.
#[doc(hidden)]
pub use domain::{access as keys, attempt as policy, spending as limits};
#[doc(hidden)]
pub use usecase::{self as service, reconciliation as reconcile};

#[cfg(feature = "contract")]
pub mod contract;

/// A moment in UTC. Adapters keep it to the microsecond.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
