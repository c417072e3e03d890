//! Log lines on standard error. `request_context` adds the request context to JSON lines; `report` reports errors to
//! Sentry.

mod report;
mod request_context;

use payout_adapters::telemetry::sentry::SentryReporter;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use self::report::ReportErrors;
use self::request_context::WithErrand;
use crate::settings::{LogConfig, LogFormat};

/// The levels at which messages of libraries are of no use to an operator. Directives in the setting come later and
/// win.
const LIBRARIES: &str = "salvo_core=warn,salvo_extra=warn,sqlx=error,sqlx_core::pool=off,hyper=warn,h2=warn,reqwest=warn,rustls=warn";
/// The modules whose messages repeat an outage that the health checks already log. A filter that names `payout_core`
/// enables them.
const OUTAGES: &str =
    "payout_core::usecase::hints=error,payout_core::worker::hints=error,payout_core::worker::sweep=error";

/// Logs panics like other errors, with their location.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, what = panic.payload_as_str(), "a task panicked");
    }));
}

/// Starts logging. Does nothing if a subscriber is already installed, as in a test.
pub(crate) fn install(config: &LogConfig, reporter: Option<SentryReporter>) {
    let outages = if config.filter.contains("payout_core") {
        ""
    } else {
        OUTAGES
    };
    let filter = EnvFilter::builder().parse_lossy(format!("{LIBRARIES},{outages},{}", config.filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    let installed = match config.format {
        LogFormat::Pretty => {
            use std::io::IsTerminal;
            begin(
                builder.with_ansi(std::io::stderr().is_terminal()).finish(),
                reporter,
            )
        }
        LogFormat::Json => {
            let builder = builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .map_event_format(WithErrand);
            begin(builder.finish(), reporter)
        }
    };
    if installed.is_ok() {
        log_panics();
    }
}

/// Installs the subscriber. Without a reporter it adds no layer that events would have to pass.
fn begin<S>(subscriber: S, reporter: Option<SentryReporter>) -> Result<(), TryInitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    match reporter {
        Some(reporter) => subscriber.with(ReportErrors(reporter)).try_init(),
        None => subscriber.try_init(),
    }
}
