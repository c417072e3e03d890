//! The log.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::ConfigError;
use super::parse::{Reader, choice};
use super::table::section;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

section! {
    /// The log.
    pub struct LogConfig in SECTION, titled "Log, errors and traces", read by Log {
        /// The lines that are logged: `error`, `warn`, `info`, `debug`, `trace`, or by module: `info,payout_core=debug`.
        pub filter: String = "PAYOUT_LOG" {
            option: "log", value: "FILTER", default: "info",
        } => required(filter),

        /// The form of log lines: `pretty` or `json`.
        pub format: LogFormat = "PAYOUT_LOG_FORMAT" {
            option: "log-format", value: "FORMAT", default: "pretty",
        } => required(choice(&[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)])),
    }
}

/// Reads a filter that tracing-subscriber understands. It would also take a bare word for the name of a module, so that a
/// level with a typing error were no error and a log without a line.
fn filter(it: Reader<'_>) -> Result<String, ConfigError> {
    let mut directives = it
        .text
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty());
    let bare_words_are_levels =
        directives.all(|directive| directive.contains('=') || directive.parse::<LevelFilter>().is_ok());
    match EnvFilter::builder().parse(it.text) {
        Ok(_) if bare_words_are_levels => Ok(it.text.to_owned()),
        Ok(_) | Err(_) => it.refuse(
            "a log filter: use error, warn, info, debug or trace, or by module such as info,payout_core=debug",
        ),
    }
}
