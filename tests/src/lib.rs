//! Support for the end-to-end tests: the real binary as a child process with a database of its own, driven over HTTP
//! and checked against its contract.
//!
//! - [`store`] makes the databases, [`process`] runs the binary, [`app`] combines both.
//! - [`client`] speaks HTTP and checks every answer; [`raw`] sends requests that no client would send.
//! - [`provider`] is a payment provider with a ledger; [`sink`] keeps every request that it receives; [`throwaway`] has
//!   servers that a test may kill, and [`forwarder`] an address that leads to one of them.
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
pub mod forwarder;
pub mod person;
pub mod ports;
pub mod problem;
pub mod process;
pub mod provider;
pub mod raw;
pub mod sink;
pub mod store;
pub mod throwaway;
pub mod wait;
