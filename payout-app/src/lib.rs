//! The payout service as a library: the REST server and the worker, inside a program of your own.
//!
//! [`Service`] is the start. It takes the settings as a [`Config`] ([`Config::default`] reads nothing from the environment,
//! [`Config::from_env`] what the binary reads), and each port that is not to be the settings' adapter: a payment provider, a
//! repository, a queue.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use payout_app::payout_core::payout::ProviderReference;
//! use payout_app::payout_core::ports::Processor;
//! use payout_app::payout_core::provider::{ProviderAnswer, Instruction, ProcessorError, ProcessorKey};
//! use payout_app::{Config, Service, settings::Database};
//!
//! /// Calls the bank. Both calls are under the bank's idempotency key.
//! struct Bank;
//!
//! #[async_trait]
//! impl Processor for Bank {
//!     async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
//!         let reference = ProviderReference::new(&format!("bank-{}", instruction.key));
//!         let reference = reference.ok_or_else(|| ProcessorError::unknown("no reference"))?;
//!         Ok(ProviderAnswer::Paid { reference })
//!     }
//!
//!     async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
//!         Err(ProcessorError::unknown(format!("the bank was not asked about {key}")))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config { bind: "127.0.0.1:0".parse()?, database: Database::Memory, ..Config::default() };
//!     let mut running = Service::new(config).processor(Arc::new(Bank)).start().await?;
//!     running.ready().await?;
//!     println!("open http://{}/api/docs/", running.local_addr().ok_or("it serves")?);
//!     running.shutdown().await; // a program that goes on: running.run_until(tokio::signal::ctrl_c())
//!     Ok(())
//! }
//! ```
//!
//! The source has a whole project outside its workspace, `examples/own-ports`, with a provider, a queue and a repository of its
//! own and their tests, and a page on each in `docs`: `writing-a-processor.md`, `writing-a-queue.md`,
//! `writing-a-repository.md`.
//!
//! # Inside
//!
//! - [`Service`] and [`app`] start a process (server, worker, or both); [`Running`] is one that runs, and ends it.
//! - [`settings`] reads the settings, and alone reads the environment.
//! - `wiring` chooses the adapters that the settings ask for; `own_ports` are those that a program brings itself.
//! - `first_steps` says at a start what a newcomer wants to know.
//! - `http` answers requests; `health` and `metrics` say how the process does, and `sampler` looks for them.
//! - `schema_ready` waits for the database, `unusable` says when waiting does not help, and `audit_trail` looks at its
//!   guard.
//! - `keys_fit` waits for the keys that the database is sealed with, and `keys_rotate` seals everything anew.
//! - `doctor` looks at everything that a process needs; `reconcile` holds the store against the provider; `backup` copies
//!   it, and `restored` begins on a copy. `import` takes the table of the Django service over.
//! - [`commands`] are what the binary can be told to do.

pub mod app;
mod audit_trail;
mod backup;
pub mod commands;
mod doctor;
mod door;
mod failure;
mod first_steps;
mod health;
mod healthcheck;
mod http;
mod import;
mod keys_command;
mod keys_fit;
mod keys_rotate;
mod logging;
mod metrics;
mod os_secrets;
mod own_ports;
mod reconcile;
mod restored;
mod running;
mod sampler;
mod schema_ready;
mod sealed_store;
mod server;
mod service;
pub mod settings;
mod unusable;
mod wiring;

pub use app::{App, Running};
pub use failure::AppError;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use http::fuzzing;
pub use os_secrets::OsSecrets;
pub use payout_adapters;
pub use payout_core;
pub use service::Service;
pub use settings::Config;
pub use unusable::Unusable;

/// The snippets of the README, compiled, and run where they end.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
