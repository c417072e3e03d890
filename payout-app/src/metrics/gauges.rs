//! Gauges that background tasks set.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Gauge, Unit, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use payout_core::Timestamp;
use payout_core::payout::Status;
use payout_core::ports::{PayoutStats, WatchedEndpoint};

use super::Metrics;
use payout_adapters::storage::admin::PoolUse;

pub(super) struct Gauges {
    queue_depth: Gauge,
    database_up: Gauge,
    queue_up: Gauge,
    oldest_due_age: Gauge,
    in_review: Gauge,
    census_at: Gauge,
    feed_delay: Gauge,
    feed_readers: Gauge,
    pool_in_use: Gauge,
    pool_idle: Gauge,
    pool_max: Gauge,
    webhooks_waiting: Gauge,
    webhooks_oldest: Gauge,
    webhooks_failing: Gauge,
    webhooks_disabled: Gauge,
    /// The gauges by status and currency. A pair that no longer occurs is set to zero.
    payouts: Mutex<HashMap<(Status, &'static str), Gauge>>,
}

impl Gauges {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        with_local_recorder(recorder, || {
            gauge!("payout_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            Self {
                queue_depth: gauge!("payout_queue_depth"),
                database_up: gauge!("payout_dependency_up", "dependency" => "database"),
                queue_up: gauge!("payout_dependency_up", "dependency" => "queue"),
                oldest_due_age: gauge!("payout_oldest_due_age_seconds"),
                in_review: gauge!("payout_in_review"),
                census_at: gauge!("payout_census_timestamp_seconds"),
                feed_delay: gauge!("payout_feed_delay_seconds"),
                feed_readers: gauge!("payout_feed_readers"),
                pool_in_use: gauge!("payout_database_pool_connections", "state" => "in_use"),
                pool_idle: gauge!("payout_database_pool_connections", "state" => "idle"),
                pool_max: gauge!("payout_database_pool_connections_max"),
                webhooks_waiting: gauge!("payout_webhook_waiting_deliveries"),
                webhooks_oldest: gauge!("payout_webhook_oldest_waiting_age_seconds"),
                webhooks_failing: gauge!("payout_webhook_longest_failing_seconds"),
                webhooks_disabled: gauge!("payout_webhook_disabled_endpoints"),
                payouts: Mutex::default(),
            }
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats, and nothing here is counted that far"
)]
impl Metrics {
    /// Sets the gauges of webhooks.
    pub(crate) fn webhooks(&self, endpoints: &[WatchedEndpoint], now: Timestamp) {
        let age = |at: Option<Timestamp>| at.map_or(0, |at| (now - at).num_seconds().max(0)) as f64;
        let enabled = || endpoints.iter().filter(|watched| watched.endpoint.is_enabled());
        let waiting: u64 = enabled().map(|watched| watched.waiting).sum();
        let oldest = enabled().filter_map(|watched| watched.oldest_waiting).min();
        let failing = enabled().filter_map(|watched| watched.failing_since).min();
        self.gauges.webhooks_waiting.set(waiting as f64);
        self.gauges.webhooks_oldest.set(age(oldest));
        self.gauges.webhooks_failing.set(age(failing));
        let disabled = endpoints.len() - enabled().count();
        self.gauges.webhooks_disabled.set(disabled as f64);
    }

    /// Sets the number of waiting hints.
    pub(crate) fn queue_depth(&self, depth: u64) {
        self.gauges.queue_depth.set(depth as f64);
    }

    /// Records whether the database takes writes and is at the current schema.
    pub(crate) fn database_up(&self, up: bool) {
        self.gauges.database_up.set(f64::from(u8::from(up)));
    }

    /// Records whether the queue takes hints.
    pub(crate) fn queue_up(&self, up: bool) {
        self.gauges.queue_up.set(f64::from(u8::from(up)));
    }

    /// Sets the numbers of database connections.
    pub(crate) fn pool(&self, pool: PoolUse) {
        self.gauges.pool_in_use.set(f64::from(pool.in_use));
        self.gauges.pool_idle.set(f64::from(pool.idle));
        self.gauges.pool_max.set(f64::from(pool.max));
    }

