//! Metrics of the calls to each provider. Where the program names its providers, the series have the label `provider`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use payout_core::ports::{PaceState, Signal};

/// The possible outcomes of calls to the processor, by method.
const CALLS: [(&str, &[&str]); 2] = [
    (
        "submit",
        &[
            "paid",
            "accepted",
            "declined",
            "waiting",
            "never_sent",
            "unknown",
            "refused",
            "overloaded",
        ],
    ),
    (
        "look_up",
        &[
            "paid",
            "accepted",
            "declined",
            "returned",
            "waiting",
            "not_found",
            "cannot_tell",
            "never_sent",
            "unknown",
            "refused",
            "overloaded",
        ],
    ),
];

/// The paces of a worker.
const PACES: [(PaceState, &str); 3] = [
    (PaceState::Full, "full"),
    (PaceState::Slowed, "slowed"),
    (PaceState::Away, "away"),
];

/// The series of one method: its name, the duration of calls, and the number of calls by outcome.
type Calls = (&'static str, Histogram, Vec<(&'static str, Counter)>);

/// The series of one provider.
struct Series {
    calls: Vec<Calls>,
    paces: Vec<(PaceState, Gauge)>,
    rate: Gauge,
    returned: Counter,
    failed_over: Counter,
}

impl Series {
    fn new(recorder: &PrometheusRecorder, provider: Option<&str>) -> Self {
        let labels = |pairs: &[(&'static str, &'static str)]| -> Vec<Label> {
            let provider = provider.map(|provider| Label::new("provider", provider.to_owned()));
            let pairs = pairs.iter().map(|(name, value)| Label::new(*name, *value));
            pairs.chain(provider).collect()
        };
        let at_zero = |counter: Counter| {
            counter.increment(0);
            counter
        };
        let calls = |(call, outcomes): (&'static str, &[&'static str])| {
            let outcomes = outcomes.iter().map(|outcome| {
                let labels = labels(&[("call", call), ("outcome", outcome)]);
                (
                    *outcome,
                    at_zero(counter!("payout_processor_calls_total", labels)),
                )
            });
            let duration = histogram!(
                "payout_processor_call_duration_seconds",
                labels(&[("call", call)])
            );
            (call, duration, outcomes.collect())
        };
        with_local_recorder(recorder, || Self {
            calls: CALLS.into_iter().map(calls).collect(),
            paces: PACES
                .into_iter()
                .map(|(state, name)| {
                    let gauge = gauge!("payout_provider_pace", labels(&[("state", name)]));
                    gauge.set(if state == PaceState::Full { 1.0 } else { 0.0 });
                    (state, gauge)
                })
                .collect(),
            rate: {
                let rate = gauge!("payout_provider_calls_per_second_limit", labels(&[]));
                rate.set(f64::INFINITY);
                rate
            },
            returned: at_zero(counter!("payout_returns_total", labels(&[]))),
            failed_over: at_zero(counter!("payout_failovers_total", labels(&[]))),
        })
    }

    fn observe(&self, signal: &Signal<'_>) {
        match *signal {
            Signal::Called {
                call, outcome, took, ..
            } => {
                let Some((_, duration, outcomes)) = self.calls.iter().find(|(known, ..)| *known == call)
                else {
                    return;
                };
                duration.record(took);
                if let Some((_, total)) = outcomes.iter().find(|(known, _)| *known == outcome) {
                    total.increment(1);
                }
            }
            Signal::Paced {
                state,
                calls_per_second,
                ..
            } => {
                for (known, gauge) in &self.paces {
                    gauge.set(if *known == state { 1.0 } else { 0.0 });
                }
                self.rate.set(calls_per_second.map_or(f64::INFINITY, f64::from));
            }
            Signal::Returned { .. } => self.returned.increment(1),
            Signal::FailedOver { count, .. } => self.failed_over.increment(count as u64),
            Signal::Claimed { .. }
            | Signal::Settled(_)
            | Signal::LateOutcome { .. }
            | Signal::Abandoned
            | Signal::BroughtBack { .. }
            | Signal::Swept { .. }
            | Signal::HintsDropped { .. }
            | Signal::WebhookSent { .. }
            | Signal::WebhookDisabled { .. }
            | Signal::Gathered { .. } => (),
        }
    }
}

/// The series of all providers.
#[derive(Default)]
pub(super) struct Providers {
    unnamed: OnceLock<Arc<Series>>,
    named: Mutex<BTreeMap<String, Arc<Series>>>,
}

impl Providers {
    /// Creates the series of a provider at zero, so that its first signal shows as an increase.
    pub(super) fn begin(&self, recorder: &PrometheusRecorder, provider: Option<&str>) {
        self.of(recorder, provider);
    }

    pub(super) fn observe(&self, recorder: &PrometheusRecorder, provider: Option<&str>, signal: &Signal<'_>) {
        self.of(recorder, provider).observe(signal);
    }

    fn of(&self, recorder: &PrometheusRecorder, provider: Option<&str>) -> Arc<Series> {
        let new = || Arc::new(Series::new(recorder, provider));
        let Some(name) = provider else {
            return self.unnamed.get_or_init(new).clone();
        };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = named.get(name) {
            return series.clone();
        }
        named.entry(name.to_owned()).or_insert_with(new).clone()
    }
}
