//! Reports logged errors to Sentry: the constant message, the location in the program, and the ids by which the log
//! lines are found. Other fields are omitted, because an error's text may quote personal data.

use std::fmt;

use payout_adapters::telemetry::sentry::{Report, SentryReporter};
use payout_core::request_context::RequestContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::http::is_of_our_making;

/// The program's own modules. Messages of libraries may contain personal data, so they are not sent outside.
const OURS: [&str; 3] = ["payout_app", "payout_core", "payout_adapters"];
/// The fields that may be sent.
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
    let request_context = RequestContext::current();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value
            && !report.tags.iter().any(|(known, _)| *known == name)
        {
            report.tags.push((name, value));
        }
    };
    add("payout_id", request_context.payout_id.map(|id| id.to_string()));
    add(
        "request_id",
        request_context.request_id.as_deref().map(str::to_owned),
    );
    add(
        "trace_id",
        request_context
            .trace
            .map(|trace| format!("{:032x}", trace.trace_id())),
    );
    report
        .tags
        .retain(|(name, value)| *name != "request_id" || is_of_our_making(value));
    Some(report)
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Reports(Arc<Mutex<Vec<Report>>>);

    impl<S: Subscriber> Layer<S> for Reports {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().extend(report(event));
        }
    }

    /// Returns the reports of the errors that `work` logs.
    fn reported(work: impl FnOnce()) -> Vec<Report> {
        let reports = Reports::default();
        let subscriber = tracing_subscriber::registry().with(reports.clone());
        tracing::subscriber::with_default(subscriber, work);
        std::mem::take(&mut *reports.0.lock().unwrap())
    }

    fn in_request(id: &str) -> RequestContext {
        RequestContext {
            request_id: Some(id.into()),
            ..RequestContext::default()
        }
    }

    #[test]
    fn a_request_is_named_unless_its_client_did() {
        let ours = "85508fe8c221bdbc-1f";
        let theirs = "DE89370400440532013000";
        let reports = reported(|| {
            in_request(ours).enter(|| tracing::error!("of the errand"));
            in_request(theirs).enter(|| tracing::error!("of the errand"));
            tracing::error!(request_id = ours, "of the event");
            tracing::error!(request_id = theirs, "of the event");
            tracing::error!(request_id = %theirs, "shown");
        });
        let tags: Vec<_> = reports.into_iter().map(|report| report.tags).collect();
        let named = vec![("request_id", ours.to_owned())];
        assert_eq!(tags, [named.clone(), vec![], named, vec![], vec![]]);
    }

    #[test]
    fn only_errors_of_our_own_are_reported_and_of_them_only_what_is_listed() {
        let reports = reported(|| {
            tracing::error!(
                account = "ACC-1",
                place = "here:1",
                error = "no ACC-1",
                "it failed"
            );
            tracing::warn!("a warning");
            tracing::error!(target: "sqlx::query", "the words of a library");
            tracing::error!(target: "payout_application", "a name that only begins like ours");
        });
        assert_eq!(
            reports,
            [Report {
                message: "it failed".to_owned(),
                module: module_path!().to_owned(),
                tags: vec![("place", "here:1".to_owned())],
            }]
        );
    }
}