    /// Sets for how long the oldest event has waited for its place in the feed, and the number of readers.
    pub(crate) fn feed(&self, delay: Duration, readers: usize) {
        self.gauges.feed_delay.set(delay.as_secs_f64());
        self.gauges.feed_readers.set(readers as f64);
    }

    /// Sets the numbers of payouts, as counted at `at`.
    pub(crate) fn payout_stats(&self, payout_stats: &PayoutStats, at: Timestamp) {
        self.gauges.oldest_due_age.set(payout_stats.overdue.as_secs_f64());
        self.gauges.in_review.set(payout_stats.in_review as f64);
        self.gauges.census_at.set(at.timestamp_millis() as f64 / 1000.0);
        let mut payouts = self.gauges.payouts.lock().unwrap_or_else(PoisonError::into_inner);
        for gauge in payouts.values() {
            gauge.set(0.0);
        }
        for tally in &payout_stats.counts {
            let (status, currency) = (tally.status, tally.currency.code());
            let gauge = payouts.entry((status, currency)).or_insert_with(|| {
                with_local_recorder(
                    &self.recorder,
                    || gauge!("payout_payouts", "status" => status.as_str(), "currency" => currency),
                )
            });
            gauge.set(tally.count as f64);
        }
    }
}

pub(super) fn describe() {
    describe_gauge!(
        "payout_webhook_waiting_deliveries",
        "Deliveries to enabled endpoints of webhooks that wait or are being sent."
    );
    describe_gauge!(
        "payout_webhook_oldest_waiting_age_seconds",
        Unit::Seconds,
        "Age of the oldest delivery that waits for an enabled endpoint."
    );
    describe_gauge!(
        "payout_webhook_longest_failing_seconds",
        Unit::Seconds,
        "Time for which an enabled endpoint has failed without a success, at most."
    );
    describe_gauge!(
        "payout_webhook_disabled_endpoints",
        "Endpoints of webhooks that are disabled."
    );
    describe_gauge!(
        "payout_payouts",
        "Payouts by status and currency; what is final is estimated from a sample once there are more than about ten thousand."
    );
    describe_gauge!(
        "payout_oldest_due_age_seconds",
        Unit::Seconds,
        "Time for which the longest due payout has been due; 0 when none is due."
    );
    describe_gauge!("payout_in_review", "Payouts under review.");
    describe_gauge!(
        "payout_census_timestamp_seconds",
        Unit::Seconds,
        "Time at which payouts were last counted."
    );
    describe_gauge!(
        "payout_feed_delay_seconds",
        Unit::Seconds,
        "Time for which the oldest event that the feed does not show yet has waited; 0 when none waits."
    );
    describe_gauge!(
        "payout_feed_readers",
        "Readers of the event feed that wait for events, or follow it."
    );
    describe_gauge!("payout_queue_depth", "Hints that wait in the queue, about.");
    describe_gauge!("payout_dependency_up", "Whether a dependency answers: 1 or 0.");
    describe_gauge!(
        "payout_database_pool_connections",
        "Connections of this process to the database, by state."
    );
    describe_gauge!(
        "payout_database_pool_connections_max",
        "The most connections that this process opens to the database."
    );
    describe_gauge!("payout_build_info", "1, labelled with the version that runs.");
}

#[cfg(test)]
mod tests {
    use payout_core::ports::StatusCount;

    use super::*;

    fn payout_stats(status: Status, count: u64) -> PayoutStats {
        PayoutStats {
            counts: vec![StatusCount {
                status,
                currency: "EUR".parse().unwrap(),
                count,
            }],
            in_review: 3,
            overdue: Duration::from_millis(1500),
        }
    }

    #[test]
    fn a_census_replaces_the_one_before() {
        let metrics = Metrics::new().unwrap();
        metrics.payout_stats(&payout_stats(Status::Pending, 7), Timestamp::UNIX_EPOCH);
        metrics.payout_stats(&payout_stats(Status::Completed, 9), Timestamp::UNIX_EPOCH);
        let text = metrics.render();
        for line in [
            r#"payout_payouts{status="pending",currency="EUR"} 0"#,
            r#"payout_payouts{status="completed",currency="EUR"} 9"#,
            "payout_oldest_due_age_seconds 1.5",
            "payout_in_review 3",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
