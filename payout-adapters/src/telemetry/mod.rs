//! Traces and error reports.

#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "sentry")]
pub mod sentry;
