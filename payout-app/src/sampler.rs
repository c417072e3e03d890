//! Takes samples for the metrics: the number of payouts, and the use of connections.
//!
//! It does so at its own pace, so that a scrape costs the database nothing, however frequent scrapes are.

use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::{Clock, PayoutRepository};
use payout_core::usecase::feed::Feed;
use payout_core::usecase::webhooks::Webhooks;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::http::admission::{Connections, Limits};
use crate::metrics::Metrics;
use crate::wiring::Store;

const EVERY: Duration = Duration::from_secs(1);
/// The number of samples between two counts of payouts.
const CENSUS: u32 = 10;
/// The number of samples between two removals of idle clients.
const FORGET: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(5);

/// The task that takes the samples, and its sources.
pub(crate) struct Sampler {
    pub(crate) store: Store,
    pub(crate) repository: Arc<dyn PayoutRepository>,
    /// The event feed, if the store has one.
    pub(crate) feed: Option<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    /// The webhooks; absent where the store has none.
    pub(crate) webhooks: Option<Webhooks>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Arc<Limits>,
    /// The client connections; absent in a process that does not serve.
    pub(crate) connections: Option<Arc<Connections>>,
}

impl Sampler {
    /// Takes samples until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let looks = async {
            let (mut until_census, mut until_forgotten) = (0, FORGET);
            loop {
                if let Some(pool) = self.store.pool_use() {
                    self.metrics.pool(pool);
                }
                if until_census == 0 && self.health.is_open() {
                    self.take_census().await;
                    self.look_at_feed().await;
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

    /// Reads how far the event feed is behind.
    async fn look_at_feed(&self) {
        let Some(feed) = &self.feed else { return };
        match timeout(PATIENCE, feed.delay()).await {
            Ok(Ok(delay)) => self.metrics.feed(delay, feed.readers()),
            Ok(Err(error)) => tracing::debug!(
                error = %payout_core::Causes(&error),
                "the delay of the event feed could not be read"
            ),
            Err(_) => tracing::debug!("the delay of the event feed could not be read in time"),
        }
    }

    /// Counts the payouts. The health checks report an outage of the database.
    async fn take_census(&self) {
        match timeout(PATIENCE, self.repository.payout_stats()).await {
            Ok(Ok(payout_stats)) => {
                self.metrics.payout_stats(&payout_stats, self.clock.now());
                self.health.note_census(payout_stats);
            }
            Ok(Err(error)) => tracing::debug!(
                error = %payout_core::Causes(&error),
                "payouts could not be counted"
            ),
            Err(_) => tracing::debug!("payouts could not be counted in time"),
        }
        if let Some(webhooks) = &self.webhooks
            && let Ok(Ok(endpoints)) = timeout(PATIENCE, webhooks.list()).await
        {
            self.metrics.webhooks(&endpoints, self.clock.now());
        }
    }
}
