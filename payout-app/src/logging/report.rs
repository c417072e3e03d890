//! Reports what is logged as an error: its fixed words, its place in the program, and the ids by which its log lines are
//! found. Not its other fields: an error's text may quote what it is about.

use std::fmt;

use payout_adapters::sentry::{Report, SentryReporter};
use payout_core::errand::Errand;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The program's own modules: what libraries say is not known to be fit to leave the house.
const OURS: [&str; 3] = ["payout_app", "payout_core", "payout_adapters"];
/// The fields that are.
const FIELDS: [&str; 3] = ["payout_id", "request_id", "place"];

pub(super) struct ReportErrors(pub(super) SentryReporter);

impl<S: Subscriber> Layer<S> for ReportErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(report) = report(event) {
            self.0.report(report);
        }
    }
}

fn report(event: &Event<'_>) -> Option<Report> {
    let module = event.metadata().target();
    let is_ours = OURS.contains(&module.split("::").next().unwrap_or_default());
    if *event.metadata().level() != Level::ERROR || !is_ours {
        return None;
    }
    let mut report = Report {
        module: module.to_owned(),
        ..Report::default()
    };
    event.record(&mut Fields(&mut report));
    let errand = Errand::current();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value
            && !report.tags.iter().any(|(known, _)| *known == name)
        {
            report.tags.push((name, value));
        }
    };
    add("payout_id", errand.payout_id.map(|id| id.to_string()));
    add("request_id", errand.request_id.as_deref().map(str::to_owned));
    add(
        "trace_id",
        errand.trace.map(|trace| format!("{:032x}", trace.trace_id())),
    );
    // A request id that is not of our making is a client's header, and may be anything.
    report
        .tags
        .retain(|(name, value)| *name != "request_id" || is_our_request_id(value));
    Some(report)
}

/// The name of a process and a number, in hexadecimal digits.
fn is_our_request_id(id: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    id.split_once('-').is_some_and(|(process, number)| {
        process.len() == 16 && number.len() <= 16 && is_hex(process) && is_hex(number)
    })
}

struct Fields<'a>(&'a mut Report);

impl Fields<'_> {
    fn take(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.0.message = value;
        } else if let Some(name) = FIELDS.into_iter().find(|name| *name == field.name()) {
            self.0.tags.push((name, value));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}
