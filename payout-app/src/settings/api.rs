//! The HTTP API: where it is served, and how.

use std::net::SocketAddr;

use super::parse::{address, switch};
use super::table::{Part, section};

section! {
    /// The rows of the addresses.
    pub(super) struct AddressRows in ADDRESSES, titled "HTTP API", read by Server {
        /// The address to listen on.
        pub(super) bind: SocketAddr = "PAYOUT_BIND" {
            option: "bind", value: "ADDRESS", default: super::DEFAULT_BIND, part: Part::Address,
        } => required(address),

        /// An address for metrics and health alone. Metrics are then not served with the API; a worker serves nothing else.
        pub(super) metrics_bind: Option<SocketAddr> = "PAYOUT_METRICS_BIND" {
            option: "metrics-bind", value: "ADDRESS", unset: "metrics are served with the API",
        } => optional(address),
    }
}

section! {
    /// The choices of the API.
    pub struct ApiConfig in SECTION, titled "HTTP API", read by Api {
        /// Serves Swagger UI, Redoc and the OpenAPI document: `on`, or `off` (404).
        pub docs: bool = "PAYOUT_DOCS" {
            option: "docs", value: "on|off", default: "on",
        } => required(switch),

        /// Serves the operators' console under `/console/`: `on`, or `off` (404).
        pub console: bool = "PAYOUT_CONSOLE" {
            option: "console", value: "on|off", default: "on",
        } => required(switch),

        /// Refuses every create of a payout without an `Idempotency-Key` (400), so that none is repeated by mistake: `on` or
        /// `off`.
        pub require_idempotency_key: bool = "PAYOUT_REQUIRE_IDEMPOTENCY_KEY" {
            option: "require-idempotency-key", value: "on|off", default: "off",
        } => required(switch),
    }
}
