//! Metrics of the use cases and the worker. Every series is created in advance, because signals come for each payout.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram, with_local_recorder,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use payout_core::attempt::Verdict;
use payout_core::ports::{Batch, PaceState, Signal};

/// The possible outcomes of calls to the processor, by method.
const CALLS: [(&str, &[&str]); 2] = [
    (
        "submit",
        &[
            "paid",
            "accepted",
            "declined",
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
            "not_found",
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

/// The series of the worker.
pub(super) struct Work {
    claims_by_hint: Counter,
    claims_by_sweep: Counter,
    takeovers: Counter,
    sweep_duration: Histogram,
    calls: Vec<Calls>,
    paces: Vec<(PaceState, Gauge)>,
    rate: Gauge,
    completed: Counter,
    failed: Counter,
    accepted: Counter,
    postponed: Counter,
    released: Counter,
    review: Counter,
    reviews: Counter,
    late: Counter,
    late_and_paid: Counter,
    abandoned: Counter,
    brought_back: Counter,
}

impl Work {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let at_zero = |counter: Counter| {
            counter.increment(0);
            counter
        };
        let claims = |source| at_zero(counter!("payout_claims_total", "source" => source));
        let settled = |verdict| at_zero(counter!("payout_settlements_total", "verdict" => verdict));
        let late = |against| at_zero(counter!("payout_late_outcomes_total", "paid_against_state" => against));
        let calls = |(call, outcomes): (&'static str, &[&'static str])| {
            let outcomes = outcomes.iter().map(|outcome| {
                let total = counter!("payout_processor_calls_total", "call" => call, "outcome" => *outcome);
                (*outcome, at_zero(total))
            });
            let duration = histogram!("payout_processor_call_duration_seconds", "call" => call);
            (call, duration, outcomes.collect())
        };
        with_local_recorder(recorder, || Self {
            claims_by_hint: claims("hint"),
            claims_by_sweep: claims("sweep"),
            takeovers: at_zero(counter!("payout_takeovers_total")),
            sweep_duration: histogram!("payout_sweep_duration_seconds"),
            calls: CALLS.into_iter().map(calls).collect(),
            paces: PACES
                .into_iter()
                .map(|(state, name)| {
                    let gauge = gauge!("payout_provider_pace", "state" => name);
                    gauge.set(if state == PaceState::Full { 1.0 } else { 0.0 });
                    (state, gauge)
                })
                .collect(),
            rate: {
                let rate = gauge!("payout_provider_calls_per_second_limit");
                rate.set(f64::INFINITY);
                rate
            },
            completed: settled("completed"),
            failed: settled("failed"),
            accepted: settled("accepted"),
            postponed: settled("postponed"),
            released: settled("released"),
            review: settled("review"),
            reviews: at_zero(counter!("payout_reviews_total")),
            late: late("false"),
            late_and_paid: late("true"),
            abandoned: at_zero(counter!("payout_abandoned_claims_total")),
            brought_back: at_zero(counter!("payout_times_brought_back_total")),
        })
    }

    pub(super) fn observe(&self, signal: &Signal<'_>) {
        match *signal {
            Signal::Claimed {
                count,
                takeovers,
                swept,
            } => {
                let claims = if swept {
                    &self.claims_by_sweep
                } else {
                    &self.claims_by_hint
                };
                claims.increment(count as u64);
                self.takeovers.increment(takeovers as u64);
            }
            Signal::Called { call, outcome, took } => {
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
            } => {
                for (known, gauge) in &self.paces {
                    gauge.set(if *known == state { 1.0 } else { 0.0 });
                }
                self.rate.set(calls_per_second.map_or(f64::INFINITY, f64::from));
            }
            Signal::Settled(verdict) => {
                let settled = match verdict {
                    Verdict::Completed { .. } => &self.completed,
                    Verdict::Failed(_) => &self.failed,
                    Verdict::Accepted { .. } => &self.accepted,
                    Verdict::Postponed { .. } => &self.postponed,
                    Verdict::Released { .. } => &self.released,
                    Verdict::Review { .. } => {
                        self.reviews.increment(1);
                        &self.review
                    }
                };
                settled.increment(1);
            }
            Signal::LateOutcome { paid_against_state } => {
                let late = if paid_against_state {
                    &self.late_and_paid
                } else {
                    &self.late
                };
                late.increment(1);
            }
            Signal::Abandoned => self.abandoned.increment(1),
            Signal::BroughtBack { count } => self.brought_back.increment(count),
            Signal::Swept { took } => self.sweep_duration.record(took),
            Signal::Gathered { .. } | Signal::HintsDropped { .. } => (),
        }
    }
}

/// The series for batch sizes and dropped hints.
pub(super) struct Batches {
    hints_dropped: Counter,
    create: Histogram,
    read: Histogram,
    settle: Histogram,
}

impl Batches {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let batch = |batch| histogram!("payout_batch_size", "batch" => batch);
        with_local_recorder(recorder, || Self {
            hints_dropped: {
                let dropped = counter!("payout_hints_dropped_total");
                dropped.increment(0);
                dropped
            },
            create: batch("create"),
            read: batch("read"),
            settle: batch("settle"),
        })
    }

    pub(super) fn hints_dropped(&self, count: usize) {
        self.hints_dropped.increment(count as u64);
    }

    #[expect(clippy::cast_precision_loss, reason = "no batch is so large")]
    pub(super) fn gathered(&self, batch: Batch, size: usize) {
        let histogram = match batch {
            Batch::Create => &self.create,
            Batch::Read => &self.read,
            Batch::Settle => &self.settle,
        };
        histogram.record(size as f64);
    }
}

