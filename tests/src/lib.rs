//! What the end-to-end tests need: the real binary as a child process, with a database of its own, spoken to over
//! HTTP and judged by its contract.
//!
//! - [`store`] makes the databases, [`process`] runs the binary, [`app`] puts both together.
//! - [`client`] speaks HTTP and checks of every answer what holds for all of them; [`raw`] speaks what no client would.
//! - [`provider`] is a payment provider with a ledger; [`sink`] keeps what it is sent; [`throwaway`] are servers that a test may kill.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these helpers are part of tests, and a test that cannot go on fails"
)]
#![expect(clippy::missing_panics_doc, reason = "all of it panics to fail a test")]

pub mod app;
pub mod backup;
pub mod body;
pub mod chromium;
pub mod client;
pub mod document;
pub mod ports;
pub mod problem;
pub mod process;
pub mod provider;
pub mod raw;
pub mod sink;
pub mod store;
pub mod throwaway;
pub mod wait;
