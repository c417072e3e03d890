//! Looks at what only shows when somebody looks: how many payouts there are, and how the connections are used.
//!
//! It looks by itself, so that no scrape costs the database anything, and however often somebody scrapes.

use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::{Clock, PayoutRepository};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::http::admission::{Connections, Limits};
use crate::metrics::Metrics;
use crate::wiring::Store;

const EVERY: Duration = Duration::from_secs(1);
/// Payouts are counted at every so many-th look.
const CENSUS: u32 = 10;
/// Clients who have not asked for long are forgotten at every so many-th look.
const FORGET: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(5);

/// Who looks, and at what.
pub(crate) struct Sampler {
    pub(crate) store: Store,
    pub(crate) repository: Arc<dyn PayoutRepository>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Arc<Limits>,
    /// Of a process that serves.
    pub(crate) connections: Option<Arc<Connections>>,
}

impl Sampler {
    /// Looks again and again, until it is told to stop.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let looks = async {
            let (mut until_census, mut until_forgotten) = (0, FORGET);
            loop {
                if let Some(pool) = self.store.pool_use() {
                    self.metrics.pool(pool);
                }
                if until_census == 0 && self.health.is_open() {
                    self.take_census().await;
                    until_census = CENSUS;
                }
                until_census = until_census.saturating_sub(1);
                if let Some(connections) = &self.connections {
                    self.metrics.taken(self.limits.in_flight(), connections.open());
                }
                if until_forgotten == 0 {
                    self.limits.forget_idle();
                    until_forgotten = FORGET;
                }
                until_forgotten -= 1;
                self.metrics.upkeep();
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = looks => (),
        }
    }

    /// An outage is said by who watches the dependencies.
    async fn take_census(&self) {
        match timeout(PATIENCE, self.repository.census()).await {
            Ok(Ok(census)) => self.metrics.census(&census, self.clock.now()),
            Ok(Err(error)) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "payouts could not be counted"
            ),
            Err(_) => tracing::debug!("payouts could not be counted in time"),
        }
    }
}