pub(super) fn describe() {
    describe_counter!(
        "payout_claims_total",
        "Payouts that workers of this process claimed, by what led to them."
    );
    describe_counter!(
        "payout_takeovers_total",
        "Claims of payouts that were claimed before in their generation."
    );
    describe_histogram!(
        "payout_sweep_duration_seconds",
        Unit::Seconds,
        "Duration of the sweep's claim of due payouts."
    );
    describe_counter!(
        "payout_processor_calls_total",
        "Calls to the payment provider, by call and outcome."
    );
    describe_histogram!(
        "payout_processor_call_duration_seconds",
        Unit::Seconds,
        "Duration of calls to the payment provider."
    );
    describe_gauge!(
        "payout_provider_pace",
        "State of this worker's calls to the provider, 1 for the current one: full, slowed (the provider throttles, \
         or has just come back), away (only probes)."
    );
    describe_gauge!(
        "payout_provider_calls_per_second_limit",
        "Limit on the rate of calls to the provider: +Inf at full speed, 0 while it is away."
    );
    describe_counter!(
        "payout_settlements_total",
        "Claims that were settled, by verdict."
    );
    describe_counter!(
        "payout_late_outcomes_total",
        "Settlements that a guard refused since the lease was lost; paid_against_state: the provider paid what the payout's state denies."
    );
    describe_counter!("payout_reviews_total", "Payouts that went under review.");
    describe_counter!(
        "payout_abandoned_claims_total",
        "Claims that were abandoned without a call, too late in their lease."
    );
    describe_counter!(
        "payout_hints_dropped_total",
        "Hints that were not sent, since the queue was away, refused them, or was full; the sweep finds their payouts."
    );
    describe_counter!(
        "payout_times_brought_back_total",
        "Payouts whose due time was written by a clock that was ahead and was set back since, and was corrected."
    );
    describe_histogram!(
        "payout_batch_size",
        "Number of creates, reads or settlements in one batch to the database."
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use payout_core::ports::Observer;

    use super::super::Metrics;
    use super::*;

    #[test]
    fn the_workers_signals_are_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.begin_worker();
        let text = metrics.render();
        for line in [
            "payout_reviews_total 0",
            "payout_hints_dropped_total 0",
            r#"payout_processor_calls_total{call="look_up",outcome="unknown"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        metrics.observe(&Signal::Claimed {
            count: 3,
            takeovers: 1,
            swept: true,
        });
        metrics.observe(&Signal::Called {
            call: "submit",
            outcome: "paid",
            took: Duration::from_secs(1),
        });
        assert!(text.contains(r#"payout_provider_pace{state="full"} 1"#), "{text}");
        metrics.observe(&Signal::Paced {
            state: PaceState::Slowed,
            calls_per_second: Some(3),
        });
        metrics.observe(&Signal::Settled(&Verdict::Review { why: String::new() }));
        metrics.observe(&Signal::LateOutcome {
            paid_against_state: true,
        });
        metrics.observe(&Signal::Abandoned);
        metrics.observe(&Signal::Swept {
            took: Duration::from_millis(2),
        });
        metrics.observe(&Signal::Gathered {
            batch: Batch::Create,
            size: 3,
        });
        metrics.observe(&Signal::HintsDropped { count: 4 });
        let text = metrics.render();
        for line in [
            r#"payout_claims_total{source="sweep"} 3"#,
            r#"payout_provider_pace{state="full"} 0"#,
            r#"payout_provider_pace{state="slowed"} 1"#,
            "payout_provider_calls_per_second_limit 3",
            "payout_takeovers_total 1",
            r#"payout_processor_calls_total{call="submit",outcome="paid"} 1"#,
            r#"payout_settlements_total{verdict="review"} 1"#,
            "payout_reviews_total 1",
            r#"payout_late_outcomes_total{paid_against_state="true"} 1"#,
            "payout_abandoned_claims_total 1",
            r#"payout_sweep_duration_seconds_bucket{le="0.0025"} 1"#,
            "payout_hints_dropped_total 4",
            r#"payout_batch_size_bucket{batch="create",le="2"} 0"#,
            r#"payout_batch_size_bucket{batch="create",le="4"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
