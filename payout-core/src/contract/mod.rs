//! The contract suites: one set of cases per port, for any adapter.
//!
//! One line in a test file runs all of them, each as a test of its own name:
//!
//! ```no_run
//! # mod adapter {
//! # use std::sync::Arc;
//! # use payout_core::ports::PayoutRepository;
//! async fn make_repository() -> Arc<dyn PayoutRepository> {
//!     todo!("a repository over an empty store of its own")
//! }
//!
//! payout_core::repository_contract!(make_repository);
//! # }
//! ```
//!
//! The maker returns any value that converts to a [`Fixture`]: the port alone, or the port and a guard that is dropped
//! after the case, for example to drop the case's own database. Cases run on a multi-threaded tokio runtime that
//! [`run`] builds, in real time, since a repository's clock may be a database's. They poll rather than sleep.
//!
//! - [`repository`], [`batches`], [`feed`], [`reconciliation`], [`imports`], [`exports`], [`stats`], [`recipients`],
//!   [`api_keys`], [`bulk`], [`console_sessions`], [`providers`], [`webhooks`], [`queue`] and [`processor`] have the cases, one
//!   function each, grouped by subject.
//! - The macros hold the list of the cases; a test compares it with the functions.
//! - [`build`] makes payouts and requests. [`drive`] takes the steps that most cases begin with. Other tests may use
//!   both.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a case fails by panicking, as tests do"
)]

pub mod api_keys;
pub mod batches;
pub mod build;
pub mod bulk;
pub mod console_sessions;
pub mod drive;
pub mod exports;
pub mod feed;
pub mod imports;
pub mod processor;
pub mod providers;
pub mod queue;
pub mod recipients;
pub mod reconciliation;
pub mod repository;
pub mod stats;
pub mod webhooks;

mod fixture;
mod list;

pub use fixture::{Fixture, Pair, run};
