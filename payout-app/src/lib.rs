//! The payout service as a library: the REST server and the worker, inside a program of your own.
//!
//! Begin with [`Service`]. It takes the settings as a [`Config`] ([`Config::default`] reads nothing from the
//! environment, [`Config::from_env`] reads what the binary reads) and any port that the program provides in place of
//! the adapter that the settings name: a payment provider, a repository, a queue.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use payout_app::payout_core::payout::ProviderReference;
//! use payout_app::payout_core::ports::Processor;
//! use payout_app::payout_core::provider::{Instruction, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer};
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
//!     async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
//!         Err(ProcessorError::unknown(format!("the bank was not asked about {}", look_up.key)))
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
//! The source has a complete project outside its workspace, `examples/own-ports`, with a provider, a queue and a
//! repository of its own and their tests. Its `docs` have a page on each: `writing-a-processor.md`,
//! `writing-a-queue.md`, `writing-a-repository.md`.
//!
//! # Inside
//!
//! - [`Service`] and [`app`] start a process (server, worker, or both). [`Running`] is a running process, which can be
//!   shut down.
//! - [`settings`] reads the settings. No other module reads the environment.
//! - `wiring` chooses the adapters that the settings name; `own_ports` has the ports that a program provides.
//! - `first_steps` logs start-up messages for new users.
//! - `http` serves requests. `health` and `metrics` report the state of the process, and `sampler` takes samples for
//!   them.
//! - `schema_ready` waits for the database, `unusable` detects when waiting does not help, and `audit_trail` checks the
//!   safeguards of the audit trail.
//! - `keys_fit` waits for the keys that the database is encrypted with, and `keys_rotate` re-encrypts the database.
//!   `rules` records the rules for payouts, so that commands with other ones are refused.
//! - `doctor` checks everything that a process needs. `reconcile` compares the store with the provider. `export` writes payouts as
//!   files. `backup` copies the store, and `restored` makes a copy safe to start on. `import` imports the table of the Django service.
//! - [`commands`] runs the commands of the binary.

pub mod app;
mod approver;
mod audit_trail;
mod backup;
mod batch_command;
mod batch_file;
pub mod commands;
mod doctor;
mod door;
mod export;
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
mod near;
mod os_secrets;
mod own_ports;
mod providers_command;
mod reconcile;
mod restored;
mod rules;
mod running;
mod sampler;
mod schema_ready;
mod server;
mod service;
mod service_manager;
pub mod settings;
mod store_command;
mod unusable;
mod webhooks_command;
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

/// The snippets of the README, compiled and, where they end, run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
