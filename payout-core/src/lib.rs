//! The payout protocol without I/O.
//!
//! - [`money`], [`limits`], [`payout`], [`policy`] and [`keys`] are the domain: values that are valid once they exist, a state
//!   machine whose steps consume the state they leave, and pure functions that decide what a worker does next.
//! - [`ports`] are the promises that adapters keep: storage, hints, the payment processor, time and chance.
//! - [`service`] is what a request calls; [`worker`] is what sends money; [`reconcile`] holds the store against the provider.
//!
//! # Embedding
//!
//! Bring your own adapters (or those of `payout-adapters`), hand them to [`service::Payouts`] and
//! [`worker::Worker`], and the whole protocol runs in your process:
//!
//! ```
//! use std::sync::Arc;
//! use payout_core::ports::{JobQueue, PayoutRepository, Processor, System};
//! use payout_core::service::Payouts;
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

pub mod crash;
pub mod errand;
pub mod idempotency;
pub mod keys;
pub mod limits;
pub mod money;
mod outage;
pub mod payout;
pub mod policy;
pub mod ports;
pub mod reconcile;
pub mod service;
pub mod worker;

#[cfg(feature = "contract")]
pub mod contract;

/// A moment in UTC. Adapters keep it to the microsecond.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
