//! The payout service as a library: what the binary runs, and what tests start.
//!
//! - [`config`] reads the settings, and alone reads the environment.
//! - `wiring` chooses the adapters that the settings ask for.
//! - [`app`] starts a process (server, worker, or both) and stops it.
//! - `http` answers requests; `health` and `metrics` say how the process does, and `sampler` looks for them.
//! - `keys_fit` waits for the keys that the database is sealed with, and `keys_rotate` seals everything anew.
//! - `doctor` looks at everything that a process needs; `reconcile` holds the store against the provider; `backup` copies
//!   it, and `restored` begins on a copy.
//! - [`commands`] are what the binary can be told to do.

pub mod app;
mod backup;
pub mod commands;
pub mod config;
mod doctor;
mod door;
mod failure;
mod health;
mod healthcheck;
mod http;
mod keys_command;
mod keys_fit;
mod keys_rotate;
mod limits;
mod logging;
mod metrics;
mod os_secrets;
mod reconcile;
mod restored;
mod sampler;
mod schema_ready;
mod sealed_store;
mod server;
mod wiring;

pub use app::{App, Running};
pub use config::Config;
pub use failure::AppError;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use http::fuzzing;
