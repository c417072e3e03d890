//! Metrics of the use cases and the worker. Every series is created in advance, because signals come for each payout.

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use payout_core::attempt::Verdict;
use payout_core::ports::{Batch, Signal};
use payout_core::webhook::DisabledWhy;

/// The series of the worker.
pub(super) struct Work {
    claims_by_hint: Counter,
    claims_by_sweep: Counter,
    takeovers: Counter,
    sweep_duration: Histogram,
    completed: Counter,
    failed: Counter,
    accepted: Counter,
    postponed: Counter,
    key_spent: Counter,
    released: Counter,
    review: Counter,
    reviews: Counter,
    late: Counter,
    late_and_paid: Counter,
    abandoned: Counter,
    brought_back: Counter,
    webhooks_accepted: Counter,
    webhooks_refused: Counter,
    webhook_duration: Histogram,
    webhooks_gone: Counter,
    webhooks_failing: Counter,
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
        with_local_recorder(recorder, || Self {
            claims_by_hint: claims("hint"),
            claims_by_sweep: claims("sweep"),
            takeovers: at_zero(counter!("payout_takeovers_total")),
            sweep_duration: histogram!("payout_sweep_duration_seconds"),
            completed: settled("completed"),
            failed: settled("failed"),
            accepted: settled("accepted"),
            postponed: settled("postponed"),
            key_spent: settled("key_spent"),
            released: settled("released"),
            review: settled("review"),
            reviews: at_zero(counter!("payout_reviews_total")),
            late: late("false"),
            late_and_paid: late("true"),
            abandoned: at_zero(counter!("payout_abandoned_claims_total")),
            brought_back: at_zero(counter!("payout_times_brought_back_total")),
            webhooks_accepted: at_zero(counter!("payout_webhook_attempts_total", "outcome" => "accepted")),
            webhooks_refused: at_zero(counter!("payout_webhook_attempts_total", "outcome" => "failed")),
            webhook_duration: histogram!("payout_webhook_attempt_duration_seconds"),
            webhooks_gone: at_zero(counter!("payout_webhook_disabled_total", "why" => "gone")),
            webhooks_failing: at_zero(counter!("payout_webhook_disabled_total", "why" => "failing")),
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
            Signal::Settled(verdict) => {
                let settled = match verdict {
                    Verdict::Completed { .. } => &self.completed,
                    Verdict::Failed(_) => &self.failed,
                    Verdict::Accepted { .. } => &self.accepted,
                    Verdict::Postponed { .. } => &self.postponed,
                    Verdict::KeySpent { .. } => &self.key_spent,
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
            Signal::WebhookSent { accepted, took } => {
                let attempts = if accepted {
                    &self.webhooks_accepted
                } else {
                    &self.webhooks_refused
                };
                attempts.increment(1);
                self.webhook_duration.record(took);
            }
            Signal::WebhookDisabled { why } => match why {
                DisabledWhy::Gone => self.webhooks_gone.increment(1),
                DisabledWhy::Failing => self.webhooks_failing.increment(1),
                DisabledWhy::Operator => (),
            },
            Signal::Swept { took } => self.sweep_duration.record(took),
            Signal::Called { .. }
            | Signal::Paced { .. }
            | Signal::Returned { .. }
            | Signal::FailedOver { .. }
            | Signal::Gathered { .. }
            | Signal::HintsDropped { .. } => (),
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
    describe_counter!(
        "payout_webhook_attempts_total",
        "Requests to the endpoints of webhooks, by outcome."
    );
    describe_histogram!(
        "payout_webhook_attempt_duration_seconds",
        Unit::Seconds,
        "Duration of requests to the endpoints of webhooks."
    );
    describe_counter!(
        "payout_webhook_disabled_total",
        "Endpoints of webhooks that a worker disabled, by reason."
    );
    describe_counter!("payout_reviews_total", "Payouts that went under review.");
    describe_counter!(
        "payout_abandoned_claims_total",
        "Claims that were abandoned without a call, too late in their lease."
    );
    describe_counter!(
        "payout_returns_total",
        "Payments that the provider paid and that came back."
    );
    describe_counter!(
        "payout_failovers_total",
        "Payouts of which nothing was sent, and that were released because their provider is away."
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

    use payout_core::ports::{Observer, PaceState};

    use super::super::Metrics;
    use super::*;

    #[test]
    fn the_workers_signals_are_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.begin_worker([None, Some("bank")]);
        let text = metrics.render();
        for line in [
            "payout_reviews_total 0",
            "payout_hints_dropped_total 0",
            r#"payout_processor_calls_total{call="look_up",outcome="unknown"} 0"#,
            r#"payout_returns_total{provider="bank"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        metrics.observe(&Signal::Claimed {
            count: 3,
            takeovers: 1,
            swept: true,
        });
        metrics.observe(&Signal::Called {
            provider: None,
            call: "submit",
            outcome: "paid",
            took: Duration::from_secs(1),
        });
        assert!(text.contains(r#"payout_provider_pace{state="full"} 1"#), "{text}");
        metrics.observe(&Signal::Paced {
            provider: None,
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
