//! Errors and traces that are sent outside.

use payout_adapters::Secret;
use url::Url;

use super::parse::{base_url, secret};
use super::table::{Part, section};

section! {
    /// The rows of the reports.
    pub(super) struct ReportRows in SECTION, titled "Log, errors and traces", read by Log {
        /// The DSN of a Sentry project that errors and panics are reported to: their fixed words, places and ids, nothing else.
        pub(super) sentry: Option<Secret> = "SENTRY_DSN" {
            option: "sentry-dsn", value: "DSN", unset: "none", secret: true,
        } => optional(secret),

        /// The base address of a collector that traces are sent to, by OTLP over HTTP. OpenTelemetry's variables for headers,
        /// timeouts, the service's name and resource, sampling and batches hold too.
        pub(super) traces: Option<Url> = "OTEL_EXPORTER_OTLP_ENDPOINT" {
            option: "otlp-endpoint", value: "URL", unset: "none", part: Part::Traces,
        } => optional(base_url),
    }
}
