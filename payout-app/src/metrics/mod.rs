//! Metrics for Prometheus. The recorder belongs to one running app, not to the process, so that tests can run several
//! apps side by side.
//!
//! - `requests` counts answered requests; `work` counts signals of the use cases and the worker.
//! - `limits` counts requests that a limit refused.
//! - `gauges` are set by background tasks: a scrape only reads.
//!
//! Labels come from fixed sets (a route's template, a status, an ISO 4217 code), never from a client's input.

mod gauges;
mod limits;
mod providers;
mod requests;
mod work;

use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use payout_core::ports::{Observer, Signal};

use self::gauges::Gauges;
use self::limits::Limited;
pub(crate) use self::limits::Refused;
use self::providers::Providers;
use self::requests::Requests;
pub(crate) use self::requests::method_label;
use self::work::{Batches, Work};

const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The metrics of one app.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: Requests,
    gauges: Gauges,
    limited: Limited,
    batches: Batches,
    working: std::sync::OnceLock<(Work, Providers)>,
}

impl Metrics {
    /// Makes the metrics, all at zero.
    ///
    /// # Errors
    /// [`BuildError`] if the buckets are not valid.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)?
            .build_recorder();
        metrics::with_local_recorder(&recorder, || {
            requests::describe();
            gauges::describe();
            limits::describe();
            work::describe();
        });
        Ok(Self {
            handle: recorder.handle(),
            requests: Requests::default(),
            gauges: Gauges::new(&recorder),
            limited: Limited::new(&recorder),
            batches: Batches::new(&recorder),
            working: std::sync::OnceLock::new(),
            recorder,
        })
    }

    /// Returns the metrics in Prometheus's text format.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves recorded measurements into the histograms. It must be called regularly, because measurements pile up
    /// otherwise.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Creates the worker's series at zero, so that the first event shows as an increase. `providers` are the names of its
    /// providers; `None` is the only one of a program that names none.
    pub(crate) fn begin_worker<'a>(&self, providers: impl IntoIterator<Item = Option<&'a str>>) {
        let (_, known) = self.working();
        for provider in providers {
            known.begin(&self.recorder, provider);
        }
    }

    fn working(&self) -> &(Work, Providers) {
        let new = || (Work::new(&self.recorder), Providers::default());
        self.working.get_or_init(new)
    }
}

impl Observer for Metrics {
    fn observe(&self, signal: &Signal<'_>) {
        match *signal {
            Signal::Gathered { batch, size } => self.batches.gathered(batch, size),
            Signal::HintsDropped { count } => self.batches.hints_dropped(count),
            Signal::Called { provider, .. }
            | Signal::Paced { provider, .. }
            | Signal::Returned { provider }
            | Signal::FailedOver { provider, .. } => {
                let (_, providers) = self.working();
                providers.observe(&self.recorder, provider, signal);
            }
            Signal::Claimed { .. }
            | Signal::BroughtBack { .. }
            | Signal::Settled(_)
            | Signal::LateOutcome { .. }
            | Signal::Abandoned
            | Signal::WebhookSent { .. }
            | Signal::WebhookDisabled { .. }
            | Signal::Swept { .. } => self.working().0.observe(signal),
        }
    }
}
